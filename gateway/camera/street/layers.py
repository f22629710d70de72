"""Weather, nature and lamps: physical layers that a scene lays behind or before its actors.

Each is a few numbers and pure functions of time, so that frames that nobody reads change nothing. Not here: spans and
scenes (scenes.py), the raster they draw on (render.py). Called on the thread that reads the camera.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from gateway.camera.street.maps import UNIT
from gateway.camera.street.render import Specks
from gateway.camera.street.shapes import Capsule

if TYPE_CHECKING:
    from gateway.camera.street.light import Light
    from gateway.camera.street.maps import Veil
    from gateway.camera.street.plan import Plan
    from gateway.camera.street.render import Raster
    from gateway.camera.street.view import Floats

FOREVER = (0.0, math.inf)


@dataclass
class Layer:
    """Changes nothing; the others change what they are about."""

    seed: int = 0
    span: tuple[float, float] = FOREVER
    """Seconds between which it is there."""

    def strength(self, t: float) -> float:
        """Return how much of it there is at second `t`: 0..1, coming and going within two seconds."""
        begin, end = self.span
        return max(min(1.0, (t - begin) / 2.0 if begin else 1.0, (end - t) / 2.0), 0.0)

    def meter(self, light: Light, t: float) -> Light:  # noqa: ARG002 - one signature for all
        """Return the light as the whole picture has it on average."""
        return light

    def sun_share(self, x: float, y: float, t: float) -> float:  # noqa: ARG002
        """Return the share of the sun that it lets through at a point of the picture."""
        return 1.0

    def behind(self, raster: Raster, light: Light, t: float) -> None:
        """Change what stands, before shadows and actors are drawn."""

    def before(self, raster: Raster, light: Light, t: float) -> None:
        """Draw before everything."""


@dataclass
class Clouds(Layer):
    """Edges of clouds that cross the picture and take most of the sun."""

    speed: float = 0.055
    """Pictures per second."""
    depth: float = 0.85
    soft: float = 0.1
    """Width of an edge in pictures."""

    def _phase(self, x: Floats, y: Floats, t: float) -> Floats:
        tilt = 0.3 + 0.5 * ((self.seed * 37) % 10) / 10
        bow = np.sin(y / 41.0 + self.seed) * 0.04 + np.sin(y / 17.0 + 2.0 * self.seed) * 0.015
        return np.asarray(x / 640.0 + (tilt * y / 640.0 + bow) - self.speed * t - 0.15, np.float32)

    def _through(self, phase: Floats, t: float) -> Floats:
        phase -= np.floor(phase)
        phase -= np.float32(0.5)
        np.abs(phase, out=phase)
        # 0 in the middle of the sunny half, 0.5 in the middle of the cloud
        phase -= np.float32(0.27)
        phase *= np.float32(-1 / self.soft)
        phase += np.float32(0.5)
        np.clip(phase, 0.0, 1.0, out=phase)
        phase *= np.float32(self.depth * self.strength(t))
        phase += np.float32(1 - self.depth * self.strength(t))
        return phase

    def sun_share(self, x: float, y: float, t: float) -> float:
        """Return the share of the sun at a point."""
        point = self._phase(np.array([x], np.float32), np.array([y], np.float32), t)
        return float(self._through(point, t)[0])

    def meter(self, light: Light, t: float) -> Light:
        """Return the light with the sun's mean share."""
        xs, ys = np.meshgrid(np.arange(20, 640, 40), np.arange(20, 360, 40))
        share = float(self._through(self._phase(xs.astype(np.float32), ys.astype(np.float32), t), t).mean())
        return replace(light, sun=light.sun * share)

    def behind(self, raster: Raster, light: Light, t: float) -> None:
        """Take the sun away where the cloud is."""
        if light.sun <= 0 or self.strength(t) <= 0:
            return
        g = raster.grid
        share = self._through(self._phase(g.xs[None, :], g.ys[:, None], t), t)
        np.subtract(1, share, out=share)
        share *= np.float32(light.sun * UNIT)
        share *= raster.maps.sun
        raster.signal -= share


@dataclass
class Rain(Layer):
    """Streaks that fall, near ones long and wide."""

    drops: int = 420

    def meter(self, light: Light, t: float) -> Light:
        """Return the light under a rain cloud."""
        return replace(light, sun=light.sun * (1 - self.strength(t)))

    def sun_share(self, x: float, y: float, t: float) -> float:  # noqa: ARG002
        """Return how much sun comes through the cloud."""
        return 1 - self.strength(t)

    def behind(self, raster: Raster, light: Light, t: float) -> None:
        """Take the sun away."""
        s = self.strength(t)
        if light.sun > 0 and s > 0:
            raster.signal -= np.float32(light.sun * s * UNIT) * raster.maps.sun

    def before(self, raster: Raster, light: Light, t: float) -> None:
        """Draw the drops as a hundredth of a second smears them."""
        n = int(self.drops * self.strength(t))
        if not n:
            return
        rng = np.random.default_rng([self.seed, 11])
        home = rng.random((self.drops, 3)).astype(np.float32)[:n]
        far = 1.6 + 10 * home[:, 2] ** 0.7  # metres
        scale = 400.0 / far
        pace, high = 8.5 * scale, 480.0 + 0 * scale
        fallen = home[:, 1] * high + pace * np.float32(t)
        turn = np.floor(fallen / high)
        y = fallen - turn * high - 60
        x = ((home[:, 0] * 7919 + turn * 0.6180339) % 1).astype(np.float32) * 680 - 20
        slant = np.float32(0.06 * math.sin(0.3 * t + self.seed) + 0.05)
        length = pace * 0.012
        glow = light.sky * 0.75 + 0.15 * light.sun + 0.5 * light.lamp + light.infrared * 2.0 / far
        opaque = np.clip(0.75 / far**0.5, 0.15, 0.5)
        wide = np.maximum(0.0028 * scale, 0.3)
        raster.specks(Specks(x, y, slant * length, length, wide, glow + 0 * far, opaque), flake=False)


@dataclass
class Snow(Layer):
    """Flakes that sink and waver, near ones large."""

    flakes: int = 500

    def meter(self, light: Light, t: float) -> Light:
        """Return the light under a snow cloud."""
        return replace(light, sun=light.sun * (1 - self.strength(t)))

    def sun_share(self, x: float, y: float, t: float) -> float:  # noqa: ARG002
        """Return how much sun comes through the cloud."""
        return 1 - self.strength(t)

    def behind(self, raster: Raster, light: Light, t: float) -> None:
        """Take the sun away."""
        s = self.strength(t)
        if light.sun > 0 and s > 0:
            raster.signal -= np.float32(light.sun * s * UNIT) * raster.maps.sun

    def before(self, raster: Raster, light: Light, t: float) -> None:
        """Draw the flakes."""
        n = int(self.flakes * self.strength(t))
        if not n:
            return
        rng = np.random.default_rng([self.seed, 12])
        home = rng.random((self.flakes, 5)).astype(np.float32)[:n]
        far = 1.2 + 14 * home[:, 2] ** 0.6
        scale = 400.0 / far
        pace, high = (0.9 + 0.5 * home[:, 3]) * scale, 420.0
        fallen = home[:, 1] * high + pace * np.float32(t)
        turn = np.floor(fallen / high)
        y = fallen - turn * high - 30
        wind = 0.7 * math.sin(0.21 * t + self.seed) + 0.5
        drift = scale * (wind * 0.3 * np.sin(0.5 * t + 6.28 * home[:, 4]) + 0.12 * np.sin(2.2 * t + 40 * home[:, 4]))
        x = ((home[:, 0] * 7919 + turn * 0.6180339) % 1) * 700 - 30 + drift
        radius = np.clip(0.009 * scale * (0.6 + 0.8 * home[:, 3]), 0.5, 5.0)
        glow = (light.sky * 0.95 + 0.6 * light.lamp + light.infrared * 5.0 / far) + 0 * far
        opaque = np.clip(1.9 / (far * radius) ** 0.4, 0.35, 0.9)
        raster.specks(Specks(x, y, 0 * x, 0 * x, radius, glow, opaque), flake=True)


@dataclass
class Insects(Layer):
    """Moths and flies in the light of the infra-red lamp: near, bright, out of focus, never twice the same way."""

    every: float = 1.1
    """Seconds from one to the next."""

    def before(self, raster: Raster, light: Light, t: float) -> None:
        """Draw those whose time it is, smeared over the exposure."""
        if light.infrared <= 0 or self.strength(t) <= 0:
            return
        for n in range(max(int((t - 3.0) / self.every), 0), int(t / self.every) + 1):
            rng = np.random.default_rng([self.seed, 13, n])
            born, life = (n + rng.random()) * self.every, rng.uniform(0.25, 2.2)
            if not born <= t < born + life:
                continue
            x, y, heading = rng.uniform(-20, 660), rng.uniform(-20, 380), rng.uniform(0, 6.28)
            pace, far = rng.uniform(80, 420), rng.uniform(0.4, 2.2)
            wobble, turn = rng.uniform(8, 40), rng.uniform(-2.5, 2.5)

            def at(u: float, x: float = x, y: float = y, h: float = heading, p: float = pace, w: float = wobble,
                   k: float = turn, b: float = born) -> tuple[float, float]:  # fmt: skip
                u -= b
                a = h + k * u
                return (
                    x + p * u * math.cos(a) + w * math.sin(11 * u + h),
                    y + p * u * math.sin(a) + w * math.sin(7 * u + 2 * h),
                )

            radius = 1.4 / far + 0.6
            shape = Capsule(at(t - 0.016), at(t), radius * 0.8, radius, soft=3.0 / far)
            area = raster.grid.area(*shape.bounds())
            if not area.empty:
                beat = 0.75 + 0.25 * math.sin(60 * t + n)
                cover = shape.cover(raster.grid, area) * np.float32(beat)
                raster.signal[area.slices] += cover * np.float32(light.infrared * 0.35 / far**2)


@dataclass
class Web(Layer):
    """Threads before the lens, lit by the infra-red lamp, swaying in the wind."""

    threads: int = 4

    def before(self, raster: Raster, light: Light, t: float) -> None:
        """Draw the threads."""
        if self.strength(t) <= 0:
            return
        glow = light.infrared * 0.12 + 0.25 * light.sky
        rng = np.random.default_rng([self.seed, 14])
        gust = 0.6 + 0.4 * math.sin(0.23 * t) * math.sin(0.61 * t + 1)
        for n in range(self.threads):
            x0, x1 = rng.uniform(-40, 680, 2)
            phase, reach = rng.uniform(0, 6.28), rng.uniform(4, 14)
            ys = np.arange(-20, 400, 20.0)
            share = (ys + 20) / 420
            bow = (
                np.sin(math.pi * share)
                * gust
                * reach
                * (math.sin(1.7 * t + phase) + 0.4 * math.sin(5.3 * t + 2 * phase))
            )
            xs = x0 + (x1 - x0) * share + bow
            wide = 1.2 + 1.3 * (n % 3)
            same = np.ones(len(ys) - 1)
            thread = Specks(
                xs[:-1], ys[:-1], np.diff(xs), np.diff(ys), wide * same, glow * same, 0.35 * self.strength(t) * same
            )
            raster.specks(thread, flake=False)


@dataclass
class Foliage(Layer):
    """Crowns whose leaves move in gusts."""

    amplitude: float = 3.5
    """View units."""
    _crowns: dict[int, list[tuple[Veil, Floats, tuple[float, float]]]] = field(default_factory=dict, repr=False)

    def behind(self, raster: Raster, light: Light, t: float) -> None:  # noqa: ARG002
        """Displace what stands in each crown, and turn its leaves."""
        gust = self.strength(t) * (0.45 + 0.35 * math.sin(0.37 * t + self.seed) + 0.2 * math.sin(1.1 * t))
        if gust <= 0:
            return
        for veil, mask, (s, cx) in self.crowns(raster):
            g, at = raster.grid, veil.at
            xs, ys = g.xs[at.x0 : at.x1], g.ys[at.y0 : at.y1, None]
            reach = mask * np.float32(gust * min(self.amplitude, 0.25 * s))
            wave = np.sin(xs * (7.0 / s) + ys * (4.0 / s) + np.float32(5.1 * t)) + np.float32(math.sin(2.3 * t + cx))
            dx = reach * wave
            dy = reach * np.sin(ys * (6.0 / s) - xs * (5.0 / s) + np.float32(3.7 * t)) * np.float32(0.5)
            px = np.clip((xs + dx - g.left) / g.x_step - 0.5, 0, raster.width - 1.001)
            py = np.clip((ys + dy - g.top) / g.y_step - 0.5, 0, raster.height - 1.001)
            ix, iy = px.astype(np.int32), py.astype(np.int32)
            fx, fy = px - ix, py - iy
            flat, corner = raster.lit.reshape(-1), np.minimum(iy, raster.height - 2) * raster.width + ix
            upper = flat[corner] * (1 - fx) + flat[corner + 1] * fx
            lower = flat[corner + raster.width] * (1 - fx) + flat[corner + raster.width + 1] * fx
            moved = upper * (1 - fy) + lower * fy
            own = (np.floor(xs / (0.22 * s)) * 12.9 + np.floor(ys / (0.2 * s)) * 78.2) % 6.28  # each leaf has its phase
            moved *= 1 + mask * np.sin(own + np.float32(9.0 * t)) * np.float32(0.18 * gust)
            raster.signal[at.slices] = moved.astype(np.float32)

    def crowns(self, raster: Raster) -> list[tuple[Veil, Floats, tuple[float, float]]]:
        """Return each tree with how freely its pixels move (0..1), view units per metre there, and a phase."""
        made = self._crowns.get(id(raster))
        if made is None:
            made = []
            for veil in raster.maps.veils:
                if veil.leaves:
                    mask = veil.cover.copy()
                    for step in (1, 2):
                        for a in (mask, mask.T):
                            a[step:-step] = (a[2 * step :] + a[: -2 * step] + a[step:-step]) / 3
                    rows = np.linspace(1.25, -0.25, mask.shape[0], dtype=np.float32)[:, None]  # trunks stand still
                    mask = np.clip(1.5 * mask, 0, 1) * np.clip(4 * rows, 0, 1)
                    made.append((veil, mask, (400.0 / veil.depth, float(veil.at.x0))))
            self._crowns[id(raster)] = made
        return made


@dataclass
class Water(Layer):
    """Ripples on a basin before the camera: waves in metres, with the dispersion of deep water."""

    plan: Plan | None = None

    def behind(self, raster: Raster, light: Light, t: float) -> None:
        """Let the reflected sky and the sun's glints move."""
        assert self.plan is not None
        if self.plan.water is None:
            return
        x0, x1, y0, y1 = self.plan.water
        corners = np.array([[x, y, 0.0] for x in (x0, x1) for y in (y0, y1)])
        p = self.plan.view.project(corners)
        at = raster.grid.area(p[:, 0].min(), p[:, 1].min(), p[:, 0].max(), p[:, 1].max())
        if at.empty:
            return
        g = raster.grid
        dx, dy, dz = self.plan.view.rays(g.xs[at.x0 : at.x1], g.ys[at.y0 : at.y1])
        down = -self.plan.view.height / np.minimum(dz, -1e-3)
        wx, wy = dx * down, dy * down
        wet = (wx > x0) & (wx < x1) & (wy > y0) & (wy < y1)
        rng = np.random.default_rng([self.seed, 15])
        slope = np.zeros(wx.shape, np.float32)
        for _ in range(5):
            k, angle, phase = rng.uniform(2, 11), rng.uniform(0, 6.28), rng.uniform(0, 6.28)
            omega = math.sqrt(9.81 * k)
            ripple = np.sin(wx * (k * math.cos(angle)) + wy * (k * math.sin(angle)) - np.float32(omega * t) + phase)
            slope += ripple.astype(np.float32)
        slope *= np.float32(self.strength(t) / 5)
        glint = np.maximum(slope - 0.35, 0) ** 2 * np.float32(1.2 * light.sun)
        shine = np.float32(0.12 * light.sky + 0.1 * light.lamp) * (1 + 1.6 * slope)
        signal = raster.signal[at.slices]
        signal += wet * (shine + glint)


@dataclass
class Sweeps(Layer):
    """Beams of cars that are not seen: light that sweeps over road and fronts, up to several times the night's."""

    every: float = 5.0
    lux: float = 90.0

    def before(self, raster: Raster, light: Light, t: float) -> None:
        """Nothing: light lies behind the actors."""

    def behind(self, raster: Raster, light: Light, t: float) -> None:  # noqa: ARG002
        """Add the beam of the car whose turn it is."""
        n = int(t / self.every)
        rng = np.random.default_rng([self.seed, 16, n])
        lasts, way = rng.uniform(1.4, 3.0), rng.choice([-1, 1])
        u = (t - n * self.every - rng.uniform(0.5, self.every - 3.2)) / lasts
        if not 0 < u < 1:
            return
        high = raster.grid.ys[-1]
        cx = np.float32(320 + way * (u - 0.5) * 1000)
        cy = np.float32(high * (rng.uniform(0.45, 0.7) + 0.12 * math.sin(3 * u)))
        wide, tall = np.float32(rng.uniform(45, 110)), np.float32(rng.uniform(30, 70))
        fx = np.exp(-(((raster.grid.xs - cx) / wide) ** 2))
        fy = np.exp(-(((raster.grid.ys - cy) / tall) ** 2))
        rows, cols = np.flatnonzero(fy > 0.01), np.flatnonzero(fx > 0.01)
        if rows.size and cols.size:
            at = (slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1))
            beam = np.outer(fy[at[0]] * np.float32(self.lux * UNIT), fx[at[1]])
            beam *= raster.maps.sky[at]
            raster.signal[at] += beam


@dataclass
class Flicker(Layer):
    """Lamps on the mains seen through a rolling shutter: bands that wander because the frame rate does not divide."""

    mains: float = 50.0
    depth: float = 0.35

    def behind(self, raster: Raster, light: Light, t: float) -> None:
        """Let the lamps' light of each row follow the mains at the moment when the row is read."""
        ys = raster.grid.ys
        moment = t + ys / ys[-1] * 0.012
        wave = (self.depth * np.sin(2 * math.pi * 2 * (self.mains + 0.13) * moment)).astype(np.float32)
        raster.signal += (wave * np.float32(light.lamp * UNIT))[:, None] * raster.maps.lamp
