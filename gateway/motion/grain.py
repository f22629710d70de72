"""Grain of the sensor: how strong it is; and cells averaged with their neighbours where it would hide people.

At night gain a cell of four pixels differs by chance by half as much as a dark person differs from a dark street, but
a person covers dozens of cells: each averaged with its neighbours (binomial, 3 by 3) shows him at two fifths of the
grain. All that follows is learned from what was averaged, so how much grain is left is measured there, not assumed:
the grain of neighbours may hang together.

Not here: what a difference means (background.py). Runs on the camera's thread.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gateway.motion.cells import OCTAVE, PEDESTAL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.motion.background import Background

_EVERY = 1.0  # seconds between two measurements
_SLOW = 3  # a measurement counts for an eighth
_STRONG = 190  # units by which half of the cells differ from frame to frame, from which on they are averaged
_WEAK = 130  # the same below which they are not any more
_MOST = 360  # units that are believed: more is a picture without a scene
_STILL = 20  # measurements in a row without grain that are believed
_USUAL = 1.2  # a model's noise against the median difference of two frames


class Grain:
    """Measures the grain on one grid of cells, and averages cells; owns the buffers that this needs."""

    def __init__(self, seen: NDArray[np.bool_]) -> None:
        """Take which cells are seen, (height, width): while cells are averaged, the neighbours of the others are not.

        Half of what moves under a mask would show beside it.
        """
        height, width = seen.shape
        self._seen = seen
        self._wide, self._narrow = seen.copy(), _without_neighbours(seen)
        self.strong = False
        """Whether cells are averaged."""
        self._at = (slice(4, height // 8 * 8, 8), slice(4, width // 8 * 8, 8))
        self._shape = (height // 8, width // 8)
        self._few, self._last = (np.zeros(self._shape[0] * self._shape[1], np.int16) for _ in range(2))
        self._looked = -1e9
        self._looking = False
        self._sixteenths = -1
        self._still = 0
        """Measurements in a row in which half of the cells did not differ at all."""
        self._halves = np.zeros(height * width, np.uint16)
        self._first, self._final = (np.zeros(height, np.uint16) for _ in range(2))
        self._other = np.zeros((height, width), np.int16)

    def prepare(self, cells: NDArray[np.int16], t: float, model: Background, earlier: NDArray[np.int16]) -> bool:
        """Average the cells of a frame in place if its grain is strong; say whether that changed.

        cells: (height, width) int16, not negative. t: the frame's time. When it changes, the model and the frames kept
        `earlier`, (any, height, width), go over to the other kind of cells: nobody is missed at dusk or dawn.
        """
        changed = self._measure(cells, t)
        if changed:
            self._seen[...] = self._narrow if self.strong else self._wide
        if changed and self.strong:
            model.blur(self.average)
            np.maximum(earlier, 0, out=earlier)  # a change of light may have taken black below it
            for frame in earlier:
                self.average(frame)
        if changed and not self.strong:
            other = self._other
            other[...] = cells
            self.average(other)
            np.subtract(cells, other, other)
            model.sharpen(other)
            np.add(earlier, other, earlier)
        if self.strong:
            self.average(cells)
        return changed

    def noise(self, model: Background, grey: float, size: int) -> float:
        """Return the usual deviation of a pixel in grey levels.

        grey: mean level of the picture. size: side of a cell in pixels.
        """
        few = model.noise[self._at]
        units = float(np.add.reduce(few, axis=None)) / few.size if not self.strong else self._sixteenths / 16 * _USUAL
        return units * (grey + PEDESTAL) * math.log(2.0) / OCTAVE * size

    def _measure(self, cells: NDArray[np.int16], t: float) -> bool:
        """Look at a frame that is not averaged; say whether `strong` changed.

        What counts is the difference of two frames in a row: it does not matter what the scene is, nor what moves in
        less than half of it.
        """
        if self._looking:
            self._looking = False
            few = self._few
            few.reshape(self._shape)[...] = cells[self._at]
            np.subtract(few, self._last, few)
            middle = few.size // 2
            few.partition(middle)
            np.subtract(few, few[middle], few)  # the light of all the picture may have changed
            np.absolute(few, few)
            few.partition(middle)
            return self._judge(int(few[middle]), same=not np.maximum.reduce(few))
        if not self._looked <= t < self._looked + _EVERY:
            self._looked, self._looking = t, True
            self._last.reshape(self._shape)[...] = cells[self._at]
        return False

    def _judge(self, middle: int, *, same: bool) -> bool:
        if same:  # the same picture again
            return False
        # A stream that repeats what hardly changed tells its grain now and then; one that never does has none.
        self._still = 0 if middle else self._still + 1
        if 0 < self._still < _STILL:
            return False
        sixteenths = min(middle, _MOST) << 4
        if self._sixteenths < 0:
            self._sixteenths = sixteenths
        self._sixteenths += (sixteenths - self._sixteenths) >> _SLOW
        before = self.strong
        self.strong = self._sixteenths >> 4 >= (_WEAK if before else _STRONG)
        return self.strong != before

    def average(self, cells: NDArray[np.int16]) -> None:
        """Average each cell with its neighbours in place, 1:2:1 across and 1:2:1 down; at the border 1:1.

        cells: (height, width) int16 in one block, not negative.
        """
        # The sum of two needs the sixteenth bit.
        whole = cells.view(np.uint16)
        width = whole.shape[1]
        flat, halves = whole.reshape(-1), self._halves
        first, final = self._first, self._final
        # One row's end is not the next one's beginning.
        np.add(whole[:, 0], whole[:, 1], first)
        np.add(whole[:, -2], whole[:, -1], final)
        self._along(flat, halves, 1)
        np.right_shift(first, 1, whole[:, 0])
        np.right_shift(final, 1, whole[:, -1])
        self._along(flat, halves, width)
        whole[0] = halves[:width]
        whole[-1] = halves[flat.size - 2 * width : flat.size - width]

    @staticmethod
    def _along(flat: NDArray[np.uint16], halves: NDArray[np.uint16], step: int) -> None:
        """Average what is `step` apart twice: 1:2:1. The ends are left, and the first means stay in `halves`."""
        end = flat.size - step
        np.add(flat[:end], flat[step:], halves[:end])
        np.right_shift(halves[:end], 1, halves[:end])
        np.add(halves[: end - step], halves[step:end], flat[step:end])
        np.right_shift(flat[step:end], 1, flat[step:end])


def _without_neighbours(seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which cells are seen and have only neighbours that are."""
    tall = seen.copy()
    tall[1:] &= seen[:-1]
    tall[:-1] &= seen[1:]
    narrow = tall.copy()
    narrow[:, 1:] &= tall[:, :-1]
    narrow[:, :-1] &= tall[:, 1:]
    return narrow
