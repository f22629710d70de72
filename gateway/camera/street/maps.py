"""How each pixel of the standing picture answers to light, and what may hide an actor. Data of one raster.

Half precision: the maps of a large picture are most of what the corner keeps in memory.

Not here: how it is painted (backdrop.py), how it is lit (render.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.camera.street.shapes import Area

Halves = NDArray[np.float16]


@dataclass(frozen=True)
class Veil:
    """Something that stands and may hide what goes behind it."""

    depth: float
    at: Area
    cover: Halves
    leaves: bool = False
    """Whether it is a tree, which moves in the wind."""


@dataclass(frozen=True)
class Maps:
    """How each pixel answers to light, (height, width) float16: radiance per lux."""

    sky: Halves
    """Plain reflectance."""
    sun: Halves
    lamp: Halves
    glow: Halves
    infrared: Halves
    cb: Halves
    """Chroma relative to gamma-coded luma."""
    cr: Halves
    ground: Halves
    """1 where the ground is seen: shadows fall on it."""
    wall: Halves
    """Metres before the lens of the house that is seen, 60,000 where there is none."""
    veils: tuple[Veil, ...]

    def reduced(self, fy: int, fx: int) -> Maps:
        """Return the maps of a raster that is smaller by whole factors: each pixel the mean of a block."""

        def mean(a: Halves) -> Halves:
            h, w = a.shape[0] // fy, a.shape[1] // fx
            total = np.zeros((h, w), np.float32)
            for y in range(fy):
                for x in range(fx):
                    total += a[y : h * fy : fy, x : w * fx : fx]
            return (total / (fy * fx)).astype(np.float16)

        veils = []
        for veil in self.veils:
            at = veil.at
            whole = Area(at.y0 // fy, -(-at.y1 // fy), at.x0 // fx, -(-at.x1 // fx))
            box = np.zeros(((whole.y1 - whole.y0) * fy, (whole.x1 - whole.x0) * fx), np.float16)
            oy, ox = at.y0 - whole.y0 * fy, at.x0 - whole.x0 * fx
            box[oy : oy + at.y1 - at.y0, ox : ox + at.x1 - at.x0] = veil.cover
            veils.append(Veil(veil.depth, whole, mean(box), veil.leaves))
        planes = {name: mean(getattr(self, name)) for name in PLANES[:-1]}
        planes["wall"] = self.wall[fy // 2 :: fy, fx // 2 :: fx][: self.wall.shape[0] // fy, : self.wall.shape[1] // fx]
        return Maps(**planes, veils=tuple(veils))


PLANES = ("sky", "sun", "lamp", "glow", "infrared", "cb", "cr", "ground", "wall")
