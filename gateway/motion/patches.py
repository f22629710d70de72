"""Patches on a coarse grid of blocks: which of them are whole, and what lies between them.

The grid has one empty column between its rows and an empty row above and below, in one dimension: all neighbours are
the same array, moved, and every step is one pass over a few thousand numbers.

Not here: what a block means (light.py). Runs on the camera's thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PATCH = 6  # blocks: less is no pool of light
_RINGS = 8  # blocks that a value spreads


class Patches:
    """Owns the buffers for one grid of blocks."""

    def __init__(self, down: int, across: int) -> None:
        self._row = row = across + 1
        size, self._area = (down + 2) * row + 2, down * across
        self._core = slice(1 + row, 1 + row + down * row)
        self._value, self._total = np.zeros(size, np.int32), np.zeros(down * row, np.int32)
        self._known, self._patch = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
        self._tall = np.zeros(size, np.uint8)
        self._count, self._other = (np.zeros(down * row, np.uint8) for _ in range(2))
        self._fresh = np.zeros(down * row, np.bool_)
        self._labels = np.zeros((down, across), np.uint16)
        self._numbers, self._broken, self._inside = (
            np.zeros(down * row, kind) for kind in (np.uint16, *[np.uint8] * 2)
        )
        self._shape = (down, row)
        self._grid(self._inside)[...] = 1
        self.value: NDArray[np.int32] = self._grid(self._value[self._core])
        """(down, across) int32, what was spread."""

    def whole(self, candidates: NDArray[np.bool_], broken: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return those patches of candidates, (down, across), whose surroundings are mostly not broken."""
        number, _ = cv2.connectedComponentsWithAlgorithm(
            candidates.view(np.uint8), 4, cv2.CV_16U, cv2.CCL_SAUF, self._labels
        )
        lit = np.zeros_like(candidates)
        if number == 1:
            return lit
        self._grid(self._numbers)[...] = self._labels
        self._grid(self._broken)[...] = broken
        patch, around = self._patch[self._core], self._count
        for label, size in enumerate(np.bincount(self._labels.reshape(-1)).tolist()):
            if size < _PATCH or label == 0:
                continue
            # What covers a third of the picture without an edge of its own is light, whatever stands about it.
            if size * 3 < self._area:
                np.equal(self._numbers, label, out=patch.view(np.bool_))
                self._surround(around)
                rim = int(np.count_nonzero(around))
                np.bitwise_and(around, self._broken, out=around)
                if int(np.count_nonzero(around)) * 2 > rim:
                    continue
            lit |= self._labels == label
        return lit

    def _surround(self, around: NDArray[np.uint8]) -> None:
        """Write the eight neighbours of the patch that do not belong to it."""
        patch, tall, row, core = self._patch, self._tall, self._row, self._core
        length = core.stop - core.start
        middle = tall[row : row + length + 2]  # with the columns on both sides
        np.bitwise_or(patch[: length + 2], patch[row : row + length + 2], out=middle)
        np.bitwise_or(middle, patch[2 * row : 2 * row + length + 2], out=middle)
        np.bitwise_or(middle[:-2], middle[1:-1], out=around)
        np.bitwise_or(around, middle[2:], out=around)
        np.greater(around, patch[core], out=around.view(np.bool_))
        np.bitwise_and(around, self._inside, out=around)

    def spread(self, value: NDArray[np.int16], known: NDArray[np.bool_]) -> None:
        """Set `value` where it is known, and fill the rest with the mean of known neighbours, ring by ring."""
        values, marks, core, row = self._value, self._known, self._core, self._row
        np.multiply(value, known, out=self.value, casting="unsafe")
        self._grid(marks[core])[...] = known
        left = self._area - int(np.count_nonzero(known))
        total, count, fresh = self._total, self._count, self._fresh
        sides = [slice(core.start + step, core.stop + step) for step in (-row, row, -1, 1)]
        for _ in range(_RINGS):
            if not left:
                return
            for numbers, out in ((values, total), (marks, count)):
                np.add(numbers[sides[0]], numbers[sides[1]], out=out)
                np.add(out, numbers[sides[2]], out=out)
                np.add(out, numbers[sides[3]], out=out)
            # Four times itself is more than any count where the value is known.
            np.multiply(marks[core], 4, out=self._other)
            np.greater(count, self._other, out=fresh)
            np.logical_and(fresh, self._inside.view(np.bool_), out=fresh)
            at = fresh.nonzero()[0]
            if not at.size:
                return
            values[core][at] = total.take(at) // count.take(at)
            marks[core][at] = 1
            left -= at.size

    def _grid(self, flat: NDArray[Any]) -> NDArray[Any]:
        """Return a flat array as (down, across)."""
        grid: NDArray[Any] = flat.reshape(self._shape)[:, :-1]
        return grid
