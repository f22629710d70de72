"""Night and weather: light on the road, beams on a front, flakes before the lens, and who is seen in pieces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.motion import gait, standing, tracks, trust
from gateway.motion.clutter import Clutter
from gateway.motion.detector import Detector
from gateway.motion.result import Motion
from gateway.motion.thing import Thing

Plane = NDArray[np.uint8]
Scene = NDArray[np.float64]
HEIGHT, WIDTH = 360, 640
LEARNT = 40  # frames of the empty street
ROAD = 230  # row of the middle of the road
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)


class Street:
    """Dark stones, a road with a bright kerb and a lane line, and the grain of night."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        stones = np.kron(self.random.uniform(25, 60, (HEIGHT // 20, WIDTH // 20)), np.ones((20, 20)))
        self.scene = stones + self.random.normal(0, 1.5, stones.shape)
        self.scene[ROAD - 40 : ROAD + 40] = 32 + self.random.normal(0, 1.5, (80, WIDTH))
        self.scene[ROAD + 40 : ROAD + 44] = 90
        self.scene[ROAD - 2 : ROAD + 2].reshape(4, -1, 40)[:, ::2] = 95

    def film(self, count: int, draw: Callable[[Scene, int], None]) -> list[Motion]:
        """Show the empty street, then `count` frames that `draw` painted in; return what is said of those."""
        detector = Detector(WIDTH, HEIGHT)
        said: list[Motion] = []
        for number in range(-LEARNT, count):
            picture = self.scene.copy()
            if number >= 0:
                draw(picture, number)
            picture += self.random.normal(0, 2, picture.shape)
            frame = np.clip(picture, 0, 255).astype(np.uint8)
            said.append(detector.step(frame, (number + LEARNT) / 10))
        return said[LEARNT:]


def pool(picture: Scene, n: int) -> None:
    """Light four times as strong as the street's slides along the road, squeezed flat by the angle."""
    x = 30 + 11 * n
    picture *= 1 + 3 * np.exp(-(((COLUMNS - x) / 90) ** 2) - ((ROWS - ROAD) / 14) ** 4)


def car(picture: Scene, n: int) -> None:
    """Something as long, high, bright and fast as the pool, with ends."""
    x = 11 * n - 60
    picture[ROAD - 14 : ROAD + 14, max(0, x) : max(0, x + 120)] = 110


def flake(picture: Scene, n: int) -> None:
    """One flake after the other, each close before the lens, falls through the picture in a second."""
    x, y = 80 + 97 * (n // 11) % 480, 33 * (n % 11)
    picture[y : y + 9, x : x + 9] = 200


def pieces(picture: Scene, n: int) -> None:
    """Somebody whose coat is as grey as the stones: a head, and dark legs that step."""
    x, feet = 40 + 6 * n, 340
    step = round(6 * abs(np.sin(0.6 * n)))
    picture[feet - 72 : feet - 60, x : x + 11] = 150
    picture[feet - 38 : feet, x - 2 - step : x + 12 + step] = 8


def boxes(said: list[Motion]) -> int:
    """Return how many frames have a box."""
    return sum(bool(motion.boxes) for motion in said)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("draw", [pool, flake])
def test_light_and_flakes_are_not_motion(seed: int, draw: Callable[[Scene, int], None]) -> None:
    """A pool of light on the road and flakes that fall before the lens are never believed."""
    assert boxes(Street(seed).film(55, draw)) == 0


@pytest.mark.parametrize("seed", [0, 1])
def test_a_car_of_the_same_shape_is_motion(seed: int) -> None:
    """What is as flat, bright and fast as the pool but ends within a step is found while it is in the picture."""
    assert boxes(Street(seed).film(55, car)) >= 35


def test_control_without_its_ends_a_pool_is_motion(monkeypatch: pytest.MonkeyPatch) -> None:
    """A core that does not look at the ends takes the pool for a car."""
    monkeypatch.setattr(trust, "soft", lambda *_: False)
    assert boxes(Street(0).film(55, pool)) > 0


def test_control_a_core_that_lets_things_plunge_believes_flakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A core without that rule takes flakes for motion."""
    monkeypatch.setattr(gait, "_PLUNGE", 1e9)
    assert boxes(Street(0).film(55, flake)) > 0


@pytest.mark.parametrize("seed", [0, 1])
def test_who_is_seen_in_pieces_is_one(seed: int) -> None:
    """Head and legs that are all that differs from the stones are one track, whose box holds the middle."""
    said = Street(seed).film(80, pieces)
    late = said[40:]
    assert len({track.id for motion in said for track in motion.tracks}) == 1
    whole = sum(any(box.y * HEIGHT <= 304 <= (box.y + box.h) * HEIGHT for box in motion.boxes) for motion in late)
    assert whole >= 0.8 * len(late)


def test_control_where_pieces_are_not_gathered_they_are_several(monkeypatch: pytest.MonkeyPatch) -> None:
    """A core that leaves each piece its own track says that there are two."""
    monkeypatch.setattr(tracks, "gather", lambda _: [])
    said = Street(0).film(80, pieces)
    assert len({track.id for motion in said for track in motion.tracks}) > 1


def test_two_who_go_their_ways_one_above_the_other_stay_two() -> None:
    """Somebody far away and somebody near who pass each other in opposite directions are two tracks."""

    def both(picture: Scene, n: int) -> None:
        picture[130:170, 40 + 6 * n : 54 + 6 * n] = 120
        picture[190:240, 560 - 6 * n : 576 - 6 * n] = 120

    said = Street(0).film(85, both)
    assert all(len(motion.boxes) == 2 for motion in said[20:70])
    assert len({track.id for motion in said for track in motion.tracks}) == 2


def came(**more: float) -> Thing:
    """Return something broad that was followed straight across the picture, with a look that `more` describes."""
    thing = Thing(1, 80.0, 40.0, 20.0, 14.0, 0.0, 1.0, 200.0, vx=30.0, hits=10, edge=0.8, moving=0.9, lively=0.9)
    thing.start, thing.went, thing.path, thing.far, thing.evidence = (20.0, 33.0, 40.0, 47.0), 50.0, 50.0, 50.0, 40.0
    return replace(thing, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("more", "believed"),
    [
        ({"own": 0.6}, True),
        ({"own": 0.6, "ends": 0.2}, False),  # light on the road
        ({"own": 0.0, "ends": 0.6}, True),  # a van as grey as the road, before the edges of a house
        ({"own": 0.0, "ends": 0.35}, False),
        ({"own": 0.0, "ends": 0.6, "moving": 0.3}, False),  # what a van left behind
    ],
)
def test_what_is_broad_is_judged_by_its_ends(more: dict[str, float], *, believed: bool) -> None:
    """Soft ends are those of light; hard ones are those of a car, though most edges about it be the background's."""
    said = trust.earned(came(**more), 1.0, Clutter(160, 90), smallest=1.0, wary=False, lit=False, size=(160, 90))
    assert said is believed


def stood(**more: object) -> Thing:
    """Return a large thing that came from the left and has stood for two seconds."""
    thing = Thing(1, 50.0, 40.0, 20.0, 12.0, 0.0, 9.9, 150.0, edge=0.8, own=0.6, far=40.0, stepped=7.9, moving=0.0)
    return replace(thing, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("more", "belongs"),
    [
        ({}, False),  # a car at the lights
        ({"own": 0.1, "shade": 0.9}, True),  # the shadow that a van left behind
        ({"own": 0.1, "shade": 0.5}, False),  # a grey car that looks much like the road
        ({"own": 0.4, "shade": 0.9}, False),  # a dark one with edges of its own
        ({"far": 3.0, "stepped": 7.8}, True),  # it appeared where it stands: a lamp that was switched on
        ({"far": 3.0, "stepped": 8.5}, False),  # that is too early to say
        ({"far": 3.0, "stepped": 7.8, "moving": 0.5}, False),  # it moves within itself
    ],
)
def test_what_stands_is_background_when_it_left_a_shadow_or_appeared_there(
    more: dict[str, float], *, belongs: bool
) -> None:
    """Background at once is what looks like a shadow left behind, or stands where it appeared; nothing else is."""
    assert standing._belongs(stood(**more), 9.9) is belongs
