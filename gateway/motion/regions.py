"""Cells that fired, gathered to regions: what each looks like, and whether it is a thing or a change of light.

A thing has edges: where it begins, the difference to the background jumps within a cell or two. The pool of a
headlight or the edge of a cloud is soft. So every region tells how much of its rim is an edge.

Not here: which region was which a frame ago (tracks.py). Runs on the camera's thread.
"""

from __future__ import annotations

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
        self._company = np.full((1, width), _COMPANY, np.uint8)
        self._joined = np.zeros(shape, np.uint8)
        self._slope = np.zeros(shape, np.int16)
        self._other = np.zeros(shape, np.int16)
        self._seen = np.zeros(shape, np.int16)
        self._earlier = np.zeros(shape, np.bool_)
        self._near = np.zeros(shape, np.bool_)
        self._difference = np.zeros(shape, np.int16)
        self.kept = np.zeros(shape, np.bool_)
        """Cells that fired together with others."""
        self.labels = np.zeros(shape, np.int32)
        """Number of the region of each cell, 0 = none; vertical gaps of two cells are closed."""

    def find(
        self,
        fired: NDArray[np.bool_],
        cells: NDArray[np.int16],
        level: NDArray[np.int16],
        edges: NDArray[np.int16],
        threshold: NDArray[np.int16],
        moved: NDArray[np.bool_],
        *,
        lasting: bool,
    ) -> list[Region]:
        """Return the largest regions.

        fired, moved: where a cell differs from the background, and from a quarter of a second ago.
        cells, level, edges, threshold: the frame, the background and its edges, and what they may differ by.
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
        # Grana's blocks take a third of the default's time on a plane as small as this.
        number, _, found, _ = cv2.connectedComponentsWithStatsWithAlgorithm(
            joined, 8, cv2.CV_32S, cv2.CCL_GRANA, self.labels
        )
        stats = np.asarray(found, np.int32)
        if number == 1:
            return []
        np.subtract(cells, level, out=self._difference)
        self._steps(self._difference, self._slope)
        self._steps(cells, self._seen)
        return self._describe(number, stats, edges, threshold, moved)

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
        flat, steps, other, row = values.reshape(-1), out.reshape(-1), self._other.reshape(-1), values.shape[1]
        np.subtract(flat[2:], flat[:-2], out=steps[1:-1])
        out[:, :: row - 1].fill(0)  # one row's end is not the next one's beginning
        np.absolute(steps, out=steps)
        np.subtract(flat[2 * row :], flat[: -2 * row], out=other[row:-row])
        np.absolute(other, out=other)
        np.maximum(steps, other, out=steps)

    def _describe(
        self,
        number: int,
        stats: NDArray[np.int32],
        edges: NDArray[np.int16],
        threshold: NDArray[np.int16],
        moved: NDArray[np.bool_],
    ) -> list[Region]:
        """Sum up what the cells of each region show; only the cells that were kept are looked at."""
        at = np.flatnonzero(self.kept)
        label = self.labels.reshape(-1).take(at).astype(np.intp)
        # Sums of whole numbers are exact as floats of 64 bits, and bincount would make them anyway.
        difference = self._difference.reshape(-1).take(at).astype(np.float64)
        slope = self._slope.reshape(-1).take(at)
        area = np.maximum(np.bincount(label, minlength=number), 1)
        mean = np.bincount(label, np.absolute(difference), number) / area
        lit = np.bincount(label, difference, number) / area
        squared = np.bincount(label, difference * difference, number) / area
        spread = np.sqrt(np.maximum(squared - lit * lit, 0.0))
        moving = np.bincount(label, moved.reshape(-1).take(at), number) / area
        # An edge is steeper than the threshold, and than most of what the region differs by.
        steep = np.greater(slope, threshold.reshape(-1).take(at))
        np.logical_and(steep, slope > (mean * 0.8).take(label), out=steep)
        chosen = np.flatnonzero(steep)
        rim, where = label.take(chosen), at.take(chosen)
        edge = np.bincount(rim, minlength=number)
        seen = np.bincount(rim, self._seen.reshape(-1).take(where), number)
        believed = np.bincount(rim, edges.reshape(-1).take(where), number)
        own = (seen - believed) / np.maximum(seen + believed, 1.0)
        order = np.argsort(-area[1:], kind="stable")[:MOST] + 1
        described = zip(
            order.tolist(), stats[order].tolist(), area[order].tolist(), moving[order].tolist(), edge[order].tolist(),
            own[order].tolist(), lit[order].tolist(), spread[order].tolist(), strict=True,
        )  # fmt: skip
        found: list[Region] = []
        height = self.kept.shape[0]
        for i, (x, y, w, h, _), size, moves, rims, owns, light, spreads in described:
            top, bottom = y + (y > 0), y + h - (y + h < height)  # undo the closing
            share = min(1.0, rims / max(1.0, min(size, w + bottom - top)))
            tall = max(1, bottom - top)
            found.append(Region(i, x, top, w, tall, size, moves, share, owns, int(light), int(spreads)))
        return found
