"""Cells that fired, gathered to regions: what each looks like, and whether it is a thing or a change of light.

A thing has edges: where it begins, the difference to the background jumps within a cell or two. The pool of a
headlight or the edge of a cloud is soft. So every region tells how much of its rim is an edge.

Not here: which region was which a frame ago (tracks.py). Runs on the camera's thread.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BROAD = 8  # cells that a region is wide at least whose ends are looked at
_FLAT = 0.8  # and as a share of its height
_BEYOND = 3  # cells that are looked at to the left and right of it
_COMPANY = 3
"""Neighbours that a cell needs more when it comes and goes all the time."""

_SOFT = 0.2
"""Less of an edge is a change of light."""

MOST = 48
"""Regions looked at in one frame, the largest first: more is weather."""


class Region(NamedTuple):
    """Cells that hang together; positions in cells."""

    label: int
    x: int
    y: int
    w: int
    h: int
    area: int
    """Cells that fired."""
    moving: float
    """Share of them that also changed against the frame a quarter of a second ago."""
    edge: float
    """How much of the rim is an edge: soft light about 0, a thing above a half."""
    own: float
    """Whose edges the rim shows: 1 = all in the picture, -1 = all in the background, so that something left."""
    contrast: int
    """Mean difference in units of 1/4096 octave, negative when darker than the background."""
    spread: int = 0
    """Standard deviation of the difference, in the same units: a shadow darkens evenly, whatever it falls on."""
    ends: float | None = None
    """How steep the steepest of its columns' steps is against its largest difference: a car ends within two cells,
    the pool of light before it fades over many. None for what is not flat and broad."""

    @property
    def at(self) -> tuple[slice, slice]:
        """The window of the box."""
        return slice(self.y, self.y + self.h), slice(self.x, self.x + self.w)


class Regions:
    """Finds regions on one grid of cells; owns the buffers that this needs."""

    def __init__(self, height: int, width: int) -> None:
        shape = (height, width)
        # One empty column between the rows, one empty row above and below: sums of neighbours need no edges.
        row = width + 1
        self._flat = np.zeros((height + 2) * row, np.uint8)
        self._inside = self._flat[row:-row].reshape(height, row)[:, :width]
        self._columns = np.zeros(height * row + 2, np.uint8)
        self._count = np.zeros(height * row, np.uint8)
        self._counted = self._count.reshape(height, row)[:, :width]
        self._weight = np.zeros(shape, np.uint8)
        self._company = np.full(shape, _COMPANY, np.uint8)
        self._joined = np.zeros(shape, np.uint8)
        # A cell, and those to the left, above, to the right and below, in one dimension.
        self._around = np.array([[0], [-1], [-width], [1], [width]])
        place = np.zeros((3, *shape), np.int16)
        place[0, :, 1:-1] = 1
        place[1, 1:-1] = 1
        place[2] = np.arange(width)
        self._beside = np.array([[1], [width - 1], [width], [width + 1]])
        self._place = place.reshape(3, -1)
        """Whether a cell has neighbours on both sides, whether it has some above and below, and its column."""
        self._amount = np.zeros(shape, np.int16)
        self._earlier = np.zeros(shape, np.bool_)
        self._near = np.zeros(shape, np.bool_)
        self.kept = np.zeros(shape, np.bool_)
        """Cells that fired together with others."""
        self.rows = slice(0, 0)
        """The rows that the regions found last lie in, and one more on both sides."""
        self.labels = np.zeros(shape, np.uint16)
        """Number of the region of each cell, 0 = none; vertical gaps of two cells are closed."""

    def find(
        self,
        cells: NDArray[np.int16],
        earlier: NDArray[np.int16],
        difference: NDArray[np.int16],
        edges: NDArray[np.int16],
        threshold: NDArray[np.int16],
        *,
        lasting: bool,
    ) -> list[Region]:
        """Return the largest regions of what was kept that have edges.

        cells, earlier: the frame, and the one of a quarter of a second ago.
        difference, edges, threshold: how the frame differs from the background, whose edges those are, and what it may
        differ by.
        lasting: only count what was there, or beside, a frame ago: drops and flakes are not.
        """
        if lasting:
            self._last()
        else:
            np.copyto(self._earlier, self.kept)
        at = self.kept.reshape(-1).nonzero()[0]
        if not at.size:
            return []
        height, width = self.kept.shape
        top, bottom = int(at[0]) // width, int(at[-1]) // width
        self.rows = slice(max(0, top - 2), min(height, bottom + 3))
        number = self._label(max(0, top - 1), bottom + 2)
        return self._describe(at, number, cells, earlier, difference, edges, threshold)

    def _label(self, top: int, bottom: int) -> int:
        """Number the regions within these rows and return how many there are, with 0 for none."""
        # All of the picture would take three times as long. From an even row on: labels are given out by blocks of two.
        top &= ~1
        # Head and legs are often all that differs from the wall behind: close gaps of two cells, upwards only.
        kept, joined = self.kept[top:bottom].view(np.uint8), self._joined[top:bottom]
        np.copyto(joined, kept)
        np.bitwise_or(joined[1:], kept[:-1], out=joined[1:])
        np.bitwise_or(joined[:-1], kept[1:], out=joined[:-1])
        # Counting and boxing the regions would take OpenCV twice the time of finding them.
        number, _ = cv2.connectedComponentsWithAlgorithm(
            joined, 8, cv2.CV_16U, cv2.CCL_SPAGHETTI, self.labels[top:bottom]
        )
        return int(number)

    def mask(self, region: Region) -> NDArray[np.bool_]:
        """Return which cells of the region's window belong to it."""
        belongs: NDArray[np.bool_] = self.labels[region.at] == region.label
        belongs &= self.kept[region.at]
        return belongs

    def weigh(self, restless: NDArray[np.uint8]) -> None:
        """Set for `keep` how many neighbours a cell must bring: the more often it comes and goes, the more."""
        weight = self._weight
        np.right_shift(restless, 4, out=weight)
        np.minimum(weight, self._company, out=weight)
        np.add(weight, 6, out=weight)

    def touch(self, fired: NDArray[np.bool_], at: NDArray[np.intp]) -> bool:
        """Say whether any of the cells that fired, given also by their places, may have company."""
        # Each pair is found from its upper or left cell; over the border at the right it may be none.
        beside = fired.reshape(-1).take(at + self._beside, mode="clip")
        return bool(np.count_nonzero(beside))

    def keep(self, fired: NDArray[np.bool_]) -> None:
        """Set `kept`: fired cells without those that are alone, with holes filled; counts of 3 by 3 cells."""
        flat, columns, count, length = self._flat, self._columns, self._count, self._count.size
        row = fired.shape[1] + 1
        np.copyto(self._inside, fired)
        middle, own = columns[1:-1], flat[row : row + length]
        np.add(flat[:length], own, out=middle)
        np.add(middle, flat[2 * row : 2 * row + length], out=middle)
        np.add(columns[:-2], middle, out=count)
        np.add(count, columns[2:], out=count)
        # A cell that fired needs one other, a hole six: four is added where it fired.
        np.multiply(own, 4, out=middle)
        np.add(count, middle, out=count)
        np.greater_equal(self._counted, self._weight, out=self.kept)

    def _last(self) -> None:
        """Drop what is not beside something that was kept a frame ago."""
        now, wide = self._joined.view(np.bool_), self._near
        np.copyto(now, self.kept)
        np.copyto(wide, self._earlier)
        np.logical_or(wide[1:], self._earlier[:-1], out=wide[1:])
        np.logical_or(wide[:-1], self._earlier[1:], out=wide[:-1])
        np.copyto(self._earlier, wide)
        np.logical_or(wide[:, 1:], self._earlier[:, :-1], out=wide[:, 1:])
        np.logical_or(wide[:, :-1], self._earlier[:, 1:], out=wide[:, :-1])
        np.logical_and(self.kept, wide, out=self.kept)
        np.copyto(self._earlier, now)

    def _describe(
        self,
        at: NDArray[np.intp],
        number: int,
        cells: NDArray[np.int16],
        earlier: NDArray[np.int16],
        difference: NDArray[np.int16],
        edges: NDArray[np.int16],
        threshold: NDArray[np.int16],
    ) -> list[Region]:
        """Sum up what the cells of each region show; only the cells that were kept are looked at."""
        label = self.labels.reshape(-1).take(at)
        area = np.bincount(label)[1:]
        if number > 2:
            # Sorted by region, and row by row within: so each region's sums are those of a stretch of cells.
            at = at.take(label.argsort(kind="stable"))
        areas = area.tolist()
        ends = [0, *itertools.accumulate(areas)]
        first = np.array(ends[:-1])
        limit = threshold.reshape(-1).take(at)
        place = self._place.take(at, axis=1)
        # Each cell with its four neighbours, of the difference and of the frame.
        around = at + self._around
        both = np.empty((2, *around.shape), np.int16)
        difference.reshape(-1).take(around, out=both[0], mode="clip")
        cells.reshape(-1).take(around, out=both[1], mode="clip")
        moved = both[1, 0] - earlier.reshape(-1).take(at)
        np.absolute(moved, out=moved)
        # Sums of whole numbers are exact as floats of 64 bits.
        of_cells = np.empty((4, at.size))
        of_cells[0] = both[0, 0]
        np.absolute(of_cells[0], out=of_cells[1])
        np.multiply(of_cells[0], of_cells[0], out=of_cells[2])
        np.greater(moved, limit, out=of_cells[3])
        sums = np.add.reduceat(of_cells, first, axis=1).tolist()
        # The larger of the steps over two cells, across and down; a step over the border is none.
        steps = both[:, 3:] - both[:, 1:3]
        np.absolute(steps, out=steps)
        steps *= place[:2]
        # An edge is steeper than the threshold, and than most of what the region differs by.
        steep = np.array([int(total / size * 0.8) for total, size in zip(sums[1], areas, strict=True)], np.int16)
        steep = steep.repeat(area)
        np.maximum(steep, limit, out=steep)
        np.greater(np.maximum(steps[0, 0], steps[0, 1]), steep, out=of_cells[0])
        of_cells[1] = np.maximum(steps[1, 0], steps[1, 1])
        of_cells[2] = edges.reshape(-1).take(at)
        of_cells[1:3] *= of_cells[0]
        of_rims = np.add.reduceat(of_cells[:3], first, axis=1).tolist()
        left, right = np.minimum.reduceat(place[2], first).tolist(), np.maximum.reduceat(place[2], first).tolist()
        top, bottom = at.take(first).tolist(), at.take([end - 1 for end in ends[1:]]).tolist()
        each = list(zip(areas, top, bottom, left, right, *sums, *of_rims, strict=True))
        return self._gather(areas, each, difference)

    def _gather(self, areas: list[int], each: list[tuple[Any, ...]], difference: NDArray[np.int16]) -> list[Region]:
        """Make regions of what was summed up; there are few, so plain numbers are faster here than arrays."""
        height, width = self.kept.shape
        found: list[Region] = []
        for i in sorted(range(len(areas)), key=areas.__getitem__, reverse=True)[:MOST]:
            size, first, last, left, right, lit, _, squared, moving, rim, seen, believed = each[i]
            top, bottom = first // width, last // width
            # What begins or ends a row from the border reaches it.
            y = top if top > 1 else 0
            w, h = right - left + 1, (bottom + 1 if bottom + 2 < height else height) - y
            edge = min(1.0, rim / max(1.0, min(size, w + h)))
            if edge < _SOFT:
                continue
            lit /= size
            spread = math.sqrt(max(0.0, squared / size - lit * lit))
            own = (seen - believed) / max(1.0, seen + believed)
            ends = self._ends(difference, left, y, w, h) if w >= max(_BROAD, _FLAT * h) else None
            found.append(Region(i + 1, left, y, w, h, size, moving / size, edge, own, int(lit), int(spread), ends))
        return found

    def _ends(self, difference: NDArray[np.int16], x: int, y: int, w: int, h: int) -> float:
        """Return the steepest step of the columns' mean difference over two cells, as a share of the largest one.

        The road at a flat angle squeezes a pool of light until its long sides are as sharp as a car's; its ends stay
        soft. Means of columns say so whatever grain there is.
        """
        at = (slice(y, y + h), slice(max(0, x - _BEYOND), x + w + _BEYOND))
        columns: list[int] = np.absolute(difference[at], out=self._amount[at]).sum(axis=0, dtype=np.int32).tolist()
        steepest = max(abs(after - before) for before, after in zip(columns, columns[2:], strict=False))
        return steepest / max(1, *columns)
