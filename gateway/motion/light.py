"""Changes of light: one offset for the whole picture, a curve over brightness, and a coarse field of offsets.

On the logarithmic scale of the cells a change of light is added, so its amount is the median of the differences:
objects are the outliers. A camera that bends its tones changes dark and bright cells by different amounts: the same
median, taken for six classes of brightness, is the curve. For a cloud's edge, a lamp or a street half in the sun the
same is done for blocks of 8 by 8 cells. A lorry changes blocks too, but where it begins the difference jumps, while
light fades: a patch of changed blocks is light only when the blocks about it are not broken by edges.

Not here: pools of light smaller than a block (regions.py judges them by their edges). Runs on the camera's thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK = 8  # cells
_APART = 2  # cells between two samples
_CLASSES = 6  # of brightness, with equally many samples
_FEWEST = 12  # samples a class needs
_SHIFT = 6  # the curve has a value for every 64 units of level
_SAMPLES = (_BLOCK // _APART) ** 2


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
        self._samples = np.zeros((down, across, _SAMPLES), np.int16)
        self._steep = np.zeros((down * _BLOCK // 2, across * _BLOCK // 2), np.int16)
        self._other = np.zeros_like(self._steep)
        self._rows = _weights(height, down)
        self._columns = _weights(width, across).T.copy()
        self._wide = np.zeros((down, width), np.float32)
        self._fine = np.zeros((height, width), np.float32)
        self._field = np.zeros((height, width), np.int16)

    def offset(self, difference: NDArray[np.int16]) -> int:
        """Return the median difference of the cells, in units of 1/4096 octave."""
        if not self._few.size:
            return 0
        np.take(difference.reshape(-1), self._at, out=self._few, mode="clip")
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
        np.take(difference.reshape(-1), self._at, out=self._few, mode="clip")
        np.take(level.reshape(-1), self._at, out=self._levels, mode="clip")
        order = np.argsort(self._levels, kind="stable")
        places: list[int] = []
        values: list[int] = []
        for i in range(_CLASSES):
            chosen = order[i * size : (i + 1) * size]
            sample = np.sort(self._few[chosen])
            middle = int(sample[size // 2])
            spread = int(sample[size * 3 // 4]) - int(sample[size // 4])
            # Half of the class must agree, or a thing stands before it.
            values.append(middle if abs(middle) >= least and spread < 2 * least + abs(middle) // 2 else 0)
            places.append(int(self._levels[chosen[size // 2]]) >> _SHIFT)
        if not any(values) or not _plausible(places, values):
            return None
        steps = np.arange(self._table.size)
        np.copyto(self._table, np.rint(np.interp(steps, places, values)), casting="unsafe")
        np.right_shift(level, _SHIFT, out=self._field)
        np.copyto(self._index, self._field)
        np.take(self._table, self._index, out=self._field, mode="clip")
        return self._field

    def field(self, difference: NDArray[np.int16], least: int) -> NDArray[np.int16] | None:
        """Return a smooth field (height, width) that explains the differences as light; valid until the next call.

        None when no patch changed by `least` or more that does not look like a thing.
        """
        down, across = self._blocks
        windows = difference[self._crop][_APART // 2 :: _APART, _APART // 2 :: _APART]
        side = _BLOCK // _APART
        np.copyto(
            self._samples.reshape(down, across, side, side),
            windows.reshape(down, side, across, side).transpose(0, 2, 1, 3),
        )
        broken = self._broken(difference, least * 4)
        self._samples.sort(axis=2)
        middle = self._samples[:, :, _SAMPLES // 2]
        changed = np.absolute(middle) >= least
        lit = self._patches(changed & ~broken, broken)
        if not lit.any():
            return None
        # Blocks that say nothing of the light (a thing stands there) take it from those around them.
        known = lit | ~(changed | broken)
        value = np.where(lit, middle, 0).astype(np.float32)
        self._spread(value, known)
        np.matmul(np.rint(value), self._columns, out=self._wide)
        # Whole numbers below 2**24 and weights of sixty-fourths: float32 is exact, in whatever order it adds.
        np.rint(self._wide, out=self._wide)
        np.matmul(self._rows, self._wide, out=self._fine)
        np.rint(self._fine, out=self._fine)
        np.copyto(self._field, self._fine, casting="unsafe")
        return self._field

    def _broken(self, difference: NDArray[np.int16], jump: int) -> NDArray[np.bool_]:
        """Return which blocks hold edges: many samples that differ from the next by more than `jump`."""
        few = difference[self._crop][1::2, 1::2]
        steep, other = self._steep, self._other
        np.subtract(few[:, 1:], few[:, :-1], out=steep[:, 1:])
        np.subtract(few[1:], few[:-1], out=other[1:])
        np.absolute(steep, out=steep)
        np.absolute(other, out=other)
        np.maximum(steep, other, out=steep)
        down, across = self._blocks
        high = steep.reshape(down, _BLOCK // 2, across, _BLOCK // 2) > jump
        broken: NDArray[np.bool_] = np.count_nonzero(high, axis=(1, 3)) >= 3
        return broken

    @staticmethod
    def _patches(candidates: NDArray[np.bool_], broken: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Keep those patches of blocks whose surroundings are mostly whole."""
        number, labels = cv2.connectedComponents(candidates.view(np.uint8), connectivity=4)
        lit = np.zeros_like(candidates)
        for label in range(1, number):
            patch = labels == label
            around = _grown(patch) & ~patch
            size, rim = int(np.count_nonzero(patch)), int(np.count_nonzero(around))
            if size >= 2 and int(np.count_nonzero(broken & around)) * 5 <= rim * 2:
                lit |= patch
        return lit

    @staticmethod
    def _spread(value: NDArray[np.float32], known: NDArray[np.bool_]) -> None:
        """Fill what is not known with the mean of known neighbours, outward ring by ring."""
        for _ in range(max(value.shape)):
            if known.all():
                return
            padded = np.pad(np.where(known, value, 0), 1)
            weight = np.pad(known.astype(np.float32), 1)
            total = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
            count = weight[:-2, 1:-1] + weight[2:, 1:-1] + weight[1:-1, :-2] + weight[1:-1, 2:]
            fresh = ~known & (count > 0)
            value[fresh] = np.rint(total[fresh] / count[fresh])
            known |= fresh


def _grown(patch: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the patch and its eight neighbours."""
    wide = np.pad(patch, 1)
    tall = wide[:-2] | wide[1:-1] | wide[2:]
    grown: NDArray[np.bool_] = tall[:, :-2] | tall[:, 1:-1] | tall[:, 2:]
    return grown


def _plausible(places: list[int], values: list[int]) -> bool:
    """Say whether a curve is one of light: bright stays brighter than dark, and half of the contrast is left."""
    levels = [place << _SHIFT for place in places]
    after = [level + value for level, value in zip(levels, values, strict=True)]
    return after == sorted(after) and (after[-1] - after[0]) * 2 >= levels[-1] - levels[0]


def _weights(size: int, blocks: int) -> NDArray[np.float32]:
    """Return (size, blocks): how much of each block's value a cell takes, linear between the blocks' middles."""
    weights = np.zeros((size, blocks), np.float32)
    for cell in range(size):
        where = min(max((cell + 0.5) * blocks / size - 0.5, 0.0), blocks - 1.0)
        first = min(int(where), blocks - 1)
        part = round((where - first) * 64) / 64
        weights[cell, first] += 1 - part
        weights[cell, min(first + 1, blocks - 1)] += part
    return weights
