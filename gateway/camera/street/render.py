"""From light and shapes to pixels: one raster's picture in linear light, then what a sensor makes of it.

signal = reflectance x illuminance x exposure; shot and read noise are added to it; its square root is the grey level.
Under a square root shot noise is equal everywhere, as in a real gamma-coded picture. Work arrays are made once.
Not here: what there is to see (actors.py, scenes.py), when (street.py). Called on the thread that reads the camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gateway.camera.street.shapes import Area, Grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.camera.street.actors import Look, Part
    from gateway.camera.street.backdrop import Maps
    from gateway.camera.street.light import Light
    from gateway.camera.street.view import Floats

SHOT = 9.0e-5
"""Variance of the signal per unit of signal and of gain, for a pixel of the luma plane."""
READ = 2.2e-4
"""Standard deviation of the signal per unit of gain in the dark."""
BLACK = 0.004
"""Offset of the sensor, as a signal: black is not 0."""


class NoisePool:
    """Standard normal numbers, made once; a frame's noise is a stretch of it that its number chooses."""

    def __init__(self, seed: int, size: int = 1 << 19) -> None:
        self.values = np.random.default_rng([seed, 4]).standard_normal(size, np.float32)

    def at(self, key: int, count: int) -> Floats:
        """Return `count` numbers for a key; `count` is well below the pool's size."""
        mixed = (key * 0x9E3779B97F4A7C15 + 0x7F4A7C15) & 0xFFFFFFFFFFFFFFFF
        mixed = ((mixed ^ (mixed >> 29)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        start = (mixed >> 24) % (len(self.values) - count)
        return self.values[start : start + count]


@dataclass(slots=True)
class Drawn:
    """Where an actor came to stand in the luma plane."""

    at: Area
    alpha: Floats
    """How much of each pixel of `at` it covers, where nothing that stands hides it."""


class Raster:
    """One size of picture."""

    def __init__(self, maps: Maps, g: Grid, pool: NoisePool, *, chroma: bool) -> None:
        self.maps, self.grid, self.pool = maps, g, pool
        self.height, self.width = maps.sky.shape
        self.signal: Floats = np.zeros((self.height, self.width), np.float32)
        self.lit: Floats = np.zeros_like(self.signal)
        self.shade: Floats = np.zeros_like(self.signal)
        self.dirty: list[Area] = []
        self.light: Light | None = None
        self.chroma = chroma
        rows = self.height * 3 // 2 if chroma else self.height
        self.pixels: NDArray[np.uint8] = np.zeros((rows, self.width), np.uint8)
        self.band = max(1, min(self.height, 65_536 // self.width)) & ~1 or 1
        self.work = [np.zeros((self.band, self.width), np.float32) for _ in range(2)]
        if chroma:
            half = (self.height // 2, self.width // 2)
            self.tint = np.zeros((2, *half), np.float32)
            self.plain = np.stack(
                [a[0 : half[0] * 2 : 2, 0 : half[1] * 2 : 2].astype(np.float32) for a in (maps.cb, maps.cr)]
            )

    def light_up(self, light: Light) -> None:
        """Lay the standing picture's light afresh when its mixture changed by more than a pixel could show."""
        old = self.light
        if old is not None:
            scale = max(light.lux, 1e-6)
            pairs = (
                (light.sun, old.sun),
                (light.sky, old.sky),
                (light.lamp, old.lamp),
                (light.glow, old.glow),
                (light.infrared, old.infrared),
            )
            if all(abs(a - b) <= 0.004 * max(scale if i < 2 else 0, a) for i, (a, b) in enumerate(pairs)):
                return
        self.light = light
        m = self.maps
        for top in range(0, self.height, self.band):
            rows = slice(top, min(top + self.band, self.height))
            lit = self.lit[rows]
            np.multiply(m.sky[rows], np.float32(light.sky), out=lit, dtype=np.float32)
            work = self.work[0][: lit.shape[0]]
            for plane, lux in (
                (m.sun, light.sun),
                (m.lamp, light.lamp),
                (m.glow, light.glow),
                (m.infrared, light.infrared),
            ):
                if lux:
                    np.multiply(plane[rows], np.float32(lux), out=work, dtype=np.float32)
                    lit += work

    def compose(self, light: Light, looks: list[Look]) -> list[Drawn | None]:
        """Draw the corner (lux x reflectance) into `signal`: what stands, shadows, then actors, the far ones first."""
        self.light_up(light)
        np.copyto(self.signal, self.lit)
        if self.chroma:
            np.copyto(self.tint, self.plain)
        for at in self.dirty:
            self.shade[at.slices] = 0
        self.dirty.clear()
        for look in looks:
            self.cast(look, light)
        return [self.put(look, light) for look in looks]

    def cast(self, look: Look, light: Light) -> None:
        """Take the light that this actor keeps from the ground."""
        for shape, keeps_sun, keeps_sky in look.shadows:
            sun = keeps_sun * light.sun
            at = self.grid.area(*shape.bounds())
            if at.empty or (sun <= 0 and keeps_sky <= 0):
                continue
            cover = shape.cover(self.grid, at)
            cover *= self.maps.ground[at.slices]
            signal = self.signal[at.slices]
            if keeps_sun and light.sun > 0:
                old = self.shade[at.slices]
                more = np.maximum(cover * np.float32(keeps_sun), old)
                more -= old
                old += more
                more *= self.maps.sun[at.slices]
                more *= np.float32(light.sun)
                signal -= more
                self.dirty.append(at)
            if keeps_sky:
                signal *= 1 - np.float32(keeps_sky) * cover

    def put(self, look: Look, light: Light) -> Drawn | None:
        """Paint one actor; return where, or None when it is out of the picture."""
        g = self.grid
        boxes = [part.shape.bounds() for part in look.parts]
        whole = g.area(
            min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)
        )
        if whole.empty:
            return None
        if self.chroma:  # chroma has every second pixel: start and end on one
            whole = Area(
                whole.y0 & ~1,
                min((whole.y1 + 1) & ~1, self.height),
                whole.x0 & ~1,
                min((whole.x1 + 1) & ~1, self.width),
            )
        shape = (whole.y1 - whole.y0, whole.x1 - whole.x0)
        alpha, glow = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        tint = np.zeros((2, (shape[0] + 1) // 2, (shape[1] + 1) // 2), np.float32) if self.chroma else None
        lights = self.falls_on(look, light)
        for part in look.parts:
            at = g.area(*part.shape.bounds())
            if at.empty:
                continue
            if self.chroma:
                at = Area(at.y0 & ~1, min((at.y1 + 1) & ~1, self.height), at.x0 & ~1, min((at.x1 + 1) & ~1, self.width))
            cover = part.shape.cover(g, at)
            inner = (slice(at.y0 - whole.y0, at.y1 - whole.y0), slice(at.x0 - whole.x0, at.x1 - whole.x0))
            a, s = alpha[inner], glow[inner]
            s += cover * (np.float32(self.shine(part, lights)) - s)
            a += cover * (1 - a)
            if tint is not None:
                few = cover[::2, ::2]
                for plane, value in ((tint[0], part.colour.cb), (tint[1], part.colour.cr)):
                    p = plane[
                        inner[0].start // 2 : (inner[0].stop + 1) // 2, inner[1].start // 2 : (inner[1].stop + 1) // 2
                    ]
                    p += few * (np.float32(value) - p)
        self.hide(whole, look.depth, alpha, glow, tint)
        under = self.signal[whole.slices]
        under *= 1 - alpha
        under += glow
        if tint is not None:
            half = (slice(whole.y0 // 2, (whole.y1 + 1) // 2), slice(whole.x0 // 2, (whole.x1 + 1) // 2))
            few = 1 - alpha[::2, ::2]
            for i in (0, 1):
                patch = self.tint[i][half]
                few_i, tint_i = few[: patch.shape[0], : patch.shape[1]], tint[i][: patch.shape[0], : patch.shape[1]]
                patch *= few_i
                patch += tint_i
            return None
        return Drawn(whole, alpha)

    def hide(self, at: Area, depth: float, *layers: NDArray[np.float32] | None) -> None:
        """Take away what stands behind a tree or a mast."""
        for veil in self.maps.veils:
            if veil.depth >= depth:
                continue
            y0, y1 = max(at.y0, veil.at.y0), min(at.y1, veil.at.y1)
            x0, x1 = max(at.x0, veil.at.x0), min(at.x1, veil.at.x1)
            if y0 >= y1 or x0 >= x1:
                continue
            keep = 1 - veil.cover[y0 - veil.at.y0 : y1 - veil.at.y0, x0 - veil.at.x0 : x1 - veil.at.x0].astype(
                np.float32
            )
            for layer in layers:
                if layer is None:
                    continue
                if layer.ndim == 3:
                    few = keep[(y0 & 1) :: 2, (x0 & 1) :: 2]
                    v, u = (y0 - at.y0 + 1) // 2, (x0 - at.x0 + 1) // 2
                    layer[:, v : v + few.shape[0], u : u + few.shape[1]] *= few
                else:
                    layer[y0 - at.y0 : y1 - at.y0, x0 - at.x0 : x1 - at.x0] *= keep

    def falls_on(self, look: Look, light: Light) -> tuple[float, float, float]:
        """Return the lux from the sky, the sun and all lamps where the actor stands."""
        g, m = self.grid, self.maps
        x = min(max(int((look.foot[0] - g.xs[0]) / g.x_step), 0), self.width - 1)
        y = min(max(int((look.foot[1] - g.ys[0]) / g.y_step), 0), self.height - 1)
        refl = max(float(m.sky[y, x]), 0.01)
        lamp = float(m.lamp[y, x]) / refl * light.lamp + float(m.infrared[y, x]) / refl * light.infrared
        visible = 1.0 if float(m.sun[y, x]) / refl > 0.2 else 0.15
        return light.sky, visible * light.sun, lamp + 0.1 * light.lamp

    @staticmethod
    def shine(part: Part, lights: tuple[float, float, float]) -> float:
        """Return lux x reflectance of a part."""
        sky, sun, lamp = lights
        return part.colour.luma * (sky * part.sky + sun * part.sun + lamp * 0.7) + part.glow

    def expose(self, exposure: float, gain: float, key: int, *, quiet: float = 1.0, grey: bool = False) -> None:
        """Turn `signal` into `pixels`: `exposure` is signal per lux, `gain` scales the noise, `key` chooses it."""
        shot, read = np.float32(SHOT * gain * quiet), np.float32((READ * gain) ** 2 * quiet)
        for n, top in enumerate(range(0, self.height, self.band)):
            rows = slice(top, min(top + self.band, self.height))
            size = (rows.stop - rows.start) * self.width
            s, w = self.work[0][: rows.stop - rows.start], self.work[1][: rows.stop - rows.start]
            np.multiply(self.signal[rows], np.float32(exposure), out=s)
            np.minimum(s, 1.5, out=s)  # a full well holds no more
            np.multiply(s, shot, out=w)
            w += read
            np.sqrt(w, out=w)
            w *= self.pool.at(key * 64 + n, size).reshape(w.shape)
            s += w
            s += np.float32(BLACK)
            np.clip(s, 0.0, 0.9999, out=s)
            np.sqrt(s, out=s)
            s *= 255.99
            self.pixels[rows] = s
        if self.chroma:
            self.colour_in(grey=grey)

    def colour_in(self, *, grey: bool) -> None:
        """Fill the two chroma planes below the luma plane (I420)."""
        h, w = self.height, self.width
        planes = self.pixels[h:].reshape(2, h // 2, w // 2)
        if grey:
            planes[:] = 128
            return
        luma = self.pixels[:h:2, ::2].astype(np.float32)
        for i in (0, 1):
            value = self.tint[i]
            value *= luma
            value += 128.5
            np.clip(value, 0, 255, out=value)
            planes[i] = value
