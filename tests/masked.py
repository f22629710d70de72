"""What tests of privacy masks share: frames without a black pixel, and what must be black in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gateway.camera.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gateway.camera.frame import MainFormat

    Polygon = Sequence[tuple[float, float]]

CHROMA_SEEN = 77
"""Of every chroma sample before a mask is burnt; black has 128."""
SQUARE = ((0.25, 0.25), (0.5, 0.25), (0.5, 0.5), (0.25, 0.5))


def make_frame(size: tuple[int, int], form: MainFormat, main_size: tuple[int, int], padding: int = 0) -> Frame:
    """Return a frame of which no pixel is black and every row may be padded."""
    rng = np.random.default_rng(9)
    luma = rng.integers(1, 255, (size[1], size[0] + padding), dtype=np.uint8)[:, : size[0]]
    width, height = main_size
    main: NDArray[np.uint8] | None = None
    if form == "bgr":
        main = rng.integers(1, 255, (height, width, 3), dtype=np.uint8)
    elif form != "none":
        main = np.full((height * 3 // 2, width + padding), CHROMA_SEEN, np.uint8)
        main[:height] = rng.integers(1, 255, (height, width + padding), dtype=np.uint8)
    return Frame(0, 0.0, luma, main, form, main_size if main is not None else (0, 0))


def chroma(frame: Frame) -> list[NDArray[np.uint8]]:
    """Return the chroma planes as (h/2, w/2), reckoned from the format's definition, not by the product's code."""
    assert frame.main is not None
    (width, height), stride = frame.main_size, frame.main.shape[1]
    memory = frame.main.tobytes()[height * stride :]
    if frame.main_format == "nv12":
        rows = np.frombuffer(memory, np.uint8).reshape(height // 2, stride)
        return [rows[:, :width:2], rows[:, 1:width:2]]
    planes = np.frombuffer(memory, np.uint8).reshape(2, height // 2, stride // 2)
    return [plane[:, : width // 2] for plane in planes]


def inside(polygon: Polygon, size: tuple[int, int], inset: float = 0.02) -> NDArray[np.bool_]:
    """Return (h, w): whether the middle or a corner of the pixel is in the polygon, by the even-odd rule."""
    width, height = size
    hit = np.zeros((height, width), np.bool_)
    corners = list(polygon)
    for dx, dy in ((0.5, 0.5), (inset, inset), (1 - inset, inset), (inset, 1 - inset), (1 - inset, 1 - inset)):
        x = (np.arange(width) + dx)[None, :] / width
        y = (np.arange(height) + dy)[:, None] / height
        odd = np.zeros((height, width), np.bool_)
        for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
            if y0 == y1:
                continue
            crosses = (y0 > y) != (y1 > y)
            odd ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
        hit |= odd
    return hit


def survivors(frame: Frame, hidden: dict[str, NDArray[np.bool_]]) -> int:
    """Count samples of any plane that show what is hidden; `hidden` has (h, w) for `luma` and `main`."""
    count = int((frame.luma[hidden["luma"]] != 0).sum())
    if frame.main is None:
        return count
    if frame.main_format == "bgr":
        return count + int((frame.main[hidden["main"]] != 0).sum())
    width, height = frame.main_size
    count += int((frame.main[:height, :width][hidden["main"]] != 0).sum())
    touched = hidden["main"].reshape(height // 2, 2, width // 2, 2).any(axis=(1, 3))
    return count + sum(int((plane[touched] != 128).sum()) for plane in chroma(frame))


def oracle(polygons: Sequence[Polygon], frame: Frame) -> dict[str, NDArray[np.bool_]]:
    """Return what must be hidden, in both sizes."""
    sizes = {"luma": (frame.luma.shape[1], frame.luma.shape[0]), "main": frame.main_size}
    return {
        name: np.logical_or.reduce([inside(polygon, size) for polygon in polygons])
        for name, size in sizes.items()
        if min(size) > 0
    }
