"""A video file, a network camera or a USB camera through OpenCV: the only place where a video is opened.

All of it blocks, some of it for ever: only the thread "capture" of video.py calls it. Not here: which of them
(footage.py).
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import cv2

from gateway.errors import CameraError, CameraUnavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]

log = logging.getLogger(__name__)

_SILENT = 0
"""OpenCV's LOG_LEVEL_SILENT, which 4.10 does not name."""
LIKELIEST_RATES = (0.1, 240.0)
"""Frames a second that a recording may claim; beyond it is a clock's tick that was taken for a rate."""
TELLS_SIZE = tuple(int(part) for part in cv2.__version__.split(".")[:2]) >= (4, 13)
"""Older ones draw a picture of another size into a corner of the one before."""


def prepare_network(shown: str) -> None:
    """Set up what a network camera needs, and say that its size must not change where OpenCV would not tell."""
    # Over UDP lost packets smear the picture, and OpenCV's own default has changed between its versions.
    os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")
    if not TELLS_SIZE:
        log.warning(
            "%s: OpenCV %s does not tell when a network camera changes its picture size (4.13 does), and a privacy "
            "mask would then cover another place: leave the camera's resolution fixed",
            shown,
            cv2.__version__,
        )


def _hush() -> None:
    """Keep OpenCV and ffmpeg from writing to stderr past every log: what matters is said in our words.

    With -v they speak. ffmpeg's level is read when the process opens its first video.
    """
    if not log.isEnabledFor(logging.DEBUG):
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # ffmpeg's AV_LOG_QUIET
        # Debian 13's OpenCV 4.10 has it at its top, OpenCV 5 in a module of its own.
        (getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel)(_SILENT)


class Stream:
    """A video file, a network camera or a USB camera, through OpenCV."""

    def __init__(self, place: str, shown: str, backend: int, parameters: list[int], hint: str) -> None:
        """Open it; see open_footage."""
        self._shown, self._hint = shown, hint
        self._buffer: Picture | None = None
        self.number = 0
        self.damaged: list[str] = []
        _hush()
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
                "copy the recording again; what came before the break was read",
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
