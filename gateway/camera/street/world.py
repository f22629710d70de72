"""The corner at frame n: who is there, what light there is, what the exposure has become, and its pictures.

Deterministic: everything but the exposure is a function of time, and the exposure is stepped frame by frame from the
light alone, whether frames are drawn or not. Not here: pacing and deadlines (corner.py). Called on the thread that
reads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from gateway.camera.street import backdrop, shapes, truth
from gateway.camera.street.light import FULL_SCALE, AutoExposure, Light
from gateway.camera.street.plan import Plan, plan
from gateway.camera.street.render import Raster
from gateway.camera.street.sensor import NoisePool, Sensor
from gateway.camera.street.timetable import timetable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.camera.frame import Exposure
    from gateway.camera.street.actors import Actor, Look
    from gateway.camera.street.maps import Maps
    from gateway.camera.street.scenes import Scene, Spans
    from gateway.camera.street.view import Floats

T = TypeVar("T", bound=np.generic)
SWAY_MARGIN = 4.0
"""View units drawn beyond the picture when the pole sways."""


@dataclass
class Hands:
    """What somebody does to the camera, over and above its scene; None: the scene decides."""

    covered: bool | None = None
    defocused: bool | None = None
    frozen: bool | None = None
    knocked: bool | None = None
    stops: float = 0.0


@dataclass(frozen=True)
class State:
    """What is the matter with the view in one frame."""

    covered: float
    """0..1."""
    defocused: float
    """0..1."""
    frozen: bool
    moved: bool


class Picture:
    """One size of picture: what falls on its sensor, and the sensor."""

    def __init__(self, corner: Plan, size: tuple[int, int], margin: int, raster: Raster, pool: NoisePool) -> None:
        width, height = size
        self.margin, self.raster = margin, raster
        noise = 2.0 if raster.chroma else 1.0  # smaller pixels, cleaned a little
        self.sensor = Sensor(width, height, pool, colour=raster.chroma, noise=noise)
        self.size, self.per_unit = size, raster.grid.per_unit
        self.bent: list[Floats] | None = None
        self.corner = corner

    def window(self, plane: NDArray[T], dx: int, dy: int) -> NDArray[T]:
        """Return the visible part of a padded plane, shifted by whole pixels."""
        m, (w, h) = self.margin, self.size
        return plane[m + dy : m + dy + h, m + dx : m + dx + w]

    def expose(self, state: State, shift: tuple[float, float], exposure: float, gain: float, key: int) -> None:
        """Bend and dim the light as what stands before the sensor does, and expose it; `shift` is in view units."""
        signal = self.raster.signal
        if state.defocused:
            blur(signal, state.defocused, self.per_unit)
        if state.covered:
            # Something dark slides down before the lens, far out of focus; a little light leaks through.
            ys = self.raster.grid.ys
            through = np.clip((ys / ys[-1] - 1.5 * state.covered + 0.25) * 4, 0.0, 1.0) * 0.998 + 0.002
            signal *= through.astype(np.float32)[:, None]
        px, py = shift[0] * self.per_unit, shift[1] * self.per_unit
        ix, iy = math.floor(px), math.floor(py)
        seen = self.window(signal, ix, iy)
        if shift != (0.0, 0.0):
            seen = self.between(signal, ix, iy, px - ix, py - iy)
        self.sensor.expose(seen, exposure, gain, key)
        if self.raster.tint is not None:
            light = self.raster.light
            tint = self.raster.tint
            m, (w, h) = self.margin // 2, self.size
            rows, cols = slice(m + iy // 2, m + iy // 2 + h // 2), slice(m + ix // 2, m + ix // 2 + w // 2)
            grey = light is not None and light.infrared > 0
            self.sensor.colour_in(None if grey else tint[:, rows, cols])

    def between(self, signal: Floats, ix: int, iy: int, fx: float, fy: float) -> Floats:
        """Return the window shifted by whole pixels and a share of one more."""
        if self.bent is None:
            self.bent = [np.zeros((self.size[1], self.size[0]), np.float32) for _ in range(2)]
        out, other = self.bent
        corners = ((0, 0, (1 - fx) * (1 - fy)), (1, 0, fx * (1 - fy)), (0, 1, (1 - fx) * fy), (1, 1, fx * fy))
        out[:] = 0
        for cx, cy, weight in corners:
            np.multiply(self.window(signal, ix + cx, iy + cy), np.float32(weight), out=other)
            out += other
        return out


def blur(signal: Floats, amount: float, per_unit: float) -> None:
    """Blur in place: repeated three-point means at growing distances, a few view units in all for `amount` 1."""
    step = 1
    while step <= max(1, round(4 * amount * per_unit)):
        for axis in (0, 1):
            a = signal if axis == 0 else signal.T
            mean = a[2 * step :] + a[: -2 * step]
            mean *= np.float32(0.25)
            a *= np.float32(0.5)
            a[step:-step] += mean
            a[:step] *= 2
            a[-step:] *= 2
        step *= 2


@dataclass
class Moment:
    """All that is needed to draw the frame in hand, now or a little later."""

    number: int
    t: float
    light: Light
    state: State
    shift: tuple[float, float]
    looks: list[Look]
    exposure: float
    gain: float
    key: int


@dataclass
class World:
    """One corner with its scene."""

    scene: Scene
    size: tuple[int, int]
    main_size: tuple[int, int]
    fps: float
    seed: int
    hands: Hands = field(default_factory=Hands)

    def __post_init__(self) -> None:
        (w, h), (mw, mh) = self.size, self.main_size
        high = 640.0 * (mh / mw if mw else h / w)
        self.plan = plan(self.seed, high, self.scene.lie)
        self.pool = NoisePool(self.seed)
        self.pictures = {False: self.build(self.plan)}
        if self.scene.knocked < math.inf:
            self.pictures[True] = self.build(self.turned())
        self.luma, self.main = self.pictures[False]
        self.layers = self.scene.layers(self.plan, self.seed)
        self.labels: NDArray[np.uint16] = np.zeros(self.luma.raster.signal.shape, np.uint16)
        self.unsure = np.zeros(self.labels.shape, np.bool_)
        maps = self.luma.raster.maps.reduced(max(h // 18, 1), max(w // 32, 1))
        self.coarse = [a.astype(np.float32) for a in (maps.sky, maps.sun, maps.lamp, maps.glow, maps.infrared)]
        self.actors: list[Actor] = []
        self.here: list[Actor] = []
        self.coming = timetable(self.scene, self.plan, self.seed)
        self.next = next(self.coming, None)
        self.number = -1
        self.ae = AutoExposure(longest_us=min(33_000.0, 1e6 / self.fps), hunting=self.scene.hunting)
        self.ae.settle(self.metered(self.scene.light(0.0), 0.0) * FULL_SCALE)
        self.moment: Moment | None = None

    def turned(self) -> Plan:
        """Return the corner as it is seen after a knock against the camera."""
        view = self.plan.view
        return replace(
            self.plan, view=replace(view, yaw=view.yaw + 0.06, pitch=view.pitch + 0.03, roll=view.roll + 0.025)
        )

    def build(self, corner: Plan) -> tuple[Picture, Picture | None]:
        """Return the luma picture and the main picture of a corner."""
        (w, h), (mw, mh) = self.size, self.main_size
        units = corner.view.units_high
        whole = mw > 0 and mw % w == 0 and mh % h == 0
        big = (mw, mh) if whole else (2 * w, 2 * h)
        fx, fy = big[0] // w, big[1] // h
        margin = 2 * math.ceil(SWAY_MARGIN * w / 640 / 2) if self.scene.sway else 0

        # A raster's margin has as many pixels on all sides, so one size of pixel must be a whole multiple of the other.
        def painted(size: tuple[int, int], pad: int) -> tuple[shapes.Grid, Maps]:
            g = shapes.grid(*size, units, pad)
            return g, backdrop.paint(corner, g, self.seed)

        g, maps = painted(big, margin * fx)
        small = maps.reduced(fy, fx) if fx == fy or not margin else painted((w, h), margin)[1]
        luma = Picture(
            corner, self.size, margin, Raster(small, shapes.grid(w, h, units, margin), chroma=False), self.pool
        )
        if not mw:
            return luma, None
        if not whole:
            g, maps = painted(self.main_size, margin * 2)
        pad = margin * fx if whole else margin * 2
        return luma, Picture(corner, self.main_size, pad, Raster(maps, g, chroma=True), self.pool)

    def metered(self, light: Light, t: float) -> float:
        """Return the mean lux x reflectance of the standing picture."""
        return float(self.lux(light, t).mean())

    def lux(self, light: Light, t: float) -> Floats:
        """Return lux x reflectance of the standing picture, coarsely."""
        for layer in self.layers:
            light = layer.meter(light, t)
        parts = (light.sun, light.lamp, light.glow, light.infrared)
        total = self.coarse[0] * np.float32(light.sky)
        for plane, lux in zip(self.coarse[1:], parts, strict=True):
            total += plane * np.float32(lux)
        return total

    def state(self, t: float) -> State:
        """Return what is the matter with the view at second `t`."""

        def share(by_hand: bool | None, spans: Spans) -> float:  # noqa: FBT001
            if by_hand is not None:
                return float(by_hand)
            return max((min(1.0, (t - a) * 2 + 1, (b - t) * 2 + 1) for a, b in spans), default=0.0)

        hands, scene = self.hands, self.scene
        moved = t >= scene.knocked if hands.knocked is None else hands.knocked
        frozen = share(hands.frozen, scene.frozen) >= 1.0
        covered, defocused = share(hands.covered, scene.covered), share(hands.defocused, scene.defocused)
        return State(max(covered, 0.0), max(defocused, 0.0), frozen, moved)

    def advance(self, number: int) -> Exposure:
        """Bring the corner to frame `number`, stepping the exposure through every frame on the way."""
        self.ae.bias = self.hands.stops
        for n in range(max(self.number, 0) + 1, number + 1):
            if n % 4 == 0:
                t = n / self.fps
                now = np.float32(2.0 ** (self.ae.stops + self.ae.bias) * FULL_SCALE)
                dim = np.float32(1 - 0.998 * self.state(t).covered)
                mean = float(np.minimum(self.lux(self.scene.light(t), t) * (now * dim), 1.0).mean())
                self.ae.step(n, mean, t)
        self.number = number
        t = number / self.fps
        while self.next is not None and self.next.path.start <= t:
            self.actors.append(self.next)
            self.next = next(self.coming, None)
        self.actors = [a for a in self.actors if t <= a.path.end]
        light, state = self.scene.light(t), self.state(t)
        reported = self.ae.reported(light)
        assert reported.time_us is not None
        assert reported.gain is not None
        exposure = reported.time_us * reported.gain * FULL_SCALE
        if state.frozen and self.moment is not None:
            self.moment = replace(self.moment, state=replace(self.moment.state, frozen=True))
            return reported
        if state.moved and True not in self.pictures:
            self.pictures[True] = self.build(self.turned())
        self.luma, self.main = self.pictures[state.moved]
        dark = min(max((300.0 - light.lux) / 300.0, 0.0), 1.0)
        view = self.luma.corner.view
        looks = [(a, a.look(t, view, self.plan.sun, dark)) for a in self.actors if a.near(t, view)]
        looks.sort(key=lambda pair: -pair[1].depth)
        self.here = [a for a, _ in looks]
        self.moment = Moment(
            number, t, light, state, self.shift(t), [x for _, x in looks], exposure, reported.gain, number
        )
        return reported

    def shift(self, t: float) -> tuple[float, float]:
        """Return by how many view units the pole stands beside its place."""
        s = self.scene.sway
        if not s:
            return 0.0, 0.0
        gust = 0.65 + 0.35 * math.sin(0.4 * t)
        return s * gust * math.sin(2 * math.pi * 0.9 * t), 0.35 * s * gust * math.sin(2 * math.pi * 1.3 * t + 1)

    def draw(self) -> NDArray[np.uint8]:
        """Draw the luma plane of the frame in hand, and note the truth about it."""
        m = self.moment
        assert m is not None
        if not m.state.frozen:
            drawn = self.luma.raster.compose(m.light, m.looks, self.layers, m.t)
            self.unsure = truth.mark(self.luma.raster, self.here, drawn, self.labels)
            self.luma.expose(m.state, m.shift, m.exposure, m.gain, m.key)
        return self.luma.sensor.pixels

    def draw_main(self) -> NDArray[np.uint8]:
        """Draw the main picture of the frame in hand."""
        m, main = self.moment, self.main
        assert m is not None
        assert main is not None
        main.raster.compose(m.light, m.looks, self.layers, m.t)
        main.expose(m.state, m.shift, m.exposure, m.gain, m.key + (1 << 40))
        return main.sensor.pixels

    def visible(self, plane: NDArray[T]) -> NDArray[T]:
        """Return what the frame in hand shows of a plane of labels."""
        m = self.moment
        dx, dy = m.shift if m else (0.0, 0.0)
        return self.luma.window(plane, round(dx * self.luma.per_unit), round(dy * self.luma.per_unit))
