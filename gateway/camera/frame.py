"""What a camera gives: a Frame, and the one protocol through which frames come in.

Not here: how a source is opened (picam.py, video.py, street.py), masks (mask.py). Runs on the thread that reads
(`watch` in the eye); imports no camera library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

MainFormat = Literal["none", "bgr", "yuv420", "nv12"]


@dataclass(frozen=True, slots=True)
class Exposure:
    """What the camera says of its exposure; a field that it does not report is None."""

    time_us: float | None = None
    """Exposure time in microseconds."""
    gain: float | None = None
    """Analogue times digital gain, 1.0 = base sensitivity."""
    lux: float | None = None
    """Estimated illuminance of the scene."""
    colour_gains: tuple[float, float] | None = None
    """Red and blue gain of the white balance."""


def _nothing() -> None:
    return


@dataclass(slots=True)
class Frame:
    """One picture of a camera, valid until `release()` is called or the next `read()`, whichever is first.

    The arrays are writable views of buffers that the camera owns: masks are burnt into them in place, and whoever
    wants to keep pixels copies them. `release()` gives the buffer back; calling it twice does no harm.
    """

    number: int
    """Counts from 0 for each opened camera; a gap says that frames were dropped."""
    mono: float
    """Seconds on the system's monotonic clock (a recording: seconds from its first frame)."""
    luma: NDArray[np.uint8]
    """The analysis picture, shape (height, width), possibly with padded rows (stride > width)."""
    main: NDArray[np.uint8] | None = None
    """The large picture in `main_format`, or None where a source has no colour: the still falls back to luma.
    bgr: (height, width, 3); yuv420 and nv12: (height * 3 / 2, stride), planes below one another as in V4L2."""
    main_format: MainFormat = "none"
    main_size: tuple[int, int] = (0, 0)
    """Width and height of the main picture in pixels, without padding."""
    exposure: Exposure | None = None
    _release: Callable[[], None] = _nothing

    def release(self) -> None:
        """Give the buffers back to the camera."""
        give, self._release = self._release, _nothing
        give()


class Camera(Protocol):
    """The only way in for frames: every source in this room, real or simulated, is one of these."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of every frame's luma plane in pixels."""

    @property
    def simulated(self) -> bool:
        """True when what is seen did not happen (the simulated corner): every event says so."""

    @property
    def lacks(self) -> tuple[str, ...]:
        """Controls that were wanted and that this camera does not have, by the names of its library."""

    def read(self, timeout: float) -> Frame:
        """Return the next frame, at most `timeout` seconds from now.

        Raises:
            CameraStalled: no frame came in time; the camera should be closed and opened anew.
            CameraEnded: a recording is over.
            CameraError: the source broke in another way.
        """

    def ask_rate(self, fps: float) -> None:
        """Ask for another frame rate from now on; where it cannot be changed the reader leaves frames out."""

    def close(self) -> None:
        """Let go of the device. Never waits for ever; may be called twice."""
