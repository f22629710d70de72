"""Layers that a scene lays behind or before its actors: what they share, and those of light.

Each is a few numbers and pure functions of time, so that frames that nobody reads change nothing. Not here:
rain and insects (weather.py), leaves and water (nature.py), which scene has which (scenes.py). Called on the
thread that reads the camera.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gateway.camera.street.maps import UNIT

if TYPE_CHECKING:
    from gateway.camera.street.light import Light
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
class Sweeps(Layer):
    """Beams of cars that are not seen: light that sweeps over road and fronts, up to several times the night's."""

    every: float = 5.0
    lux: float = 90.0

    def behind(self, raster: Raster, light: Light, t: float) -> None:  # noqa: ARG002
        """Add the beam of the car whose turn it is."""
        if self.strength(t) <= 0:
            return
        n = int(t / self.every)
        rng = np.random.default_rng([self.seed, 16, n])
        lasts, way = rng.uniform(1.4, 3.0), rng.choice([-1, 1])
        u = (t - n * self.every - rng.uniform(0.5, self.every - 3.2)) / lasts
        if not 0 < u < 1:
            return
        high = float(raster.grid.ys[-1])
        cx = np.float32(320 + way * (u - 0.5) * 1000)
        cy = np.float32(high * (rng.uniform(0.45, 0.7) + 0.12 * math.sin(3 * u)))
        wide, tall = np.float32(rng.uniform(45, 110)), np.float32(rng.uniform(30, 70))
        fx = np.exp(-(((raster.grid.xs - cx) / wide) ** 2))
        fy = np.exp(-(((raster.grid.ys - cy) / tall) ** 2))
        rows, cols = np.flatnonzero(fy > 0.01), np.flatnonzero(fx > 0.01)
        if rows.size and cols.size:
            at = (slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1))
            beam = np.outer(fy[at[0]] * np.float32(self.lux * self.strength(t) * UNIT), fx[at[1]])
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
        moment = t + ys / float(ys[-1]) * 0.012
        wave = (self.depth * np.sin(2 * math.pi * 2 * (self.mains + 0.13) * moment)).astype(np.float32)
        raster.signal += (wave * np.float32(light.lamp * UNIT))[:, None] * raster.maps.lamp
