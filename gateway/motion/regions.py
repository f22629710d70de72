"""Cells that fired, gathered to regions: what each looks like, and whether it is a thing or a change of light.

A thing has edges: where it begins, the difference to the background jumps within a cell or two. The pool of a
headlight or the edge of a cloud is soft. So every region tells how much of its rim is an edge.

Not here: which region was which a frame ago (tracks.py). Runs on the camera's thread.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_COMPANY = 3
"""Neighbours that a cell needs more when it comes and goes all the time."""

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
        self._slope = np.zeros(shape, np.int16)
        self._other = np.zeros(shape, np.int16)
        self._inner = self._other.reshape(-1)[width:-width]
        self._seen = np.zeros(shape, np.int16)
        self._earlier = np.zeros(shape, np.bool_)
        self._near = np.zeros(shape, np.bool_)
        self.kept = np.zeros(shape, np.bool_)
        """Cells that fired together with others."""
        self.labels = np.zeros(shape, np.uint16)
        """Number of the region of each cell, 0 = none; vertical gaps of two cells are closed."""

    def find(
        self,
        fired: NDArray[np.bool_],
        cells: NDArray[np.int16],
        earlier: NDArray[np.int16],
        difference: NDArray[np.int16],
        edges: NDArray[np.int16],
        threshold: NDArray[np.int16],
        *,
        lasting: bool,
    ) -> list[Region]:
        """Return the largest regions.

        fired: where a cell differs from the background.
        cells, earlier: the frame, and the one of a quarter of a second ago.
        difference, edges, threshold: how the frame differs from the background, whose edges those are, and what it may
        differ by.
        lasting: only count what was there, or beside, a frame ago: drops and flakes are not.
        """
        self.keep(fired)
        if lasting:
            self._last()
        else:
            np.copyto(self._earlier, self.kept)
        # Head and legs are often all that differs from the wall behind: close gaps of two cells, upwards only.
        kept, joined = self.kept.view(np.uint8), self._joined
        np.copyto(joined, kept)
        np.bitwise_or(joined[1:], kept[:-1], out=joined[1:])
        np.bitwise_or(joined[:-1], kept[1:], out=joined[:-1])
        # Counting and boxing the regions would take OpenCV twice the time of finding them.
        number, _ = cv2.connectedComponentsWithAlgorithm(joined, 8, cv2.CV_16U, cv2.CCL_SPAGHETTI, self.labels)
        if number == 1:
            return []
        self._steps(difference, self._slope)
        self._steps(cells, self._seen)
        return self._describe(number, cells, earlier, difference, edges, threshold)

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

    def _steps(self, values: NDArray[np.int16], out: NDArray[np.int16]) -> None:
        """Write the larger of the steps over two cells, across and down."""
        flat, steps, row = values.reshape(-1), out.reshape(-1), values.shape[1]
        np.subtract(flat[2:], flat[:-2], out=steps[1:-1])
        out[:, :: row - 1].fill(0)  # one row's end is not the next one's beginning
        np.absolute(out, out=out)
        np.subtract(flat[2 * row :], flat[: -2 * row], out=self._inner)
        np.absolute(self._other, out=self._other)
        np.maximum(out, self._other, out=out)

    def _describe(
        self,
        number: int,
        cells: NDArray[np.int16],
        earlier: NDArray[np.int16],
        difference: NDArray[np.int16],
        edges: NDArray[np.int16],
        threshold: NDArray[np.int16],
    ) -> list[Region]:
        """Sum up what the cells of each region show; only the cells that were kept are looked at."""
        at = self.kept.reshape(-1).nonzero()[0]
        label = self.labels.reshape(-1).take(at)
        area = np.bincount(label, minlength=number)[1:]
        # Sorted by region, and row by row within: so each region's sums are those of a stretch of cells.
        at = at.take(label.argsort(kind="stable"))
        last = area.cumsum()
        first = last - area
        last -= 1
        limit = threshold.reshape(-1).take(at)
        moved = cells.reshape(-1).take(at)
        np.subtract(moved, earlier.reshape(-1).take(at), out=moved)
        np.absolute(moved, out=moved)
        # Sums of whole numbers are exact as floats of 64 bits.
        of_cells = np.empty((4, at.size))
        of_cells[0] = difference.reshape(-1).take(at)
        np.absolute(of_cells[0], out=of_cells[1])
        np.multiply(of_cells[0], of_cells[0], out=of_cells[2])
        of_cells[3] = moved > limit
        sums = np.add.reduceat(of_cells, first, axis=1)
        # An edge is steeper than the threshold, and than most of what the region differs by.
        slope = self._slope.reshape(-1).take(at)
        rim = slope > limit
        rim &= slope > (sums[1] / area * 0.8).repeat(area)
        of_cells[0] = rim
        of_cells[1] = self._seen.reshape(-1).take(at)
        of_cells[2] = edges.reshape(-1).take(at)
        of_cells[1:3] *= of_cells[0]
        of_rims = np.add.reduceat(of_cells[:3], first, axis=1)
        column = at % self.kept.shape[1]
        left, right = np.minimum.reduceat(column, first), np.maximum.reduceat(column, first)
        ends = at.take(first).tolist(), at.take(last).tolist()
        areas = area.tolist()
        each = zip(areas, *ends, left.tolist(), right.tolist(), *sums.tolist(), *of_rims.tolist(), strict=True)
        return self._gather(areas, list(each))

    def _gather(self, areas: list[int], each: list[tuple[float, ...]]) -> list[Region]:
        """Make regions of what was summed up; there are few, so plain numbers are faster here than arrays."""
        height, width = self.kept.shape
        found: list[Region] = []
        for i in sorted(range(len(areas)), key=areas.__getitem__, reverse=True)[:MOST]:
            size, first, last, left, right, lit, _, squared, moving, rim, seen, believed = each[i]
            top, bottom = int(first) // width, int(last) // width
            # What begins or ends a row from the border reaches it.
            y = top if top > 1 else 0
            w, h = int(right - left) + 1, (bottom + 1 if bottom + 2 < height else height) - y
            edge = min(1.0, rim / max(1.0, min(size, w + h)))
            lit /= size
            spread = math.sqrt(max(0.0, squared / size - lit * lit))
            own = (seen - believed) / max(1.0, seen + believed)
            found.append(Region(i + 1, int(left), y, w, h, int(size), moving / size, edge, own, int(lit), int(spread)))
        return found
