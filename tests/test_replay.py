"""A recording through the pipeline: the same output for the same clip, and each mistake told at once."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from gateway.cli import main
from gateway.configuration.settings import CameraSettings
from gateway.contract.check import validate
from gateway.errors import CameraUnavailable, GatewayError
from gateway.replay.replay import Outputs, replay
from gateway.wire.message import plain
from tests.running import make_clip


def outputs(folder: Path) -> Outputs:
    """Return outputs of every kind in a folder."""
    folder.mkdir()
    return Outputs(folder / "events.jsonl", folder / "frames.jsonl", folder / "masks", folder / "pictures")


def digest(folder: Path) -> dict[str, str]:
    """Return the hash of every file below a folder."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_the_same_clip_gives_the_same_output(tmp_path: Path) -> None:
    """Ids, times, masks and pictures of a replay come from the clip alone: two runs agree byte for byte."""
    clip = make_clip(tmp_path / "clip.npy", quiet=45).partition("?")[0]
    assert replay(clip, outputs(tmp_path / "a")) == 0
    assert replay(clip, outputs(tmp_path / "b")) == 0
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert len(digest(tmp_path / "a")) > 95


def test_a_replay_writes_what_it_promises(tmp_path: Path) -> None:
    """Frames have five keys and boxes in 0..1, masks are 0 or 255 at the clip's size, events obey the contract."""
    clip = make_clip(tmp_path / "clip.npy", quiet=45).partition("?")[0]
    assert replay(clip, outputs(tmp_path / "a"), fps=15.0) == 0
    lines = [json.loads(line) for line in (tmp_path / "a" / "frames.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(95))
    assert all(set(line) == {"frame", "t", "motion", "boxes", "suppressed"} for line in lines)
    assert [line["t"] for line in lines] == [round(number / 15, 4) for number in range(95)]
    boxes = [box for line in lines for box in line["boxes"]]
    assert boxes
    assert all(0 <= value <= 1 for box in boxes for value in box)
    masks = [cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in sorted((tmp_path / "a" / "masks").iterdir())]
    assert [mask.shape for mask in masks if mask is not None] == [(180, 320)] * 95
    assert {int(value) for mask in masks if mask is not None for value in np.unique(mask)} == {0, 255}
    events = [json.loads(line) for line in (tmp_path / "a" / "events.jsonl").read_text().splitlines()]
    for event in events:
        validate(f"up/event/{event['type'].split('.')[1]}/cam0", plain(event))
    assert events[0]["data"]["phase"] == "start"
    assert events[-1]["data"]["phase"] == "end"


def test_a_replay_obeys_its_configuration(tmp_path: Path) -> None:
    """Zones of the configuration's first camera are in force: what crosses outside of them is no event."""
    clip = make_clip(tmp_path / "clip.npy", quiet=45).partition("?")[0]
    sky = CameraSettings(zones=[{"id": "sky", "polygon": [(0, 0), (1, 0), (1, 0.2), (0, 0.2)]}])  # type: ignore[list-item]
    assert replay(clip, outputs(tmp_path / "a"), camera=sky.model_dump(mode="json")) == 0
    assert (tmp_path / "a" / "events.jsonl").read_text() == ""


def test_a_live_camera_is_no_recording() -> None:
    """Replaying a live source is refused with what to name instead, and without repeating its password."""
    with pytest.raises(CameraUnavailable, match="no recording") as caught:
        replay("rtsp://user:hunter2@camera/1", Outputs())
    assert ".npy" in caught.value.hint
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("shape", [(2, 2), (101, 77), (16, 2000)])
def test_a_picture_that_cannot_be_analysed_is_told(tmp_path: Path, shape: tuple[int, int]) -> None:
    """A source whose pictures are too small or too narrow is refused in words, with what is allowed."""
    np.save(tmp_path / "clip.npy", np.zeros((3, *shape), np.uint8))
    with pytest.raises(CameraUnavailable, match="160x120") as caught:
        replay(str(tmp_path / "clip.npy"), Outputs())
    assert caught.value.hint


def test_results_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    """A full disk, a folder that is not there or that is a file: said in words, at once, with the name."""
    clip = make_clip(tmp_path / "clip.npy").partition("?")[0]
    for outputs in (
        Outputs(events=Path("/dev/full")),
        Outputs(frames=tmp_path / "absent" / "frames.jsonl"),
        Outputs(masks=tmp_path / "clip.npy"),
    ):
        with pytest.raises(GatewayError, match="cannot be written") as caught:
            replay(clip, outputs)
        assert caught.value.hint


@pytest.mark.parametrize("rate", ["nan", "inf", "0", "-1", "fast"])
def test_a_rate_that_is_none_is_wrong_usage(rate: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A replay's rate must be a number of frames in a second; otherwise times would be nonsense."""
    with pytest.raises(SystemExit, match="2"):
        main(["replay", "clip.npy", "--fps", rate])
    assert "0.1 to 1000" in capsys.readouterr().err
