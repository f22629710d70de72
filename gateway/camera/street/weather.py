"""Weather and vermin before the lens: rain, snow, insects, a web.

Not here: what moves on the ground (nature.py). Pure functions of time. Called on the thread that reads the camera.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gateway.camera.street.layers import Layer
from gateway.camera.street.maps import UNIT
from gateway.camera.street.render import Specks
from gateway.camera.street.shapes import Capsule

if TYPE_CHECKING:
    from gateway.camera.street.light import Light
    from gateway.camera.street.render import Raster


@dataclass
class Overcast(Layer):
    """A cloud before the whole sun."""

    def meter(self, light: Light, t: float) -> Light:
        """Return the light under the cloud."""
        return replace(light, sun=light.sun * (1 - self.strength(t)))

    def sun_share(self, x: float, y: float, t: float) -> float:  # noqa: ARG002
        """Return how much sun comes through."""
        return 1 - self.strength(t)

    def behind(self, raster: Raster, light: Light, t: float) -> None:
        """Take the sun away."""
        s = self.strength(t)
        if light.sun > 0 and s > 0:
            raster.signal -= np.float32(light.sun * s * UNIT) * raster.maps.sun


@dataclass
class Rain(Overcast):
    """Streaks that fall, near ones long and wide."""

    drops: int = 420

    def before(self, raster: Raster, light: Light, t: float) -> None:
        """Draw the drops as a hundredth of a second smears them."""
        n = int(self.drops * self.strength(t))
        if not n:
            return
        rng = np.random.default_rng([self.seed, 11])
        home = rng.random((self.drops, 3))[:n]
        far = 1.6 + 10 * home[:, 2] ** 0.7  # metres
        scale = 400.0 / far
        pace, high = 8.5 * scale, 480.0
        fallen = home[:, 1] * high + pace * t
        turn = np.floor(fallen / high)
        y = fallen - turn * high - 60
        x = ((home[:, 0] * 7919 + turn * 0.6180339) % 1) * 680 - 20
        slant = 0.06 * math.sin(0.3 * t + self.seed) + 0.05
        length = pace * 0.012
        glow = light.sky * 0.75 + 0.15 * light.sun + 0.5 * light.lamp + light.infrared * 2.0 / far
        opaque = np.clip(0.75 / far**0.5, 0.15, 0.5)
        wide = np.maximum(0.0028 * scale, 0.3)
        raster.specks(Specks(x, y, slant * length, length, wide, glow + 0 * far, opaque), flake=False)


@dataclass
class Snow(Overcast):
    """Flakes that sink and waver, near ones large."""

    flakes: int = 500

    def before(self, raster: Raster, light: Light, t: float) -> None:
        """Draw the flakes."""
        n = int(self.flakes * self.strength(t))
        if not n:
            return
        rng = np.random.default_rng([self.seed, 12])
        home = rng.random((self.flakes, 5))[:n]
        far = 1.2 + 14 * home[:, 2] ** 0.6
        scale = 400.0 / far
        pace, high = (0.9 + 0.5 * home[:, 3]) * scale, 420.0
        fallen = home[:, 1] * high + pace * t
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
