"""Changes of light: one offset for the whole picture, a curve over brightness, and a coarse field of offsets.

On the logarithmic scale of the cells a change of light is added, so its amount is the median of the differences:
objects are the outliers. A camera that bends its tones changes dark and bright cells by different amounts: the same
median, taken for six classes of brightness, is the curve. For a cloud's edge, a lamp or a street half in the sun the
same is done for blocks of 4 by 4 cells. A lorry changes blocks too, but where it begins the difference jumps, while
light fades: a patch of changed blocks is light only when the blocks about it are not broken by edges.

Not here: pools of light smaller than a block (regions.py judges them by their edges). Runs on the camera's thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gateway.motion.patches import Patches

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK = 4  # cells
_APART = 2  # cells between two samples
_CLASSES = 6  # of brightness, with equally many samples
_FEWEST = 12  # samples a class needs
_SHIFT = 6  # the curve has a value for every 64 units of level
_SAMPLES = 4  # of a block


class Light:
    """Estimates how the light differs from what was learned; owns the buffers that this needs."""

    def __init__(self, height: int, width: int, seen: NDArray[np.bool_]) -> None:
        """Seen: (height, width), False where a cell is masked."""
        rows, columns = np.nonzero(seen[4::8, 4::8])
        self._at = (rows * 8 + 4) * width + columns * 8 + 4
        self._few = np.zeros(self._at.size, np.int16)
        self._levels = np.zeros(self._at.size, np.int16)
        self._table = np.zeros((1 << 15 >> _SHIFT) + 1, np.int16)
        self._index = np.zeros((height, width), np.intp)
        self._blocks = (height // _BLOCK, width // _BLOCK)
        down, across = self._blocks
        self._crop = (slice(0, down * _BLOCK), slice(0, across * _BLOCK))
        self._patches = Patches(down, across)
        self._few_cells = np.zeros((down * _BLOCK // _APART, across * _BLOCK // _APART), np.int16)
        self._samples = np.zeros((_SAMPLES, down, across), np.int16)
        self._less, self._more = (np.zeros((2, down, across), np.int16) for _ in range(2))
        self._steep = np.zeros((down * _BLOCK // _APART, across * _BLOCK // _APART), np.int16)
        self._other = np.zeros_like(self._steep)
        self._high = np.zeros_like(self._steep)
        self._jumps = np.zeros(self._steep.shape, np.bool_)
        self._shattered = np.zeros((down, across), np.bool_)
        self._rows = _between(height, down)
        self._columns = _between(width, across)
        self._wide, self._start = (np.zeros((down, width), np.int32) for _ in range(2))
        self._fine = np.zeros((height, width), np.int32)
        self._other_fine = np.zeros((height, width), np.int32)
        self._field = np.zeros((height, width), np.int16)

    def offset(self, difference: NDArray[np.int16]) -> int:
        """Return the median difference of the cells, in units of 1/4096 octave."""
        if not self._few.size:
            return 0
        difference.reshape(-1).take(self._at, out=self._few, mode="clip")
        middle = self._few.size // 2
        self._few.partition(middle)
        return int(self._few[middle])

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
            places.append(level_of_class >> _SHIFT)
        if not any(values) or not _plausible(places, values):
            return None
        # Light that differs from place to place is not a curve: it must explain most of what is seen.
        explained = np.interp(self._levels, [place << _SHIFT for place in places], values)
        if float(np.abs(self._few - explained).sum()) * 2 > float(np.abs(self._few).sum()):
            return None
        steps = np.arange(self._table.size)
        np.copyto(self._table, np.rint(np.interp(steps, places, values)), casting="unsafe")
        np.right_shift(level, _SHIFT, out=self._field)
        np.copyto(self._index, self._field)
        np.take(self._table, self._index, out=self._field, mode="clip")
        return self._field

    def field(
        self, difference: NDArray[np.int16], threshold: NDArray[np.int16], least: int
    ) -> NDArray[np.int16] | None:
        """Return a smooth field (height, width) that explains the differences as light; valid until the next call.

        None when no patch changed by `least` or more that does not look like a thing.
        """
        few = self._few_cells
        np.copyto(few, difference[self._crop][_APART // 2 :: _APART, _APART // 2 :: _APART])
        broken = self._broken(few, threshold[self._crop][_APART // 2 :: _APART, _APART // 2 :: _APART])
        middle = self._middle(few)
        changed = np.absolute(middle) >= least
        lit = self._patches.whole(changed & ~broken, broken)
        if not lit.any():
            return None
        # Blocks that say nothing of the light (a thing stands there) take it from those around them.
        self._patches.spread(middle, lit | ~(changed | broken))
        self._widen(self._patches.value)
        return self._field

    def _middle(self, few: NDArray[np.int16]) -> NDArray[np.int16]:
        """Return the mean of the middle two of each block's four samples."""
        samples, less, more = self._samples, self._less, self._more
        for i in range(_SAMPLES):
            np.copyto(samples[i], few[i // 2 :: 2, i % 2 :: 2])
        np.minimum(samples[:2], samples[2:], out=less)
        np.maximum(samples[:2], samples[2:], out=more)
        # The greater of the lesser ones, and the lesser of the greater ones.
        one: NDArray[np.int16] = np.maximum(less[0], less[1], out=less[0])
        other: NDArray[np.int16] = np.minimum(more[0], more[1], out=more[0])
        np.right_shift(one, 1, out=one)
        np.right_shift(other, 1, out=other)
        np.add(one, other, out=other)
        return other

    def _widen(self, value: NDArray[np.int32]) -> None:
        """Write the blocks' values into the field of cells, linear between the blocks' middles."""
        wide, fine, other = self._wide, self._fine, self._other_fine
        (left, right, part), (top, bottom, share) = self._columns, self._rows
        start = value.take(left, axis=1, out=self._start, mode="clip")
        value.take(right, axis=1, out=wide, mode="clip")
        np.subtract(wide, start, out=wide)
        np.multiply(wide, part, out=wide)
        np.right_shift(wide, 3, out=wide)
        np.add(wide, start, out=wide)
        wide.take(bottom, axis=0, out=fine, mode="clip")
        wide.take(top, axis=0, out=other, mode="clip")
        np.subtract(fine, other, out=fine)
        np.multiply(fine, share[:, None], out=fine)
        np.right_shift(fine, 3, out=fine)
        np.add(fine, other, out=fine)
        np.copyto(self._field, fine, casting="unsafe")

    def _broken(self, few: NDArray[np.int16], threshold: NDArray[np.int16]) -> NDArray[np.bool_]:
        """Return which blocks hold an edge: samples that differ from the next by more than grain, and by much."""
        steep, other, high = self._steep, self._other, self._high
        np.absolute(few, out=high)
        np.subtract(few[:, 1:], few[:, :-1], out=steep[:, 1:])
        np.absolute(steep, out=steep)
        np.subtract(few[1:], few[:-1], out=other[1:])
        np.absolute(other, out=other)
        np.maximum(steep, other, out=steep)
        np.maximum(high[:, 1:], high[:, :-1], out=other[:, 1:])
        np.maximum(other[1:], high[:-1], out=other[1:])
        # Light may be steep where it is strong: half of itself over two cells.
        np.right_shift(other, 1, out=other)
        np.right_shift(threshold, 1, out=high)
        np.add(high, threshold, out=high)
        np.maximum(other, high, out=other)
        np.greater(steep, other, out=self._jumps)
        jumps, broken = self._jumps, self._shattered
        np.logical_or(jumps[::2, ::2], jumps[::2, 1::2], out=broken)
        np.logical_or(broken, jumps[1::2, ::2], out=broken)
        np.logical_or(broken, jumps[1::2, 1::2], out=broken)
        return broken


def _plausible(places: list[int], values: list[int]) -> bool:
    """Say whether a curve is one of light: bright stays brighter than dark, and half of the contrast is left."""
    levels = [place << _SHIFT for place in places]
    after = [level + value for level, value in zip(levels, values, strict=True)]
    return after == sorted(after) and (after[-1] - after[0]) * 2 >= levels[-1] - levels[0]


def _between(size: int, blocks: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.int32]]:
    """Return for each cell the two blocks between whose middles it lies, and how many eighths it is on the way."""
    first = np.zeros(size, np.intp)
    part = np.zeros(size, np.int32)
    for cell in range(size):
        where = min(max(2 * cell + 1 - _BLOCK, 0), 2 * _BLOCK * (blocks - 1))
        first[cell], part[cell] = divmod(where, 2 * _BLOCK)
    return first, np.minimum(first + 1, blocks - 1), part
