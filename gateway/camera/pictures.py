"""Pictures that are read one by one from disk: a folder of numbered ones, an array of NumPy.

All of it blocks, some of it for ever: only the thread "capture" of video.py calls it. Not here: which of them
(footage.py).
"""

from __future__ import annotations

import logging
import math
import os
import re
from tokenize import TokenError
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from gateway.camera.unreadable import cannot_open
from gateway.errors import CameraError, CameraUnavailable

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]

log = logging.getLogger(__name__)

ENDINGS = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
DAMAGE_TOLD = 10
"""So many unreadable pictures are logged one by one; all are counted."""
WHOLE = ((b"\xff\xd8", b"\xff\xd9"), (b"\x89PNG", b"IEND"))
"""How a file of JPEG or PNG begins, and what stands near its end."""
_ARRAY_HINT = "save it with numpy.save as (frames, height, width) of uint8"


class Folder:
    """A folder of numbered pictures; one that cannot be read is named, counted and left out."""

    rate: float | None = None

    def __init__(self, path: Path, shown: str) -> None:
        """List it; see open_footage."""
        self._shown = shown
        try:
            files = [entry for entry in path.iterdir() if entry.suffix.lower() in ENDINGS]
        except OSError as error:
            raise cannot_open(shown, error) from error
        self._files = sorted((file for file in files if not file.name.startswith(".")), key=_natural)
        if not self._files:
            endings = " ".join(sorted(ENDINGS))
            raise CameraUnavailable(f"{shown}: no pictures in this folder", f"put pictures there, named {endings}")
        self.frames: int | None = len(self._files)
        self.number = 0
        self.damaged: list[str] = []
        self._picture: Picture | None = None

    @property
    def here(self) -> str:
        """See Footage."""
        return self._files[self.number - 1].name

    def take(self) -> bool:
        """See Footage."""
        while self.number < len(self._files):
            file = self._files[self.number]
            self.number += 1
            self._picture = _decode(file)
            if self._picture is not None:
                return True
            self.damaged.append(file.name)
            if len(self.damaged) <= DAMAGE_TOLD:
                log.warning("%s: %s cannot be read as a picture and is left out", self._shown, file.name)
        if len(self.damaged) == self.frames:
            raise CameraUnavailable(
                f"{self._shown}: none of {self.frames} pictures can be read, {self.damaged[0]} first",
                "copy the pictures again",
            )
        return False

    def picture(self) -> Picture:
        """See Footage."""
        assert self._picture is not None
        return self._picture

    def close(self) -> None:
        """See Footage."""
        self._picture = None


class Array:
    """A NumPy array file of grey pictures, (n, h, w) uint8, read one by one into one buffer.

    Not mapped into memory: a card that fails under a map kills the process without a word.
    """

    rate: float | None = None

    def __init__(self, path: Path, shown: str) -> None:
        """Read its header; see open_footage."""
        self._shown = shown
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise cannot_open(shown, error) from error
        try:
            shape, fortran, kind = _header(self._file)
        except (ValueError, SyntaxError, TokenError, RecursionError, MemoryError) as error:
            self._file.close()
            raise CameraUnavailable(f"{shown}: no array of NumPy: {error}", _ARRAY_HINT) from error
        if kind != np.uint8 or len(shape) != 3 or fortran or min(shape) < 1:
            self._file.close()
            order = ", columns first" if fortran else ""
            raise CameraUnavailable(f"{shown}: the array has shape {shape} and type {kind}{order}", _ARRAY_HINT)
        if 0 < os.fstat(self._file.fileno()).st_size < math.prod(shape[1:]):  # a pipe tells no length
            self._file.close()
            raise CameraUnavailable(f"{shown}: cut off after 0 of {shape[0]} frames", "copy the array again")
        self.frames: int | None = shape[0]
        self.number = 0
        self.damaged: list[str] = []
        self._buffer: Picture = np.empty(shape[1:], np.uint8)

    @property
    def here(self) -> str:
        """See Footage."""
        return f"frame {self.number}"

    def take(self) -> bool:
        """See Footage."""
        if self.number == self.frames:
            return False
        if self._file.readinto(self._buffer.data.cast("B")) < self._buffer.size:
            raise CameraError(
                f"{self._shown}: cut off after {self.number} of {self.frames} frames",
                "copy the array again; what came before the break was read",
            )
        self.number += 1
        return True

    def picture(self) -> Picture:
        """See Footage."""
        return self._buffer

    def close(self) -> None:
        """See Footage."""
        self._file.close()


def _header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


def _natural(file: Path) -> list[tuple[int, str]]:
    """Sort key that puts 9.png before 10.png."""
    parts: list[str] = re.findall(r"\d+|\D+", file.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _decode(file: Path) -> Picture | None:
    """Return a picture, or None when the file cannot be read to its end."""
    try:
        data = file.read_bytes()
    except OSError:
        return None
    # OpenCV fills what is missing of a JPEG with grey, and libpng complains of what is missing to stderr.
    if not data or any(data.startswith(begin) and end not in data[-4096:] for begin, end in WHOLE):
        return None
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_ANYCOLOR)  # type: ignore[return-value]
    except cv2.error:
        return None
