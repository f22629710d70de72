"""What stands still on a corner, as maps of how it answers to light. Made once, from the seed alone.

Not here: ground and houses (surfaces.py), what stands before them (furniture.py), what moves (actors.py), how much
light there is (light.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gateway.camera.street.furniture import Furniture
from gateway.camera.street.maps import NO_WALL, PER_METRE, Maps, stored
from gateway.camera.street.surfaces import Surfaces

if TYPE_CHECKING:
    from gateway.camera.street.plan import Plan
    from gateway.camera.street.shapes import Grid


def paint(corner: Plan, g: Grid, seed: int) -> Maps:
    """Return the maps of a corner on a raster."""
    surfaces = Surfaces(corner, g, seed)
    surfaces.houses_and_ground()
    furniture = Furniture(surfaces)
    furniture.furnish()
    veg = (surfaces.cr < -0.03) & (surfaces.ground == 0) & (surfaces.distance < 200)
    near = 1 / (1 + (surfaces.distance / 14.0) ** 2)
    rows, cols = surfaces.grid.ys[:, None], surfaces.grid.xs[None, :]
    spot = np.exp(-(((cols - 320) / 330) ** 2) - ((rows - rows.max() * np.float32(0.6)) / 240) ** 2)
    infrared = surfaces.y * np.where(veg, np.float32(4.0), np.float32(1.0)) * near * spot
    wall = np.where(surfaces.walls, np.minimum(surfaces.distance * PER_METRE, NO_WALL - 1), NO_WALL).astype(np.uint16)
    return Maps(
        sky=stored(surfaces.y),
        sun=stored(surfaces.y * surfaces.sunlit),
        lamp=stored(surfaces.y * surfaces.lamp),
        glow=stored(surfaces.glow),
        infrared=stored(infrared),
        ground=stored(surfaces.ground),
        wall=wall,
        tint=np.stack([surfaces.cb[::2, ::2], surfaces.cr[::2, ::2]]),
        veils=tuple(furniture.veils),
    )
