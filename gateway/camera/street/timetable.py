"""Who comes when, and along which way: a seeded timetable over the named ways of a corner.

Not here: which scene asks for whom (scenes.py). Called on the thread that reads the camera, as time goes on.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING

import numpy as np

from gateway.camera.street.actors import Actor, Cyclist, Kind, Person
from gateway.camera.street.paths import Path
from gateway.camera.street.vehicles import Car

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.camera.street.plan import Plan
    from gateway.camera.street.scenes import Scene

LIKELY: tuple[tuple[Kind, str, float], ...] = (
    ("person", "near", 0.22), ("person", "far", 0.16), ("person", "zebra", 0.1), ("person", "up", 0.08),
    ("person", "distant", 0.06), ("cyclist", "cycle", 0.12), ("car", "road", 0.08), ("car", "back", 0.08),
    ("van", "back", 0.03), ("car", "stopping", 0.04), ("car", "turning", 0.03),
)  # fmt: skip
"""Who comes by chance, and how often."""

Points = tuple[tuple[float, float], ...]
ONE_WAY = ("cycle", "road", "back", "stopping", "turning", "parking", "leaving", "there", "back again", "glimpse",
           "red light", "standing", "unseen")  # fmt: skip


def way(name: str, plan: Plan, rng: np.random.Generator, start: float) -> Path:
    """Draw a path along a named way from second `start`; speed, line and, on pavements, direction are drawn anew.

    Raises:
        KeyError: there is no way of this name.
    """
    k, far = plan.kerb, plan.far_kerb
    lane, opposite = k + plan.road * 0.25, k + plan.road * 0.75
    side, left, right = (plan.side[0] + plan.side[1]) / 2, *plan.walls
    walk, drive, ride = float(rng.uniform(1.0, 1.7)), float(rng.uniform(6.5, 11.0)), float(rng.uniform(4.5, 7.5))
    near, beyond = float(k - rng.uniform(0.5, 2.2)), float(far + rng.uniform(0.7, 1.6))
    zebra = float(side - 6.5 + rng.uniform(-0.8, 0.8))
    halt = (24.0 + side - 6.5 - 4.5, float(rng.uniform(5, 8)))
    through: Points = ((-24.0, lane), (24.0, lane))
    known: dict[str, tuple[Points, float, tuple[tuple[float, float], ...], float]] = {
        "near": (((-13.0, near), (13.0, near + float(rng.uniform(-0.4, 0.4)))), walk, (), 0.0),
        "far": (((-22.0, beyond), (22.0, beyond)), walk, (), 0.0),
        "zebra": (((zebra, k - 5.5), (zebra, far + 0.9), (left - 20, far + 1.2)), walk, (), 0.0),
        "up": (((left + 1.0, far + 1.0), (left + 1.2, plan.end - 5), (left - 6.0, plan.end - 5)), walk, (), 0.0),
        "distant": (((left - 5.0, plan.end - 5.5), (right + 5.0, plan.end - 6.5)), walk, (), 0.0),
        "there": (((-13.0, k - 1.3), (13.0, k - 1.5)), 1.35, (), 0.0),
        "back again": (((13.0, k - 1.7), (-13.0, k - 1.8)), 1.35, (), 0.0),
        "standing": (((-12.0, k - 1.4), (12.0, k - 1.2)), 1.4, ((12.0 + float(rng.uniform(-3, 3)), 32.0),), 0.0),
        "glimpse": (((-14.0, k - 0.7), (-6.2, k - 1.6), (-5.0, k - 5.0), (-4.5, k - 9.0)), 11.0, (), 0.0),
        "cycle": (((-18.0, lane - 0.9), (18.0, lane - 0.9)), ride, (), 0.0),
        "road": (through, drive, (), 0.0),
        "back": (((30.0, opposite), (-30.0, opposite)), drive, (), 0.0),
        "stopping": (through, drive * 0.8, (halt,), 6.0),
        "turning": (
            ((right + 9, plan.end - 4), (side, plan.end - 5), (side - 1.5, plan.end - 9), (side - 1.5, far + 6),
             (side - 2.1, far + 2.2), (side - 4.2, opposite + 0.6),
             (side - 7.0, opposite), (-30.0, opposite)), 5.0, (), 0.0,
        ),
        "parking": (
            ((-24.0, lane), (-4.0, lane - 0.2), (0.5, k + 1.05), (5.5, k + 1.0), (6.0, k + 1.0)), 4.5,
            ((29.8, 100_000.0),), 5.0,
        ),
        "leaving": (
            ((4.0, k + 1.0), (4.5, k + 1.0), (7.0, k + 1.05), (11.0, lane - 0.1), (28.0, lane)), 3.5,
            ((0.2, 25.0 - start),), 0.1,
        ),
        "red light": (((-30.0, lane), (26.0, lane)), 7.0, ((29.0 + float(rng.uniform(-0.5, 0.5)), 25.0),), 8.0),
        "unseen": (((-11.0, 4.2), (11.0, 4.2)), 1.4, (), 0.0),
    }  # fmt: skip
    points, speed, halts, smooth = known[name]
    if name not in ONE_WAY and rng.random() < 0.5:
        points = points[::-1]
    return Path(tuple((x * plan.mirror, y) for x, y in points), speed, start, halts, smooth)


def actor(number: int, kind: Kind, path: Path, seed: int) -> Actor:
    """Return who comes by."""
    made = {"person": Person, "cyclist": Cyclist}.get(kind, Car)
    return made(number, kind, path, seed)


def timetable(scene: Scene, plan: Plan, seed: int) -> Iterator[Actor]:
    """Yield who comes, in order of time; ids count from 1."""
    rng = np.random.default_rng([seed, 5])
    sure = list(scene.cast)
    heapq.heapify(sure)
    chance = scene.chance_from + float(rng.exponential(scene.every)) if scene.every else math.inf
    weights = np.array([w for *_, w in LIKELY])
    number = 0
    while sure or chance < math.inf:
        if sure and sure[0][0] <= chance:
            t, kind, name = heapq.heappop(sure)
        else:
            kind, name, _ = LIKELY[int(rng.choice(len(LIKELY), p=weights / weights.sum()))]
            t = chance
            chance += 1.0 + float(rng.exponential(scene.every - 1.0))
        number += 1
        yield actor(number, kind, way(name, plan, rng, t), seed)
