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
    """Largest difference in units of 1/4096 octave, negative when darker than the background."""

    @property
    def at(self) -> tuple[slice, slice]:
        """The window of the box."""
        return slice(self.y, self.y + self.h), slice(self.x, self.x + self.w)


class Regions:
    """Finds regions on one grid of cells; owns the buffers that this needs."""

    def __init__(self, height: int, width: int) -> None:
        shape = (height, width)
        self._padded = np.zeros((height + 2, width + 2), np.uint8)
        self._columns = np.zeros((height, width + 2), np.uint8)
        self._count = np.zeros(shape, np.uint8)
        self._weight = np.zeros(shape, np.uint8)
        self._joined = np.zeros(shape, np.uint8)
        self._slope = np.zeros(shape, np.int16)
        self._other = np.zeros(shape, np.int16)
        self._seen = np.zeros(shape, np.int16)
        self._earlier = np.zeros(shape, np.bool_)
        self._near = np.zeros(shape, np.bool_)
        self._difference = np.zeros(shape, np.int16)
        self._sharp = np.zeros(shape, np.bool_)
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
        restless: NDArray[np.uint8],
        lasting: bool,
    ) -> tuple[list[Region], int]:
        """Return the largest regions and the number of all regions.

        fired, moved: where a cell differs from the background, and from a quarter of a second ago.
        cells, level, edges, threshold: the frame, the background and its edges, and what they may differ by.
        restless: how often a cell comes and goes; the more, the more neighbours it must bring.
        lasting: only count what was there, or beside, a frame ago: drops and flakes are not.
        """
        self._keep(fired, restless)
        if lasting:
            self._last()
        else:
            np.copyto(self._earlier, self.kept)
        # Head and legs are often all that differs from the wall behind: close gaps of two cells, upwards only.
        kept, joined = self.kept.view(np.uint8), self._joined
        np.copyto(joined, kept)
        np.bitwise_or(joined[1:], kept[:-1], out=joined[1:])
        np.bitwise_or(joined[:-1], kept[1:], out=joined[:-1])
        number, _, stats, _ = cv2.connectedComponentsWithStats(joined, self.labels, None, None, 8, cv2.CV_32S)
        if number == 1:
            return [], 0
        difference = self._difference
        np.subtract(cells, level, out=difference)
        self._steps(difference, self._slope)
        np.greater(self._slope, threshold, out=self._sharp)
        self._steps(cells, self._seen)
        order = np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")[:MOST] + 1
        found = (self._describe(int(i), stats[i], edges, moved) for i in order)
        return [region for region in found if region is not None], number - 1

    def mask(self, region: Region) -> NDArray[np.bool_]:
        """Return which cells of the region's window belong to it."""
        belongs: NDArray[np.bool_] = self.labels[region.at] == region.label
        belongs &= self.kept[region.at]
        return belongs

    def _keep(self, fired: NDArray[np.bool_], restless: NDArray[np.uint8]) -> None:
        """Drop fired cells that are alone, fill holes: counts of 3 by 3 cells."""
        padded, columns, count = self._padded, self._columns, self._count
        padded[1:-1, 1:-1] = fired
        np.add(padded[:-2], padded[1:-1], out=columns)
        np.add(columns, padded[2:], out=columns)
        np.add(columns[:, :-2], columns[:, 1:-1], out=count)
        np.add(count, columns[:, 2:], out=count)
        np.left_shift(fired.view(np.uint8), 2, out=self._weight)
        np.add(count, self._weight, out=count)
        np.right_shift(restless, 4, out=self._weight)
        np.minimum(self._weight, _COMPANY, out=self._weight)
        np.add(self._weight, 6, out=self._weight)
        np.greater_equal(count, self._weight, out=self.kept)

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
        other = self._other
        np.subtract(values[:, 2:], values[:, :-2], out=out[:, 1:-1])
        np.subtract(values[2:], values[:-2], out=other[1:-1])
        np.absolute(out, out=out)
        np.absolute(other, out=other)
        np.maximum(out, other, out=out)

    def _describe(
        self,
        label: int,
        stat: NDArray[np.int32],
        edges: NDArray[np.int16],
        moved: NDArray[np.bool_],
    ) -> Region | None:
        x, y, w, h, _ = (int(value) for value in stat)
        at = (slice(y, y + h), slice(x, x + w))
        mask = self.labels[at] == label
        mask &= self.kept[at]
        area = int(np.count_nonzero(mask))
        if not area:
            return None
        if h > 2:  # undo the closing
            filled = mask.any(axis=1)
            top = int(filled.argmax())
            bottom = int(filled[::-1].argmax())
            y, h = y + top, h - top - bottom
            mask = mask[top : top + h]
            at = (slice(y, y + h), slice(x, x + w))
        inside = self._difference[at][mask]
        high, low = int(inside.max()), int(inside.min())
        contrast = high if high >= -low else low
        steep = mask & self._sharp[at]
        steep &= self._slope[at] > abs(contrast) * 2 // 5
        rim = max(1.0, min(float(area), float(w + h)))
        moving = int(np.count_nonzero(moved[at] & mask)) / area
        seen = int(self._seen[at][steep].sum(dtype=np.int64))
        believed = int(edges[at][steep].sum(dtype=np.int64))
        own = (seen - believed) / max(1, seen + believed)
        return Region(label, x, y, w, h, area, moving, min(1.0, np.count_nonzero(steep) / rim), own, contrast)
