"""From light and shapes to light on the sensor: one raster's picture, in lux x reflectance.

What stands, shadows and pools of light, actors, specks; work arrays are made once. Not here: in which order
(composing.py), what there is to see (actors.py, layers.py), noise and grey levels (sensor.py). Called on the thread
that reads the camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gateway.camera.street.maps import PER_METRE, UNIT, Veil
from gateway.camera.street.shapes import Area, Ellipse, Grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gateway.camera.street.actors import Look, Part, Pool
    from gateway.camera.street.light import Light
    from gateway.camera.street.maps import Maps
    from gateway.camera.street.view import Floats

    Numbers = NDArray[np.floating[Any]]


class Lit(NamedTuple):
    """Lux where an actor stands."""

    sky: float
    sun: float
    lamp: float
    infrared: float


class Specks(NamedTuple):
    """Many small things, each array (n,), in view units."""

    x: Numbers
    y: Numbers
    dx: Numbers
    """A streak goes from (x, y) to (x + dx, y + dy)."""
    dy: Numbers
    radius: Numbers
    glow: Numbers
    """Lux x reflectance."""
    opaque: Numbers
    """0..1."""


@dataclass(slots=True)
class Drawn:
    """Where an actor came to stand in the luma plane."""

    at: Area
    alpha: Floats
    """How much of each pixel of `at` it covers, where nothing that stands hides it."""


def union(boxes: Sequence[tuple[float, float, float, float]]) -> tuple[float, float, float, float]:
    """Return the rectangle round rectangles."""
    return min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)


class Raster:
    """One size of picture."""

    def __init__(self, maps: Maps, g: Grid, *, chroma: bool) -> None:
        self.maps, self.grid, self.chroma = maps, g, chroma
        self.height, self.width = maps.sky.shape
        self.signal: Floats = np.zeros((self.height, self.width), np.float32)
        self.lit: Floats = np.zeros_like(self.signal)
        self.shade: Floats = np.zeros_like(self.signal)
        self.unsure: NDArray[np.bool_] | None = None if chroma else np.zeros(self.signal.shape, np.bool_)
        """Where a shadow falls; kept for the luma plane only."""
        self.dirty: list[Area] = []
        self.light: Light | None = None
        self.tint: Floats | None = None
        if chroma:
            self.tint = maps.tint.copy()

    def light_up(self, light: Light) -> None:
        """Lay light on what stands, unless it is the light that lies there already."""
        if light == self.light:
            return
        self.light = light
        m = self.maps
        rows_at_once = max(1, 65_536 // self.width)
        for top in range(0, self.height, rows_at_once):
            rows = slice(top, top + rows_at_once)
            lit = self.lit[rows]
            np.multiply(m.sky[rows], np.float32(light.sky * UNIT), out=lit, dtype=np.float32)
            others = ((m.sun, light.sun), (m.lamp, light.lamp), (m.glow, light.glow), (m.infrared, light.infrared))
            for plane, lux in others:
                if lux:
                    lit += np.multiply(plane[rows], np.float32(lux * UNIT), dtype=np.float32)

    def begin(self, light: Light) -> None:
        """Start a picture with what stands, in this light."""
        self.light_up(light)
        np.copyto(self.signal, self.lit)
        if self.tint is not None:
            np.copyto(self.tint, self.maps.tint)
        for at in self.dirty:
            self.shade[at.slices] = 0
        self.dirty.clear()
        if self.unsure is not None:
            self.unsure[:] = False

    def cast(self, look: Look, sun: float, sky: float) -> None:
        """Take the light that this actor keeps from the ground."""
        for of_sun in (True, False):
            if of_sun and sun < 0.02 * sky:
                continue
            shadows = [(s.shape, s.shape.bounds(), s.sun if of_sun else s.sky) for s in look.shadows]
            shadows = [s for s in shadows if s[2] > 0]
            if not shadows:
                continue
            whole = self.grid.area(*union([box for _, box, _ in shadows]))
            if whole.empty:
                continue
            keeps = np.zeros((whole.y1 - whole.y0, whole.x1 - whole.x0), np.float32)
            for shape, box, share in shadows:
                at = self.grid.area(*box)
                if at.empty:
                    continue
                cover = shape.cover(self.grid, at)
                cover *= np.float32(share)
                inner = keeps[at.y0 - whole.y0 : at.y1 - whole.y0, at.x0 - whole.x0 : at.x1 - whole.x0]
                np.maximum(inner, cover, out=inner)
            keeps *= self.maps.ground[whole.slices]
            keeps *= np.float32(UNIT)
            if self.unsure is not None:
                self.unsure[whole.slices] |= keeps > 0.04
            signal = self.signal[whole.slices]
            if not of_sun:
                np.subtract(1, keeps, out=keeps)
                signal *= keeps
                continue
            old = self.shade[whole.slices]  # where two shadows meet it is not twice as dark
            np.maximum(keeps, old, out=keeps)
            keeps -= old
            old += keeps
            keeps *= self.maps.sun[whole.slices]
            keeps *= np.float32(sun * UNIT)
            signal -= keeps
            self.dirty.append(whole)

    def pour(self, pool: Pool) -> None:
        """Add a pool of light on whatever is there."""
        at = self.grid.area(*Ellipse(pool.centre, pool.u, pool.v).bounds())
        det = pool.u[0] * pool.v[1] - pool.u[1] * pool.v[0]
        if at.empty or abs(det) < 1e-3:
            return
        xs = self.grid.xs[at.x0 : at.x1] - np.float32(pool.centre[0])
        ys = self.grid.ys[at.y0 : at.y1, None] - np.float32(pool.centre[1])
        p = xs * np.float32(pool.v[1] / det) - ys * np.float32(pool.v[0] / det)
        q = ys * np.float32(pool.u[0] / det) - xs * np.float32(pool.u[1] / det)
        p *= p
        q *= q
        p += q
        np.subtract(1, p, out=p)
        np.maximum(p, 0, out=p)
        p *= p
        p *= np.float32(pool.lux * UNIT)
        p *= self.maps.sky[at.slices]
        self.signal[at.slices] += p

    def put(self, look: Look, lit: Lit) -> Drawn | None:
        """Paint one actor; return where, or None when it is out of the picture or this is the large picture."""
        boxes = [part.shape.bounds() for part in look.parts]
        whole = self.even(self.grid.area(*union(boxes)))
        if whole.empty:
            return None
        signal, tint = self.signal, self.tint
        alpha = np.zeros((whole.y1 - whole.y0, whole.x1 - whole.x0), np.float32) if tint is None else None
        hidden = self.behind_veils(whole, look.depth)
        for part, box in zip(look.parts, boxes, strict=True):
            at = self.even(self.grid.area(*box))
            if at.empty:
                continue
            cover = part.shape.cover(self.grid, at)
            patch = signal[at.slices]
            more = np.float32(self.shine(part, lit)) - patch
            more *= cover
            patch += more
            if alpha is not None:
                a = alpha[at.y0 - whole.y0 : at.y1 - whole.y0, at.x0 - whole.x0 : at.x1 - whole.x0]
                np.multiply(a, cover, out=more)
                a += cover
                a -= more
            if tint is not None:
                few = cover[::2, ::2]
                for plane, value in zip(tint, part.colour[1:], strict=True):
                    p = plane[at.halved]
                    p += few * (np.float32(value) - p)
        for at, cover, before, tint_before in hidden:
            signal[at.slices] += cover * (before - signal[at.slices])
            if tint is not None and tint_before is not None:
                tint[:, *at.halved] += cover[::2, ::2] * (tint_before - tint[:, *at.halved])
            if alpha is not None:
                alpha[at.y0 - whole.y0 : at.y1 - whole.y0, at.x0 - whole.x0 : at.x1 - whole.x0] *= 1 - cover
        return None if alpha is None else Drawn(whole, alpha)

    def even(self, at: Area) -> Area:
        """Let a rectangle begin on a pixel that has chroma."""
        return at if self.tint is None else Area(at.y0 & ~1, at.y1, at.x0 & ~1, at.x1)

    def behind_veils(self, at: Area, depth: float) -> list[tuple[Area, Floats, Floats, Floats | None]]:
        """Remember the picture where a house, a tree or a mast stands before this depth."""
        kept = []
        walls = [v for v in self.maps.veils if v.depth < depth]
        house = self.maps.wall[at.slices] < int(depth * PER_METRE)
        if house.any():
            walls.append(Veil(0.0, at, house.astype(np.float32)))
        for veil in walls:
            v = veil.at
            both = Area(max(at.y0, v.y0), min(at.y1, v.y1), max(at.x0, v.x0), min(at.x1, v.x1))
            if both.empty:
                continue
            cover = veil.cover[both.y0 - v.y0 : both.y1 - v.y0, both.x0 - v.x0 : both.x1 - v.x0]
            colours = None
            if self.tint is not None:
                colours = self.tint[:, *both.halved].copy()
            kept.append((both, cover, self.signal[both.slices].copy(), colours))
        return kept

    def falls_on(self, look: Look, light: Light, sun_share: float) -> Lit:
        """Return the light where an actor stands."""
        g, m = self.grid, self.maps
        x = min(max(int((look.foot[0] - g.xs[0]) / g.x_step), 0), self.width - 1)
        y = min(max(int((look.foot[1] - g.ys[0]) / g.y_step), 0), self.height - 1)
        refl = max(float(m.sky[y, x]), 0.01 / UNIT)
        sunny = min(float(m.sun[y, x]) / refl * 2.5, 1.0)
        lamp = float(m.lamp[y, x]) / refl * light.lamp + 0.1 * light.lamp
        return Lit(light.sky, sunny * sun_share * light.sun, lamp, float(m.infrared[y, x]) / refl * light.infrared)

    @staticmethod
    def shine(part: Part, lit: Lit) -> float:
        """Return lux x reflectance of a part; cloth of any colour is rather bright in the infra-red."""
        luma = part.colour.luma
        visible = lit.sky * part.sky + lit.sun * part.sun + lit.lamp * 0.7
        return luma * visible + (0.5 * luma + 0.2) * lit.infrared + part.glow

    def specks(self, things: Specks, *, flake: bool) -> None:
        """Draw many small things at once: streaks, or round flakes."""
        x, y, dx, dy, radius, glow, opaque = (np.asarray(a, np.float32) for a in things)
        g = self.grid
        # One sample per row of the raster; each paints the pixels of its row within the radius.
        reach = radius if flake else np.abs(dy) / 2
        rows = max(int(np.ceil(2 * float(reach.max(initial=0.0)) / g.y_step)) + 1, 1)
        share = (np.arange(rows, dtype=np.float32) + 0.5) / rows
        px: Numbers
        py: Numbers
        half: Numbers
        if flake:
            across = 2 * share - 1
            py, px = y[:, None] + across * radius[:, None], np.repeat(x[:, None], rows, 1)
            half = radius[:, None] * np.sqrt(np.maximum(1 - across**2, 0))
        else:
            py, px = y[:, None] + share * dy[:, None], x[:, None] + share * dx[:, None]
            half = np.repeat(radius[:, None], rows, 1)
        iy = np.floor((py - g.ys[0]) / g.y_step + 0.5).astype(np.int32)
        fx = (px - g.xs[0]) / g.x_step
        wide = half * np.float32(g.per_unit)
        span = int(np.ceil(float(wide.max(initial=0.0)) + 0.5))
        first = np.floor(fx + 0.5).astype(np.int32)
        flat = self.signal.reshape(-1)
        for offset in range(-span, span + 1):
            ix = first + offset
            cover = np.clip(wide + 0.5 - np.abs(ix - fx), 0.0, np.minimum(1.0, 2 * wide)) * opaque[:, None]
            inside = (iy >= 0) & (iy < self.height) & (ix >= 0) & (ix < self.width) & (cover > 0)
            where = (iy * self.width + ix)[inside]
            flat[where] += (np.broadcast_to(glow[:, None], cover.shape)[inside] - flat[where]) * cover[inside]
