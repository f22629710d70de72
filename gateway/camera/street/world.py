"""The corner at frame n: who is there, what light there is, what the exposure has become, and its pictures.

Deterministic: everything but the exposure is a function of time, and the exposure is stepped frame by frame from the
light alone, whether frames are drawn or not. Not here: pacing and deadlines (corner.py). Called on the thread that
reads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from gateway.camera.street import backdrop, shapes, truth
from gateway.camera.street.composing import compose
from gateway.camera.street.light import FULL_SCALE, AutoExposure, Light
from gateway.camera.street.maps import UNIT
from gateway.camera.street.picture import LEAK, Picture, State
from gateway.camera.street.plan import Plan, plan
from gateway.camera.street.render import Raster
from gateway.camera.street.sensor import NoisePool
from gateway.camera.street.timetable import timetable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.camera.frame import Exposure
    from gateway.camera.street.actors import Actor, Look
    from gateway.camera.street.maps import Maps
    from gateway.camera.street.picture import Plane
    from gateway.camera.street.scenes import Scene, Spans
    from gateway.camera.street.view import Floats

HIDDEN = 0.5
"""So far covered, the lens shows nobody."""
SWAY_MARGIN = 4.0
"""View units drawn beyond the picture when the pole sways."""


Garbled = Literal["", "empty", "static"]
"""What the buffers hold in place of a picture: nothing, or noise; or they hold a picture."""


@dataclass
class Hands:
    """What somebody does to the camera, over and above its scene; None: the scene decides."""

    covered: bool | None = None
    defocused: bool | None = None
    frozen: bool | None = None
    knocked: bool | None = None
    hung: bool | None = None
    garbled: Garbled | None = None
    stops: float = 0.0


@dataclass
class Moment:
    """All that is needed to draw the frame in hand, now or a little later."""

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
        self.coarse = [a * np.float32(UNIT) for a in (maps.sky, maps.sun, maps.lamp, maps.glow, maps.infrared)]
        self.actors: list[Actor] = []
        self.here: list[Actor] = []
        self.found: list[tuple[Actor, shapes.Area]] = []
        self.coming = timetable(self.scene, self.plan, self.seed)
        self.next = next(self.coming, None)
        self.number = -1
        self.ae = AutoExposure(
            longest_us=min(33_000.0, 1e6 / self.fps), every=max(1, round(self.fps * 0.13)), hunting=self.scene.hunting
        )
        self.ae.settle(float(self.lux(self.scene.light(0.0), 0.0).mean()) * FULL_SCALE)
        self.frozen_at: tuple[int, Exposure] | None = None
        self.moment: Moment | None = None
        self.drawn_key = -1

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

    def metered(self, t: float) -> float:
        """Return the mean signal (0..1, clipped as the sensor clips) that the exposure in force gives at second `t`."""
        light, state = self.scene.light(t), self.state(t)
        lux = self.lux(light, t)
        rows, cols = lux.shape
        for who in self.actors:
            bulk = who.bulk(t, self.luma.corner.view)
            if bulk:
                x0, y0, x1, y1, refl = bulk
                high = self.plan.view.units_high
                box = [round(v) for v in (y0 / high * rows, y1 / high * rows, x0 / 640 * cols, x1 / 640 * cols)]
                lux[max(box[0], 0) : max(box[1], 0), max(box[2], 0) : max(box[3], 0)] = refl * (
                    0.8 * light.sky + 0.4 * light.sun + 0.5 * light.lamp
                )
        now = 2.0 ** (self.ae.stops + self.ae.bias) * FULL_SCALE
        return float(np.minimum(lux * np.float32(now * (1 - (1 - LEAK) * state.covered)), 1.0).mean())

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

    def hung(self, t: float) -> bool:
        """Tell whether there is no frame at second `t`."""
        return _within(self.scene.hung, t) if self.hands.hung is None else self.hands.hung

    def garbled(self, t: float) -> Garbled:
        """Return what the buffers hold at second `t` in place of a picture."""
        if self.hands.garbled is not None:
            return self.hands.garbled
        if _within(self.scene.empty, t):
            return "empty"
        return "static" if _within(self.scene.static, t) else ""

    def garble(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Spoil a drawn plane, or planes, in place as `garbled` says for the frame in hand."""
        how = self.garbled(self.number / self.fps)
        if how == "empty":
            pixels[:] = 0  # chroma too: nobody filled the buffer
        elif how == "static":
            pixels[:] = np.random.default_rng([self.seed, self.number]).integers(0, 256, pixels.shape, np.uint8)
        return pixels

    def advance(self, number: int) -> Exposure:
        """Bring the corner to frame `number`, stepping arrivals and exposure through every frame on the way."""
        self.ae.bias = self.hands.stops
        for n in range(self.number + 1, number + 1):
            t = n / self.fps
            while self.next is not None and self.next.path.start <= t:
                self.actors.append(self.next)
                self.next = next(self.coming, None)
            if n and n % self.ae.every == 0 and not self.scene.locked:
                self.ae.step(self.metered(t), t)
            if not self.state(t).frozen:
                self.frozen_at = None
            elif self.frozen_at is None:
                self.frozen_at = (n, self.ae.reported(self.scene.light(t)))
        self.number = number
        t = number / self.fps
        state, reported = self.state(t), self.ae.reported(self.scene.light(t))
        shown, made_with = self.frozen_at or (number, reported)  # a frozen sensor repeats the frame at which it froze
        t = shown / self.fps
        self.actors = [a for a in self.actors if t <= a.path.end]
        if state.moved and True not in self.pictures:
            self.pictures[True] = self.build(self.turned())
        self.luma, self.main = self.pictures[state.moved]
        light, view = self.scene.light(t), self.luma.corner.view
        dark = min(max((300.0 - light.lux) / 300.0, 0.0), 1.0)
        looks = [
            (a, a.look(t, view, self.plan.sun, dark)) for a in self.actors if a.path.start <= t and a.near(t, view)
        ]
        looks.sort(key=lambda pair: -pair[1].depth)
        self.here = [a for a, _ in looks]
        assert made_with.time_us is not None
        assert made_with.gain is not None
        exposure = made_with.time_us * made_with.gain * FULL_SCALE
        self.moment = Moment(t, light, state, self.shift(t), [x for _, x in looks], exposure, made_with.gain, shown)
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
        if m.key != self.drawn_key or self.frozen_at is None:
            self.drawn_key = m.key
            drawn = compose(self.luma.raster, m.light, m.looks, self.layers, m.t)
            self.unsure = truth.mark(self.luma.raster, self.here, drawn, self.labels)
            if m.state.covered >= HIDDEN:
                self.labels[:] = 0
            self.found = [(who, where.at) for who, where in zip(self.here, drawn, strict=True) if where is not None]
            self.luma.expose(m.state, m.shift, m.exposure, m.gain, m.key)
        return self.garble(self.luma.sensor.pixels)

    def draw_main(self) -> NDArray[np.uint8]:
        """Draw the main picture of the frame in hand."""
        m, main = self.moment, self.main
        assert m is not None
        assert main is not None
        compose(main.raster, m.light, m.looks, self.layers, m.t)
        main.expose(m.state, m.shift, m.exposure, m.gain, m.key + (1 << 40))
        return self.garble(main.sensor.pixels)

    def visible(self, plane: NDArray[Plane]) -> NDArray[Plane]:
        """Return what the frame in hand shows of a plane of labels."""
        dx, dy = self.shifted()
        return self.luma.window(plane, dx, dy)

    def shifted(self) -> tuple[int, int]:
        """Return the shift of the frame in hand in whole pixels of the luma plane."""
        dx, dy = self.moment.shift if self.moment else (0.0, 0.0)
        return round(dx * self.luma.per_unit), round(dy * self.luma.per_unit)

    def seen(self) -> list[truth.Seen]:
        """Return who is seen in the frame in hand."""
        m = self.moment
        assert m is not None
        (w, h), (dx, dy), pad = self.size, self.shifted(), self.luma.margin
        found = []
        for who, at in self.found:
            y0, y1 = max(at.y0 - pad - dy, 0), min(at.y1 - pad - dy, h)
            x0, x1 = max(at.x0 - pad - dx, 0), min(at.x1 - pad - dx, w)
            if y0 < y1 and x0 < x1:
                found.append((who, shapes.Area(y0, y1, x0, x1)))
        return truth.look_up(self.visible(self.labels), found, self.number / self.fps, standing=m.state.frozen)


def _within(spans: Spans, t: float) -> bool:
    return any(start <= t < end for start, end in spans)
