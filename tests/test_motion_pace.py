"""What is measured of a way, of weather and of a region's edge does not depend on how many frames a second show it."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.motion import clutter, joining, regions, tracks, trust
from gateway.motion.clutter import Clutter
from gateway.motion.regions import Region, Regions
from gateway.motion.thing import Thing
from gateway.motion.tracks import Tracks

SIZE = (120, 160)


def region(x: float, y: float, w: int, h: int) -> Region:
    """Return what a lively thing at this place looks like."""
    return Region(1, round(x), round(y), w, h, w * h, 1.0, 0.9, 1.0, -900, 700)


def way(fps: float) -> float:
    """Let people walk 20 cells in boxes that jump by a cell; return how long their ways seem in the mean."""
    random, paths = np.random.default_rng(3), []
    for _ in range(8):
        both = Tracks(160, 120, smallest=1)
        for i in range(int(4 * fps)):
            jump = (random.integers(-1, 2, 4) * (random.random(4) < 0.5)).tolist()
            both.update([region(20 + 5 * i / fps + jump[0], 40 + jump[1], 4 + jump[2], 6 + jump[3])], i / fps, 1 / fps)
        paths.append(both.things[0].path)
    return float(np.mean(paths))


@pytest.mark.parametrize("fps", [25.0, 30.0])
def test_a_way_is_as_long_and_as_straight_at_any_rate(fps: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A box jumps by a cell in any frame: the more frames, the longer a way is that is measured in each of them.
    Control: measured so, the same walkers go half as far again."""
    usual = way(10.0)
    assert way(fps) < 1.6 * usual
    monkeypatch.setattr(tracks, "_BEAT", 0.001)
    assert way(fps) > 1.6 * usual


def test_flicker_is_no_storm_because_it_is_filmed_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """One birth in four frames is no weather at 10 or at 25 frames a second; control: without the limit it is at 25."""

    def weathers(fps: float) -> bool:
        weather = Clutter(160, 120)
        for i in range(int(12 * fps)):
            weather.count([], [region(20, 20, 2, 2)] if i % 4 == 0 else [], 1 / fps)
        return weather.weathers(Thing(1, 20.0, 20.0, 2.0, 2.0, 0.0, 0.0, 4.0))

    assert not weathers(10.0)
    assert not weathers(25.0)
    monkeypatch.setattr(clutter, "_BRIEF", 0.02)
    assert weathers(25.0)


def test_a_car_behind_a_car_is_no_piece_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cars in one lane stay two, though one is seen above the other; control: pieces of any shape become one."""

    def count() -> int:
        both = Tracks(160, 120, smallest=1)
        for i in range(20):
            lower, upper = region(40 + 2 * i, 60, 24, 14), region(42 + 2 * i, 40, 18, 11)
            both.update([lower, upper] if i > 2 else [lower], i / 10, 0.1)
        return sum(thing.confirmed for thing in both.things)

    assert count() == 2
    monkeypatch.setattr(joining, "_flat", lambda _: False)
    assert count() == 1


def last_of(spans: list[tuple[int, int]]) -> list[Region]:
    """Show a dark block from one column to another in each frame; return what was found last of what lasts."""
    finder, shape = Regions(*SIZE), SIZE
    flat, threshold = np.zeros(shape, np.int16), np.full(shape, 300, np.int16)
    restless = np.zeros(shape, np.uint8)
    found: list[Region] = []
    for left, right in spans:
        cells = flat.copy()
        cells[30:70, left:right] = -3000
        finder.weigh(restless)
        finder.keep(cells < 0)
        found = finder.find(cells, flat, cells, flat, threshold, lasting=True)
    return found


def test_the_front_of_what_goes_on_is_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """In rain and before leaves, who comes in by four cells a frame is seen whole and has an edge, and what falls
    elsewhere in every frame is not seen; control: who keeps only what was there cuts off his front, the edge."""
    coming = [(0, 4), (0, 8), (0, 12)]
    (found,) = last_of(coming)
    assert (found.x, found.w) == (0, 12)
    assert found.edge > 0.9
    assert last_of([(20, 32), (60, 72), (100, 112)]) == []
    monkeypatch.setattr(regions, "_SAME", 1.0)
    (found,) = last_of(coming)
    assert found.w < 10
    assert found.edge < 0.5


def gone(drift: float, speed: float) -> Thing:
    """Return a track that got ten cells away and was not believed."""
    thing = Thing(1, 30.0, 20.0, 3.0, 3.0, 0.0, 0.0, 9.0, vx=speed, hits=20, start=(18.0, 18.0, 22.0, 22.0), far=10.0)
    thing.evidence, thing.drift, thing.slow_path = 40.0, drift, 6.0
    return thing


@pytest.mark.parametrize(("drift", "speed", "reach"), [(0.5, 5.0, 10.0), (5.0, 5.0, 0.0), (5.0, 25.0, 10.0)])
def test_only_what_sways_or_flies_says_how_far_clutter_goes(drift: float, speed: float, reach: float) -> None:
    """A leaf that swings counts, and an insect; not a car that went its way and was not believed for another reason:
    else every next car would have to go further than the last one."""
    yard = Clutter(160, 120)
    yard.remember(gone(drift, speed))
    assert yard.reach_at(gone(0.0, 0.0)) == reach


def test_who_towers_above_leaves_is_believed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before leaves a box jumps about with them; who is far larger than they need not have gone far. Controls: what is
    as large as what sways here is not believed, nor is anybody by a core without the rule."""
    yard = Clutter(160, 120)
    thing = Thing(1, 10.0, 60.0, 12.0, 60.0, 0.0, 0.6, 600.0, hits=6, edge=0.7, own=0.7, moving=0.9, lively=0.9)
    thing.went, thing.path, thing.evidence = 4.0, 25.0, 20.0

    def believed() -> bool:
        return trust.earned(thing, 0.6, yard, smallest=2, wary=False, lit=False, size=(160, 120))

    for i in range(40):
        yard.count([], [region(20, 20, 3, 3)], 0.1) if i % 2 else yard.count([], [], 0.1)
    assert believed()
    with monkeypatch.context() as patch:
        patch.setattr(trust, "_towers", lambda *_: False)
        assert not believed()
    for i in range(40):
        yard.count([], [region(20, 20, 18, 18)], 0.1) if i % 2 else yard.count([], [], 0.1)
    assert not believed()


@pytest.mark.parametrize(("area", "hits", "believed"), [(20.0, 5, False), (20.0, 9, True), (300.0, 5, True)])
def test_a_spark_must_be_followed_for_longer(area: float, hits: int, *, believed: bool) -> None:
    """What is small, glares and goes by more than its size in a tenth of a second is an insect before the lamp until
    it went straight for longer; control: what is as bright and as fast for its size, but large, is a cyclist."""
    side = area**0.5
    thing = Thing(
        1, 80.0, 60.0, side, side, 0.0, (hits - 1) / 10, area, vx=10 * side, hits=hits, edge=0.9, own=0.8, moving=0.9
    )
    thing.contrast, thing.swerve, thing.evidence = 3000.0, 0.2, 20.0
    thing.start, thing.went, thing.path = (0.0, 60.0, side, 60.0 + side), 40.0, 40.0
    assert trust.earned(thing, 0.5, Clutter(160, 120), smallest=2, wary=False, lit=False, size=(160, 120)) is believed
