"""Each scene of the simulated corner contains the stress that it is named after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from gateway.camera.street import Street, scenes
from tests.street_corner import at, corner, grey, run, sharpness

if TYPE_CHECKING:
    from numpy.typing import NDArray


STANDING = {"frozen", "stuck", "unfilled"}


@pytest.mark.parametrize("scene", [name for name in scenes.NAMES if name != "hung"])
def test_every_scene_is_the_same_however_it_is_read(scene: str) -> None:
    """A frame in the thick of each scene has the same pixels and truth for a reader who skipped all before it."""
    read, skipped = (Street((160, 90), 10, 2, scene=scene, main_size=(0, 0), pace=False) for _ in range(2))
    at(read, 21.0)
    while (frame := read.read(1)).number < 236:
        pass
    other = at(skipped, 23.6)
    assert other.number == frame.number
    assert np.array_equal(frame.luma, other.luma)
    assert read.truth == skipped.truth
    assert np.array_equal(read.labels, skipped.labels)
    assert not np.array_equal(read.read(1).luma, other.luma) or scene in STANDING  # the control: the next one differs


def test_corner_holds_what_it_promises_within_a_minute() -> None:
    """In sixty seconds: people, a cyclist, cars of which one stops and goes on, shadows, dusk, gain, a covered lens."""
    street = corner("corner", fps=5)
    kinds: set[str] = set()
    halted: set[int] = set()
    went_on: set[int] = set()
    shadows, lux, gains, covered = 0, [], [], 0
    for frame in run(street, 0.0, 60.0):
        for s in street.truth:
            kinds.add(s.kind)
            if s.kind == "car" and not s.moving:
                halted.add(s.id)
            elif s.id in halted:
                went_on.add(s.id)
        shadows += int(street.ignore.sum() > 50)
        assert frame.exposure is not None
        lux.append(frame.exposure.lux or 0.0)
        gains.append(frame.exposure.gain or 0.0)
        covered += int(frame.luma.mean() < 40)
    assert kinds >= {"person", "cyclist", "car"}
    assert went_on
    assert shadows > 50
    assert lux[-1] < lux[0] / 100
    assert max(gains) > 4
    assert 5 < covered < 30


def test_empty_is_empty() -> None:
    """Nobody comes to the empty corner, and nothing but noise changes there."""
    street = corner("empty")
    first = grey(at(street, 1.0))
    last = grey(at(street, 50.0))
    assert not street.truth
    assert np.abs(first - last).mean() < 2.5


@pytest.mark.parametrize("scene", ["rain", "snow", "insects", "web", "foliage", "water"])
def test_nature_moves_where_nobody_is(scene: str) -> None:
    """Pixels that no actor touches change by far more than noise, and by much less in the same light without it."""
    street = corner(scene)
    frames = np.stack([grey(f) for f in run(street, 1.0, 4.0)])
    assert not street.truth
    change = np.abs(frames - np.median(frames, axis=0))
    noisy = 6 * np.median(change) + 12
    assert np.mean(change > noisy) > 0.0002
    plain = np.stack([grey(f) for f in run(corner("empty"), 1.0, 4.0)])
    assert np.mean(np.abs(plain - np.median(plain, axis=0)) > noisy) < 0.00002


def test_sway_moves_picture_and_truth_together() -> None:
    """The pole sways by up to two pixels of 640, and the labels go with the picture."""
    street = corner("sway", size=(640, 360))
    still = corner("empty", size=(640, 360))
    reference = grey(at(still, 2.0))[120:300, 60:580]
    best = []
    for frame in run(street, 2.0, 5.0):
        luma = grey(frame)
        errors = [np.abs(luma[120:300, 60 + d : 580 + d] - reference).mean() for d in range(-3, 4)]
        best.append(int(np.argmin(errors)) - 3)
    assert {-1, 0, 1} <= set(best) <= {-2, -1, 0, 1, 2}
    street.enter("person", "there")
    at(street, 15.0)
    (seen,) = (s for s in street.truth if s.id > 60_000)
    assert seen.pixels == np.count_nonzero(street.labels == seen.id)


def heights(scene: str, seed: int) -> dict[int, list[int]]:
    """Return the heights in pixels of 640x360 in which each actor was seen."""
    street = corner(scene, seed, size=(640, 360), fps=4)
    seen: dict[int, list[int]] = {}
    for _ in run(street, 0.0, 75.0):
        for s in street.truth:
            seen.setdefault(s.id, []).append(round(s.box[3] * 360))
    return seen


@pytest.mark.parametrize("seed", [0, 1])
def test_small_people_are_small(seed: int) -> None:
    """Seven people cross far away, each six to ten pixels tall where nothing hides them."""
    seen = heights("small", seed)
    assert len(seen) == 7
    assert all(6 <= max(tall) <= 10 for tall in seen.values())


def test_cyclist_is_quick() -> None:
    """Each cyclist is in the picture for about half a second."""
    street = corner("cyclist", fps=20)
    frames: dict[int, int] = {}
    for _ in run(street, 5.0, 25.0):
        for s in street.truth:
            frames[s.id] = frames.get(s.id, 0) + 1
    assert len(frames) == 3
    assert all(0.2 <= n / 20 <= 0.9 for n in frames.values())


def test_standing_is_the_same_person() -> None:
    """Somebody comes, stands for half a minute, and goes on, all with one id."""
    street = corner("stand", size=(160, 90))
    states = [(s.id, s.moving, s.still) for _ in run(street, 5.0, 55.0) for s in street.truth]
    assert {i for i, *_ in states} == {1}
    assert max(still for *_, still in states) > 30
    order = [moving for _, moving, _ in states]
    first, last = order.index(False), len(order) - 1 - order[::-1].index(False)
    assert all(order[:first])
    assert all(order[last + 1 :])
    assert not any(order[first : last + 1])
    assert 0 < first < last < len(order) - 1


def test_one_car_leaves_and_another_parks() -> None:
    """The car that stood there from the beginning drives off; another comes and stays."""
    street = corner("parked", size=(160, 90))
    at(street, 5.0)
    assert [(s.kind, s.moving) for s in street.truth] == [("car", False)]
    assert street.truth[0].still > 100
    at(street, 32.0)
    assert not [s for s in street.truth if s.kind == "car"]
    at(street, 85.0)
    assert [(s.kind, s.moving) for s in street.truth] == [("car", False)]


def test_crossing_people_hide_each_other() -> None:
    """Two people walk past each other; for a moment the one behind loses most of its pixels."""
    street = corner("crossing", fps=15)
    behind = []
    for _ in run(street, 9.0, 18.0):
        seen = {s.id: s.pixels for s in street.truth}
        if 1 in seen:
            behind.append((seen[1], seen.get(2, 0)))
    first = [a for a, _ in behind]
    second = [b for _, b in behind]
    hidden = min(min(first) / np.median(first), min(second) / np.median(second))
    assert hidden < 0.5


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_lorry_fills_the_picture(seed: int) -> None:
    """A lorry at a red light hides most of the picture for twenty seconds, and the exposure answers."""
    street = corner("lorry", seed, size=(160, 90))
    shares = [max((s.pixels for s in street.truth), default=0) / (160 * 90) for _ in run(street, 12.0, 34.0)]
    assert min(shares) > 0.55


def test_covered_shows_no_picture() -> None:
    """Under the cover there is nothing but noise, nobody in the truth; afterwards all is as before."""
    street = corner("covered")
    before, during, after = (sharpness(blocks(grey(at(street, t)))) for t in (15.0, 40.0, 68.0))
    assert during < 0.2 * before
    assert abs(after - before) < 0.3 * before
    street.cover(True)
    street.enter("person", "there")
    at(street, 76.0)
    assert not street.truth


def blocks(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return means of 10 x 10 pixels: a picture without its noise."""
    return np.asarray(luma.reshape(18, 10, 32, 10).mean((1, 3)), np.float32)


def test_defocused_loses_detail() -> None:
    """Out of focus the picture keeps its light and loses its edges."""
    street = corner("defocused")
    sharp, soft = grey(at(street, 15.0)), grey(at(street, 40.0))
    assert sharpness(soft) < 0.6 * sharpness(sharp)
    assert abs(float(blocks(soft).mean() - blocks(sharp).mean())) < 6


def test_moved_view_is_another_view() -> None:
    """After the knock the picture fits no longer, and stays so; the truth is that of the new view."""
    street = corner("moved")
    before, after, later = (grey(at(street, t)) for t in (19.0, 22.0, 50.0))
    assert np.abs(before - after).mean() > 4 * np.abs(after - later).mean()
    at(street, 78.0)
    (seen,) = street.truth
    person = street.world.actors[0]
    foot = person.look(7.8, street.world.luma.corner.view, street.world.plan.sun, 0.0)
    assert foot.parts
    assert seen.pixels > 50


def test_frozen_repeats_to_the_byte() -> None:
    """A frozen sensor repeats its picture while numbers and times go on, and nobody in it moves."""
    street = corner("frozen", size=(160, 90))
    moving = [grey(f) for f in run(street, 21.0, 21.3)]
    frames = list(run(street, 30.0, 31.0))
    assert [f.number for f in frames] == list(range(300, 310))
    pictures = [moving[-1], *(grey(f) for f in frames)]
    assert all(np.array_equal(p, pictures[0]) for p in pictures)
    assert street.truth
    assert not any(s.moving for s in street.truth)
    on = [grey(f) for f in run(street, 70.0, 70.3)]
    assert not np.array_equal(on[0], on[1])


def test_hands_cover_what_scenes_do() -> None:
    """Each of the hands changes the next frame, and takes it back."""
    street = corner("empty")
    plain = grey(street.read(1))
    for hand, differs in ((street.defocus, 3.0), (street.knock, 8.0), (street.cover, 30.0)):
        hand(True)
        assert np.abs(grey(street.read(1)) - plain).mean() > differs
        hand(False)
        street.world.advance(street.world.number + 300)
        assert np.abs(grey(street.read(1)) - plain).mean() < 2.5
    street.freeze(True)
    first = street.read(1).luma.copy()
    assert np.array_equal(street.read(1).luma, first)
    street.freeze(False)
    assert not np.array_equal(street.read(1).luma, first)
