"""How each pixel of the standing picture answers to light, and what may hide an actor. Data of one raster.

Kept as whole numbers of `UNIT`: half the memory of floats, and quicker to read than half floats.
Not here: how it is painted (backdrop.py), how it is lit (render.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gateway.camera.street.shapes import Area

if TYPE_CHECKING:
    from gateway.camera.street.view import Floats

Numbers = NDArray[np.uint16]
UNIT = 1 / 8192
"""What 1 means in a map: radiance per lux, or a share."""
PER_METRE = 256
"""What a metre is in `Maps.wall`."""
NO_WALL = 65_535


def stored(plane: Floats) -> Numbers:
    """Return a plane (0..8) in whole units."""
    return np.asarray(np.clip(plane / np.float32(UNIT) + np.float32(0.5), 0, 65_535), np.uint16)


@dataclass(frozen=True)
class Veil:
    """Something that stands and may hide what goes behind it."""

    depth: float
    at: Area
    cover: Floats
    """0..1."""
    leaves: bool = False
    """Whether it is a tree, which moves in the wind."""


@dataclass(frozen=True)
class Maps:
    """How each pixel answers to light: (height, width) uint16 in `UNIT`."""

    sky: Numbers
    """Plain reflectance."""
    sun: Numbers
    lamp: Numbers
    glow: Numbers
    infrared: Numbers
    ground: Numbers
    """1 where the ground is seen: shadows fall on it."""
    wall: Numbers
    """Distance before the lens of the house that is seen, in 1 / PER_METRE; NO_WALL where there is none."""
    tint: Floats
    """Chroma (cb, cr) relative to gamma-coded luma, (2, height / 2, width / 2) float32."""
    veils: tuple[Veil, ...]

    def reduced(self, fy: int, fx: int) -> Maps:
        """Return the maps of a raster smaller by whole factors, without chroma: each pixel the mean of a block."""
        high, wide = self.sky.shape[0] // fy, self.sky.shape[1] // fx

        def mean(a: NDArray[np.generic]) -> Floats:
            h, w = a.shape[0] // fy, a.shape[1] // fx
            total = np.zeros((h, w), np.float32)
            for y in range(fy):
                for x in range(fx):
                    total += a[y : h * fy : fy, x : w * fx : fx]
            total /= np.float32(fy * fx)
            return total

        veils = []
        for veil in self.veils:
            at = veil.at
            whole = Area(at.y0 // fy, min(-(-at.y1 // fy), high), at.x0 // fx, min(-(-at.x1 // fx), wide))
            box = np.zeros(((-(-at.y1 // fy) - whole.y0) * fy, (-(-at.x1 // fx) - whole.x0) * fx), np.float32)
            oy, ox = at.y0 - whole.y0 * fy, at.x0 - whole.x0 * fx
            box[oy : oy + at.y1 - at.y0, ox : ox + at.x1 - at.x0] = veil.cover
            cover = mean(box)[: whole.y1 - whole.y0, : whole.x1 - whole.x0]
            veils.append(Veil(veil.depth, whole, cover, veil.leaves))
        planes = {name: (mean(getattr(self, name)) + np.float32(0.5)).astype(np.uint16) for name in PLANES}
        wall = self.wall[fy // 2 :: fy, fx // 2 :: fx][:high, :wide]  # a mean of distances is nobody's
        return Maps(**planes, wall=wall.copy(), tint=np.zeros((2, 0, 0), np.float32), veils=tuple(veils))


PLANES = ("sky", "sun", "lamp", "glow", "infrared", "ground")
