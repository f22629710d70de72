"""The detector: one luma plane in, one `Motion` out; it joins the other rooms and owns their order.

Not here: cameras, events, clocks, files. Time is an argument. Runs on the camera's thread.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gateway.motion.arguments import SENSITIVITY, Sensitivity, check_arguments, check_frame
from gateway.motion.background import Background
from gateway.motion.cells import OCTAVE, PEDESTAL, Cells
from gateway.motion.grain import Grain
from gateway.motion.illumination import Illumination
from gateway.motion.outline import Outline
from gateway.motion.placing import placed
from gateway.motion.readiness import Readiness
from gateway.motion.regions import Region, Regions
from gateway.motion.result import Box, Motion, Track
from gateway.motion.sifting import sift
from gateway.motion.standing import Standing
from gateway.motion.tracks import Tracks
from gateway.motion.view import Watch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gateway.motion.thing import Thing

_TICK = 0.095  # seconds between two lessons
_FLARE = 0.35  # seconds in which a field of light appears
_APART = 0.19  # seconds between the frames whose difference is "moving"
_FOLLOW = 5  # a thirty-second part of a field of light becomes background at each lesson
_WEATHER = 8.0  # regions a frame that belong to nothing: it rains, or leaves move
_GAP = 3600.0  # seconds after which the world is another


class Belief(NamedTuple):
    """What the model believed when it was asked; copies, (height, width) in cells."""

    background: NDArray[np.float32]
    """Grey level of each cell."""
    noise: NDArray[np.float32]
    """Usual deviation in grey levels."""
    threshold: NDArray[np.float32]
    """Deviation in grey levels from which on a cell fires."""
    fired: NDArray[np.bool_]


class Detector:
    """Finds what moves in a stream of luma planes of one size."""

    def __init__(
        self,
        width: int,
        height: int,
        *,
        smallest: float = 6.0,
        sensitivity: Sensitivity = "normal",
        ignore: NDArray[np.bool_] | None = None,
        declare_after: float = 30.0,
        outlines: bool = True,
    ) -> None:
        """Make a detector for planes of (height, width) pixels.

        Args:
            width: 160 to 1280 pixels.
            height: 120 to 720 pixels.
            smallest: height of the smallest thing in pixels.
            sensitivity: low asks for more contrast, high for less.
            ignore: (height, width) bool, True where nothing is ever seen; None = everything is.
            declare_after: seconds that a bad view is suspected before it is declared.
            outlines: learn what `foreground` needs. Nothing else depends on it, so who never asks leaves it out.

        Raises:
            ValueError: an argument is out of its range; the text says which, what was found and what is allowed.
        """
        check_arguments(width, height, smallest, sensitivity, ignore, declare_after)
        self.width, self.height = width, height
        self._cells = Cells(width, height)
        rows, columns = self._cells.height, self._cells.width
        floor, factor = SENSITIVITY[sensitivity]
        self._model = Background(rows, columns, floor=round(OCTAVE * math.log2(1 + floor)), factor=factor)
        self._seen = np.ones((rows, columns), np.bool_)
        if ignore is not None:
            size = self._cells.size
            blocks = ignore[: rows * size, : columns * size].reshape(rows, size, columns, size)
            np.logical_not(blocks.any(axis=(1, 3)), self._seen)
        self._area = max(1, int(np.count_nonzero(self._seen)))
        self._regions = Regions(rows, columns)
        self._tracks = Tracks(columns, rows, smallest=smallest / self._cells.size * 0.6)
        self._watch = Watch(rows, columns, seen=self._seen, declare_after=declare_after)
        shape = (rows, columns)
        self._now = np.zeros(shape, np.int16)
        self._fired = 0
        self._any_fired = False
        self._before = np.zeros((2, *shape), np.int16)
        self._oldest = 0
        self._light = Illumination(self._model, self._seen, self._before)
        self._standing = Standing(rows, columns)
        self._outline = Outline(self._cells) if outlines else None
        self._scale = self._cells.size / width, self._cells.size / height
        self._change = np.zeros(shape, np.int16)
        self._grain = 0.0
        self._sensor = Grain(self._seen)
        self._t: float | None = None
        self._ready = Readiness()
        self._flared = -1e9
        self._learned = 0.0
        self._swapped = 0.0
        self._shown: list[Thing] = []

    def step(
        self,
        luma: NDArray[np.uint8],
        t: float,
        *,
        exposure_us: float | None = None,
        gain: float | None = None,
        lux: float | None = None,
    ) -> Motion:
        """Look at one frame.

        Args:
            luma: (height, width) uint8, rows may be padded; it is only read.
            t: the frame's time in seconds on a clock that runs on.
            exposure_us: exposure time in microseconds, when the camera says so.
            gain: analogue times digital gain, when the camera says so.
            lux: illuminance of the scene, when the camera says so.

        Raises:
            ValueError: shape, type or time cannot be used; the text says what was found and what is allowed.
        """
        check_frame(luma, t, self.width, self.height)
        told = self._light.exposure.told(exposure_us, gain, lux)
        ended: Sequence[int] = ()
        self._cells.reduce(luma, self._now)
        light = self._cells.mean()
        if self._sensor.prepare(self._now, t, self._model, self._before):
            self._watch.restart()
            if self._outline is not None:
                self._outline.restart()
        if self._t is None or t < self._t or t - self._t >= _GAP:
            ended = self._start(t, anew=True)
        dt = t - (t if self._t is None else self._t)
        self._t = t
        if self._ready.grown(t, share=self._fired / self._area):
            self._model.settle()
        self._model.compare(self._now)
        count = self._light.follow(self._now, dt, told=told, free=self._standing.free)
        settling = self._ready.settling(t)
        self._any_fired = count > 0
        count = sift(self._model, self._regions, self._light.clean, count, self._area)
        self._fired = count
        changed = count > self._area * 55 // 100
        self._watch.look(luma, self._now, self._model, t, changed=count > self._area // 4, sound=self._ready.sound(t))
        suppressed = self._ready.suppressed(t, changed=changed, holds=self._watch.holds)
        # Nothing that moves covers so much for long: when it lasts, the scene is another one, so learn it.
        if self._ready.another(t, changed=changed and not settling and not self._watch.holds):
            ended = [*ended, *self._start(t, anew=False)]
            self._ready.hurry(t)
        tracks: tuple[Track, ...] = ()
        boxes: tuple[Box, ...] = ()
        score = 0.0
        self._shown.clear()
        if suppressed is None and (count or self._tracks.things):
            ended = [*ended, *self._look(count, t, dt)]
        elif suppressed is not None:
            ended = [*ended, *self._tracks.clear()]
            self._standing.release()
        if self._tracks.things:
            if self._outline is not None:
                self._outline.keep(luma, self._regions.rows)
            tracks, boxes, score = self._place(t)
        self._learn(luma, t, settling=settling and not self._watch.holds)
        watch = self._watch
        return Motion(
            t, bool(boxes), min(1.0, score), boxes, tracks, tuple(ended), suppressed, light, self._light.gain,
            watch.sharpness, self._grain, watch.view, watch.suspect,
        )  # fmt: skip

    def foreground(self, out: NDArray[np.uint8]) -> None:
        """Paint what moves in the frame seen last: 255 on 0, at the size of `out` (any height and width, uint8).

        Raises:
            RuntimeError: the detector was made without outlines.
        """
        cells, outline = self._cells, self._outline
        if outline is None:
            raise RuntimeError("this detector learned no outlines: make it with outlines=True")
        fine = np.zeros((cells.height, cells.size, cells.width * cells.size), np.bool_)
        for thing in (*self._shown, *self._tracks.likely()):
            for region in (thing.region, *thing.parts):
                if region is not None:
                    mask = self._regions.mask(region)
                    outline.paint(fine, region.at, mask, self._model, self._light.unrest >> 2)
        picture = fine.reshape(cells.height * cells.size, -1)
        rows = np.minimum(np.arange(out.shape[0]) * self.height // out.shape[0], picture.shape[0] - 1)
        columns = np.minimum(np.arange(out.shape[1]) * self.width // out.shape[1], picture.shape[1] - 1)
        out[...] = picture[rows[:, None], columns] * np.uint8(255)

    def belief(self) -> Belief:
        """Return what the model believes, in grey levels."""
        model = self._model
        lit = np.exp2(model.level / np.float32(OCTAVE)) * np.float32(PEDESTAL)
        slope = lit * np.float32(math.log(2.0) / OCTAVE)
        return Belief(lit - np.float32(PEDESTAL), model.noise * slope, model.threshold * slope, model.fired.copy())

    def confirm_view(self) -> None:
        """Take the view as it is now for the right one: clears "moved"."""
        self._watch.confirm()

    def resume(self) -> None:
        """Judge the view anew with the next frame: the camera was opened anew, so it says nothing of those before."""
        self._watch.resume()

    def _start(self, t: float, *, anew: bool) -> list[int]:
        self._model.start(self._now, anew=anew)
        self._model.compare(self._now)
        self._model.fire()
        self._before[:] = self._now
        self._swapped = self._learned = t
        self._ready.start(t)
        self._standing.release()
        if self._outline is not None:
            self._outline.restart()
        return self._tracks.clear()

    def _look(self, count: int, t: float, dt: float) -> list[int]:
        model = self._model
        regions: list[Region] = []
        if count:
            regions = self._regions.find(
                self._light.clean,
                self._before[self._oldest],
                model.difference,
                model.edges,
                model.threshold,
                lasting=self._tracks.loose() > _WEATHER,
            )
        self._tracks.wary = self._light.unrest > model.floor // 2
        if self._light.lit and not self._tracks.lit:
            self._flared = t
        self._tracks.lit = self._light.lit
        self._tracks.flaring = t - self._flared < _FLARE
        ended = self._tracks.update(regions, t, dt)
        ended += self._standing.settle(self._tracks, model, self._regions, self._now, t)
        for thing in self._tracks.things:
            if thing.confirmed and thing.region is not None and not self._tracks.weathered(thing):
                self._shown.append(thing)
        return ended

    def _place(self, t: float) -> tuple[tuple[Track, ...], tuple[Box, ...], float]:
        """Return the confirmed tracks, the boxes of those that are shown, and the share of the picture that moves."""
        tracks, boxes, area = [], [], 0
        across, down = self._scale
        shown = self._shown
        for thing in self._tracks.things:
            if thing.confirmed:
                track = placed(thing, t, across, down)
                tracks.append(track)
                if thing in shown and thing.region is not None:
                    boxes.append(track.box)
                    area += thing.region.area
        return tuple(tracks), tuple(boxes), area / self._area

    def _learn(self, luma: NDArray[np.uint8], t: float, *, settling: bool) -> None:
        if t - self._learned >= _TICK:
            self._learned = t
            if not self._watch.holds:
                if self._light.lit:
                    # A cloud goes on: follow it slowly, and everywhere at once, so that it leaves no seams.
                    np.subtract(self._now, self._light.clean, self._change)
                    np.right_shift(self._change, _FOLLOW, self._change)
                    self._light.shift(self._change, 0)
                self._model.learn(
                    self._now,
                    self._standing.free,
                    fast=settling,
                    eager=self._tracks.loose() > _WEATHER or self._fired * 10 > self._area,
                    steady=self._fired * 8 < self._area,
                    slow=self._any_fired,
                    stirred=self._fired > 0,
                )
                steady = not self._light.lit and self._light.unrest < self._model.floor // 2
                if self._outline is not None and steady:
                    self._outline.learn(luma, self._model, self._standing.free)
        if t - self._swapped >= _APART:
            self._grain = self._sensor.noise(self._model, self._cells.mean(), self._cells.size)
            self._swapped = t
            self._before[self._oldest] = self._light.clean
            self._oldest ^= 1
