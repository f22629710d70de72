"""The simulated street corner as a camera: seeded, with exact truth, and with hands to disturb it.

`Street` passes the contract that real cameras pass. Frame n's pixels depend on the seed and n alone, however fast it
is read. Not here: the drawing (render.py), the script (scenes.py). Runs on the thread that reads it; the methods that
disturb it may be called from any thread and count from the next frame.
"""

from __future__ import annotations

import json
import math
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gateway.camera.frame import Exposure, Frame, MainFormat
from gateway.camera.street import backdrop, scenes, shapes
from gateway.camera.street.actors import Actor, Kind, Look, actor
from gateway.camera.street.light import FULL_SCALE, AutoExposure, Light
from gateway.camera.street.render import Drawn, NoisePool, Raster
from gateway.errors import CameraEnded, CameraError, CameraStalled, CameraUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path as FilePath

    from numpy.typing import NDArray

    from gateway.camera.street.paths import Path


class Seen(NamedTuple):
    """The truth about one actor in one frame."""

    id: int
    kind: str
    box: tuple[float, float, float, float]
    """x, y, w, h in 0..1 round its visible pixels, without its shadow."""
    centre: tuple[float, float]
    """The middle of the visible pixels, 0..1."""
    pixels: int
    """Visible pixels of the luma plane."""
    moving: bool
    still: float
    """Seconds for which it has stood, 0 while it moves."""


@dataclass(slots=True)
class _Shot:
    """What the frame in hand was made of, so that its large picture can be made when it is asked for."""

    key: int
    light: Light
    looks: list[Look]
    exposure: float
    gain: float
    cover: float


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
    main_format: MainFormat = "yuv420"

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
            scene: a name in `scenes.SCENES`.
            truth: a file to which one JSON line a frame is written.
            pace: frame n comes at start + n / fps, and a reader who is late misses frames; without it frames come as
                fast as they are asked for.
            seconds: the recording ends after so long; None: never.

        Raises:
            CameraUnavailable: a size or a scene that does not exist, or a truth file that cannot be written.
        """
        if scene not in scenes.SCENES:
            raise CameraUnavailable(f"no scene is called {scene!r}", "one of: " + ", ".join(sorted(scenes.SCENES)))
        if min(size) < 32 or any(n % 2 or n < 0 for n in (*size, *main_size)) or not 0 < fps <= 1000:
            raise CameraUnavailable(
                f"the simulated corner cannot be {size[0]}x{size[1]} (main {main_size[0]}x{main_size[1]}) at {fps} fps",
                "give even numbers of pixels, at least 32, and 1 to 1000 frames per second",
            )
        self.size, self.fps, self.seed, self.pace = size, fps, seed, pace
        self.main_size = main_size if min(main_size) > 0 else (0, 0)
        self.seconds = seconds
        self.scene = scenes.SCENES[scene]
        self._build()
        try:
            self._truth_file = truth.open("w", encoding="utf-8") if truth else None
        except OSError as error:
            raise CameraUnavailable(
                f"the truth file {truth} cannot be written: {error.strerror}",
                "name a file in a folder that can be written",
            ) from error
        self._actors: list[Actor] = []
        self._coming: Iterator[Actor] = scenes.timetable(self.scene, self.plan, seed)
        self._next: Actor | None = next(self._coming, None)
        self._invited = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closed = self._hung = False
        self._covered_by_hand: bool | None = None
        self._ae = AutoExposure(longest_us=min(33_000.0, 1e6 / fps))
        self._ae.settle(self._meter(self.scene.light(0.0), 0.0, 1.0) * FULL_SCALE)
        self._number = -1
        self._start: float | None = None
        self._shot: _Shot | None = None
        self.truth: list[Seen] = []
        """Who is seen in the frame that was read last."""

    def _build(self) -> None:
        w, h = self.size
        mw, mh = self.main_size
        high = 640.0 * (mh / mw if mw else h / w)
        self.plan = backdrop.plan(self.seed, high)
        self.view = self.plan.view
        self._pool = NoisePool(self.seed)
        whole = mw % w == 0 and mh % h == 0 and mw > 0
        big = (mw, mh) if whole else (2 * w, 2 * h)
        g = shapes.grid(*big, high)
        maps = backdrop.paint(self.plan, g, self.seed)
        self._luma = Raster(maps.reduced(big[1] // h, big[0] // w), shapes.grid(w, h, high), self._pool, chroma=False)
        if mw and not whole:
            g = shapes.grid(mw, mh, high)
            maps = backdrop.paint(self.plan, g, self.seed)
        self._main = Raster(maps, g, self._pool, chroma=True) if mw else None
        self.labels: NDArray[np.uint16] = np.zeros((h, w), np.uint16)
        """Id of the actor that each pixel of the luma plane shows, 0 for none; valid until the next read."""
        self.ignore: NDArray[np.bool_] = np.zeros((h, w), np.bool_)
        """Pixels of which nobody can say what they show: soft rims and cast shadows; valid until the next read."""
        coarse = self._luma.maps.reduced(max(h // 18, 1), max(w // 32, 1))
        self._coarse = [
            a.astype(np.float32) for a in (coarse.sky, coarse.sun, coarse.lamp, coarse.glow, coarse.infrared)
        ]

    # --- the hands that disturb it

    def cover(self, on: bool) -> None:  # noqa: FBT001 - cover(True) reads as what it does
        """Hang something before the lens, or take it away; overrides the scene from the next frame on."""
        self._covered_by_hand = on

    def expose(self, stops: float) -> None:
        """Add stops to what the auto-exposure chooses, as a person at the controls would; 0 takes it back."""
        self._ae.bias = stops

    def hang(self, on: bool) -> None:  # noqa: FBT001
        """Let `read` find no frame until its timeout, or let it find frames again."""
        self._hung = on
        self._wake.set()

    def enter(self, kind: Kind, way: str | Path) -> int:
        """Send one actor from the next frame on, along a named way (see `scenes.ways`) or a path; return its id."""
        with self._lock:
            self._invited += 1
            number = 60_000 + self._invited
            t = (self._number + 1) / self.fps
            path = (
                scenes.ways(self.plan, np.random.default_rng([self.seed, number]))[way](t)
                if isinstance(way, str)
                else way
            )
            self._actors.append(actor(number, kind, path, self.seed))
            return number

    # --- the camera

    def read(self, timeout: float) -> Frame:
        """Return the next frame (paced: the newest that is due), at most `timeout` seconds from now.

        Raises:
            CameraStalled: it was told to hang, or no frame is due in time.
            CameraEnded: `seconds` are over.
            CameraError: it is closed.
        """
        deadline = time.monotonic() + timeout
        if self._start is None:
            self._start = time.monotonic()
        number = self._number + 1
        if self.pace:
            number = max(number, math.floor((time.monotonic() - self._start) * self.fps))
        due = self._start + number / self.fps
        while True:
            now = time.monotonic()
            if self._closed:
                raise CameraError("the simulated corner is closed", "open it again")
            late = self._hung or (self.pace and due > now)
            if not late:
                break
            if now >= deadline:
                raise CameraStalled(
                    f"no frame of the simulated corner within {timeout:g} s", "close the camera and open it again"
                )
            self._wake.wait(max(min(deadline, due if not self._hung else deadline) - now, 0.0))
            self._wake.clear()
        if self.seconds is not None and number / self.fps >= self.seconds:
            raise CameraEnded(f"the simulated corner was to run for {self.seconds:g} s", "start it again for more")
        mono = due if self.pace else number / self.fps
        exposure = self._advance(number)
        self._render()
        self._tell(number, mono)
        frame = StreetFrame(
            number, mono, self._luma.pixels, None, self.main_format if self._main else "none", self.main_size, exposure
        )
        frame._draw = self._draw_main if self._main else None
        return frame

    def close(self) -> None:
        """End it; a `read` that waits ends too."""
        self._closed = True
        self._wake.set()
        if self._truth_file:
            self._truth_file.close()
            self._truth_file = None

    # --- the world

    def _covering(self, t: float) -> float:
        """Return how far the lens is covered: 0..1, in half a second."""
        if self._covered_by_hand is not None:
            return float(self._covered_by_hand)
        for begin, end in self.scene.covered:
            if begin - 0.5 < t < end + 0.5:
                return min(max((t - begin + 0.5) * 2, 0.0), 1.0, max((end + 0.5 - t) * 2, 0.0))
        return 0.0

    def _meter(self, light: Light, cover: float, exposure: float) -> float:
        """Return the mean signal of the standing picture as the exposure meter sees it, clipped like the sensor."""
        sky, sun, lamp, glow, infrared = self._coarse
        lux = sky * light.sky + sun * light.sun + lamp * light.lamp + glow * light.glow + infrared * light.infrared
        return float(np.minimum(lux * (exposure * (1 - 0.998 * cover)), 1.0 if exposure != 1.0 else np.inf).mean())

    def _advance(self, number: int) -> Exposure:
        """Bring the world to frame `number`: who is there, and what the exposure has become, frame by frame."""
        for n in range(max(self._number, 0) + 1, number + 1):
            t = n / self.fps
            if n % 4 == 0:
                now = 2.0 ** (self._ae.stops + self._ae.bias) * FULL_SCALE
                self._ae.step(n, self._meter(self.scene.light(t), self._covering(t), now), t)
        self._number = number
        t = number / self.fps
        with self._lock:
            while self._next is not None and self._next.path.start <= t:
                self._actors.append(self._next)
                self._next = next(self._coming, None)
            self._actors = [a for a in self._actors if t <= a.path.end]
            here = list(self._actors)
        light = self.scene.light(t)
        reported = self._ae.reported(light)
        assert reported.time_us is not None
        assert reported.gain is not None
        dark = min(max((300.0 - light.lux) / 300.0, 0.0), 1.0)
        looks = [(a, a.look(t, self.view, self.plan.sun, dark)) for a in here]
        looks.sort(key=lambda pair: -pair[1].depth)
        self._here = [a for a, _ in looks]
        self._shot = _Shot(
            number,
            light,
            [look for _, look in looks],
            reported.time_us * reported.gain * FULL_SCALE,
            reported.gain,
            self._covering(t),
        )
        return reported

    def _render(self) -> None:
        shot = self._shot
        assert shot is not None
        drawn = self._luma.compose(shot.light, shot.looks)
        self._mark(drawn)
        self._disturb(self._luma, shot)
        self._luma.expose(shot.exposure, shot.gain, shot.key)

    @staticmethod
    def _disturb(raster: Raster, shot: _Shot) -> None:
        """What stands between the corner and the sensor."""
        if shot.cover:
            # Something dark slides down before the lens, far out of focus; a little light leaks through.
            edge = (raster.grid.ys / raster.grid.ys[-1] - 1.5 * shot.cover + 0.25) * 4
            through = np.clip(edge, 0.0, 1.0) * (1 - 0.002) + 0.002
            raster.signal *= through[:, None]

    def _draw_main(self) -> NDArray[np.uint8]:
        shot, main = self._shot, self._main
        assert shot is not None
        assert main is not None
        main.compose(shot.light, shot.looks)
        self._disturb(main, shot)
        main.expose(shot.exposure, shot.gain, shot.key + (1 << 40), quiet=2.0)
        return main.pixels

    # --- the truth

    def _mark(self, drawn: list[Drawn | None]) -> None:
        """Write labels, ignored pixels and the list of who is seen."""
        shot = self._shot
        assert shot is not None
        self.labels[:] = 0
        self.ignore[:] = False
        raster, t = self._luma, self._number / self.fps
        for at in raster.dirty:
            self.ignore[at.slices] |= raster.shade[at.slices] * raster.maps.ground[at.slices] > 0.03
        for who, where in zip(self._here, drawn, strict=True):  # far ones first: near ones overwrite them
            if where is not None:
                solid = where.alpha >= 0.5
                patch, rim = self.labels[where.at.slices], self.ignore[where.at.slices]
                patch[solid] = who.id
                rim[solid] = False
                rim |= (where.alpha > 0.02) & (where.alpha < 0.98)
        w, h = self.size
        self.truth = []
        for who, where in zip(self._here, drawn, strict=True):
            if where is None:
                continue
            mine = self.labels[where.at.slices] == who.id
            pixels = int(np.count_nonzero(mine))
            if not pixels:
                continue
            rows, cols = np.flatnonzero(mine.any(1)), np.flatnonzero(mine.any(0))
            y0, y1 = int(rows[0]) + where.at.y0, int(rows[-1]) + 1 + where.at.y0
            x0, x1 = int(cols[0]) + where.at.x0, int(cols[-1]) + 1 + where.at.x0
            still = who.path.still_since(t)
            box = (x0 / w, y0 / h, (x1 - x0) / w, (y1 - y0) / h)
            middle = (box[0] + box[2] / 2, box[1] + box[3] / 2)
            self.truth.append(Seen(who.id, who.kind, box, middle, pixels, still == 0.0, still))

    def _tell(self, number: int, mono: float) -> None:
        """Write the frame's line of truth."""
        shot = self._shot
        if self._truth_file is None or shot is None:
            return
        objects = [
            {
                "id": s.id,
                "kind": s.kind,
                "box": [round(v, 5) for v in s.box],
                "moving": s.moving,
                "still": round(s.still, 2),
            }
            for s in self.truth
        ]
        state = {"covered": shot.cover > 0.5, "light": round(shot.light.lux, 2)}
        line = {"frame": number, "mono": mono, "objects": objects, "state": state}
        self._truth_file.write(json.dumps(line, separators=(",", ":")) + "\n")
        self._truth_file.flush()
