"""A pinhole camera on a pole: where a point of the corner stands in the picture.

World: metres, X to the right, Y away from the camera, Z up, the origin on the ground under the camera. Picture: *view
units*, 640 across whatever the raster, so that a shape is drawn alike on the luma plane and on the main picture.
Not here: what stands there (actors.py, backdrop.py). Called on the thread that reads the camera.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
WIDTH = 640.0
"""Width of every picture in view units."""


@dataclass(frozen=True)
class View:
    """A camera `height` metres above the ground; angles in radians, `focal` in view units."""

    units_high: float
    height: float = 5.5
    pitch: float = 0.24
    """Downwards."""
    yaw: float = 0.0
    """To the right."""
    roll: float = 0.0
    focal: float = 400.0
    axes: NDArray[np.float64] = field(init=False, repr=False, compare=False)
    """Rows: the camera's right, down and forward in the world."""
    rows: tuple[tuple[float, float, float], ...] = field(init=False, repr=False, compare=False)
    """The same as numbers."""

    def __post_init__(self) -> None:
        sp, cp, sy, cy = math.sin(self.pitch), math.cos(self.pitch), math.sin(self.yaw), math.cos(self.yaw)
        right = np.array([cy, -sy, 0.0])
        down = np.array([-sy * sp, -cy * sp, -cp])
        sr, cr = math.sin(self.roll), math.cos(self.roll)
        axes = np.stack([cr * right + sr * down, cr * down - sr * right, [sy * cp, cy * cp, -sp]])
        object.__setattr__(self, "axes", axes)
        object.__setattr__(self, "rows", tuple(tuple(row) for row in axes.tolist()))

    def project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n, 3): x and y in view units and the scale there in view units per metre, for (n, 3) world points."""
        seen = (points - (0.0, 0.0, self.height)) @ self.axes.T
        scale = self.focal / np.maximum(seen[:, 2], 0.3)
        out = np.empty_like(seen)
        out[:, 0] = WIDTH / 2 + seen[:, 0] * scale
        out[:, 1] = self.units_high / 2 + seen[:, 1] * scale
        out[:, 2] = scale
        return out

    def spot(self, x: float, y: float, z: float) -> tuple[float, float, float]:
        """Return what `project` returns, for one point: numbers are faster than arrays of one."""
        (rx, ry, rz), (dx, dy, dz), (fx, fy, fz) = self.rows
        z -= self.height
        scale = self.focal / max(x * fx + y * fy + z * fz, 0.3)
        return (
            WIDTH / 2 + (x * rx + y * ry + z * rz) * scale,
            self.units_high / 2 + (x * dx + y * dy + z * dz) * scale,
            scale,
        )

    def depth(self, x: float, y: float, z: float = 0.0) -> float:
        """Return how far before the lens a world point lies, in metres."""
        fx, fy, fz = self.rows[2]
        return x * fx + y * fy + (z - self.height) * fz

    def rays(self, xs: Floats, ys: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the X, Y and Z, each (len(ys), len(xs)), of the rays through these view units; not normalised."""
        u = ((xs - WIDTH / 2) / self.focal)[None, :]
        v = ((ys - self.units_high / 2) / self.focal)[:, None]
        a = self.axes.astype(np.float32)
        return tuple(u * a[0, i] + v * a[1, i] + a[2, i] for i in range(3))
