"""The painted foreground follows a thing's rim pixel by pixel, whatever the light does."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.motion.detector import Detector
from gateway.motion.outline import Outline

Plane = NDArray[np.uint8]
HEIGHT, WIDTH = 240, 320


def shown(*, light: float = 1.0, size: int = 1) -> tuple[float, float]:
    """Let a disc of an odd size cross a rough wall; return precision and recall of its pixels in the last frame.

    light: of the last two seconds. size: how much larger the whole picture is.
    """
    random = np.random.default_rng(3)
    wall = random.uniform(50, 190, (HEIGHT * size, WIDTH * size))
    wall = (wall + np.roll(wall, 1, 0) + np.roll(wall, 1, 1) + np.roll(wall, (1, 1), (0, 1))) / 4
    rows, columns = np.arange(HEIGHT * size)[:, None], np.arange(WIDTH * size)
    detector = Detector(WIDTH * size, HEIGHT * size)
    truth: NDArray[np.bool_] = np.zeros(wall.shape, np.bool_)
    for i in range(110):
        x = (3.7 * (i - 60) + 30) * size
        if i > 60:
            truth = np.hypot(columns - x, rows - 121 * size) < 14.3 * size
        picture = np.where(truth, 230, wall) * (light if i >= 90 else 1.0) + random.normal(0, 2, wall.shape)
        detector.step(np.clip(picture, 0, 255).astype(np.uint8), i / 10)
    out = np.zeros(wall.shape, np.uint8)
    detector.foreground(out)
    right = int(np.count_nonzero(truth & (out > 0)))
    return right / max(1, int(np.count_nonzero(out))), right / int(np.count_nonzero(truth))


def test_a_detector_without_outlines_sees_the_same_and_paints_nothing() -> None:
    """What moves is said alike whether outlines are learned or not; who asks for a mask without them is told why."""
    random = np.random.default_rng(4)
    wall = random.uniform(50, 190, (120, 160))
    with_outlines, without = Detector(160, 120), Detector(160, 120, outlines=False)
    moved = 0
    for i in range(60):
        picture = wall + random.normal(0, 2, wall.shape)
        if i > 30:
            picture[50:90, 4 * (i - 30) : 4 * (i - 30) + 14] = 20
        frame = np.clip(picture, 0, 255).astype(np.uint8)
        said = without.step(frame, i / 10)
        assert said == with_outlines.step(frame, i / 10)
        moved += said.moving
    assert moved > 10
    with pytest.raises(RuntimeError, match="outlines=True"):
        without.foreground(np.zeros((120, 160), np.uint8))


@pytest.mark.parametrize("light", [1.0, 0.6])
@pytest.mark.parametrize("size", [1, 2])
def test_the_rim_is_found_to_a_pixel(light: float, size: int) -> None:
    """A disc that lies across cells is painted with few pixels too many or too few, also after the light fell."""
    precision, recall = shown(light=light, size=size)
    assert precision > 0.95
    assert recall > 0.95


def test_without_the_pixels_the_rim_is_made_of_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: painting whole cells, as they fired, takes in much more than the disc."""

    def whole(
        self: Outline, out: NDArray[np.bool_], at: tuple[slice, slice], cells: NDArray[np.bool_], *_: object
    ) -> None:
        out[at[0], :, at[1].start * 4 : at[1].stop * 4] |= cells.repeat(4, axis=1)[:, None, :]

    monkeypatch.setattr(Outline, "paint", whole)
    precision, _ = shown(size=2)
    assert precision < 0.95
