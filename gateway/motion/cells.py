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

# Cells of 4 x 4 pixels at most 4080: the table tells sixteenths of a grey level apart, whatever the size of a cell.
_STEPS = 16
_LANES = np.uint64(0x0001000100010001)
_TWO_LANES = np.uint32(0x00010001)


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
        self.size = size = cell_size(width, height)
        # Eight pixels are added at once, so a few columns at the right may fall off.
        across = width // 8 * 8 if size > 1 else width
        self.width = across // size
        self.height = height // size
        self._rows = [(slice(i, self.height * size, size), slice(0, across)) for i in range(size)]
        steps = np.array([logarithm(i / _STEPS) for i in range(256 * _STEPS)], np.int16)
        self._table = steps[np.arange(255 * size * size + 1) * _STEPS // (size * size)]
        self._mean = -1.0
        if size > 1:
            self._columns = np.zeros((self.height, across), np.uint16)
            self._row = np.zeros((self.height, across), np.uint16)
            self._pairs, self._fours = self._columns.view(np.uint32), self._columns.view(np.uint64)
        # The sums are looked up as words of 64 bits: those of four columns are made in the place of the columns.
        if size == 4:
            self._sums = self._fours.view(np.int64)
        else:
            self._sums = np.zeros((self.height, self.width), np.int64)
        self._wide_sums = self._sums.view(np.uint64)
        self._few = self._sums[::4, ::4]

    def reduce(self, luma: NDArray[np.uint8], out: NDArray[np.int16]) -> None:
        """Write the logarithm of each cell's mean into `out`, shape (height, width) int16, units of 1/4096 octave."""
        if self.size == 1:
            self._sums[...] = luma
        else:
            self._add_up(luma)
        self._table.take(self._sums, out=out, mode="clip")
        self._mean = -1.0

    def mean(self) -> float:
        """Mean grey level of the plane reduced last, from every fourth cell of every fourth row."""
        if self._mean < 0:
            self._mean = float(np.add.reduce(self._few, axis=None)) / (self._few.size * self.size * self.size)
        return self._mean

    def _add_up(self, luma: NDArray[np.uint8]) -> None:
        """Add up each cell's pixels: first down the columns, then across, several columns in one wide word."""
        size, columns, row = self.size, self._columns, self._row
        # A plain copy widens the pixels at twice the speed of an addition that has to, and takes any stride.
        columns[...] = luma[self._rows[0]]
        for at in self._rows[1:]:
            row[...] = luma[at]
            np.add(columns, row, columns)
        # A product with 1 in every lane has the sum of all lanes in its highest one.
        if size == 2:
            np.multiply(self._pairs, _TWO_LANES, self._pairs)
            np.right_shift(self._pairs, 16, self._pairs)
            self._sums[...] = self._pairs
        elif size == 4:
            np.multiply(self._fours, _LANES, self._fours)
            np.right_shift(self._fours, 48, self._fours)
        else:
            np.multiply(self._fours, _LANES, self._fours)
            np.right_shift(self._fours, 48, self._fours)
            np.add(self._fours[:, ::2], self._fours[:, 1::2], self._wide_sums)
