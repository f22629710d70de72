"""The simulated street corner as a camera: seeded, with exact truth, and with hands to disturb it.

`Street` passes the contract that real cameras pass. Frame n's pixels depend on the seed and n alone, however fast it
is read. Not here: the world (world.py), the script (scenes.py). Runs on the thread that reads it; the methods that
disturb it may be called from any thread and count from the next frame.
"""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING

import numpy as np

from gateway.camera.frame import Frame, MainFormat
from gateway.camera.street import scenes, timetable, truth as truths
from gateway.camera.street.world import Hands, World
from gateway.errors import CameraEnded, CameraError, CameraStalled, CameraUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path as FilePath

    from numpy.typing import NDArray

    from gateway.camera.street.actors import Kind
    from gateway.camera.street.paths import Path
    from gateway.camera.street.truth import Seen
    from gateway.camera.street.world import Garbled


class StreetFrame(Frame):
    """A frame whose main picture is drawn when somebody asks for it."""

    __slots__ = ("_draw", "_drawn")
    _draw: Callable[[], NDArray[np.uint8]] | None
    _drawn: NDArray[np.uint8] | None

    @property
    def main(self) -> NDArray[np.uint8] | None:
        """The large picture, yuv420 (I420), or None."""
        if self._drawn is None and self._draw is not None:
            self._drawn = self._draw()
        return self._drawn

    @main.setter
    def main(self, value: NDArray[np.uint8] | None) -> None:
        self._drawn, self._draw = value, None


class Street:
    """A camera that looks at a corner that does not exist."""

    simulated = True
    lacks: tuple[str, ...] = ()

    def __init__(
        self,
        size: tuple[int, int] = (640, 360),
        fps: float = 30.0,
        seed: int = 0,
        *,
        main_size: tuple[int, int] = (1280, 720),
        scene: str = "corner",
        truth: FilePath | None = None,
        pace: bool = True,
        seconds: float | None = None,
    ) -> None:
        """Build the corner; takes about half a second.

        Args:
            size: width and height of the luma plane in pixels, even numbers.
            fps: frames per second of the world's time.
            seed: the corner, who comes and the noise.
            main_size: width and height of the main picture in pixels, even numbers; (0, 0) for none.
            scene: one of `scenes.NAMES`.
            truth: a file to which one JSON line a frame is written.
            pace: frame n comes at start + n / fps, and a reader who is late misses frames; without it frames come as
                fast as they are asked for.
            seconds: the recording ends after so long (None: never); the scene "day" passes its 24 hours in it.

        Raises:
            CameraUnavailable: a size or a scene that does not exist, or a truth file that cannot be written.
        """
        if scene not in scenes.NAMES:
            raise CameraUnavailable(f"no scene is called {scene!r}", "one of: " + ", ".join(scenes.NAMES))
        if min(size) < 32 or any(n % 2 or n < 0 for n in (*size, *main_size)) or not 0 < fps <= 1000:
            raise CameraUnavailable(
                f"the simulated corner cannot be {size[0]}x{size[1]} (main {main_size[0]}x{main_size[1]}) at {fps} fps",
                "give even numbers of pixels, at least 32, and 1 to 1000 frames per second",
            )
        self.size, self.fps, self.seed, self.pace, self.seconds = size, fps, seed, pace, seconds
        self.main_size = main_size if min(main_size) > 0 else (0, 0)
        self.main_format: MainFormat = "yuv420" if self.main_size[0] else "none"
        try:
            self._truth_file = truth.open("w", encoding="utf-8") if truth else None
        except OSError as error:
            raise CameraUnavailable(
                f"the truth file {truth} cannot be written: {error.strerror}",
                "name a file in a folder that can be written",
            ) from error
        self.world = World(scenes.scene(scene, seconds), size, self.main_size, fps, seed, Hands())
        self._invited = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closed = False
        self._start: float | None = None
        self.truth: list[Seen] = []
        """Who is seen in the frame that was read last."""
        self.state: dict[str, bool] = {}
        """What was the matter with the view in that frame: covered, defocused, moved, frozen."""
        self.labels: NDArray[np.uint16] = np.zeros((size[1], size[0]), np.uint16)
        """Id of the actor that each pixel of the luma plane shows, 0 for none; valid until the next read."""
        self.ignore: NDArray[np.bool_] = np.zeros((size[1], size[0]), np.bool_)
        """Pixels of which nobody can say what they show: soft rims and cast shadows; valid until the next read."""

    # --- the hands that disturb it

    def cover(self, on: bool) -> None:  # noqa: FBT001 - cover(True) reads as what it does
        """Hang something before the lens, or take it away, whatever the scene says."""
        self.world.hands.covered = on

    def defocus(self, on: bool) -> None:  # noqa: FBT001
        """Turn the lens out of focus, or back."""
        self.world.hands.defocused = on

    def freeze(self, on: bool) -> None:  # noqa: FBT001
        """Let the sensor repeat its last picture, or go on."""
        self.world.hands.frozen = on

    def knock(self, on: bool) -> None:  # noqa: FBT001
        """Turn the camera aside, or back; the first time takes half a second."""
        self.world.hands.knocked = on

    def expose(self, stops: float) -> None:
        """Add stops to what the auto-exposure chooses, as a person at the controls would; 0 takes it back."""
        self.world.hands.stops = stops

    def hang(self, on: bool) -> None:  # noqa: FBT001
        """Let `read` find no frame until its timeout, or let it find frames again."""
        self.world.hands.hung = on
        self._wake.set()

    def garble(self, how: Garbled) -> None:
        """Hand over buffers that nobody filled ("empty") or noise ("static"), or pictures again ("")."""
        self.world.hands.garbled = how

    def enter(self, kind: Kind, way: str | Path) -> int:
        """Send one actor from the next frame on, along a named way (see `timetable.way`) or a path; return its id."""
        with self._lock:
            self._invited += 1
            number = 60_000 + self._invited
            if isinstance(way, str):
                rng = np.random.default_rng([self.seed, number])
                way = timetable.way(way, self.world.plan, rng, (self.world.number + 1) / self.fps)
            self.world.actors.append(timetable.actor(number, kind, way, self.seed))
            return number

    # --- the camera

    def read(self, timeout: float) -> Frame:
        """Return the next frame (paced: the newest that is due), at most `timeout` seconds from now.

        Raises:
            CameraStalled: it was told to hang, or no frame is due in time.
            CameraEnded: `seconds` are over.
            CameraError: it is closed.
        """
        number, mono = self._wait(time.monotonic() + timeout, timeout)
        if self.seconds is not None and number / self.fps >= self.seconds:
            raise CameraEnded(f"the simulated corner was to run for {self.seconds:g} s", "start it again for more")
        with self._lock:
            exposure = self.world.advance(number)
        luma = self.world.draw()
        self.labels = self.world.visible(self.world.labels)
        self.ignore = self.world.visible(self.world.unsure)
        moment = self.world.moment
        assert moment is not None
        self.truth = self.world.seen()
        s = moment.state
        self.state = {"covered": s.covered > 0.5, "defocused": s.defocused > 0.5, "moved": s.moved, "frozen": s.frozen}
        if self._truth_file:
            self._truth_file.write(
                truths.line(number, mono, self.truth, {**self.state, "light": round(moment.light.lux, 2)})
            )
            self._truth_file.flush()
        frame = StreetFrame(number, mono, luma, None, self.main_format, self.main_size, exposure)
        frame._draw = self.world.draw_main if self.main_size[0] else None
        return frame

    def _wait(self, deadline: float, timeout: float) -> tuple[int, float]:
        """Wait for the next frame's time; return its number and time."""
        if self._start is None:
            self._start = time.monotonic()
        while True:
            now = time.monotonic()
            number = self.world.number + 1
            if self.pace:
                number = max(number, math.floor((now - self._start) * self.fps))
            due = self._start + number / self.fps if self.pace else 0.0
            if self._closed:
                raise CameraError("the simulated corner is closed", "open it again")
            hung = self.world.hung(number / self.fps)
            if not hung and due <= now:
                return number, due if self.pace else number / self.fps
            if now >= deadline:
                raise CameraStalled(
                    f"no frame of the simulated corner within {timeout:g} s", "close the camera and open it again"
                )
            self._wake.wait(max((deadline if hung else min(deadline, due)) - now, 0.0))
            self._wake.clear()

    def ask_rate(self, fps: float) -> None:
        """Change only how long a frame may be exposed: the world's time goes on in its own steps."""
        self.world.ae.longest_us = min(33_000.0, 1e6 / fps)

    def close(self) -> None:
        """End it; a `read` that waits ends too."""
        self._closed = True
        self._wake.set()
        if self._truth_file:
            self._truth_file.close()
            self._truth_file = None
