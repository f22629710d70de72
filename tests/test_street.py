"""The simulated corner keeps a camera's contract, and its truth is what it drew."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gateway.camera.street import Street
from gateway.errors import CameraEnded, CameraStalled

if TYPE_CHECKING:
    from pathlib import Path


def test_same_seed_same_pixels_however_it_is_read() -> None:
    """Frame n depends on the seed and n alone, whether all frames before it were looked at or not."""
    with_main, without = Street(seed=3, pace=False), Street(seed=3, pace=False)
    for _ in range(40):
        a = with_main.read(1)
        assert a.main is not None
        b = without.read(1)
    assert np.array_equal(a.luma, b.luma)
    other = Street(seed=4, pace=False).read(1)
    assert not np.array_equal(Street(seed=3, pace=False).read(1).luma, other.luma)


def test_truth_follows_frame_by_frame(tmp_path: Path) -> None:
    """Each frame's truth is one line of JSON that a reader can follow while the corner runs."""
    file = tmp_path / "truth.jsonl"
    street = Street(truth=file, pace=False, main_size=(0, 0))
    for n in range(60):
        frame = street.read(1)
        line = json.loads(file.read_text(encoding="utf-8").splitlines()[-1])
        assert (line["frame"], line["mono"]) == (n, frame.mono)
        assert [o["id"] for o in line["objects"]] == [s.id for s in street.truth]
    street.close()


def test_hung_camera_stalls() -> None:
    """A camera that hangs says so within the deadline, and goes on when it recovers."""
    street = Street(pace=False, main_size=(0, 0))
    street.read(1)
    street.hang(True)
    with pytest.raises(CameraStalled):
        street.read(0.05)
    street.hang(False)
    assert street.read(1).number == 1


def test_recording_ends() -> None:
    """A corner with an end raises CameraEnded after its last frame."""
    street = Street(pace=False, seconds=0.2, fps=30, main_size=(0, 0))
    for _ in range(6):
        street.read(1)
    with pytest.raises(CameraEnded):
        street.read(1)
