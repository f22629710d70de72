"""Where pictures come from: a video file or stream, a folder of pictures, an array on disk; chosen and opened.

All of it blocks, some of it for ever: only the thread "capture" of video.py calls it. Not here: OpenCV's streams
(stream.py), pictures read one by one (pictures.py), pace, scaling, time (video.py).
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import cv2

from gateway.camera.pictures import Array, Folder
from gateway.camera.stream import Stream, prepare_network
from gateway.camera.unreadable import cannot_open, check_readable, no_stream
from gateway.errors import CameraUnavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LOOK_SECONDS = 2.0
"""Most time for a second look at a network camera that gave nothing."""


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

    def picture(self) -> NDArray[np.uint8]:
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
        prepare_network(shown)
        parameters = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds, cv2.CAP_PROP_READ_TIMEOUT_MSEC, milliseconds]
        try:
            return Stream(place, shown, cv2.CAP_FFMPEG, parameters, "Check the camera and its network.")
        except CameraUnavailable as error:
            raise no_stream(place, shown, min(wait, LOOK_SECONDS)) from error
    path = Path(place).absolute()  # ffmpeg takes a name like "concat:x" for a protocol, never one that begins with /
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise cannot_open(shown, error) from error
    if kind == "v4l2":
        check_readable(path, shown)
        asked = [cv2.CAP_PROP_FRAME_WIDTH, wanted_size[0], cv2.CAP_PROP_FRAME_HEIGHT, wanted_size[1]]
        asked += [cv2.CAP_PROP_FPS, round(fps)]
        return Stream(str(path), shown, cv2.CAP_V4L2, asked, "Unplug and replug it; is another program using it?")
    if stat.S_ISDIR(mode):
        return Folder(path, shown)
    if path.suffix.lower() == ".npy":
        return Array(path, shown)
    if not stat.S_ISFIFO(mode):  # opening a pipe twice would take what it holds
        check_readable(path, shown)
    hint = "play it on another machine; a recording that was cut off before its end may need repair"
    return Stream(str(path), shown, cv2.CAP_FFMPEG, [], hint)
