"""The lie of one corner: where kerbs, houses, trees and lamps stand, and from where the sun shines.

Drawn from the seed alone. Not here: how it looks (backdrop.py). Called once, by whoever opens the corner.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gateway.camera.street.view import View


@dataclass(frozen=True)
class Plan:
    """The lie of one corner, drawn from its seed; metres."""

    mirror: float
    """1.0, or -1.0: the side street lies on the other side."""
    kerb: float
    """Y of the near kerb of the road that passes before the camera."""
    road: float
    """Width of that road."""
    facade: float
    """Y of the houses on its far side."""
    side: tuple[float, float]
    """X of the side street's kerbs."""
    walls: tuple[float, float]
    """X of the houses along the side street."""
    heights: tuple[float, float]
    """Heights of the two blocks."""
    end: float
    """Y where the side street ends, at the houses behind a cross street."""
    sun: tuple[float, float, float]
    """Direction towards the sun, unit length."""
    view: View
    trees: tuple[tuple[float, float, float], ...]
    """X, Y and height of each."""
    lamps: tuple[tuple[float, float], ...]
    """X, Y."""
    behind: float = 11.0
    """Height of the houses behind the camera, which may keep the sun from it."""
    water: tuple[float, float, float, float] | None = None
    """X0, X1, Y0, Y1 of a basin before the camera."""

    @property
    def far_kerb(self) -> float:
        """Y of the far kerb."""
        return self.kerb + self.road


def plan(seed: int, units_high: float, lie: str = "") -> Plan:
    """Draw a corner; `lie` may be "low sun", "near road" (below the camera), "trees" (one close by), "water",
    "open" (none in the side street).
    """
    rng = np.random.default_rng([seed, 1])
    low_sun = lie == "low sun"
    kerb, road = rng.uniform(10.2, 11.6), rng.uniform(6.2, 7.6)
    if lie == "near road":
        kerb -= 6.8
    facade = kerb + road + rng.uniform(3.0, 4.2)
    left = rng.uniform(0.5, 3.5)
    side = (left, left + rng.uniform(5.6, 7.0))
    walls = (side[0] - rng.uniform(2.0, 3.0), side[1] + rng.uniform(2.0, 3.2))
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    altitude = math.radians(rng.uniform(14, 20) if low_sun else rng.uniform(28, 50))
    azimuth = math.radians(rng.uniform(122, 148) if low_sun else rng.uniform(110, 165)) * rng.choice([-1, 1])
    sun = (
        math.sin(azimuth) * math.cos(altitude),
        math.cos(azimuth) * math.cos(altitude),
        math.sin(altitude),
    )
    height = rng.uniform(5.0, 6.4)
    if lie == "near road":
        height = 3.5  # lower than a lorry
    view = View(units_high, height, rng.uniform(0.22, 0.27), focal=rng.uniform(380, 420))
    trees = [(walls[0] - rng.uniform(2.5, 4.5), facade - 1.8, rng.uniform(5.5, 7.0))]
    trees.append((walls[1] + rng.uniform(3.0, 5.0), facade - 1.6, rng.uniform(5.0, 6.5)))
    trees += [(side[0] - 0.9, y, rng.uniform(5.0, 7.0)) for y in (34.0 + rng.uniform(0, 4), 58.0)]
    if lie == "open":
        del trees[2:]
    if lie == "trees":
        trees.append((-5.0, kerb - 1.5, 5.4))
    lamps = [(walls[0] - 0.3, kerb + road + 0.6), (side[1] + 0.7, 40.0), (-rng.uniform(6.5, 8.0), kerb - 0.7)]
    return Plan(
        mirror,
        kerb,
        road,
        facade,
        (side[0], side[1]),
        (walls[0], walls[1]),
        (rng.uniform(9, 14), rng.uniform(8, 12)),
        rng.uniform(86, 98),
        (sun[0] * mirror, sun[1], sun[2]),
        view,
        tuple((x * mirror, y, z) for x, y, z in trees),
        tuple((x * mirror, y) for x, y in lamps),
        behind=0.5 if low_sun else 11.0,
        water=(-6.0, 1.5, kerb - 3.4, kerb - 1.6) if lie == "water" else None,
    )
