"""What the core waits for before it believes: leaves that swing from the start, insects, rain."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.motion import background, gait, readiness, trust
from gateway.motion.detector import Detector
from gateway.motion.thing import Thing

Plane = NDArray[np.uint8]
HEIGHT, WIDTH = 240, 320
ROWS, COLUMNS = np.arange(HEIGHT)[:, None], np.arange(WIDTH)


def wall(random: np.random.Generator) -> NDArray[np.float64]:
    """Return a street of patches of grey."""
    return np.asarray(np.kron(random.uniform(70, 130, (12, 16)), np.ones((20, 20))), np.float64)


def leaves(count: int, *, block: int = 2, pace: float = 1.0, seed: int = 2) -> list[Plane]:
    """Draw a small picture half of which, in blocks of grey, swings by some pixels, from the first frame on."""
    random = np.random.default_rng(seed)
    texture = np.kron(random.uniform(20, 200, (120 // block, 160 // block)), np.ones((block, block)))
    still = np.full((120, 160), 110.0)
    rows, columns = np.arange(120)[:, None], np.arange(160)
    frames = []
    for i in range(count):
        t = pace * i
        dx = 3 * np.sin(t * 0.9 + rows / 17) + 2 * np.sin(t * 0.37 + columns / 23)
        dy = 2 * np.sin(t * 0.71 + columns / 19)
        swung = texture[np.clip(rows + dy, 0, 119).astype(int), np.clip(columns + dx, 0, 159).astype(int)]
        picture = np.where(columns > 70, swung, still) + random.normal(0, 2, still.shape)
        frames.append(np.clip(picture, 0, 255).astype(np.uint8))
    return frames


def false_frames(frames: list[Plane]) -> int:
    """Count the frames with a box."""
    detector = Detector(frames[0].shape[1], frames[0].shape[0])
    return sum(bool(detector.step(frame, i / 10).boxes) for i, frame in enumerate(frames))


def insect(count: int) -> list[Plane]:
    """Draw a dark street and a bright spot before the lamp that turns as it flies."""
    random = np.random.default_rng(5)
    scene = wall(random) * 0.4
    frames = []
    x, y, heading = 160.0, 120.0, 0.0
    for i in range(count):
        picture = scene.copy()
        if i >= 40:
            heading += random.normal(0, 0.9)
            x, y = (x + 17 * np.cos(heading)) % WIDTH, (y + 17 * np.sin(heading)) % HEIGHT
            picture += 150 * np.exp(-((COLUMNS - x) ** 2 + (ROWS - y) ** 2) / (2 * 5.0**2))
        frames.append(np.clip(picture + random.normal(0, 2, scene.shape), 0, 255).astype(np.uint8))
    return frames


def test_leaves_that_swing_from_the_start_are_not_motion(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where much moves from the first frame on the core learns for longer; control: without that it cries wolf."""
    assert false_frames(leaves(200)) <= 4
    slow = leaves(120, block=4, pace=0.5, seed=3)
    patient = false_frames(slow)
    monkeypatch.setattr(readiness, "_LATEST", 0.0)
    monkeypatch.setattr(background, "_MOST_SWAY", 80)
    assert false_frames(slow) > patient * 5 // 4


def test_an_insect_is_not_motion(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bright spot that darts and turns is hardly ever reported; control: without the rule it is."""
    frames = insect(200)
    assert false_frames(frames) <= 24
    for room in (gait, trust):
        monkeypatch.setattr(room, "flits", lambda *_, **__: False)
    assert false_frames(frames) > 80


@pytest.mark.parametrize(("hits", "speed", "believed"), [(10, 15.0, True), (5, 15.0, False), (10, 60.0, False)])
def test_who_outlasts_drops_is_believed_in_rain(hits: int, speed: float, *, believed: bool) -> None:
    """Slow for its size and followed for a second: no drop. Followed for less, or as fast as a flake: perhaps one."""
    thing = Thing(1, 20.0, 20.0, 8.0, 18.0, 0.0, 1.0, 90.0, vx=speed, hits=hits, own=0.8, evidence=4.0 * hits)
    assert gait.outlasts(thing) is believed


def test_a_view_must_be_good_again_for_a_second() -> None:
    """Right after a doubt about the view nothing is reported; a second later it is."""
    ready = readiness.Readiness()
    ready.start(0.0)
    assert ready.grown(2.1, share=0.0)
    assert ready.suppressed(10.0, changed=False, holds=True) == "view"
    assert ready.suppressed(10.5, changed=False, holds=False) == "view"
    assert ready.suppressed(11.1, changed=False, holds=False) is None


def test_learning_is_prolonged_only_so_far() -> None:
    """Where much moves learning takes longer, but it ends: a crossing that is never quiet is watched all the same."""
    ready = readiness.Readiness()
    ready.start(0.0)
    ends = [i / 10 for i in range(100) if ready.grown(i / 10, share=0.2)]
    assert len(ends) == 1
    assert 4.4 <= ends[0] <= 5.5


def test_a_place_where_leaves_moved_is_forgotten() -> None:
    """A quarter of an hour after the last leaf a cell has the threshold that it had before; control: not at once."""
    model = background.Background(30, 40, floor=100, factor=4.0)
    cells = np.full((30, 40), 8000, np.int16)
    model.start(cells, anew=True)
    model.restless[10:20] = 200
    model.restless[25, 30] = 8
    for i in range(9500):
        model.compare(cells)
        model.fire()
        model.learn(cells, None, fast=False, slow=False, stirred=False, steady=True, eager=False)
        assert i != 300 or (model.threshold > model.base)[10:20].all()
    assert not model.restless.any()
    assert (model.threshold == model.base).all()
