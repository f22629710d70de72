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
    from collections.abc import Callable

    from numpy.typing import NDArray

PATCH = 6
"""Blocks: less is no pool of light."""

_TOGETHER = 8  # patches looked at in one go
_CLOSED = 4  # as many neighbours as there are: nothing is spread to what is known, or outside
_EDGES = 8  # steps of what was learned that must be there to tell whether they are hidden
_KEPT = 0.75  # of them that light leaves
_RINGS = 8  # blocks that a value spreads


class Patches:
    """Owns the buffers for one grid of blocks."""

    def __init__(self, down: int, across: int) -> None:
        self._row = row = across + 1
        size, self._area = (down + 2) * row + 2, down * across
        self._core = slice(1 + row, 1 + row + down * row)
        # What is spread, and 1 where it is known; the same of the sides, added up.
        self._both, self._sums = np.zeros((2, size), np.int32), np.zeros((2, down * row), np.int32)
        self._shut = np.zeros(down * row, np.int32)
        self._fresh = np.zeros(down * row, np.bool_)
        self._labels = np.zeros((down, across), np.uint16)
        self._each, self._each_tall = (np.zeros((_TOGETHER, size), np.uint8) for _ in range(2))
        self._around = np.zeros((_TOGETHER, down * row), np.uint8)
        self._numbers, self._broken, self._inside = (
            np.zeros(down * row, kind) for kind in (np.uint16, *[np.uint8] * 2)
        )
        self._shape = (down, row)
        self._grid(self._inside)[...] = 1
        self.value: NDArray[np.int32] = self._grid(self._both[0, self._core])
        """(down, across) int32, what was spread."""

    def whole(
        self,
        candidates: NDArray[np.bool_],
        broken: NDArray[np.bool_],
        narrow: Callable[[], NDArray[np.bool_]],
        edges: NDArray[np.uint8],
        kept: NDArray[np.uint8],
    ) -> NDArray[np.bool_]:
        """Return those patches of candidates, (down, across), that are light.

        broken: blocks with an edge: they must not surround a patch. edges, kept: steps of what was learned in each
        block, and how many of them are still there: where most are, the surroundings do not matter. narrow: says which
        blocks of such a patch are none of it, as they stand out from it; asked only where there is one.
        """
        number, _ = cv2.connectedComponentsWithAlgorithm(
            candidates.view(np.uint8), 4, cv2.CV_16U, cv2.CCL_SAUF, self._labels
        )
        if number == 1:
            return np.zeros_like(candidates)
        self._grid(self._numbers)[...] = self._labels
        self._grid(self._broken)[...] = broken
        labels = self._labels.reshape(-1)
        sizes = np.bincount(labels).tolist()
        # What covers a third of the picture without an edge of its own is light, whatever stands about it.
        good = [size * 3 >= self._area for size in sizes]
        bare = [False] * len(sizes)
        good[0] = False
        small = [label for label, size in enumerate(sizes) if label > 0 and PATCH <= size < self._area / 3]
        wrecks: list[int] = []
        for i in range(0, len(small), _TOGETHER):
            some = small[i : i + _TOGETHER]
            around = self._surround(np.array(some, np.uint16))
            rims = np.add.reduce(around, axis=1, dtype=np.int32)
            np.bitwise_and(around, self._broken, around)
            for label, wrecked in zip(
                some, (np.add.reduce(around, axis=1, dtype=np.int32) * 2 > rims).tolist(), strict=True
            ):
                good[label] = not wrecked
                if wrecked:
                    wrecks.append(label)
        lit: NDArray[np.bool_] = np.array(good).take(self._labels)
        if wrecks:
            # Light leaves what it falls on visible, however sharp its own edge is: a thing hides it.
            there, left = (np.bincount(labels, weights=counts.reshape(-1)).tolist() for counts in (edges, kept))
            for label in wrecks:
                bare[label] = there[label] >= _EDGES and left[label] > _KEPT * there[label]
        if any(bare):
            lit |= np.array(bare).take(self._labels) & ~narrow()
        return lit

    def _surround(self, labels: NDArray[np.uint16]) -> NDArray[np.uint8]:
        """Return the eight neighbours of each of some patches that do not belong to it; valid until the next call."""
        n, row, core = labels.size, self._row, self._core
        patch, tall, around = self._each[:n], self._each_tall[:n], self._around[:n]
        length = core.stop - core.start
        own = patch[:, core]
        np.equal(self._numbers, labels[:, None], own.view(np.bool_))
        middle = tall[:, row : row + length + 2]  # with the columns on both sides
        np.bitwise_or(patch[:, : length + 2], patch[:, row : row + length + 2], middle)
        np.bitwise_or(middle, patch[:, 2 * row : 2 * row + length + 2], middle)
        np.bitwise_or(middle[:, :-2], middle[:, 1:-1], around)
        np.bitwise_or(around, middle[:, 2:], around)
        np.greater(around, own, around.view(np.bool_))
        np.bitwise_and(around, self._inside, around)
        return around

    def spread(self, value: NDArray[np.int16], known: NDArray[np.bool_]) -> None:
        """Set `value` where it is known, and fill the rest with the mean of known neighbours, ring by ring."""
        both, shut, core, row = self._both, self._shut, self._core, self._row
        np.multiply(value, known, self.value, casting="unsafe")
        self._grid(both[1, core])[...] = known
        shut.fill(_CLOSED)
        np.multiply(known, _CLOSED, out=self._grid(shut), casting="unsafe")
        left = self._area - int(np.count_nonzero(known))
        total, fresh, middle = self._sums, self._fresh, both[:, core]
        above, below, before, after = (both[:, core.start + step : core.stop + step] for step in (-row, row, -1, 1))
        for _ in range(_RINGS):
            if not left:
                return
            np.add(above, below, total)
            np.add(total, before, total)
            np.add(total, after, total)
            np.greater(total[1], shut, fresh)
            at = fresh.nonzero()[0]
            if not at.size:
                return
            sums, count = total.take(at, axis=1)
            middle[0][at] = sums // count
            middle[1][at] = 1
            shut[at] = _CLOSED
            left -= at.size

    def _grid(self, flat: NDArray[Any]) -> NDArray[Any]:
        """Return a flat array as (down, across)."""
        grid: NDArray[Any] = flat.reshape(self._shape)[:, :-1]
        return grid
