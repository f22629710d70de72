"""Where pictures come from: a video file or stream through OpenCV, a folder of pictures, an array on disk.

All of it blocks, some of it for ever: only the thread "capture" of video.py calls it. Not here: pace, scaling, time.
"""

from __future__ import annotations

import logging
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import cv2
import numpy as np

from gateway.errors import CameraError, CameraUnavailable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]

log = logging.getLogger(__name__)

PICTURE_ENDINGS = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
LIKELIEST_RATES = (0.1, 240.0)
"""Frames a second that a recording may claim; beyond it is a clock's tick that was taken for a rate."""


TELLS_SIZE = tuple(int(part) for part in cv2.__version__.split(".")[:2]) >= (4, 13)
"""Older ones draw a picture of another size into a corner of the one before."""
DAMAGE_TOLD = 10
"""So many unreadable pictures are logged one by one; all are counted."""


class Footage(Protocol):
    """Pictures one after the other."""

    rate: float | None
    """Frames a second, where the source knows."""
    frames: int | None
    """How many there are, where the source knows; some formats only estimate it."""
    number: int
    """How many were taken so far, damaged ones included."""
    damaged: list[str]
    """Names of pictures that could not be read."""

    @property
    def here(self) -> str:
        """How to call the picture that was taken last, in a message."""

    def take(self) -> bool:
        """Go on to the next picture; False at the end.

        Raises:
            CameraError: it broke off before its end.
        """

    def picture(self) -> Picture:
        """Return the picture that was taken, (h, w) grey or (h, w, 3) BGR; valid until the next `take`."""

    def close(self) -> None:
        """Let go of files and devices."""


def open_footage(
    place: str,
    kind: Literal["rtsp", "v4l2", "recording"],
    shown: str,
    *,
    wait: float,
    wanted_size: tuple[int, int],
    fps: float,
) -> Footage:
    """Open what `place` names.

    Args:
        place: path or address.
        kind: what it is; a recording is a file, a folder or an array.
        shown: how to call it in messages.
        wait: seconds that a network camera may take to answer.
        wanted_size: width and height to ask of a USB camera.
        fps: rate to ask of a USB camera.

    Raises:
        CameraUnavailable: it cannot be opened.
    """
    if kind == "rtsp":
        milliseconds = max(1, int(wait * 1000))
        # Over UDP lost packets smear the picture, and OpenCV's own default has changed between its versions.
        os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")
        if not TELLS_SIZE:
            log.warning(
                "%s: OpenCV %s does not tell when a network camera changes its picture size (4.13 does), and a privacy "
                "mask would then cover another place: leave the camera's resolution fixed",
                shown,
                cv2.__version__,
            )
        parameters = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds, cv2.CAP_PROP_READ_TIMEOUT_MSEC, milliseconds]
        return Stream(
            place, shown, cv2.CAP_FFMPEG, parameters, "Check address, user and password, and that the camera is on."
        )
    path = Path(place).absolute()  # ffmpeg takes a name like "concat:x" for a protocol, never one that begins with /
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise _cannot_open(shown, error) from error
    if kind == "v4l2":
        _check_readable(path, shown)
        asked = [cv2.CAP_PROP_FRAME_WIDTH, wanted_size[0], cv2.CAP_PROP_FRAME_HEIGHT, wanted_size[1]]
        asked += [cv2.CAP_PROP_FPS, round(fps)]
        return Stream(str(path), shown, cv2.CAP_V4L2, asked, "Unplug and replug it; is another program using it?")
    if stat.S_ISDIR(mode):
        return Folder(path, shown)
    if path.suffix.lower() == ".npy":
        return Array(path, shown)
    if not stat.S_ISFIFO(mode):  # opening a pipe twice would take what it holds
        _check_readable(path, shown)
    hint = "Play it on another machine; a recording that was cut off before its end may need repair."
    return Stream(str(path), shown, cv2.CAP_FFMPEG, [], hint)


class Stream:
    """A video file, a network camera or a USB camera, through OpenCV."""

    def __init__(self, place: str, shown: str, backend: int, parameters: list[int], hint: str) -> None:
        """Open it; see open_footage."""
        self._shown, self._hint = shown, hint
        self._buffer: Picture | None = None
        self.number = 0
        self.damaged: list[str] = []
        self._source = cv2.VideoCapture(place, backend, parameters)
        if not self._source.isOpened():
            self._source.release()
            raise CameraUnavailable(f"{shown}: it gives no video", hint)
        rate = self._source.get(cv2.CAP_PROP_FPS)
        self.rate = rate if LIKELIEST_RATES[0] <= rate <= LIKELIEST_RATES[1] else None
        frames = self._source.get(cv2.CAP_PROP_FRAME_COUNT)
        self.frames = int(frames) if 0 < frames < 1e9 else None

    @property
    def here(self) -> str:
        """See Footage."""
        return f"frame {self.number}"

    def take(self) -> bool:
        """See Footage."""
        if self._source.grab():
            self.number += 1
            return True
        # A count that the container only estimates from its length may be one or two off.
        if self.frames is not None and self.number < self.frames - max(2, self.frames // 100):
            raise CameraError(
                f"{self._shown}: cut off after {self.number} of {self.frames} frames",
                "Copy the recording again; what came before the break was read.",
            )
        return False

    def picture(self) -> Picture:
        """See Footage."""
        good, picture = self._source.retrieve(self._buffer)
        if not good:
            raise CameraError(f"{self._shown}: frame {self.number} cannot be decoded", self._hint)
        self._buffer = picture  # type: ignore[assignment] # (uint8 from every video)
        return self._buffer  # type: ignore[return-value]

    def close(self) -> None:
        """See Footage."""
        self._source.release()


class Folder:
    """A folder of numbered pictures; one that cannot be read is named, counted and left out."""

    rate: float | None = None

    def __init__(self, path: Path, shown: str) -> None:
        """List it; see open_footage."""
        self._shown = shown
        try:
            files = [entry for entry in path.iterdir() if entry.suffix.lower() in PICTURE_ENDINGS]
        except OSError as error:
            raise _cannot_open(shown, error) from error
        self._files = sorted((file for file in files if not file.name.startswith(".")), key=_natural)
        if not self._files:
            endings = " ".join(sorted(PICTURE_ENDINGS))
            raise CameraUnavailable(f"{shown}: no pictures in this folder", f"Put pictures there, named {endings}.")
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
                "Copy the pictures again.",
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
            raise _cannot_open(shown, error) from error
        try:
            shape, fortran, kind = _header(self._file)
        except ValueError as error:
            self._file.close()
            raise CameraUnavailable(f"{shown}: no array of NumPy: {error}", _ARRAY_HINT) from error
        if kind != np.uint8 or len(shape) != 3 or fortran or 0 in shape:
            self._file.close()
            order = ", columns first" if fortran else ""
            raise CameraUnavailable(f"{shown}: the array has shape {shape} and type {kind}{order}", _ARRAY_HINT)
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
                "Copy the array again; what came before the break was read.",
            )
        self.number += 1
        return True

    def picture(self) -> Picture:
        """See Footage."""
        return self._buffer

    def close(self) -> None:
        """See Footage."""
        self._file.close()


_ARRAY_HINT = "Save it with numpy.save as (frames, height, width) of uint8."


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
    # OpenCV fills what is missing of a JPEG with grey.
    if not data or (data[:2] == b"\xff\xd8" and b"\xff\xd9" not in data[-4096:]):
        return None
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_ANYCOLOR)  # type: ignore[return-value]
    except cv2.error:
        return None


def _check_readable(path: Path, shown: str) -> None:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    except OSError as error:
        raise _cannot_open(shown, error) from error


def _cannot_open(shown: str, error: OSError) -> CameraUnavailable:
    hint = "Check the path and the card, and read the kernel's log: journalctl -k."
    if isinstance(error, FileNotFoundError):
        hint = "Check the spelling; for a USB camera: is it plugged in? ls /dev/video*"
    elif isinstance(error, PermissionError):
        hint = "Let the gateway's user read it; for a USB camera that user must be in the group 'video'."
    return CameraUnavailable(f"{shown}: {error.strerror or error}", hint)
