"""The core says of recorded scenes what it said when they were recorded, on every NumPy and every machine."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.motion.cells import Cells
from tests.golden import FILE, SCENES, differences, hashed, play

AGAIN = "when this is meant: scripts/golden --write, then look at what changed"


@pytest.mark.parametrize("scene", SCENES)
def test_results_are_as_recorded(scene: str) -> None:
    """Frames, results and story of each scene equal what was recorded, digit for digit."""
    recorded = json.loads(FILE.read_text(encoding="utf-8"))
    assert set(recorded) == set(SCENES)
    assert differences({scene: recorded[scene]}, {scene: play(scene)}) == [], AGAIN


def test_control_one_cell_off_by_one_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A single cell that is a four-thousandth of an octave too bright changes the digest."""
    reduce = Cells.reduce

    def other(self: Cells, luma: NDArray[np.uint8], out: NDArray[np.int16]) -> None:
        reduce(self, luma, out)
        out[out.shape[0] // 2, out.shape[1] // 2] += 1

    monkeypatch.setattr(Cells, "reduce", other)
    recorded = json.loads(FILE.read_text(encoding="utf-8"))
    assert differences({"small": recorded["small"]}, {"small": play("small")})


def test_differences_say_what_changed() -> None:
    """A story that changed is told line by line, other frames are told apart from other results."""
    old = {"a": {"frames": "1", "results": "2", "story": ["0.0 s: x", "1.0 s: y"]}}
    assert differences(old, old) == []
    said = differences(old, {"a": {"frames": "1", "results": "3", "story": ["0.0 s: x", "1.5 s: y"]}})
    assert said[0] == "a: the results are others (2 -> 3)"
    assert {"-1.0 s: y", "+1.5 s: y"} <= set(said)
    assert "the frames are others" in differences(old, {"a": old["a"] | {"frames": "9"}})[0]
    assert "only numbers changed" in differences(old, {"a": old["a"] | {"results": "9"}})[1]
    assert len(differences(old, {})) == 4 + 1


def test_the_mixer_is_the_published_one() -> None:
    """The numbers that make the scenes are those of the published mixer, computed here with Python's whole numbers."""

    def mixed(x: int) -> int:
        x ^= x >> 16
        x = x * 0x85EBCA6B & 0xFFFFFFFF
        x ^= x >> 13
        x = x * 0xC2B2AE35 & 0xFFFFFFFF
        return x ^ x >> 16

    key = (7 * 2654435761 + 97) & 0xFFFFFFFF
    assert hashed(50, 7).tolist() == [mixed(n ^ key) for n in range(50)]
