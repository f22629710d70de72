"""The detector: one luma plane in, one `Motion` out; it joins the other rooms and owns their order.

Not here: cameras, events, clocks, files. Time is an argument. Runs on the camera's thread.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from gateway.motion.background import Background
from gateway.motion.cells import OCTAVE, PEDESTAL, Cells
from gateway.motion.light import Light
from gateway.motion.regions import Region, Regions
from gateway.motion.result import Box, Motion, Suppression, Track
from gateway.motion.tracks import Thing, Tracks
from gateway.motion.view import Watch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Sensitivity = Literal["low", "normal", "high"]

# Smallest difference in hundredths of light, and how many times the noise.
_SENSITIVITY: dict[str, tuple[float, float]] = {"low": (0.05, 5.0), "normal": (0.03, 3.5), "high": (0.02, 3.0)}

_LEARN = 2.0  # seconds in which a new model settles
_TICK = 0.095  # seconds between two lessons
_APART = 0.19  # seconds between the frames whose difference is "moving"
_RELEARN = 1.0  # the same after the scene became another one
_ANOTHER = 0.45  # seconds that most of the picture must differ for that
_FOLLOW = 5  # a thirty-second part of a field of light becomes background at each lesson
_SOUND = 1.0  # seconds that the model must be settled before it says what the view is
_WEATHER = 8.0  # regions a frame that belong to nothing: it rains, or leaves move
_GAP = 3600.0  # seconds after which the world is another
_STAYS = 45.0  # seconds after which what stands came to stay
_TRACE = 0.6  # seconds after which the trace of something that left is background
_FAINT = 0.8  # seconds after which something without edges of its own is background
_LARGE = 60  # cells
_STRANGE = 3.0  # seconds after which something that never moved is background
_ABSORB = 60.0  # seconds after which it is background


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
    ) -> None:
        """Make a detector for planes of (height, width) pixels.

        Args:
            width: 160 to 1280 pixels.
            height: 120 to 720 pixels.
            smallest: height of the smallest thing in pixels.
            sensitivity: low asks for more contrast, high for less.
            ignore: (height, width) bool, True where nothing is ever seen; None = everything is.
            declare_after: seconds that a bad view is suspected before it is declared.

        Raises:
            ValueError: an argument is out of its range; the text says which, what was found and what is allowed.
        """
        _check_arguments(width, height, smallest, sensitivity, ignore, declare_after)
        self.width, self.height = width, height
        self._cells = Cells(width, height)
        rows, columns = self._cells.height, self._cells.width
        floor, factor = _SENSITIVITY[sensitivity]
        self._model = Background(rows, columns, floor=round(OCTAVE * math.log2(1 + floor)), factor=factor)
        self._seen = np.ones((rows, columns), np.bool_)
        if ignore is not None:
            size = self._cells.size
            blocks = ignore[: rows * size, : columns * size].reshape(rows, size, columns, size)
            np.logical_not(blocks.any(axis=(1, 3)), out=self._seen)
        self._all_seen = bool(self._seen.all())
        self._area = max(1, int(np.count_nonzero(self._seen)))
        self._light = Light(rows, columns, self._seen)
        self._regions = Regions(rows, columns)
        self._tracks = Tracks(columns, rows, smallest=smallest / self._cells.size * 0.6)
        self._watch = Watch(rows, columns, seen=self._seen, declare_after=declare_after)
        shape = (rows, columns)
        self._now = np.zeros(shape, np.int16)
        self._clean = np.zeros(shape, np.int16)
        self._lit = self._was_lit = False
        self._fired = 0
        self._before = np.zeros((2, *shape), np.int16)
        self._moved = np.zeros(shape, np.bool_)
        self._change = np.zeros(shape, np.int16)
        self._hold = np.full(shape, -1, np.int16)
        self._free = np.ones(shape, np.bool_)
        self._holding = False
        self._grain = 0.0
        self._t: float | None = None
        self._settled = 0.0
        self._young = True
        self._changed_since: float | None = None
        self._unrest = 0
        self._dimmed = 0
        self._learned = 0.0
        self._swapped = 0.0
        self._gain = 0
        self._exposure: dict[str, float] = {}
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
        self._check_frame(luma, t)
        told = self._told(exposure_us, gain, lux)
        ended: Sequence[int] = ()
        self._cells.reduce(luma, self._now)
        if self._t is None or t < self._t or t - self._t >= _GAP:
            ended = self._start(t, anew=True)
        dt = t - (t if self._t is None else self._t)
        self._t = t
        if self._young and t >= self._settled:
            self._young = False
            self._model.settle()
        self._model.compare(self._now)
        count = self._follow_light(dt, told=told)
        suppressed: Suppression | None = "settling" if t < self._settled else None
        light = self._cells.mean()
        count = self._recall(count)
        self._fired = count
        changed = count > self._area * 55 // 100
        self._watch.look(
            luma, self._now, self._model, t, changed=count > self._area // 4, sound=t > self._settled + _SOUND
        )
        if changed and suppressed is None and not self._watch.holds:
            # Nothing that moves covers so much for long: when it lasts, the scene is another one, so learn it.
            suppressed = "light"
            if self._changed_since is None:
                self._changed_since = t
            elif t - self._changed_since >= _ANOTHER:
                ended = [*ended, *self._start(t, anew=False)]
                self._settled = t + _RELEARN
        else:
            self._changed_since = None
        if self._watch.holds:
            suppressed = "view"
        boxes: tuple[Box, ...] = ()
        self._shown.clear()
        if suppressed is None and (count or self._tracks.things):
            ended = [*ended, *self._look(count, t, dt)]
        elif suppressed is not None:
            ended = [*ended, *self._tracks.clear()]
            self._release()
        tracks = tuple(self._report(thing, t) for thing in self._tracks.things if thing.confirmed)
        shown = {thing.id for thing in self._shown}
        boxes = tuple(track.box for track in tracks if track.id in shown)
        self._learn(t, settling=suppressed == "settling")
        score = sum(thing.region.area for thing in self._shown if thing.region is not None) / self._area
        return Motion(
            t=t,
            moving=bool(boxes),
            score=min(1.0, score),
            boxes=boxes,
            tracks=tracks,
            ended=tuple(ended),
            suppressed=suppressed,
            light=light,
            gain=2.0 ** (self._gain / OCTAVE),
            sharpness=self._watch.sharpness,
            noise=self._grain,
            view=self._watch.view,
            suspect=self._watch.suspect,
        )

    def foreground(self, out: NDArray[np.uint8]) -> None:
        """Paint what moves in the frame seen last: 255 on 0, at the size of `out` (any height and width, uint8)."""
        rows = np.arange(out.shape[0]) * self.height // out.shape[0] // self._cells.size
        columns = np.arange(out.shape[1]) * self.width // out.shape[1] // self._cells.size
        mask = np.zeros(self._now.shape, np.bool_)
        for thing in (*self._shown, *self._tracks.likely()):
            for region in (thing.region, *thing.parts):
                if region is not None:
                    mask[region.at] |= self._regions.mask(region)
        rows, columns = np.minimum(rows, mask.shape[0] - 1), np.minimum(columns, mask.shape[1] - 1)
        out[...] = mask[rows[:, None], columns] * np.uint8(255)

    def belief(self) -> Belief:
        """Return what the model believes, in grey levels."""
        model = self._model
        lit = np.exp2(model.level / np.float32(OCTAVE)) * np.float32(PEDESTAL)
        slope = lit * np.float32(math.log(2.0) / OCTAVE)
        return Belief(lit - np.float32(PEDESTAL), model.noise * slope, model.threshold * slope, model.fired.copy())

    def confirm_view(self) -> None:
        """Take the view as it is now for the right one: clears "moved"."""
        self._watch.confirm()

    def _start(self, t: float, *, anew: bool) -> list[int]:
        self._model.start(self._now, anew=anew)
        self._model.compare(self._now)
        self._before[:] = self._now
        self._swapped = self._learned = t
        self._settled = t + _LEARN
        self._young = True
        self._changed_since = None
        self._release()
        return self._tracks.clear()

    def _count(self) -> int:
        fired = self._model.fired
        if not self._all_seen:
            np.logical_and(fired, self._seen, out=fired)
        return int(np.count_nonzero(fired))

    def _told(self, exposure_us: float | None, gain: float | None, lux: float | None) -> bool:
        """Return whether the camera says that exposure or light changed; what is not a number says nothing."""
        told = False
        for name, value in (("time", exposure_us), ("gain", gain), ("lux", lux)):
            if value is None or not math.isfinite(value) or value <= 0:
                continue
            last = self._exposure.get(name, value)
            told |= abs(value - last) > last * (0.02 if name != "lux" else 0.3)
            self._exposure[name] = value
        return told

    def _recall(self, count: int) -> int:
        """Take out cells that are alone or look as they did before; return how many still fire."""
        model = self._model
        if count < 2:
            return 0
        self._regions.keep(model.fired, model.restless)
        if not np.count_nonzero(self._regions.kept):
            return 0
        model.recall(self._clean)
        return int(np.count_nonzero(model.fired))

    def _follow_light(self, dt: float, *, told: bool) -> int:
        """Take changes of light out of the differences and into the model; return how many cells still fire."""
        model = self._model
        least = model.floor // 4
        self._unrest -= int(self._unrest * min(1.0, dt * 2.0))
        offset = self._light.offset(model.difference)
        if abs(offset) > least // 2:
            self._shift(offset, abs(offset))
            self._dimmed += offset
            if abs(self._dimmed) > model.floor:
                model.darken(self._dimmed)
                self._dimmed = 0
            self._gain += offset
        self._gain -= self._gain >> 6
        if self._unrest >= 8 or abs(offset) > least // 2:
            model.fire(self._unrest >> 2)
        count = self._count()
        self._was_lit, self._lit = self._lit, False
        loose = count
        if self._holding and count > self._area // 40:
            np.logical_and(model.fired, self._free, out=self._moved)
            loose = int(np.count_nonzero(self._moved))
        if loose > self._area // (400 if told or self._was_lit else 40):
            curve = self._light.curve(model.difference, model.level, least)
            if curve is not None:
                self._shift(curve, least)
            field = self._light.field(model.difference, model.threshold, least)
            if field is not None:
                count = self._take_out(field, count)
            elif curve is not None:
                model.fire(self._unrest >> 2)
                count = self._count()
        if not self._lit:
            np.copyto(self._clean, self._now)
        return count

    def _take_out(self, field: NDArray[np.int16], count: int) -> int:
        """Look at the frame without a field of light; keep that only if it leaves much less to explain."""
        model = self._model
        np.subtract(self._now, field, out=self._clean)
        np.subtract(model.difference, field, out=model.difference)
        np.absolute(field, out=field)
        np.right_shift(field, 4, out=field)
        np.add(field, self._unrest >> 2, out=field)
        model.fire(field)
        left = self._count()
        self._lit = left * 10 <= count * 9
        if not self._lit:
            np.subtract(self._now, model.level, out=model.difference)
            model.fire(self._unrest >> 2)
            left = self._count()
        return left

    def _shift(self, amount: int | NDArray[np.int16], unrest: int) -> None:
        self._model.shift(amount)
        np.add(self._before, amount, out=self._before, casting="unsafe")
        self._unrest = min(self._unrest + unrest, OCTAVE)

    def _look(self, count: int, t: float, dt: float) -> list[int]:
        model = self._model
        regions: list[Region] = []
        if count:
            np.subtract(self._clean, self._before[0], out=self._change)
            np.absolute(self._change, out=self._change)
            np.greater(self._change, model.threshold, out=self._moved)
            regions = self._regions.find(
                model.fired,
                self._clean,
                model.level,
                model.edges,
                model.threshold,
                self._moved,
                restless=model.restless,
                lasting=self._tracks.loose() > _WEATHER,
            )
            regions = [region for region in regions if region.edge >= 0.2]
        self._tracks.wary = self._unrest > model.floor // 2
        ended = self._tracks.update(regions, t, dt)
        ended += self._settle_still(t)
        self._shown += [
            thing
            for thing in self._tracks.things
            if thing.confirmed and thing.region is not None and not self._tracks.weathered(thing)
        ]
        return ended

    def _settle_still(self, t: float) -> list[int]:
        """Hold what is followed out of the model; give it what came to stay, and the traces of what left."""
        self._release()
        ended: list[int] = []
        for thing in list(self._tracks.things):
            region = thing.region
            if region is None:
                continue
            stood = t - thing.stepped
            if thing.area >= _LARGE and thing.far > max(thing.w, thing.h):
                # It was seen to come here, so it is no trace, though it may look like what is behind it.
                left = stood > _FAINT and thing.own < -0.1 and thing.moving < 0.25
            else:
                left = (stood > _TRACE and thing.own < -0.1 and thing.moving < 0.25) or (
                    stood > _FAINT and thing.own < 0.22
                )
            if self._tracks.wobbles(thing, t):
                ended += self._tracks.forget(thing)
            elif left or stood > _ABSORB or (not thing.confirmed and stood > _STRANGE):
                for part in (region, *thing.parts):
                    self._model.absorb(part.at, self._regions.mask(part), self._now)
                ended += self._tracks.forget(thing)
            elif thing.confirmed:
                at = (slice(max(0, region.y - 2), region.y + region.h + 2),
                      slice(max(0, region.x - 2), region.x + region.w + 2))  # fmt: skip
                self._hold[at] = 0
                self._free[at] = False
                self._holding = True
        return ended

    def _release(self) -> None:
        if self._holding:
            self._hold.fill(-1)
            self._free[...] = True
            self._holding = False

    def _learn(self, t: float, *, settling: bool) -> None:
        if t - self._learned >= _TICK:
            self._learned = t
            if not self._watch.holds:
                if self._lit:
                    # A cloud goes on: follow it slowly, and everywhere at once, so that it leaves no seams.
                    np.subtract(self._now, self._clean, out=self._change)
                    np.right_shift(self._change, _FOLLOW, out=self._change)
                    self._shift(self._change, 0)
                self._model.learn(
                    self._now,
                    self._hold if self._holding else None,
                    fast=settling,
                    eager=self._tracks.loose() > _WEATHER or self._fired * 10 > self._area,
                    steady=self._fired * 8 < self._area,
                    stirred=self._fired > 0,
                )
        if t - self._swapped >= _APART:
            self._grain = self._noise()
            self._swapped = t
            self._before[0] = self._before[1]
            self._before[1] = self._clean

    def _noise(self) -> float:
        few = self._model.noise[4::8, 4::8]
        return float(few.sum()) / few.size * (self._cells.mean() + PEDESTAL) * math.log(2.0) / OCTAVE * self._cells.size

    def _box(self, thing: Thing) -> Box:
        region = thing.region
        if region is None or thing.shared:
            x, y, w, h = thing.x - thing.w / 2, thing.y - thing.h / 2, thing.w, thing.h
        else:
            x, y, w, h = region.x, region.y, region.w, region.h
            for part in thing.parts:
                right, bottom = max(x + w, part.x + part.w), max(y + h, part.y + part.h)
                x, y = min(x, part.x), min(y, part.y)
                w, h = right - x, bottom - y
        across, down = self._cells.size / self.width, self._cells.size / self.height
        left, top = max(0.0, x * across), max(0.0, y * down)
        return Box(left, top, min(1.0, (x + w) * across) - left, min(1.0, (y + h) * down) - top)

    def _report(self, thing: Thing, t: float) -> Track:
        across, down = self._cells.size / self.width, self._cells.size / self.height
        velocity = (thing.vx * across, thing.vy * down)
        return Track(
            id=thing.id,
            box=self._box(thing),
            velocity=velocity,
            age=t - thing.born,
            seen=thing.region is not None,
            state=thing.state(t, _STAYS),
        )

    def _check_frame(self, luma: NDArray[np.uint8], t: float) -> None:
        if not isinstance(luma, np.ndarray) or luma.dtype != np.uint8 or luma.shape != (self.height, self.width):
            found = f"{luma.dtype} {luma.shape}" if isinstance(luma, np.ndarray) else type(luma).__name__
            raise ValueError(f"luma must be a uint8 array of shape {(self.height, self.width)}, found {found}")
        if not math.isfinite(t):
            raise ValueError(f"t must be a finite number of seconds, found {t}")


def _check_arguments(
    width: int, height: int, smallest: float, sensitivity: str, ignore: NDArray[np.bool_] | None, declare_after: float
) -> None:
    if not (160 <= width <= 1280 and 120 <= height <= 720):
        raise ValueError(f"the plane must be 160x120 to 1280x720 pixels, found {width}x{height}")
    if not 2 <= smallest <= height:
        raise ValueError(f"smallest must be 2 to {height} pixels, found {smallest}")
    if sensitivity not in _SENSITIVITY:
        raise ValueError(f"sensitivity must be low, normal or high, found {sensitivity!r}")
    if ignore is not None and (ignore.dtype != np.bool_ or ignore.shape != (height, width)):
        raise ValueError(f"ignore must be a bool array of shape {(height, width)}, found {ignore.dtype} {ignore.shape}")
    if not (math.isfinite(declare_after) and declare_after >= 0):
        raise ValueError(f"declare_after must be 0 or more seconds, found {declare_after}")
