"""What happens on the corner: who comes when, how the light goes, what befalls the camera. Data and a timetable.

Not here: how it is drawn (render.py). Pure functions of time and seed.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gateway.camera.street.actors import Actor, Kind, actor
from gateway.camera.street.light import Light, daylight
from gateway.camera.street.paths import Path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.camera.street.backdrop import Plan

Entry = tuple[float, Kind, str]
"""Second, kind and the name of a way."""


@dataclass(frozen=True)
class Scene:
    """One stress, or an ordinary day."""

    light: Callable[[float], Light]
    """Second -> light."""
    cast: tuple[Entry, ...] = ()
    """Who comes for certain."""
    every: float = 0.0
    """Mean seconds between those who come by chance; 0: nobody does."""
    chance_from: float = 0.0
    covered: tuple[tuple[float, float], ...] = ()
    """Spans (from, to) in seconds in which something hangs before the lens."""


def day_to_dusk(t: float) -> Light:
    """A quarter of an hour of afternoon, dusk, evening and morning in four minutes."""
    u = t % 240
    altitude = np.interp(u, (0, 22, 58, 110, 150, 240), (24.0, 22.0, -6.0, -6.0, 22.0, 24.0))
    return daylight(float(altitude))


def ways(plan: Plan, rng: np.random.Generator) -> dict[str, Callable[[float], Path]]:
    """Return the named ways of a corner: second -> path. Each draws its speed and its line anew."""
    m, k, far = plan.mirror, plan.kerb, plan.far_kerb
    lane_near, lane_far = k + plan.road * 0.25, k + plan.road * 0.75
    side = (plan.side[0] + plan.side[1]) / 2

    def line(*points: tuple[float, float], speed: float, **more: object) -> Callable[[float], Path]:
        back = rng.random() < 0.5 and not more.pop("one_way", False)
        more.pop("one_way", None)
        pts = tuple((x * m, y) for x, y in (points[::-1] if back else points))
        return lambda t: Path(pts, speed, t, **more)  # type: ignore[arg-type]

    def walk() -> float:
        return float(rng.uniform(1.0, 1.7))

    def drive() -> float:
        return float(rng.uniform(6.5, 11.0))

    y_near, y_far = k - rng.uniform(0.5, 2.2), far + rng.uniform(0.7, 1.6)
    zebra = side - 6.5 + rng.uniform(-0.8, 0.8)
    stop_at = 24.0 + (zebra - 1.5 - 3.0) * 1.0
    return {
        "near": line((-13, y_near), (13, y_near + rng.uniform(-0.4, 0.4)), speed=walk()),
        "far": line((-22, y_far), (22, y_far), speed=walk()),
        "zebra": line((zebra, k - 5.5), (zebra, far + 0.9), (plan.walls[0] - 14, far + 1.2), speed=walk()),
        "up": line((plan.walls[0] + 1.0, far + 1.0), (plan.walls[0] + 1.2, 70.0), speed=walk()),
        "distant": line((plan.walls[0] + 0.6, 78.0), (plan.walls[1] - 0.6, 76.0), speed=walk()),
        "cycle": line((-18, lane_near - 0.9), (18, lane_near - 0.9), speed=float(rng.uniform(4.5, 7.5)), one_way=True),
        "road": line((-24, lane_near), (24, lane_near), speed=drive(), one_way=True),
        "back": line((30, lane_far), (-30, lane_far), speed=drive(), one_way=True),
        "stopping": line(
            (-24, lane_near),
            (24, lane_near),
            speed=drive() * 0.8,
            one_way=True,
            halts=((stop_at, float(rng.uniform(5, 8))),),
            smooth=6.0,
        ),
        "turning": line(
            (side - 1.5, 100.0),
            (side - 1.5, far + 6.0),
            (side - 2.1, far + 2.2),
            (side - 4.2, lane_far + 0.6),
            (side - 7.0, lane_far),
            (-30, lane_far),
            speed=5.0,
            one_way=True,
        ),
        "parking": line(
            (-24, lane_near),
            (-4, lane_near - 0.2),
            (0.5, k + 1.05),
            (5.5, k + 1.0),
            speed=4.5,
            one_way=True,
            halts=((29.6, 100_000.0),),
            smooth=5.0,
        ),
    }


LIKELY: tuple[tuple[Kind, str, float], ...] = (
    ("person", "near", 0.22),
    ("person", "far", 0.16),
    ("person", "zebra", 0.1),
    ("person", "up", 0.08),
    ("person", "distant", 0.06),
    ("cyclist", "cycle", 0.12),
    ("car", "road", 0.08),
    ("car", "back", 0.08),
    ("van", "back", 0.03),
    ("car", "stopping", 0.04),
    ("car", "turning", 0.03),
)

CORNER: tuple[Entry, ...] = (
    (0.5, "person", "near"),
    (4.0, "car", "road"),
    (7.0, "person", "far"),
    (9.0, "cyclist", "cycle"),
    (12.0, "car", "stopping"),
    (14.0, "person", "zebra"),
    (20.0, "person", "distant"),
    (26.0, "car", "back"),
    (30.0, "person", "near"),
    (34.0, "cyclist", "cycle"),
    (38.0, "car", "turning"),
    (42.0, "person", "far"),
    (47.0, "car", "road"),
)

SCENES: dict[str, Scene] = {
    "corner": Scene(day_to_dusk, CORNER, every=7.0, chance_from=48.0, covered=((53.0, 56.0),)),
    "empty": Scene(lambda _: daylight(24.0)),
}


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
            t, kind, way = heapq.heappop(sure)
        else:
            kind, way, _ = LIKELY[int(rng.choice(len(LIKELY), p=weights / weights.sum()))]
            t = chance
            chance += 1.0 + float(rng.exponential(scene.every - 1.0))
        number += 1
        yield actor(number, kind, ways(plan, rng)[way](t), seed)
