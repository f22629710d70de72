"""Anti-aliased shapes on a raster: how much of each pixel a capsule, an ellipse or a convex polygon covers.

Shapes are given in view units; a `Grid` knows where its pixels lie in them. Each shape touches only the pixels of
its own rectangle. Not here: colour, light, order (render.py). No state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.camera.street.view import Floats

Point = tuple[float, float]


class Area(NamedTuple):
    """A rectangle of pixels: rows y0..y1, columns x0..x1, ends excluded."""

    y0: int
    y1: int
    x0: int
    x1: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """The rectangle as an index."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    @property
    def halved(self) -> tuple[slice, slice]:
        """The rectangle as an index of planes of half the size; it must begin on an even pixel."""
        return slice(self.y0 // 2, (self.y1 + 1) // 2), slice(self.x0 // 2, (self.x1 + 1) // 2)

    @property
    def empty(self) -> bool:
        """Whether it holds no pixel."""
        return self.y1 <= self.y0 or self.x1 <= self.x0


@dataclass(frozen=True)
class Grid:
    """The pixel centres of a raster in view units."""

    xs: Floats
    ys: Floats
    per_unit: float
    """Pixels per view unit."""
    x_step: float
    y_step: float
    left: float
    """Where the first pixel begins, padding included."""
    top: float

    def area(self, x0: float, y0: float, x1: float, y1: float) -> Area:
        """Return the pixels that a rectangle in view units touches, clipped to the raster."""
        high, wide = len(self.ys), len(self.xs)
        top, left = (y0 - self.top) / self.y_step, (x0 - self.left) / self.x_step
        bottom, right = (y1 - self.top) / self.y_step, (x1 - self.left) / self.x_step
        return Area(
            0 if top < 1 else high if top > high else int(top) - 1,
            0 if bottom < -1 else high if bottom > high - 2 else int(bottom) + 2,
            0 if left < 1 else wide if left > wide else int(left) - 1,
            0 if right < -1 else wide if right > wide - 2 else int(right) + 2,
        )


def grid(width: int, height: int, units_high: float, pad: int = 0) -> Grid:
    """Return the grid of a raster of `width` x `height` pixels with `pad` more on each side."""
    x_step, y_step = 640.0 / width, units_high / height
    xs = (np.arange(-pad, width + pad, dtype=np.float32) + 0.5) * x_step
    ys = (np.arange(-pad, height + pad, dtype=np.float32) + 0.5) * y_step
    return Grid(xs, ys, width / 640.0, x_step, y_step, -pad * x_step, -pad * y_step)


def _solid(distance: Floats, per_unit: float, width: float) -> Floats:
    """Turn a distance inside the rim (view units, overwritten) into coverage 0..1; `width` is the shape's thickness."""
    distance *= np.float32(per_unit)
    distance += np.float32(0.5)
    # Thinner than a pixel: it never covers one whole.
    return unit(distance, min(1.0, width * per_unit))


def unit(a: Floats, top: float = 1.0) -> Floats:
    """Clip to 0..top in place; np.clip is the faster one for large arrays only."""
    if a.size > 8192:
        return np.clip(a, 0.0, top, out=a)
    np.maximum(a, np.float32(0), out=a)
    return np.minimum(a, np.float32(top), out=a)


@dataclass(frozen=True, slots=True)
class Capsule:
    """A thick line from `a` to `b` with radius `ra` at one end, `rb` at the other; `squash` flattens it vertically."""

    a: Point
    b: Point
    ra: float
    rb: float
    squash: float = 1.0
    soft: float = 0.0
    """Width of its rim in view units beyond a pixel: out of focus."""

    def bounds(self) -> tuple[float, float, float, float]:
        """Return x0, y0, x1, y1 in view units."""
        r = max(self.ra, self.rb) + self.soft / 2
        return (
            min(self.a[0], self.b[0]) - r,
            min(self.a[1], self.b[1]) - r * self.squash,
            max(self.a[0], self.b[0]) + r,
            max(self.a[1], self.b[1]) + r * self.squash,
        )

    def cover(self, g: Grid, at: Area) -> Floats:
        """Return the coverage (0..1) of the pixels of `at`."""
        xs = g.xs[at.x0 : at.x1] - np.float32(self.a[0])
        ys = (g.ys[at.y0 : at.y1, None] - np.float32(self.a[1])) * np.float32(1 / self.squash)
        per_unit = 1 / (1 / g.per_unit + self.soft)
        thick = 2 * max(self.ra, self.rb)
        if self.a == self.b:
            distance = np.sqrt(xs * xs + ys * ys)
            np.subtract(np.float32(self.ra), distance, out=distance)
            return _solid(distance, per_unit, thick)
        dx, dy = self.b[0] - self.a[0], (self.b[1] - self.a[1]) / self.squash
        length2 = max(dx * dx + dy * dy, 1e-6)
        t = xs * np.float32(dx / length2) + ys * np.float32(dy / length2)
        unit(t)
        px = t * np.float32(-dx)
        px += xs
        py = t * np.float32(-dy)
        py += ys
        px *= px
        py *= py
        px += py
        np.sqrt(px, out=px)
        t *= np.float32(self.rb - self.ra)
        t += np.float32(self.ra)
        t -= px
        return _solid(t, per_unit, thick)


@dataclass(frozen=True, slots=True)
class Ellipse:
    """What a circle becomes in the picture: centre `c`, half axes `u` and `v` (vectors); a ring when `inner` > 0."""

    c: Point
    u: Point
    v: Point
    inner: float = 0.0
    """Inner radius as a share of the outer one."""

    def bounds(self) -> tuple[float, float, float, float]:
        """Return x0, y0, x1, y1 in view units."""
        rx, ry = math.hypot(self.u[0], self.v[0]), math.hypot(self.u[1], self.v[1])
        return self.c[0] - rx, self.c[1] - ry, self.c[0] + rx, self.c[1] + ry

    def cover(self, g: Grid, at: Area) -> Floats:
        """Return the coverage (0..1) of the pixels of `at`."""
        det = self.u[0] * self.v[1] - self.u[1] * self.v[0]
        ru, rv = math.hypot(*self.u), math.hypot(*self.v)
        small = max(min(ru, rv, abs(det) / max(ru, rv, 1e-6)), 0.1)
        if abs(det) < 0.02 * max(ru, rv):  # seen edge-on: a line
            end, thick = (self.u if ru > rv else self.v), 0.1
            line = Capsule(
                (self.c[0] - end[0], self.c[1] - end[1]), (self.c[0] + end[0], self.c[1] + end[1]), thick, thick
            )
            return line.cover(g, at)
        xs = g.xs[at.x0 : at.x1] - np.float32(self.c[0])
        ys = g.ys[at.y0 : at.y1, None] - np.float32(self.c[1])
        p = xs * np.float32(self.v[1] / det) - ys * np.float32(self.v[0] / det)
        q = ys * np.float32(self.u[0] / det) - xs * np.float32(self.u[1] / det)
        p *= p
        q *= q
        p += q
        np.sqrt(p, out=p)
        if self.inner:
            p -= np.float32((1 + self.inner) / 2)
            np.abs(p, out=p)
            np.subtract(np.float32((1 - self.inner) / 2), p, out=p)
            thickness = (1 - self.inner) * small
        else:
            np.subtract(np.float32(1), p, out=p)
            thickness = 2 * small
        p *= np.float32((small + max(ru, rv)) / 2 if self.inner else small)
        return _solid(p, g.per_unit, thickness)


@dataclass(frozen=True, slots=True)
class Polygon:
    """A convex polygon; its corners in either order."""

    points: tuple[Point, ...]

    def bounds(self) -> tuple[float, float, float, float]:
        """Return x0, y0, x1, y1 in view units."""
        xs, ys = [p[0] for p in self.points], [p[1] for p in self.points]
        return min(xs), min(ys), max(xs), max(ys)

    def cover(self, g: Grid, at: Area) -> Floats:
        """Return the coverage (0..1) of the pixels of `at`: the distance to the nearest edge, inwards."""
        edges = []
        twice = 0.0  # the area, twice; its sign is the order of the corners
        for (x0, y0), (x1, y1) in zip(self.points, (*self.points[1:], self.points[0]), strict=True):
            dx, dy = x1 - x0, y1 - y0
            twice += x0 * y1 - x1 * y0
            length = math.hypot(dx, dy)
            if length > 1e-6:
                edges.append((-dy / length, dx / length, (x0 * dy - y0 * dx) / length))
        if not edges or abs(twice) < 1e-9:
            return np.zeros((at.y1 - at.y0, at.x1 - at.x0), np.float32)
        sign = math.copysign(g.per_unit, twice)
        xs, ys = g.xs[at.x0 : at.x1], g.ys[at.y0 : at.y1, None]
        inside: Floats | None = None
        for nx, ny, c in edges:
            row, column = xs * np.float32(sign * nx), ys * np.float32(sign * ny)
            column += np.float32(sign * c + 0.5)
            if inside is None:
                inside = row + column
            else:
                np.minimum(inside, row + column, out=inside)
        assert inside is not None
        x0, y0, x1, y1 = self.bounds()
        return unit(inside, min(1.0, g.per_unit * min(x1 - x0, y1 - y0)))


Shape = Capsule | Ellipse | Polygon


def hull(points: Iterable[Point]) -> tuple[Point, ...]:
    """Return the convex hull of points (Andrew's monotone chain)."""
    ordered = sorted(set(points))
    if len(ordered) < 3:
        return tuple(ordered)

    def half(run: list[Point]) -> list[Point]:
        chain: list[Point] = []
        for p in run:
            while len(chain) > 1 and (
                (chain[-1][0] - chain[-2][0]) * (p[1] - chain[-2][1])
                - (chain[-1][1] - chain[-2][1]) * (p[0] - chain[-2][0])
                <= 0
            ):
                chain.pop()
            chain.append(p)
        return chain[:-1]

    return tuple(half(ordered) + half(ordered[::-1]))
