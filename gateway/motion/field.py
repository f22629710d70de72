"""Light that differs from place to place: a cloud's edge, a lamp, a street half in the sun.

It is the median of the differences, as for the whole picture (light.py), taken for blocks of 4 by 4 cells. A lorry
changes blocks too, but where it begins the difference jumps, while light fades: a patch of changed blocks is light
only when the blocks about it are not broken by edges. Where there is something to be seen on the ground, it need not be
soft: light leaves it visible, a lorry hides it.

Not here: pools of light smaller than a block (regions.py judges them by their edges). Runs on the camera's thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gateway.motion.cells import OCTAVE
from gateway.motion.patches import PATCH, Patches

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK = 4  # cells
_APART = 2  # cells between two samples
_SAMPLES = 4  # of a block
_SHIFT = 6  # there is a share for every 64 units of level
_WHOLE = 256
_DARKEST = 0.5  # least share of a grey level that is taken to be light: less would be mostly noise
_NEXT = ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1]))
"""All samples that have one before them, and those: down and across."""
_SIDES = ((np.s_[:-4], np.s_[2:-2], np.s_[4:]), (np.s_[:, :-4], np.s_[:, 2:-2], np.s_[:, 4:]))
"""Blocks above, blocks, and those below; to the left, blocks, to the right: two blocks away."""


class Field:
    """Estimates a smooth field of light; owns the buffers that this needs."""

    def __init__(self, height: int, width: int) -> None:
        self._blocks = (height // _BLOCK, width // _BLOCK)
        down, across = self._blocks
        # One cell in four stands for all: four of each block.
        self._lattice = tuple(slice(_APART // 2, count * _BLOCK, _APART) for count in (down, across))
        self._patches = Patches(down, across)
        self._few_cells = np.zeros((down * _BLOCK // _APART, across * _BLOCK // _APART), np.int16)
        self._samples = np.zeros((_SAMPLES, down, across), np.int16)
        self._less, self._more = (np.zeros((2, down, across), np.int16) for _ in range(2))
        self._steep = np.zeros((down * _BLOCK // _APART, across * _BLOCK // _APART), np.int16)
        self._other = np.zeros_like(self._steep)
        self._high = np.zeros_like(self._steep)
        self._jumps = np.zeros(self._steep.shape, np.bool_)
        self._few_levels, self._few_thresholds = np.zeros_like(self._steep), np.zeros_like(self._steep)
        self._ends = np.zeros((2, *self._steep.shape), np.uint8)
        self._edges = np.zeros((2, down, across), np.uint8)
        # Views are made once: there are three dozen.
        arrays = (self._few_levels, self._few_cells, self._few_thresholds, self._steep, self._other, self._jumps,
                  self._jumps.view(np.uint8), *self._ends)  # fmt: skip
        self._sides = [
            (self._few_levels[before], self._few_cells[before], *(array[after] for array in arrays))
            for after, before in _NEXT
        ]
        self._of_jumps, self._of_ends = (
            [array[..., i // 2 :: 2, i % 2 :: 2] for i in range(_SAMPLES)] for array in (self._jumps, self._ends)
        )
        self._shattered = np.zeros((down, across), np.bool_)
        self._rows = _between(height, down)
        self._columns = _between(width, across)
        self._wide, self._start = (np.zeros((down, width), np.int32) for _ in range(2))
        self._fine = np.zeros((height, width), np.int32)
        self._other_fine = np.zeros((height, width), np.int32)
        self._field, self._slack, self._slope = (np.zeros((height, width), np.int16) for _ in range(3))
        self._index = np.zeros((height, width), np.intp)
        # A cell shows a change of light only in the share of its grey level that is not the pedestal: see cells.py.
        shares = np.maximum(1 - np.exp2(-np.arange((1 << 15 >> _SHIFT) + 1) * (1 << _SHIFT) / OCTAVE), _DARKEST)
        self._shares = np.rint(shares * _WHOLE).astype(np.int32)
        self._whole = np.rint(_WHOLE / shares).astype(np.int32)
        self._few_index = np.zeros(self._few_cells.shape, np.intp)
        self._few_wide = np.zeros(self._few_cells.shape, np.int32)
        self._few_other = np.zeros(self._few_cells.shape, np.int32)

    def find(
        self, difference: NDArray[np.int16], level: NDArray[np.int16], threshold: NDArray[np.int16], least: int
    ) -> NDArray[np.int16] | None:
        """Return a smooth field (height, width) that explains the differences as light; valid until the next call.

        None when no patch changed by `least` or more that does not look like a thing.
        """
        few, lattice = self._few_cells, self._lattice
        few[...] = difference[lattice]
        self._few_thresholds[...] = threshold[lattice]
        self._few_levels[...] = level[lattice]
        broken = self._broken(few, self._few_thresholds)
        changed = np.absolute(self._middle(few)) >= least
        candidates = changed & ~broken
        if np.count_nonzero(candidates) < PATCH:  # people and cars: most frames end here
            return None
        middle = self._middle(self._unpedestalled(few))
        self._compare_edges()
        # A thing hides what lies behind it, also amid a patch of light.
        there, kept = self._edges
        hidden = (there >= 2) & (kept * 2 < there)
        lit = self._patches.whole(candidates & ~hidden, broken | hidden, lambda: _narrow(middle, least), *self._edges)
        if not lit.any():
            return None
        # Blocks that say nothing of the light (a thing stands there) take it from those around them.
        self._patches.spread(middle, lit | ~(changed | broken))
        self._widen(self._patches.value)
        self._take_shares(level)
        return self._field

    def slack(self, field: NDArray[np.int16]) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        """Return how far a field may be wrong, (height, width), because it is strong, and because it is steep.

        Strong light has texture of its own: a sixteenth of it. Between the middles of two blocks the field is a
        straight line, so where light begins within less than that it is off by up to half of the step. Valid until the
        next call.
        """
        steep, slack = self._slope, self._slack
        half = _BLOCK // 2
        np.subtract(field[:, _BLOCK:], field[:, :-_BLOCK], steep[:, half:-half])
        steep[:, :half] = steep[:, half : half + 1]
        steep[:, -half:] = steep[:, -half - 1 : -half]
        np.absolute(steep, steep)
        np.subtract(field[_BLOCK:], field[:-_BLOCK], slack[half:-half])
        slack[:half] = slack[half]
        slack[-half:] = slack[-half - 1]
        np.absolute(slack, slack)
        np.maximum(steep, slack, out=steep)
        np.right_shift(steep, 1, steep)
        np.absolute(field, slack)
        np.right_shift(slack, 4, slack)
        return slack, steep

    def _middle(self, few: NDArray[np.int16] | NDArray[np.int32]) -> NDArray[np.int16]:
        """Return the mean of the middle two of each block's four samples."""
        samples, less, more = self._samples, self._less, self._more
        for i in range(_SAMPLES):
            samples[i] = few[i // 2 :: 2, i % 2 :: 2]
        np.minimum(samples[:2], samples[2:], out=less)
        np.maximum(samples[:2], samples[2:], out=more)
        # The greater of the lesser ones, and the lesser of the greater ones.
        one: NDArray[np.int16] = np.maximum(less[0], less[1], out=less[0])
        other: NDArray[np.int16] = np.minimum(more[0], more[1], out=more[0])
        np.right_shift(one, 1, one)
        np.right_shift(other, 1, other)
        np.add(one, other, other)
        return other

    def _widen(self, value: NDArray[np.int32]) -> None:
        """Write the blocks' values into the field of cells, linear between the blocks' middles."""
        wide, fine, other = self._wide, self._fine, self._other_fine
        (left, right, part), (top, bottom, share) = self._columns, self._rows
        start = value.take(left, axis=1, out=self._start, mode="clip")
        value.take(right, axis=1, out=wide, mode="clip")
        np.subtract(wide, start, wide)
        np.multiply(wide, part, wide)
        np.right_shift(wide, 3, wide)
        np.add(wide, start, wide)
        wide.take(bottom, axis=0, out=fine, mode="clip")
        wide.take(top, axis=0, out=other, mode="clip")
        np.subtract(fine, other, fine)
        np.multiply(fine, share[:, None], fine)
        np.right_shift(fine, 3, fine)
        np.add(fine, other, fine)

    def _take_shares(self, level: NDArray[np.int16]) -> None:
        """Write into the field how much of the light each cell shows, dark ones less."""
        fine, share = self._fine, self._other_fine
        np.right_shift(fine, 1, share)
        self._field[...] = share
        np.add(self._field, level, self._field)  # half way from what was learned to what is seen
        np.right_shift(self._field, _SHIFT, self._field)
        self._index[...] = self._field
        self._shares.take(self._index, out=share, mode="clip")
        np.multiply(fine, share, fine)
        np.right_shift(fine, 8, fine)
        self._field[...] = fine

    def _unpedestalled(self, few: NDArray[np.int16]) -> NDArray[np.int32]:
        """Return the light that the samples' differences stand for: dark ones show less of it."""
        index, wide, share = self._few_index, self._few_wide, self._few_other
        np.right_shift(few, 1, self._other)
        np.add(self._other, self._few_levels, self._other)
        wide[...] = self._other
        np.right_shift(wide, _SHIFT, wide)
        index[...] = wide
        self._whole.take(index, out=share, mode="clip")
        wide[...] = few
        np.multiply(wide, share, wide)
        np.right_shift(wide, 8, wide)
        return wide

    def _broken(self, few: NDArray[np.int16], threshold: NDArray[np.int16]) -> NDArray[np.bool_]:
        """Return which blocks hold an edge: samples that differ from the next by more than grain, and by much."""
        steep, other, high = self._steep, self._other, self._high
        np.absolute(few, high)
        steep[:, 0] = other[0] = 0  # nothing is before them
        np.subtract(few[:, 1:], few[:, :-1], steep[:, 1:])
        np.absolute(steep, steep)
        np.subtract(few[1:], few[:-1], other[1:])
        np.absolute(other, other)
        np.maximum(steep, other, out=steep)
        other[...] = high
        np.maximum(high[:, 1:], high[:, :-1], out=other[:, 1:])
        np.maximum(other[1:], high[:-1], out=other[1:])
        # Light may be steep where it is strong: half of itself over two cells.
        np.right_shift(other, 1, other)
        np.right_shift(threshold, 1, high)
        np.add(high, threshold, high)
        np.maximum(other, high, out=other)
        np.greater(steep, other, self._jumps)
        one, two, three, four = self._of_jumps
        broken = self._shattered
        np.logical_or(one, two, broken)
        np.logical_or(broken, three, broken)
        np.logical_or(broken, four, broken)
        return broken

    def _compare_edges(self) -> None:
        """Count for each block the steps of what was learned, and those of them that the frame still has."""
        self._ends.fill(0)
        for level, few, levels, fews, threshold, steps, changes, jumps, counted, there, left in self._sides:
            np.subtract(levels, level, steps)
            np.absolute(steps, steps)
            np.subtract(fews, few, changes)
            np.absolute(changes, changes)
            np.greater(steps, threshold, jumps)
            np.add(there, counted, there)
            np.right_shift(steps, 1, steps)
            np.logical_and(jumps, changes < steps, jumps)
            np.add(left, counted, left)
        edges, (one, two, three, four) = self._edges, self._of_ends
        np.add(one, two, edges)
        np.add(edges, three, edges)
        np.add(edges, four, edges)


def _narrow(middle: NDArray[np.int16], least: int) -> NDArray[np.bool_]:
    """Return which blocks stand out from both sides, or from above and below: a cloud does so from one side."""
    narrow = np.zeros(middle.shape, np.bool_)
    slack = np.maximum(np.absolute(middle) >> 2, 2 * least)
    for a, at, b in _SIDES:
        value, low, high = middle[at], np.minimum(middle[a], middle[b]), np.maximum(middle[a], middle[b])
        narrow[at] |= (value < low - slack[at]) | (value > high + slack[at])
    return narrow


def _between(size: int, blocks: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.int32]]:
    """Return for each cell the two blocks between whose middles it lies, and how many eighths it is on the way."""
    first = np.zeros(size, np.intp)
    part = np.zeros(size, np.int32)
    for cell in range(size):
        where = min(max(2 * cell + 1 - _BLOCK, 0), 2 * _BLOCK * (blocks - 1))
        first[cell], part[cell] = divmod(where, 2 * _BLOCK)
    return first, np.minimum(first + 1, blocks - 1), part
