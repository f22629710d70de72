"""Trees, lamps and small things of a corner: they stand before ground and houses, and hide what passes behind them.

Not here: ground and houses (surfaces.py), the wind in the leaves (nature.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gateway.camera.street.light import Colour, colour
from gateway.camera.street.maps import Veil
from gateway.camera.street.shapes import Area, Capsule, Ellipse, Shape
from gateway.camera.street.surfaces import PAINT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.camera.street.surfaces import Surfaces

LEAF, BARK, STEEL = colour(0.06, 0.11, 0.035), colour(0.12, 0.09, 0.06), Colour(0.09)


class Furniture:
    """Paints over the surfaces, and remembers what of it hides whom."""

    def __init__(self, surfaces: Surfaces) -> None:
        """Take the ground and houses of a raster, painted."""
        self.surfaces = surfaces
        self.veils: list[Veil] = []

    def thing(self, depth: float, parts: list[tuple[Shape, Colour, float, float]], *, leaves: bool) -> None:
        """Paint a standing thing: shapes with colour, share of sun and glow."""
        on = self.surfaces
        boxes = np.array([s.bounds() for s, *_ in parts])
        at = on.grid.area(*boxes[:, :2].min(0), *boxes[:, 2:].max(0))
        at = Area(at.y0 & ~1, at.y1, at.x0 & ~1, at.x1)  # chroma has every second pixel
        if at.empty:
            return
        whole = np.zeros((at.y1 - at.y0, at.x1 - at.x0), np.float32)
        for shape, c, sunlit, glow in parts:
            area = on.grid.area(*shape.bounds())
            if area.empty:
                continue
            a = shape.cover(on.grid, area)
            for plane, value in (
                (on.y, c.luma),
                (on.cb, c.cb),
                (on.cr, c.cr),
                (on.sunlit, sunlit),
                (on.glow, glow),
                (on.lamp, 0.25),
                (on.ground, 0.0),
                (on.distance, depth),
            ):
                patch = plane[area.slices]
                patch += a * (np.float32(value) - patch)
            inner = whole[area.y0 - at.y0 : area.y1 - at.y0, area.x0 - at.x0 : area.x1 - at.x0]
            np.maximum(inner, a, out=inner)
        self.veils.append(Veil(depth, at, whole, leaves))

    def furnish(self) -> None:
        """Trees, lamps and small things, the far ones first."""
        p, view = self.surfaces.plan, self.surfaces.plan.view
        jobs: list[tuple[float, str, tuple[float, ...]]] = []
        jobs += [(view.depth(x, y), "tree", (x, y, z)) for x, y, z in p.trees]
        jobs += [(view.depth(x, y), "street_lamp", (x, y)) for x, y in p.lamps]
        bollards = [(p.mirror * (p.walls[0] - 1.5 * i), p.far_kerb + 0.35) for i in range(1, 5)]
        jobs += [(view.depth(x, y), "bollard", (x, y)) for x, y in bollards]
        for depth, kind, at in sorted(jobs, reverse=True):
            self.thing(depth, getattr(self, kind)(*at), leaves=kind == "tree")

    def post(self, x: float, y: float, z0: float, z1: float, r: float, c: Colour) -> tuple[Shape, Colour, float, float]:
        """An upright at (x, y) from z0 to z1."""
        a, b = self.surfaces.plan.view.project(np.array([[x, y, z0], [x, y, z1]]))
        return Capsule((a[0], a[1]), (b[0], b[1]), r * a[2], r * 0.8 * b[2]), c, 0.5, 0.0

    def bollard(self, x: float, y: float) -> list[tuple[Shape, Colour, float, float]]:
        """A bollard with a white ring."""
        return [self.post(x, y, 0, 0.9, 0.07, STEEL), self.post(x, y, 0.65, 0.75, 0.075, PAINT)]

    def tree(self, x: float, y: float, high: float) -> list[tuple[Shape, Colour, float, float]]:
        """A trunk and a crown of leaf clumps, darker below; its shadow is laid on the ground first."""
        rng, view, sun = self.surfaces.rng, self.surfaces.plan.view, self.surfaces.plan.sun
        n = 90
        centre = np.array([x, y, high * 0.68])
        spread = rng.normal(0, 1, (n, 3))
        spread /= np.linalg.norm(spread, axis=1, keepdims=True) / rng.uniform(0.3, 1, (n, 1)) ** (1 / 3)
        points = centre + spread * (1.5, 1.5, high * 0.3)
        self.tree_shadow(points, sun)
        points = points[np.argsort(-points[:, 1])]
        parts = [self.post(x, y, 0, high * 0.6, 0.16, BARK)]
        for (px, py, s), (_, _, z) in zip(view.project(points), points, strict=True):
            r = rng.uniform(0.16, 0.34) * s
            share = (z - high * 0.35) / (high * 0.6)
            c = Colour(LEAF.luma * rng.uniform(0.5, 1.3) * (0.5 + 0.8 * share), LEAF.cb, LEAF.cr)
            parts.append(
                (Ellipse((px, py), (r * 1.3, 0), (0, r * 0.8)), c, 0.15 + 0.6 * max(share, 0) * rng.random(), 0.0)
            )
        return parts

    def tree_shadow(self, points: NDArray[np.float64], sun: tuple[float, float, float]) -> None:
        """Darken the ground where the crown stands before the sun."""
        on = self.surfaces
        feet = points - points[:, 2:3] / sun[2] * np.array(sun)
        for x, y, s in on.plan.view.project(feet):
            r = 0.3 * s
            shape = Ellipse((x, y), (r, 0), (0, r * 0.45))
            area = on.grid.area(*shape.bounds())
            if not area.empty:
                on.sunlit[area.slices] *= 1 - 0.55 * shape.cover(on.grid, area) * on.ground[area.slices]

    def street_lamp(self, x: float, y: float) -> list[tuple[Shape, Colour, float, float]]:
        """A mast with an arm over the road and a head that glows."""
        mast = self.post(x, y, 0, 6.0, 0.07, STEEL)
        a, b = self.surfaces.plan.view.project(np.array([[x, y, 6.0], [x, y - 1.2, 6.3]]))
        arm = Capsule((a[0], a[1]), (b[0], b[1]), 0.05 * a[2], 0.05 * b[2])
        head = Ellipse((b[0], b[1]), (0.3 * b[2], 0), (0, 0.1 * b[2]))
        return [mast, (arm, STEEL, 0.5, 0.0), (head, PAINT, 0.3, 8.0)]
