"""From the luma plane to cells: the mean of a block of pixels, as a logarithm, about 160 by 120 of them.

Averaging 4 to 64 pixels takes the noise away before anything is modelled, and leaves a tenth of the work. On a
logarithmic scale a change of light is an offset, whatever it falls on, so that the rest of this room can subtract it.

Not here: what a cell's value means for motion (background.py). Runs on the thread that reads the camera.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

OCTAVE = 4096
"""Units of the logarithmic scale in which light doubles: one hundredth more light is 59 units."""

PEDESTAL = 16.0
"""Grey levels added before the logarithm, so that the noise of black does not become large."""

# A cell of 4 x 4 pixels at most 4080: the table is indexed by sixteenths of a grey level for all sizes of cells.
_STEPS = 16
_EVEN = np.uint64(0x00FF00FF00FF00FF)


def logarithm(grey: float) -> int:
    """Return a grey level (0..255) on the logarithmic scale."""
    return round(OCTAVE * math.log2((grey + PEDESTAL) / PEDESTAL))


def cell_size(width: int, height: int) -> int:
    """Return the side of a cell in pixels (1, 2, 4 or 8) for a plane of this size."""
    size = 1
    while size < 8 and width >= 256 * size and height >= 144 * size:
        size *= 2
    return size


class Cells:
    """Reduces luma planes of one size to cells; owns the buffers that this needs."""

    def __init__(self, width: int, height: int) -> None:
        self.size = cell_size(width, height)
        # Eight pixels are added at once, so a few columns at the right may fall off.
        across = width // 8 * 8 if self.size > 1 else width
        self.width = across // self.size
        self.height = height // self.size
        self._across, self._down = self.width * self.size, self.height * self.size
        self._table = np.array([logarithm(i / _STEPS) for i in range(256 * _STEPS)], np.int16)
        self._index = np.zeros((self.height, self.width), np.intp)
        # Row k of every cell lies in plane k, so that all that follows runs over memory without gaps: NumPy would
        # copy rows with gaps into buffers of its own.
        self._planes = np.zeros((self.size, self.height, across), np.uint8)
        if self.size > 1:
            words = across // 8
            self._low = np.zeros((self.size, self.height, words), np.uint64)
            self._high = np.zeros((self.size, self.height, words), np.uint64)
            self._rows = np.zeros((self.height, words), np.uint64)
            self._halves = np.zeros((self.height, words * 2), np.uint32)

    def reduce(self, luma: NDArray[np.uint8], out: NDArray[np.int16]) -> None:
        """Write the logarithm of each cell's mean into `out`, shape (height, width) int16, units of 1/4096 octave."""
        np.copyto(self._index, self._sums(luma), casting="unsafe")
        if self.size == 1:
            np.left_shift(self._index, 4, out=self._index)
        elif self.size == 2:
            np.left_shift(self._index, 2, out=self._index)
        elif self.size == 8:
            np.right_shift(self._index, 2, out=self._index)
        np.take(self._table, self._index, out=out, mode="clip")

    def mean(self) -> float:
        """Mean grey level of the plane reduced last, from every fourth cell of every fourth row."""
        few = self._index[::4, ::4]
        return float(few.sum()) / (few.size * _STEPS)

    def _sums(self, luma: NDArray[np.uint8]) -> NDArray[np.generic]:
        """Add up each cell's pixels, eight at a time in one 64-bit word."""
        if self.size == 1:
            plane: NDArray[np.uint8] = self._planes[0]
            np.copyto(plane, luma)
            return plane
        low, high, rows, size = self._low, self._high, self._rows, self.size
        cropped = luma[: self._down, : self._across]
        for row in range(size):
            np.copyto(self._planes[row], cropped[row::size])
        words = self._planes.view(np.uint64)
        np.bitwise_and(words, _EVEN, out=low)
        np.right_shift(words, 8, out=high)
        np.bitwise_and(high, _EVEN, out=high)
        np.add(low, high, out=low)  # 16 bits for each pair of neighbours
        np.add(low[0], low[1], out=rows)
        for row in range(2, size):
            np.add(rows, low[row], out=rows)
        if size == 2:
            return rows.view(np.uint16)
        pairs = rows.view(np.uint32)
        halves = self._halves
        np.right_shift(pairs, 16, out=halves)
        np.bitwise_and(pairs, 0xFFFF, out=pairs)
        np.add(pairs, halves, out=halves)
        if size == 4:
            return halves
        quads = halves.view(np.uint64)
        np.right_shift(quads, 32, out=rows)
        np.bitwise_and(quads, 0xFFFFFFFF, out=quads)
        np.add(quads, rows, out=rows)
        return rows
