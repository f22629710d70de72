"""The eye's queue before the socket: bounded, in order, and an alarm always passes."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from gateway.camera import rate
from gateway.camera.soundness import Soundness
from gateway.channel import Channel
from gateway.configuration.settings import CameraSettings
from gateway.events.still import Stills
from gateway.eye.eye import Eye
from gateway.eye.outlet import QUEUED_DRAFTS, QUEUED_PICTURES, Outlet
from gateway.wire.draft import PACKET_BYTES, Draft, Rank, unpack, uuid7


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield both ends of the socket that joins eye and daemon."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs


def draft(number: int, rank: Rank, size: int = 0) -> Draft:
    """Return a numbered draft, with a picture of `size` bytes."""
    picture = os.urandom(size) if size else None
    return Draft(uuid7(number, bytes(10)), rank, "motion", "cam0", float(number), "e", picture=picture)


def everything(sock: socket.socket) -> list[Draft | dict[str, Any]]:
    """Read all that is in the socket."""
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(unpack(sock.recv(PACKET_BYTES, socket.MSG_DONTWAIT)))
    return found


def test_an_alarm_passes_four_pictures_that_nobody_reads(pair: tuple[socket.socket, socket.socket]) -> None:
    """With the daemon reading nothing and more pictures waiting than the socket holds, an alarm still gets through."""
    outlet = Outlet(Channel(pair[0]))
    for number in range(6):
        outlet.draft(draft(number, Rank.PICTURE, 60_000))
    outlet.draft(draft(99, Rank.ALARM))
    found = everything(pair[1])
    assert any(isinstance(each, Draft) and each.rank == Rank.ALARM for each in found)


def test_without_the_reserve_the_alarm_would_be_stuck(pair: tuple[socket.socket, socket.socket]) -> None:
    """When pictures may fill the whole socket, the same alarm does not get through (control)."""
    outlet = Outlet(Channel(pair[0]))
    outlet._room = 1 << 30
    for number in range(6):
        outlet.draft(draft(number, Rank.PICTURE, 60_000))
    outlet.draft(draft(99, Rank.ALARM))
    assert not any(isinstance(each, Draft) and each.rank == Rank.ALARM for each in everything(pair[1]))


def test_lanes_leave_in_order(pair: tuple[socket.socket, socket.socket]) -> None:
    """Alarms leave before events and events before pictures; within a lane the first comes first."""
    outlet = Outlet(Channel(pair[0]))
    filler = b"J" + b" " * 90_000
    with contextlib.suppress(BlockingIOError):
        while True:
            pair[0].send(filler, socket.MSG_DONTWAIT)
    for number, rank in enumerate([Rank.PICTURE, Rank.START, Rank.END, Rank.ALARM, Rank.START, Rank.ALARM]):
        outlet.draft(draft(number, rank))
    with contextlib.suppress(BlockingIOError):
        while True:
            pair[1].recv(PACKET_BYTES, socket.MSG_DONTWAIT)
    assert outlet.flush()
    ranks = [each.rank for each in everything(pair[1]) if isinstance(each, Draft)]
    assert ranks == [Rank.ALARM, Rank.ALARM, Rank.START, Rank.END, Rank.START, Rank.PICTURE]


def test_what_drops_first_is_counted(pair: tuple[socket.socket, socket.socket]) -> None:
    """When nobody reads, pictures drop beyond their few places, then updates, then starts; ends and alarms stay."""
    outlet = Outlet(Channel(pair[0]))
    with contextlib.suppress(BlockingIOError):
        while True:
            pair[0].send(b"J" + b" " * 90_000, socket.MSG_DONTWAIT)
    for number in range(QUEUED_PICTURES + 3):
        outlet.draft(draft(number, Rank.PICTURE, 100))
    for rank, count in ((Rank.UPDATE, 100), (Rank.START, 100), (Rank.END, QUEUED_DRAFTS - 50), (Rank.ALARM, 20)):
        for number in range(count):
            outlet.draft(draft(number, rank))
    assert outlet.dropped == {"alarm": 0, "end": 0, "start": 50, "update": 100, "picture": 3}


def test_a_daemon_that_is_gone_is_noticed(pair: tuple[socket.socket, socket.socket]) -> None:
    """Sending to a closed socket raises nothing and marks the outlet as broken."""
    outlet = Outlet(Channel(pair[0]))
    pair[1].close()
    outlet.draft(draft(1, Rank.END))
    assert outlet.broken


def test_notes_go_first(pair: tuple[socket.socket, socket.socket]) -> None:
    """A control note overtakes drafts that wait: a beat must not look late because pictures are."""
    outlet = Outlet(Channel(pair[0]))
    with contextlib.suppress(BlockingIOError):
        while True:
            pair[0].send(b"J" + b" " * 90_000, socket.MSG_DONTWAIT)
    outlet.draft(draft(1, Rank.END))
    outlet.note(note="beat")
    with contextlib.suppress(BlockingIOError):
        while True:
            pair[1].recv(PACKET_BYTES, socket.MSG_DONTWAIT)
    outlet.flush()
    first, second = everything(pair[1])
    assert first == {"note": "beat"}
    assert isinstance(second, Draft)


def run_eye(
    pair: tuple[socket.socket, socket.socket], source: str = "street?seconds=2&seed=3", **camera: Any
) -> tuple[int, list[dict[str, Any]]]:
    """Run an eye on the simulated corner until it ends; return its exit code and its notes."""
    settings = CameraSettings(source=source, fps=10, analysis=(320, 180), main=(320, 240), **camera)
    for end in pair:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    code = Eye({"camera": settings.model_dump(mode="json")}, pair[0]).run()
    return code, [each for each in everything(pair[1]) if isinstance(each, dict)]


def test_a_thread_that_dies_takes_the_eye_down(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the thread that makes pictures dies, the eye says why and ends: episodes' ends would pile up unseen."""

    def die(_stills: Stills) -> None:
        raise MemoryError("no room for a picture")

    monkeypatch.setattr(Stills, "run", die)
    code, notes = run_eye(pair)
    assert code == 1
    assert (notes[-1]["note"], notes[-1]["code"]) == ("failed", "eye-failed")
    assert "no room for a picture" in notes[-1]["message"]


def test_a_mask_that_fails_on_the_first_picture_is_told(
    pair: tuple[socket.socket, socket.socket], tmp_path: Path
) -> None:
    """A mask that fits the analysed picture and not the main one is a fault that is told, and no picture leaves."""
    cv2.imwrite(str(tmp_path / "mask.png"), np.full((180, 320), 255, np.uint8))
    _, notes = run_eye(pair, mask_file=tmp_path / "mask.png")
    assert [note["code"] for note in notes if note["note"] == "fault"] == ["mask"]
    assert {note["withheld"] for note in notes if note["note"] == "beat"} == {"mask"}


def test_a_mask_that_fits_is_no_fault(pair: tuple[socket.socket, socket.socket]) -> None:
    """A mask of polygons, which fits every shape, gives no fault, and the eye ends with its recording (control)."""
    code, notes = run_eye(pair, masks=[[(0, 0), (0.1, 0), (0.1, 0.1)]])
    assert code == 0
    assert [note["note"] for note in notes if note["note"] in {"fault", "failed", "ended"}] == ["ended"]


def test_the_exposure_is_told(pair: tuple[socket.socket, socket.socket]) -> None:
    """What the camera says of its exposure stands in every beat, whole, and by day it is no night."""
    _, notes = run_eye(pair)
    beats = [note for note in notes if note["note"] == "beat"]
    assert beats
    for beat in beats:
        assert set(beat["exposure"]) == {"us", "gain", "lux", "red", "blue"}
        assert all(value > 0 for value in beat["exposure"].values())
        assert (beat["night"], beat["asked"], beat["why"]) == (False, 10.0, "")


def test_a_camera_that_does_not_tell_its_exposure(pair: tuple[socket.socket, socket.socket], tmp_path: Path) -> None:
    """A recording knows nothing of its exposure: that is null, and there is no night (control)."""
    np.save(tmp_path / "clip.npy", np.random.default_rng(1).integers(0, 30, (15, 180, 320), np.uint8))
    settings = CameraSettings(source=f"{tmp_path}/clip.npy?fps=10", fps=10, analysis=(320, 180), main=(320, 240))
    Eye({"camera": settings.model_dump(mode="json")}, pair[0]).run()
    beats = [each for each in everything(pair[1]) if isinstance(each, dict) and each["note"] == "beat"]
    assert {(beat["exposure"], beat["night"]) for beat in beats} == {(None, False)}


BROKEN = "street?seconds=7&seed=3&scene=unfilled"


def test_garbage_is_trouble_and_no_picture(pair: tuple[socket.socket, socket.socket]) -> None:
    """Buffers that nobody filled are told as trouble, and none of them is analysed."""
    _, notes = run_eye(pair, BROKEN, stall_s=1.0)
    assert {note["code"] for note in notes if note["note"] == "trouble"} == {"camera-garbled"}
    assert [note["frames"] for note in notes if note["note"] == "beat"][-1] <= 40  # four seconds of pictures


def test_control_without_the_check_garbage_passes_for_pictures(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An eye that looks at nothing takes the same buffers for pictures, and nobody hears of it."""
    monkeypatch.setattr(Soundness, "judge", lambda _self, _frame: "")
    _, notes = run_eye(pair, BROKEN, stall_s=1.0)
    assert not [note for note in notes if note["note"] == "trouble"]
    assert [note["frames"] for note in notes if note["note"] == "beat"][-1] > 50


@pytest.mark.parametrize(("scene", "why"), [("noise", "night"), ("empty", "")])
def test_the_rate_follows_the_light(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch, scene: str, why: str
) -> None:
    """By the camera's own estimate of the light an eye reads at the night's rate on a dark street, not by day."""
    monkeypatch.setattr(rate, "DWELL_SECONDS", 0.5)
    _, notes = run_eye(pair, f"street?seconds=4&seed=3&scene={scene}", night_fps=4.0)
    last = [note for note in notes if note["note"] == "beat"][-1]
    assert (last["why"], last["night"], last["asked"]) == (why, bool(why), 4.0 if why else 10.0)
    if why:  # by day a busy machine may be as slow
        assert last["fps"] < 7.0
