"""Pictures for the report: the film with boxes, and moments of what the core believed.

OpenCV's own encoder for VP8 in WebM is what browsers play without anything else. Not here: the page. Draws on copies,
after privacy masks were burnt in.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from gateway.camera.planes import split

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from gateway.camera.frame import Frame
    from gateway.motion import Box, Motion
    from gateway.motion.detector import Belief

    Picture = NDArray[np.uint8]

WIDEST = 640
"""Pixels across a frame of the film."""
FASTEST = 12.5
"""Frames a second of the film at most: to encode them takes longer than to find what moves."""
INK = ((60, 190, 255), (120, 220, 90), (255, 170, 70), (230, 120, 255), (90, 120, 255), (220, 220, 60))
"""Colours of boxes (blue, green, red) by track."""
NOISIEST, HIGHEST = 12.0, 48.0
"""Grey levels that the panels of noise and threshold show at their brightest."""
BLOCK, CHANGED, REFRESH = 8, 5.0, 50
"""A block of the film (pixels across) is renewed when it changed by so many grey levels, and every so many frames."""


def ink(track: int) -> tuple[int, int, int]:
    """Return the colour of a track in the film, (blue, green, red)."""
    return INK[track % len(INK)]


class Film:
    """A film of the frames as they were analysed, boxes and track numbers drawn in."""

    def __init__(self, path: Path, size: tuple[int, int], fps: float) -> None:
        """Begin a film.

        Args:
            path: the file, .webm.
            size: width and height of the analysed picture in pixels.
            fps: frames a second of the recording.
        """
        scale = min(1.0, WIDEST / size[0])
        self.size = max(2, round(size[0] * scale) // 2 * 2), max(2, round(size[1] * scale) // 2 * 2)
        self.every = max(1, -int(-fps // FASTEST))
        """Each so-many-th frame of the recording is in the film."""
        self.fps = fps / self.every
        self.frames = 0
        with _silence():
            self._writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, _VP8, self.fps, self.size)
        self._canvas: Picture = np.zeros((self.size[1], self.size[0], 3), np.uint8)
        self.works = self._writer.isOpened()
        """False where this OpenCV cannot write such a film: the page then shows moments alone."""

    def due(self, number: int) -> bool:
        """Tell whether the recording's frame of this number is in the film."""
        return self.works and number % self.every == 0

    def still(self, picture: Picture) -> Picture:
        """Return a copy of `picture`, (h, w, 3) BGR, in which only blocks that changed differ from the one before.

        OpenCV encodes at four bits a pixel, whatever is asked for; grain that nobody looks at would fill them all.
        """
        blocks = -(-self.size[0] // BLOCK), -(-self.size[1] // BLOCK)
        change = cv2.resize(cv2.absdiff(picture, self._canvas), blocks, interpolation=cv2.INTER_AREA)
        renew = (np.asarray(change).max(axis=2) > CHANGED).astype(np.uint8)
        renew[self.frames % REFRESH :: REFRESH] = 1
        mask = cv2.resize(cv2.dilate(renew, np.ones((3, 3), np.uint8)), self.size, interpolation=cv2.INTER_NEAREST)
        cv2.copyTo(picture, mask, self._canvas)
        return self._canvas.copy()

    def add(self, picture: Picture) -> None:
        """Append a frame of the film's size."""
        self._writer.write(picture)
        self.frames += 1

    def close(self) -> None:
        """Finish the file."""
        self._writer.release()


_VP8 = cv2.VideoWriter.fourcc(*"VP80")


@contextmanager
def _silence() -> Iterator[None]:
    """Keep a remark from the terminal that OpenCV prints about every WebM, in C, about its name for VP8."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def picture_of(frame: Frame, size: tuple[int, int]) -> Picture:
    """Return a frame in colour where it has any, (h, w, 3) BGR, at `size` (width, height)."""
    main = frame.main if frame.main_format != "none" else None
    if main is None:
        grey = cv2.resize(np.ascontiguousarray(frame.luma), size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
    if frame.main_format == "bgr":
        return np.asarray(cv2.resize(main, size, interpolation=cv2.INTER_AREA), np.uint8)
    planes = [np.ascontiguousarray(plane) for plane, _ in split(frame)]
    full = cv2.resize(planes[0], size, interpolation=cv2.INTER_AREA)
    half = size[0] // 2, size[1] // 2
    tint = [cv2.resize(plane, half, interpolation=cv2.INTER_AREA) for plane in planes[1:]]
    pair = tint[0] if len(tint) == 1 else cv2.merge(tint)
    return np.asarray(cv2.cvtColorTwoPlane(full, pair, cv2.COLOR_YUV2BGR_NV12), np.uint8)


def draw(picture: Picture, motion: Motion, truth: Sequence[Any], held: str) -> None:
    """Draw into `picture` what was found, what was true, and why nothing was said.

    Args:
        picture: (h, w, 3) BGR, changed in place.
        motion: what was found.
        truth: what was there, each with a `box`; drawn as corners.
        held: why motion is held back, or empty.
    """
    high, wide = picture.shape[:2]
    for thing in truth:
        _corners(picture, _pixels(thing.box, wide, high))
    for track in motion.tracks:
        x0, y0, x1, y1 = _pixels(track.box, wide, high)
        colour = ink(track.id)
        cv2.rectangle(picture, (x0, y0), (x1, y1), (0, 0, 0), 4 if track.seen else 1, cv2.LINE_AA)
        cv2.rectangle(picture, (x0, y0), (x1, y1), colour, 2 if track.seen else 1, cv2.LINE_AA)
        _label(picture, f"{track.id}" if track.state == "moving" else f"{track.id} {track.state}", x0, y0, colour)
    if held:
        cv2.rectangle(picture, (0, 0), (wide - 1, high - 1), (40, 140, 255), 3)
        _label(picture, held, 8, 26, (40, 140, 255))


def _label(picture: Picture, text: str, x: int, y: int, colour: tuple[int, int, int]) -> None:
    (w, h), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
    x, y = min(x, picture.shape[1] - w - 6), max(y, h + 8)
    cv2.rectangle(picture, (x - 1, y - h - 8), (x + w + 5, y), colour, -1)
    cv2.putText(picture, text, (x + 2, y - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (20, 20, 20), 1, cv2.LINE_AA)


def _corners(picture: Picture, box: tuple[int, int, int, int]) -> None:
    x0, y0, x1, y1 = box
    arm = max(2, min(x1 - x0, y1 - y0) // 4)
    for x, y, dx, dy in ((x0, y0, arm, arm), (x1, y0, -arm, arm), (x0, y1, arm, -arm), (x1, y1, -arm, -arm)):
        for colour, thick in (((0, 0, 0), 3), ((255, 255, 255), 1)):
            cv2.line(picture, (x, y), (x + dx, y), colour, thick)
            cv2.line(picture, (x, y), (x, y + dy), colour, thick)


def _pixels(box: Box | Sequence[float], wide: int, high: int) -> tuple[int, int, int, int]:
    x, y, w, h = box
    return round(x * wide), round(y * high), round((x + w) * wide), round((y + h) * high)


def believed(belief: Belief) -> Picture:
    """Return a sheet of four panels below one another, (4 h, w, 3) BGR: background, noise, threshold, what fired."""
    grey = np.clip(belief.background, 0, 255).astype(np.uint8)
    back = np.repeat(grey[..., None], 3, axis=2)
    panels = [back]
    for values, brightest in ((belief.noise, NOISIEST), (belief.threshold, HIGHEST)):
        level = np.clip(values * np.float32(255 / brightest), 0, 255).astype(np.uint8)
        panels.append(np.asarray(cv2.applyColorMap(level, cv2.COLORMAP_INFERNO), np.uint8))
    fired = back // 3
    fired[belief.fired] = (60, 190, 255)
    return np.concatenate([*panels, fired])


def encode(picture: Picture, quality: int = 88) -> bytes:
    """Return a JPEG."""
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])
