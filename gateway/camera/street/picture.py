"""One size of picture of the corner, and what stands before its sensor: a cover, a bad focus, a swaying pole.

Not here: when (world.py), the light (render.py), the noise (sensor.py). Called on the thread that reads the camera.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from gateway.camera.street.sensor import NoisePool, Sensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.camera.street.plan import Plan
    from gateway.camera.street.render import Raster
    from gateway.camera.street.view import Floats

Plane = TypeVar("Plane", bound=np.generic)
LEAK = 2e-5
"""Share of the light that a cover lets through."""


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

    def window(self, plane: NDArray[Plane], dx: int, dy: int) -> NDArray[Plane]:
        """Return the visible part of a padded plane, shifted by whole pixels."""
        m, (w, h) = self.margin, self.size
        return plane[m + dy : m + dy + h, m + dx : m + dx + w]

    def expose(self, state: State, shift: tuple[float, float], exposure: float, gain: float, key: int) -> None:
        """Bend and dim the light as what stands before the sensor does, and expose it; `shift` is in view units."""
        signal = self.raster.signal
        if state.defocused:
            blur(signal, state.defocused, self.per_unit)
            if self.raster.tint is not None:
                for plane in self.raster.tint:
                    blur(plane, state.defocused, self.per_unit / 2)
        if state.covered:
            # Something dark slides down before the lens, far out of focus; a little light leaks through, no picture.
            ys = (self.raster.grid.ys / float(self.raster.grid.ys[-1]))[:, None]
            through = np.clip((ys - 1.5 * state.covered + 0.25) * 4, 0.0, 1.0)
            light = self.raster.light
            leak = LEAK * 0.2 * (light.lux if light else 0.0) * (0.5 + ys)
            signal *= through
            signal += (1 - through) * leak
            if self.raster.tint is not None:
                self.raster.tint *= through[::2]
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
