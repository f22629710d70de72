"""Changes of light of the whole picture: one offset, and a curve over brightness.

On the logarithmic scale of the cells a change of light is added, so its amount is the median of the differences:
objects are the outliers. A camera that bends its tones changes dark and bright cells by different amounts: the same
median, taken for six classes of brightness, is the curve.

Not here: light that differs from place to place (field.py). Runs on the camera's thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gateway.motion.exposure import SHIFT

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CLASSES = 6  # of brightness, with equally many samples
_FEWEST = 12  # samples a class needs


class Light:
    """Estimates how the light of all the picture differs from what was learned; owns the buffers that this needs."""

    def __init__(self, height: int, width: int, seen: NDArray[np.bool_]) -> None:
        """Seen: (height, width), False where a cell is masked."""
        rows, columns = np.nonzero(seen[4::8, 4::8])
        self._at = (rows * 8 + 4) * width + columns * 8 + 4
        self._few = np.zeros(self._at.size, np.int16)
        self._levels = np.zeros(self._at.size, np.int16)
        self._table = np.zeros((1 << 15 >> SHIFT) + 1, np.int16)
        self._index = np.zeros((height, width), np.intp)
        self._field = np.zeros((height, width), np.int16)

    def offset(self, difference: NDArray[np.int16]) -> int:
        """Return the median difference of the cells, in units of 1/4096 octave."""
        if not self._few.size:
            return 0
        difference.reshape(-1).take(self._at, out=self._few, mode="clip")
        middle = self._few.size // 2
        self._few.partition(middle)
        return int(self._few[middle])

    def samples(
        self, difference: NDArray[np.int16], level: NDArray[np.int16]
    ) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        """Return the differences of a few hundred cells all over the picture, and where tables have their levels.

        Valid until the next call.
        """
        difference.reshape(-1).take(self._at, out=self._few, mode="clip")
        level.reshape(-1).take(self._at, out=self._levels, mode="clip")
        np.right_shift(self._levels, SHIFT, self._levels)
        return self._few, self._levels

    def spread(self, table: NDArray[np.int16], level: NDArray[np.int16]) -> NDArray[np.int16]:
        """Return what a table says of every cell's level, (height, width); valid until the next call."""
        np.right_shift(level, SHIFT, self._field)
        self._index[...] = self._field
        np.take(table, self._index, out=self._field, mode="clip")
        return self._field

    def curve(self, difference: NDArray[np.int16], level: NDArray[np.int16], least: int) -> NDArray[np.int16] | None:
        """Return offsets (height, width) that depend on a cell's own level only; valid until the next call.

        None when no class of brightness changed by `least` or more.
        """
        size = self._at.size // _CLASSES
        if size < _FEWEST:
            return None
        difference.reshape(-1).take(self._at, out=self._few, mode="clip")
        level.reshape(-1).take(self._at, out=self._levels, mode="clip")
        order = self._levels.argsort(kind="stable")
        places: list[int] = []
        values: list[int] = []
        chosen = order[: _CLASSES * size].reshape(_CLASSES, size)
        samples = self._few.take(chosen)
        samples.sort(axis=1)
        quarters = samples[:, [size // 4, size // 2, size * 3 // 4]].tolist()
        for (low, middle, high), level_of_class in zip(
            quarters, self._levels.take(chosen[:, size // 2]).tolist(), strict=True
        ):
            # Half of the class must agree, or a thing stands before it.
            values.append(middle if abs(middle) >= least and high - low < 2 * least + abs(middle) // 2 else 0)
            places.append(level_of_class >> SHIFT)
        if not any(values) or not _plausible(places, values):
            return None
        # Light that differs from place to place is not a curve: it must explain most of what is seen.
        explained = np.interp(self._levels, [place << SHIFT for place in places], values)
        if float(np.abs(self._few - explained).sum()) * 2 > float(np.abs(self._few).sum()):
            return None
        steps = np.arange(self._table.size)
        self._table[...] = np.rint(np.interp(steps, places, values))
        return self.spread(self._table, level)


def _plausible(places: list[int], values: list[int]) -> bool:
    """Say whether a curve is one of light: bright stays brighter than dark, and half of the contrast is left."""
    levels = [place << SHIFT for place in places]
    after = [level + value for level, value in zip(levels, values, strict=True)]
    return after == sorted(after) and (after[-1] - after[0]) * 2 >= levels[-1] - levels[0]
