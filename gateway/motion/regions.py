"""Cells that fired, gathered to regions: what each looks like, and whether it is a thing or a change of light.

A thing has edges: where it begins, the difference to the background jumps within a cell or two. The pool of a
headlight or the edge of a cloud is soft. So every region tells how much of its rim is an edge.

Not here: which region was which a frame ago (tracks.py). Runs on the camera's thread.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

_BROAD = 8  # cells that a region is wide at least whose ends are looked at
_FLAT = 0.8  # and as a share of its height
_BEYOND = 3  # cells that are looked at to the left and right of it
_COMPANY = 3
"""Neighbours that a cell needs more when it comes and goes all the time."""

_ONE = 16
"""A neighbour, counted in sixteenths: so fine is how restless a cell is."""

_SAME = 1.5  # a region goes on of which one cell in so many is where it was
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
        length = height * row
        flat, columns = np.zeros(length + 2 * row, np.uint8), np.zeros(length + 2, np.uint8)
        self._inside = flat[row:-row].reshape(height, row)[:, :width]
        self._above, self._own, self._below = (flat[i * row : i * row + length] for i in range(3))
        self._left, self._middle, self._right = columns[:-2], columns[1:-1], columns[2:]
        self._count = np.zeros(length, np.uint8)
        self._counted = self._count.reshape(height, row)[:, :width]
        self._weight = np.zeros(shape, np.uint8)
        self._most = np.full(shape, _ONE * (_COMPANY + 1) - 1, np.uint8)
        self._joined = np.zeros(shape, np.uint8)
        # The cells to the left, above, to the right and below, and the cell itself, in one dimension.
        self._around = np.array([[-1], [-width], [1], [width], [0]])
        self._beside = np.array([[1], [width - 1], [width], [width + 1]])
        place = np.zeros((6, *shape), np.int16)
        place[0, :, 1:-1] = 1
        place[1, 1:-1] = 1
        place[2:4] = np.arange(width)
        place[4:] = np.arange(height)[:, None]
        place[3::2] *= -1
        self._place = place.reshape(6, -1)
        """Whether a cell has neighbours on both sides, whether it has some above and below; its column and its row,
        each also as a negative number: the least of all says where regions begin and end."""
        self._amount = np.zeros(shape, np.int16)
        self._near = np.zeros(shape, np.bool_)
        # With an empty row above and below.
        self._tall, self._tall_earlier = (np.zeros((height + 2, width), np.uint8) for _ in range(2))
        self.kept = self._tall[1:-1].view(np.bool_)
        """Cells that fired together with others."""
        self._earlier = self._tall_earlier[1:-1].view(np.bool_)
        """The same when regions were found last, once it is no more what is kept now."""
        self._found = False
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
        at = self.kept.reshape(-1).nonzero()[0]
        if lasting and at.size:
            at = self._last(at)
        else:
            self._found = True
        if not at.size:
            return []
        number = self._label(at)
        return self._describe(at, number, cells, earlier, difference, edges, threshold)

    def _label(self, at: NDArray[np.intp]) -> int:
        """Number the regions and return how many there are, with 0 for none; at: the places of what was kept."""
        height, width = self.kept.shape
        top, bottom = int(at[0]) // width, int(at[-1]) // width
        self.rows = slice(max(0, top - 2), min(height, bottom + 3))
        top, bottom = max(0, top - 1), min(height, bottom + 2)
        # All of the picture would take three times as long. From an even row on: labels are given out by blocks of two.
        top &= ~1
        # Head and legs are often all that differs from the wall behind: close gaps of two cells, upwards only.
        kept, joined = self._tall, self._joined[top:bottom]
        np.bitwise_or(kept[top:bottom], kept[top + 1 : bottom + 1], joined)
        np.bitwise_or(joined, kept[top + 2 : bottom + 2], joined)
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
        # Six of nine cells, and one more for each sixteen of restlessness; in sixteenths, and one less.
        np.minimum(restless, self._most, out=self._weight)
        np.add(self._weight, 5 * _ONE, self._weight)

    def touch(self, fired: NDArray[np.bool_], at: NDArray[np.intp]) -> bool:
        """Say whether any of the cells that fired, in one dimension and also by their places, may have company."""
        # Each pair is found from its upper or left cell; over the border at the right it may be none.
        beside = fired.take(at + self._beside, mode="clip")
        return bool(np.count_nonzero(beside))

    def keep(self, fired: NDArray[np.bool_]) -> None:
        """Set `kept`: fired cells without those that are alone, with holes filled; counts of 3 by 3 cells."""
        middle, own, count = self._middle, self._own, self._count
        if self._found:
            self._swap()
        np.multiply(fired.view(np.uint8), _ONE, self._inside)
        np.add(self._above, own, middle)
        np.add(middle, self._below, middle)
        np.add(self._left, middle, count)
        np.add(count, self._right, count)
        # A cell that fired needs one other, a hole six: four is added where it fired.
        np.multiply(own, 4, middle)
        np.add(count, middle, count)
        np.greater(self._counted, self._weight, self.kept)

    def _last(self, at: NDArray[np.intp]) -> NDArray[np.intp]:
        """Drop what is not beside something that was kept a frame ago; at, and returned: the places of what is kept.

        What goes on where it was is kept whole: its front is new in every frame, and is the edge that makes it a thing.
        """
        earlier, wide, both = self._earlier, self._near, self._joined.view(np.bool_)
        wide[...] = earlier
        np.logical_or(wide[1:], earlier[:-1], wide[1:])
        np.logical_or(wide[:-1], earlier[1:], wide[:-1])
        both[...] = wide
        np.logical_or(both[:, 1:], wide[:, :-1], both[:, 1:])
        np.logical_or(both[:, :-1], wide[:, 1:], both[:, :-1])
        lasts = both.reshape(-1).take(at)
        self._label(at)
        label = self.labels.reshape(-1).take(at)
        goes_on = np.bincount(label, lasts) * _SAME >= np.bincount(label)
        lasts |= goes_on.take(label)
        # The next frame is compared with all that was kept.
        earlier[...] = self.kept
        self._swap()
        self.kept.reshape(-1)[at] = lasts
        return at.compress(lasts)

    def _swap(self) -> None:
        self.kept, self._earlier = self._earlier, self.kept
        self._tall, self._tall_earlier = self._tall_earlier, self._tall
        self._found = False

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
        first = np.add.accumulate(area)
        first -= area
        limit = threshold.reshape(-1).take(at)
        place = self._place.take(at, axis=1)
        # Each cell with its four neighbours, of the difference and of the frame.
        around = at + self._around
        both = np.empty((2, *around.shape), np.int16)
        difference.reshape(-1).take(around, out=both[0], mode="clip")
        cells.reshape(-1).take(around, out=both[1], mode="clip")
        own, moved = both[:, 4]
        moved -= earlier.reshape(-1).take(at)
        np.absolute(moved, moved)
        # Sums of whole numbers are exact as floats of 64 bits.
        of_cells = np.empty((4, at.size))
        lit, depth, squared, moving = of_cells
        lit[:] = own
        np.absolute(lit, depth)
        np.multiply(lit, lit, squared)
        moving[:] = moved > limit
        sums = np.add.reduceat(of_cells, first, axis=1)
        # The larger of the steps over two cells, across and down; a step over the border is none.
        steps = both[:, 2:4]
        steps -= both[:, :2]
        np.absolute(steps, steps)
        steps *= place[:2]
        change, seen = np.maximum(steps[:, 0], steps[:, 1])
        # An edge is steeper than the threshold, and than most of what the region differs by.
        steep = sums[1] / area
        steep *= 0.8
        steep = steep.astype(np.int16).repeat(area)
        np.maximum(steep, limit, out=steep)
        lit[:] = change > steep
        np.multiply(seen, lit, depth)
        np.multiply(edges.reshape(-1).take(at), lit, squared)
        rims = np.add.reduceat(of_cells[:3], first, axis=1)
        borders = np.minimum.reduceat(place[2:], first, axis=1)
        areas = area.tolist()
        each = zip(areas, *borders.tolist(), *sums.tolist(), *rims.tolist(), strict=True)
        return self._gather(areas, list(each), difference)

    def _gather(self, areas: list[int], each: list[tuple[Any, ...]], difference: NDArray[np.int16]) -> list[Region]:
        """Make regions of what was summed up; there are few, so plain numbers are faster here than arrays."""
        bottom = self.kept.shape[0] - 2
        found: list[Region] = []
        order: Iterable[int] = range(len(each))
        if len(each) > 1:
            order = sorted(order, key=areas.__getitem__, reverse=True)[:MOST]
        for i in order:
            size, left, right, first, last, lit, _, squared, moving, rim, seen, believed = each[i]
            # What begins or ends a row from the border reaches it.
            y = first if first > 1 else 0
            w, h = 1 - right - left, (1 - last if -last < bottom else bottom + 2) - y
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
        amount = np.absolute(difference[at], self._amount[at])
        columns = np.add.reduce(amount, axis=0, dtype=np.int32)
        steps = columns[2:] - columns[:-2]
        np.absolute(steps, steps)
        return int(steps.max()) / max(1, int(columns.max()))
