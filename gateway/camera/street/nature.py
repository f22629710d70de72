"""What moves by itself on the ground: leaves in the wind, water.

Not here: what falls or flies (weather.py). Pure functions of time. Called on the thread that reads the camera.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gateway.camera.street.layers import Layer

if TYPE_CHECKING:
    from gateway.camera.street.light import Light
    from gateway.camera.street.maps import Veil
    from gateway.camera.street.plan import Plan
    from gateway.camera.street.render import Raster
    from gateway.camera.street.view import Floats


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
