"""Privacy masks: hide parts of the picture in every stream, before anything else sees it.

A mask is polygons in 0..1, a picture whose black hides, or both. It grows outward to whole blocks (16 pixels of the
main picture, 8 of the luma picture, which is about half as wide), so that neither subsampled chroma nor what a camera's
own compression smeared over a block's border survives. It fails closed: what cannot be burnt raises MaskError, and
whoever holds the frame then lets no picture out.
Not here: which camera has which mask (settings), what is done with the rest of the picture. Called on the thread that
reads the camera; the file is read once, when the mask is made.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import cv2
import numpy as np

from gateway.camera.planes import split
from gateway.errors import MaskError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from gateway.camera.frame import Frame

    Polygon = Sequence[tuple[float, float]]
    Rectangle = tuple[int, int, int, int]

MAIN_BLOCK = 16
"""Side of a block in the main picture, in pixels: a macroblock of 4:2:0 video."""
LUMA_BLOCK = 8
_GRID = 1024
"""Polygons are drawn once on a grid of so many cells in both directions; 4 pixels of a 4K picture."""
_SUBCELL_BITS = 8
_ASPECT_TOLERANCE = 0.03


class Mask:
    """What of a camera's picture must never be seen. With neither polygons nor a picture it hides nothing."""

    def __init__(self, polygons: Sequence[Polygon] = (), picture: Path | None = None) -> None:
        """Make a mask.

        Args:
            polygons: each at least three corners (x, y) in 0..1 from the top left; hidden with all that they enclose.
            picture: a black and white picture of the camera's aspect ratio, PNG by preference; black is hidden.

        Raises:
            MaskError: a polygon or the picture cannot be used; the hint says why.
        """
        self._hidden: list[NDArray[np.bool_]] = []
        self._aspect: float | None = None
        self._picture = picture
        self._rectangles: dict[tuple[int, int, int], tuple[Rectangle, ...]] = {}
        if polygons:
            self._hidden.append(_draw(polygons))
        if picture is not None:
            hidden = _load(picture)
            self._aspect = hidden.shape[1] / hidden.shape[0]
            self._hidden.append(hidden)
        digest = hashlib.sha256()
        for hidden in self._hidden:
            digest.update(repr(hidden.shape).encode() + np.packbits(hidden).tobytes())
        self.hash = digest.hexdigest()[:8] if self._hidden else ""
        """Eight hexadecimal digits that name what is hidden, the same for every picture size; empty: no mask."""

    def burn(self, frame: Frame) -> None:
        """Blacken what is hidden in the frame's luma and main picture, in place, without allocating pixels.

        Raises:
            MaskError: a picture's layout does not agree with what the frame says of it; nothing may leave.
        """
        if not self._hidden:
            return
        height, width = frame.luma.shape
        for x0, y0, x1, y1 in self._blocks(width, height, LUMA_BLOCK):
            frame.luma[y0:y1, x0:x1] = 0
        if frame.main is None:
            return
        _check_layout(frame)
        width, height = frame.main_size
        rectangles = self._blocks(width, height, MAIN_BLOCK)
        yuv = frame.main_format in {"yuv420", "nv12"}
        for plane, step in split(frame):
            # Black is 0 in luma and in every channel of bgr; no colour is 128 in the chroma planes.
            value = 128 if yuv and step == 2 else 0
            for x0, y0, x1, y1 in rectangles:
                plane[y0 // step : -(-y1 // step), x0 // step : -(-x1 // step)] = value

    def ignore(self, size: tuple[int, int]) -> NDArray[np.bool_]:
        """Return what `burn` blackens in a luma picture of `size` (width, height), as bool (height, width)."""
        ignored = np.zeros((size[1], size[0]), np.bool_)
        if self._hidden:
            for x0, y0, x1, y1 in self._blocks(*size, LUMA_BLOCK):
                ignored[y0:y1, x0:x1] = True
        return ignored

    def _blocks(self, width: int, height: int, block: int) -> tuple[Rectangle, ...]:
        """Return the hidden blocks of a picture as rectangles (left, top, right, bottom), made once for each size."""
        key = (width, height, block)
        if key not in self._rectangles:
            aspect = width / height
            if self._aspect is not None and abs(self._aspect / aspect - 1) > _ASPECT_TOLERANCE:
                raise MaskError(
                    f"{self._picture}: the mask is {self._aspect:.2f} times as wide as high, the picture {aspect:.2f}",
                    f"draw the mask on a snapshot of this camera ({width}x{height})",
                )
            left, right = _edges(width, block)
            top, bottom = _edges(height, block)
            hidden = np.zeros((len(top), len(left)), np.bool_)
            for raster in self._hidden:
                hidden |= _touched(raster, (left / width, right / width), (top / height, bottom / height))
            self._rectangles[key] = _merged(hidden, left, right, top, bottom)
        return self._rectangles[key]


def _draw(polygons: Sequence[Polygon]) -> NDArray[np.bool_]:
    """Return the grid with every cell hidden that a polygon touches."""
    grid = np.zeros((_GRID, _GRID), np.uint8)
    for number, polygon in enumerate(polygons, 1):
        corners = np.asarray(polygon, np.float64)
        if corners.ndim != 2 or corners.shape[1:] != (2,) or len(corners) < 3:
            raise MaskError(f"mask {number} has fewer than three corners", "give at least three corners [x, y]")
        if not ((corners >= 0) & (corners <= 1)).all():  # also refuses NaN
            raise MaskError(
                f"mask {number} has a corner outside the picture",
                "give x and y from 0 to 1: 0, 0 is the top left corner of the picture, 1, 1 the bottom right",
            )
        x, y = corners.T
        if abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) < 2e-6:
            raise MaskError(
                f"mask {number} has no area", "give the corners in the order in which one walks round what is hidden"
            )
        points = np.rint((corners * _GRID - 0.5) * (1 << _SUBCELL_BITS)).astype(np.int32)
        drawn = np.zeros_like(grid)
        cv2.fillPoly(drawn, [points], 255, lineType=cv2.LINE_8, shift=_SUBCELL_BITS)
        # fillPoly leaves holes where a polygon crosses itself; whatever is enclosed is hidden.
        outlines, _ = cv2.findContours(drawn, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(grid, outlines, -1, 255, cv2.FILLED)
    # A line that is drawn passes at most one cell beside the line that is meant.
    return cv2.dilate(grid, np.ones((3, 3), np.uint8)) > 0


def _load(picture: Path) -> NDArray[np.bool_]:
    """Return what a mask picture hides: all that is not white."""
    try:
        data = picture.read_bytes()
    except OSError as error:
        raise MaskError(
            f"{picture}: the mask cannot be read: {error.strerror}",
            "put the mask back, or remove mask_file from the configuration; until then no picture leaves this camera",
        ) from error
    redraw = "Save it anew as a PNG of black (hidden) and white (seen), without transparency."
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if image is None:
        raise MaskError(f"{picture}: the mask is no picture, or is damaged ({len(data)} bytes)", redraw)
    if image.dtype != np.uint8:
        raise MaskError(f"{picture}: the mask has pixels of {image.dtype}, 8 bits a channel are read", redraw)
    if image.ndim == 3 and image.shape[2] == 4:
        if image[..., 3].min() < 255:
            raise MaskError(f"{picture}: the mask has transparent parts, and nobody can say what they hide", redraw)
        image = image[..., :3]
    if image.ndim == 3:
        image = image.min(axis=2)
    seen = image >= 250
    grey = float(np.mean(~seen & (image > 5)))
    if grey > 0.05:  # the smoothed edges of a drawn mask take less
        raise MaskError(f"{picture}: {grey:.0%} of the mask is neither black nor white: is it a photograph?", redraw)
    hidden: NDArray[np.bool_] = ~seen
    return hidden


def _edges(length: int, block: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the blocks of a row begin and end, in pixels; the last one may be short."""
    start = np.arange(0, length, block)
    return start, np.minimum(start + block, length)


def _touched(
    raster: NDArray[np.bool_],
    columns: tuple[NDArray[np.float64], NDArray[np.float64]],
    rows: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> NDArray[np.bool_]:
    """Return for each block, given by its borders in 0..1, whether it touches a hidden cell of the raster."""
    height, width = raster.shape
    sums = cv2.integral(raster.view(np.uint8))  # how many hidden cells are above and to the left
    slack = 1e-9  # borders that coincide must not take in the neighbour for a rounding error
    left = np.floor(columns[0] * width + slack).astype(np.intp)
    right = np.ceil(columns[1] * width - slack).astype(np.intp)
    top = np.floor(rows[0] * height + slack).astype(np.intp)[:, None]
    bottom = np.ceil(rows[1] * height - slack).astype(np.intp)[:, None]
    touched: NDArray[np.bool_] = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left] > 0
    return touched


def _merged(
    hidden: NDArray[np.bool_],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    top: NDArray[np.int64],
    bottom: NDArray[np.int64],
) -> tuple[Rectangle, ...]:
    """Return hidden blocks as few rectangles: runs of blocks, equal runs of following rows taken together."""
    done: list[Rectangle] = []
    growing: dict[tuple[int, int], Rectangle] = {}
    for row, blocks in enumerate(hidden):
        steps = np.diff(np.concatenate(([False], blocks, [False])).astype(np.int8))
        runs = zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1) - 1, strict=True)
        grown: dict[tuple[int, int], Rectangle] = {}
        for first, last in runs:
            span = (int(left[first]), int(right[last]))
            begun = growing.pop(span)[1] if span in growing else int(top[row])
            grown[span] = (span[0], begun, span[1], int(bottom[row]))
        done += growing.values()
        growing = grown
    return (*done, *growing.values())


def _check_layout(frame: Frame) -> None:
    """Refuse a main picture whose memory is not laid out as its format says: masks would be burnt beside the place."""
    main, (width, height) = frame.main, frame.main_size
    assert main is not None
    if frame.main_format == "bgr":
        fits = main.shape == (height, width, 3)
    elif frame.main_format in {"yuv420", "nv12"}:
        fits = (
            main.ndim == 2
            and main.flags.c_contiguous
            and width % 2 == height % 2 == main.shape[1] % 2 == 0
            and main.shape[0] == height * 3 // 2
            and main.shape[1] >= width
        )
    else:
        fits = False
    if not fits:
        raise MaskError(
            f"a {frame.main_format} picture of {width}x{height} came as {main.shape}, which cannot be masked",
            "set another size for the camera's main picture; until then no picture leaves this camera",
        )
