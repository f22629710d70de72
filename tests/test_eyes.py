"""The daemon's side of an eye: whatever its process does, the daemon goes on and knows what happened."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gateway.channel import Channel
from gateway.recovery.eyes import Eye
from gateway.wire.draft import Draft, Phase, Rank, pack_draft, pack_note, random_uuid7
from tests.mosquitto import wait_for

CAMERA = {"name": "cam0", "stall_s": 1.0, "picture_kb": 40}
BEAT = {"note": "beat", "view": "ok", "moved": False, "dropped": {"end": 1, "picture": 2}, "pictures_dropped": 3}


@pytest.fixture
def joined() -> Iterator[tuple[Eye, socket.socket]]:
    """An eye whose process lives and says only what the test sends on the other end of its socket."""
    eye = Eye(CAMERA)
    eye.process.channel, theirs = Channel.pair()
    eye.process.process = process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with theirs:
        theirs.send(pack_note(BEAT))
        list(eye.hear())
        yield eye, theirs
    process.kill()
    process.communicate()
    eye.process.hang_up()


def draft(kind: Any, phase: Phase, **body: Any) -> Draft:
    """Return a draft of an episode."""
    name = random_uuid7(time.time())
    return Draft(name, Rank.ALARM, kind, "cam0", time.monotonic(), name, phase, body={"phase": phase} | body)


def wrong(picture: bytes = b"", **fields: Any) -> bytes:
    """Return the packet of a draft that is in order but for `fields`."""
    good = {"id": "i", "rank": 0, "kind": "view", "camera": "cam0", "mono": 5.0, "episode": "e", "phase": "start"}
    head = json.dumps(good | {"body": {}} | fields).encode()
    return b"D" + len(head).to_bytes(4, "big") + head + picture


def test_the_packet_that_the_wrong_ones_are_made_of_is_right(joined: tuple[Eye, socket.socket]) -> None:
    """What is in order is heard (control)."""
    eye, theirs = joined
    theirs.send(wrong())
    theirs.send(wrong(b"\xff\xd8", kind="media", rank=4, phase=None))
    assert [each.kind for each in eye.hear()] == ["view", "media"]
    assert eye.known.code == "ok"


@pytest.mark.parametrize(
    "packet",
    [
        b"?",
        b"J",
        b"J[1]",
        b"J" + b"[" * 50_000,
        b'J{"note": "beat"}',
        b"D\0\0\0\2{}",
        b'D\0\0\0\x10{"rank": 9, "x":1}',
        b"D" + json.dumps({"id": "x"}).encode(),
        wrong(body=None),
        wrong(camera="cam9"),
        wrong(episode=7),
        wrong(mono="now"),
        wrong(mono=1e300),
        wrong(b"no JPEG", kind="media", rank=4),
        pack_note(BEAT | {"fps": "fast"}),
        pack_note(BEAT | {"dropped": [1]}),
    ],
)
def test_nonsense_costs_the_eye_not_the_daemon(joined: tuple[Eye, socket.socket], packet: bytes) -> None:
    """A packet that cannot be understood is a failure of that eye, which is killed and started again."""
    eye, theirs = joined
    theirs.send(packet)
    assert list(eye.hear()) == []
    assert (eye.known.state, eye.known.code) == ("off", "eye-garbled")
    eye.tick(time.monotonic() + 1.5)
    assert not eye.process.there


def test_a_process_that_cannot_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """When no process can be made, the camera is off with the reason, and a later try can succeed."""
    eye = Eye(CAMERA)
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", "/nonexistent/python")
        eye.start()
        wait_for(lambda: eye.tick(time.monotonic()) or eye.known.code == "eye-start", "the failure to be known")
    assert (eye.known.state, eye.process.there, eye.channel) == ("off", False, None)
    assert "No such file" in eye.known.reason
    eye.tick(time.monotonic() + 100)
    wait_for(lambda: eye.tick(time.monotonic()) or eye.process.pid, "the process")
    process = eye.process.process
    assert process is not None
    eye.kill()
    process.wait(10)


def test_an_eye_that_leaves_without_a_word_is_no_healthy_one(joined: tuple[Eye, socket.socket]) -> None:
    """A process that closes its socket and hangs in its end is killed, and what is told is a failure, not `ok`."""
    eye, theirs = joined
    theirs.close()
    list(eye.hear())
    eye.tick(time.monotonic() + 1.5)
    assert (eye.process.there, eye.known.state, eye.known.code) == (False, "off", "eye-died")


def test_a_daemon_that_slept_does_not_blame_the_eye(joined: tuple[Eye, socket.socket]) -> None:
    """After a pause of the daemon itself, what an eye said meanwhile is heard before its silence is judged."""
    eye, theirs = joined
    theirs.send(pack_draft(draft("motion", "start")))
    late = time.monotonic() + 100
    assert eye.tick(late) == []
    assert eye.process.there
    assert len(list(eye.hear())) == 1
    assert len(eye.tick(late)) == 1  # now it is silent, and its open episode ends
    assert eye.process.gone
    assert eye.known.code == "eye-silent"


@pytest.fixture
def mute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], Eye]]:
    """An eye whose real process never says a word; called with a second, it is looked after as if it were that late."""
    executable = tmp_path / "python"
    executable.write_text("#!/bin/sh\nexec sleep 99\n")
    executable.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(executable))
    eye = Eye(CAMERA)
    began = time.monotonic()

    def look(second: float) -> Eye:
        eye.tick(began + second)
        wait_for(lambda: settled() or eye.tick(began + second), "the process to start or to go")
        return eye

    def settled() -> bool:
        return not eye.process.blocked and (eye.process.pid is not None or not eye.process.there)

    eye.start()
    yield look
    eye.kill()
    wait_for(lambda: look(0.0).process.gone, "the process to go")


def test_an_eye_that_starts_slowly_gets_there(mute: Callable[[float], Eye]) -> None:
    """Each eye that has not opened in its time is killed and the next one gets twice as long, up to four minutes."""
    starts = [0]
    for second in range(700):
        if mute(second).restarts == len(starts):
            starts.append(second)
    took = [after - before for before, after in pairwise(starts)]
    assert [seconds // 30 for seconds in took] == [1, 1, 2, 4, 8], took


def test_a_new_eye_that_says_it_failed_is_not_waited_for(mute: Callable[[float], Eye]) -> None:
    """A new eye that tells of its trouble gives way to the next after the pause, not when its time is over."""
    for second in range(40):
        mute(second)
    assert mute(40).restarts == 1
    mute(40).known.take({"note": "trouble", "code": "camera-stalled", "message": "no picture", "hint": "look"})
    mute(41)
    assert mute(44).restarts == 2


def test_a_moved_view_is_latched_at_once(joined: tuple[Eye, socket.socket]) -> None:
    """An eye that dies after it told of a moved view, before its next beat, comes back without pictures."""
    eye, theirs = joined
    theirs.send(pack_draft(draft("view", "start", state="moved")))
    list(eye.hear())
    assert eye.known.moved


def test_what_was_open_ends_with_its_eye(joined: tuple[Eye, socket.socket]) -> None:
    """A dead eye's open episodes end as interrupted, with the picture that was sent; its view's alarm ends as `off`."""
    eye, theirs = joined
    about = {"sha256": "0" * 64, "bytes": 9, "w": 1, "h": 1}
    theirs.send(pack_draft(draft("motion", "update", picture=about)))
    theirs.send(pack_draft(draft("motion", "start")))
    theirs.send(pack_draft(draft("view", "start", state="covered", started=1.0)))
    opened = list(eye.hear())
    ends = eye.kill()
    assert [end.episode for end in ends] == [each.episode for each in opened]
    assert [end.phase for end in ends] == ["end"] * 3
    assert [end.body.get("outcome") for end in ends] == ["interrupted", "interrupted", None]
    assert [end.body.get("picture", "") for end in ends] == [about, None, ""]
    assert ends[2].body == {"phase": "end", "state": "off", "started": 1.0}
    assert not eye.known.motion


def test_a_maintainer_reads_why(joined: tuple[Eye, socket.socket]) -> None:
    """What is said of a camera that fails holds the reason and what to do, not only a code."""
    eye, theirs = joined
    theirs.send(pack_note({"note": "failed", "code": "camera-failed", "message": "no such camera", "hint": "plug it"}))
    list(eye.hear())
    assert (eye.facts()["reason"], eye.facts()["hint"]) == ("no such camera", "plug it")


def test_drops_are_counted_over_restarts(joined: tuple[Eye, socket.socket]) -> None:
    """What an eye had to drop still counts when its process is gone."""
    eye, _ = joined
    assert eye.known.lost == 6
    eye.kill()
    assert eye.known.lost == 6
