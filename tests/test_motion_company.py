"""What goes with a thing is not another: its shadow, what is seen of it apart, a lamp before it; two people are two."""

from __future__ import annotations

import pytest

from gateway.motion import clutter, tracks, trust
from gateway.motion.clutter import Clutter
from gateway.motion.regions import Region
from gateway.motion.thing import Thing
from gateway.motion.tracks import Tracks

Place = tuple[float, float, float, float]  # left, top, width, height, in cells


def region(place: Place) -> Region:
    """Return what a lively thing at this place looks like."""
    x, y, w, h = (round(value) for value in place)
    return Region(1, x, y, w, h, w * h, 1.0, 0.9, 1.0, -900, 700)


def seen(owner: Place, piece: Place, speed: float, other: float, frames: int = 40) -> set[int]:
    """Let a thing go, and a second of itself with something beside it; return which of the two are believed."""
    both = Tracks(160, 90, smallest=1)
    for i in range(frames):
        regions = [region((owner[0] + speed * i / 10, *owner[1:]))]
        if i >= 10:
            regions.append(region((piece[0] + other * i / 10, *piece[1:])))
        both.update(regions, i / 10, 0.1)
    return {round(thing.h) for thing in both.things if thing.confirmed}


OWNER = (10.0, 40.0, 5.0, 12.0)


@pytest.mark.parametrize(
    ("piece", "other", "believed"),
    [
        ((4.0, 49.0, 4.0, 3.0), 8.0, {12}),  # its shadow
        ((16.0, 44.0, 2.0, 4.0), 8.0, {12}),  # a lamp, a bag, a hand
        ((17.0, 40.0, 5.0, 11.0), 8.0, {11, 12}),  # somebody of its size beside it
        ((60.0, 49.0, 4.0, 3.0), 8.0, {3, 12}),  # something small far from it
        ((46.0, 49.0, 4.0, 3.0), -8.0, {3, 12}),  # something small that comes towards it and passes
    ],
)
def test_what_is_small_and_goes_beside_a_thing_is_a_piece_of_it(piece: Place, other: float, believed: set[int]) -> None:
    """Half as high, beside it and as fast: a piece; as large, elsewhere, or on its own way: a thing of its own."""
    assert seen(OWNER, piece, 8.0, other) == believed


def test_control_without_company_the_shadow_is_a_thing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A core that looks at each track alone believes the piece too."""
    monkeypatch.setattr(tracks, "escorts", lambda *_: False)
    assert seen(OWNER, (4.0, 49.0, 4.0, 3.0), 8.0, 8.0) == {3, 12}


def test_pieces_that_were_not_believed_are_no_clutter(monkeypatch: pytest.MonkeyPatch) -> None:
    """How far pieces of a believed thing went says nothing of leaves and webs; control: where it does, who comes from
    the same place later must go further than they did."""

    def reach() -> float:
        both = Tracks(160, 90, smallest=1)
        for i in range(60):
            regions = [region((10 + 0.8 * i, 40, 5, 12))]
            if 20 <= i < 40:
                regions.append(region((6 + 0.8 * i, 49, 3, 2)))
            both.update(regions, i / 10, 0.1)
        asked = Thing(1, 22.0, 50.0, 3.0, 2.0, 0.0, 0.0, 6.0, start=(20.0, 49.0, 23.0, 51.0))
        return both._clutter.reach_at(asked)

    assert reach() == 0
    monkeypatch.setattr(tracks, "near", lambda *_: False)
    monkeypatch.setattr(clutter, "_SOMEWHERE", 100.0)  # they got somewhere, which alone would say that they are none
    assert reach() > 5


def straight(**more: float | None) -> Thing:
    """Return something that was followed straight across the picture for a second, with a look that `more` says."""
    thing = Thing(1, 80.0, 40.0, 20.0, 14.0, 0.0, 1.0, 200.0, vx=30.0, hits=10, edge=0.8, moving=0.9, lively=0.9)
    thing.start, thing.went, thing.path, thing.far, thing.evidence = (20.0, 33.0, 40.0, 47.0), 50.0, 50.0, 50.0, 24.0
    for name, value in more.items():
        setattr(thing, name, value)
    return thing


def earned(thing: Thing, *, lit: bool = False) -> bool:
    """Say whether it is believed in a quiet street, or while a field of light lies on it."""
    return trust.earned(thing, 1.0, Clutter(160, 90), smallest=1.0, wary=False, lit=lit, size=(160, 90))


@pytest.mark.parametrize(
    ("more", "believed"),
    [
        ({"area": 100.0}, True),
        ({"area": 50.0}, False),  # a thread of a web across the picture
        ({"contrast": 900.0, "swerve": 0.8}, False),  # an insect or a thread in the light of the lamp, too early
        ({"contrast": 900.0, "swerve": 0.8, "evidence": 40.0}, False),
        ({"contrast": 900.0, "swerve": 0.8, "evidence": 50.0}, True),
        ({"contrast": -900.0, "swerve": 0.8}, True),  # who is dark swings arms and legs
        ({"contrast": 900.0, "swerve": 0.4}, True),  # a car
        ({"w": 4.0, "h": 3.0, "area": 10.0, "vx": 8.0, "contrast": -900.0, "swerve": 0.8}, False),  # an insect, a twig
        ({"w": 4.0, "h": 3.0, "area": 10.0, "vx": 8.0, "contrast": -900.0, "swerve": 0.8, "evidence": 50.0}, True),
        ({"w": 4.0, "h": 3.0, "area": 10.0, "vx": 8.0, "contrast": -900.0, "swerve": 0.4}, True),  # somebody far away
        ({"w": 4.0, "h": 3.0, "area": 10.0, "vx": 8.0, "contrast": -900.0, "swerve": 0.4, "evidence": 20.0}, False),
        ({"w": 14.0, "h": 4.0, "area": 50.0, "shade": 0.9}, False),  # somebody's shadow
        ({"w": 14.0, "h": 4.0, "area": 50.0, "shade": 0.5}, True),
        ({"shade": 0.9}, True),  # a dark car
    ],
)
def test_what_fills_little_of_its_box_or_jumps_in_the_light_must_wait(
    more: dict[str, float | None], *, believed: bool
) -> None:
    """A body fills a quarter of its box; what jumps and is bright or small is followed for longer first."""
    assert earned(straight(**more)) is believed


def test_light_asks_for_more_of_what_is_not_large() -> None:
    """While a field of light lies on the picture a piece of its edge is followed for longer first, and a car is not."""
    piece = {"w": 8.0, "h": 6.0, "area": 40.0, "evidence": 9.0}
    assert earned(straight(**piece))
    assert not earned(straight(**piece), lit=True)
    assert earned(straight(**piece | {"evidence": 12.0}), lit=True)
    assert earned(straight(evidence=9.0), lit=True)


@pytest.mark.parametrize(
    ("more", "believed"),
    [
        ({"ends": 0.4, "own": 0.6}, True),  # a pale van at the border
        ({"ends": 0.4, "own": 0.2}, False),  # a beam: the road's own edges show through it
        ({"ends": 0.4, "own": 0.6, "swerve": 0.9, "evidence": 90.0}, False),  # the rim of a pool
        ({"ends": 0.6, "own": 0.6, "swerve": 0.9, "evidence": 90.0}, True),
        ({"ends": 0.7, "own": 0.2, "swerve": 0.9, "evidence": 90.0}, False),  # a pool cut off by the border
        ({"ends": 0.7, "own": 0.2, "swerve": 0.4}, True),
    ],
)
def test_light_whose_ends_are_not_quite_soft_is_told_by_what_shows_through(
    more: dict[str, float | None], *, believed: bool
) -> None:
    """Bright, with half-soft ends: light where the background's edges show through it, or where its rim jumps."""
    assert earned(straight(contrast=900.0, **more)) is believed


@pytest.mark.parametrize(
    ("more", "believed"),
    [
        ({}, True),
        ({"own": -0.4}, False),  # what somebody left behind
        ({"evidence": 40.0}, False),  # too early to say
        ({"lively": 0.3}, False),  # a reflection that stands
        ({"mean_vx": 40.0}, False),  # a beam that sweeps over the house
        ({"w": 12.0, "area": 70.0}, False),  # light on the ground
        ({"went": 12.0}, False),  # a twig
    ],
)
def test_who_walks_before_bright_windows_is_believed_after_some_seconds(
    more: dict[str, float | None], *, believed: bool
) -> None:
    """Whose edges he covers weighs as much as his own: upright, alive and at a walk for seconds is somebody."""
    walker: dict[str, float | None] = {
        "w": 4.0, "h": 10.0, "area": 25.0, "own": 0.0, "vx": 8.0, "mean_vx": 8.0, "evidence": 100.0, "swerve": 0.6,
    }  # fmt: skip
    assert earned(straight(**(walker | more))) is believed
