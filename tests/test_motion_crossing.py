"""The plainest promise of the motion core: a thing that crosses a quiet street is found, whatever its speed.

Neither the street's pictures nor real footage: blocks of grey with noise, so that no tuning to either can hide a loss.
"""

from __future__ import annotations

import numpy as np
import pytest

from gateway.motion.detector import Detector

HEIGHT, WIDTH = 180, 320


def crossing(
    *, step: int, contrast: int, size: tuple[int, int], fps: float, rounds: int = 1, start: int | None = None
) -> tuple[int, int]:
    """Let a thing cross, from `start` or from outside; return how many frames show it, and how many found it."""
    rng = np.random.default_rng(4)
    ground = rng.integers(90, 130, (HEIGHT // 6, WIDTH // 8)).repeat(6, axis=0).repeat(8, axis=1)
    detector = Detector(WIDTH, HEIGHT, smallest=6)
    width, height = size
    quiet = int(4 * fps)
    there = found = number = 0
    for _ in range(rounds):
        lefts = [None] * quiet + list(range(-width if start is None else start, WIDTH, step))
        for left in lefts:
            frame = ground + rng.integers(-2, 3, ground.shape)
            visible = left is not None and left >= 0 and left + width <= WIDTH
            if left is not None:
                x0, x1 = max(left, 0), min(left + width, WIDTH)
                frame[70 : 70 + height, x0:x1] += contrast
            motion = detector.step(np.clip(frame, 0, 255).astype(np.uint8), number / fps)
            number += 1
            if visible:
                there += 1
                assert left is not None
                middle = (left + width / 2) / WIDTH
                found += any(box.x - 0.03 <= middle <= box.x + box.w + 0.03 for box in motion.boxes)
    return there, found


@pytest.mark.parametrize("fps", [10.0, 15.0, 30.0])
@pytest.mark.parametrize("step", [2, 5, 8])
@pytest.mark.parametrize("contrast", [-70, -25, 40])
def test_a_walker_is_found(fps: float, step: int, contrast: int) -> None:
    """A thing of a person's size is found in most of the frames that show it whole, dark or bright, slow or fast."""
    there, found = crossing(step=step, contrast=contrast, size=(18, 50), fps=fps)
    assert found >= 0.75 * there


@pytest.mark.parametrize("step", [6, 12, 20])
def test_a_car_is_found(step: int) -> None:
    """A thing of a car's size is found in most of the frames that show it whole."""
    there, found = crossing(step=step, contrast=50, size=(90, 45), fps=10.0)
    assert found >= 0.7 * there


def test_the_hundredth_walker_is_found_like_the_first() -> None:
    """Things that cross the same place again and again do not become background: it is a footpath, not a tree."""
    there, found = crossing(step=4, contrast=-60, size=(18, 50), fps=10.0, rounds=8)
    assert found >= 0.75 * there


@pytest.mark.parametrize("fps", [10.0, 15.0])
@pytest.mark.parametrize("step", [3, 8])
@pytest.mark.parametrize("start", [20, 60, 150])
def test_who_steps_out_of_a_door_is_found(start: int, step: int, fps: float) -> None:
    """A person or cyclist who appears whole in the picture, from a door or from behind a van, is found soon after."""
    there, found = crossing(step=step, contrast=-70, size=(18, 50), fps=fps, start=start)
    assert found >= 0.6 * there
