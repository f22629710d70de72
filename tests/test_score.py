"""Judging the demo: what counts as come by, as found, as false; each rule beside the control that breaks it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.replay.score import MOVING_SECONDS, SETTLE_SECONDS, Box, Received, Truth, percentile, score, shown

FPS = 10
HIGH = 0.1
"""Height of a thing that is large enough."""


def walker(t: float, *, id_: int = 1, kind: str = "person", since: float = 0.0, **more: Any) -> dict[str, Any]:
    """Return one thing that crosses the picture in ten seconds, as a line of truth describes it."""
    return {"id": id_, "kind": kind, "box": [(t - since) / 10, 0.5, 0.04, HIGH], "moving": True} | more


def scene(seconds: float, *things: Any, covered: tuple[float, float] = (0, 0), start: float = 100.0) -> Truth:
    """Return a truth in which each of `things` (second -> line or None) is drawn in every frame."""
    truth = Truth(smallest=0.02)
    for n in range(int(seconds * FPS)):
        t = n / FPS
        objects = [line for thing in things if (line := thing(t)) is not None]
        state = {"covered": covered[0] <= t < covered[1]}
        truth.add({"frame": n, "mono": start + t, "objects": objects, "state": state})
    return truth


def follow(thing: Any, first: float, last: float, *, dx: float = 0.0, dt: float = 0.0, id_: str = "e") -> Received:
    """Return an episode that follows a thing exactly; `dx` moves its boxes away, `dt` delays it."""
    times = [first, (first + last) / 2, last]
    boxes = []
    for t in times:
        x, y, w, h = thing(t)["box"]
        boxes.append((100.0 + t + dt, Box(x + dx, y, w, h)))
    return Received(id_, 100.0 + first + dt, 100.0 + last + dt, tuple(boxes))


def test_followed_thing_is_found_and_a_displaced_episode_is_false() -> None:
    """An episode on the thing finds it; the same episode beside the thing finds nothing and is false."""
    truth = scene(8, walker)
    good = score([follow(walker, 3, 6)], truth)
    assert (good.true, good.found, good.false, good.missed) == (1, 1, 0, ())
    bad = score([follow(walker, 3, 6, dx=0.2)], truth)
    assert (bad.true, bad.found, bad.false, bad.missed) == (1, 0, 1, ("person 1",))


def test_a_false_episode_is_counted_beside_a_good_one() -> None:
    """What is found does not pay for what is false."""
    truth = scene(8, walker)
    ghost = Received("ghost", 103.0, 104.0, ((103.0, Box(0.8, 0.1, 0.1, 0.1)),))
    both = score([follow(walker, 3, 6), ghost], truth)
    assert (both.found, both.false) == (1, 1)


def test_a_missed_thing_lowers_found() -> None:
    """Two things come by and one episode shows one of them: found is one of two."""

    def other(t: float) -> dict[str, Any]:
        return walker(t, id_=2, kind="car") | {"box": [0.9 - t / 10, 0.2, 0.1, 0.1]}

    half = score([follow(walker, 3, 6)], scene(8, walker, other))
    assert (half.true, half.found, half.missed) == (2, 1, ("car 2",))
    assert score([follow(walker, 3, 6), follow(other, 3, 6)], scene(8, walker, other)).found == 2


def test_a_thing_is_compared_where_it_was_at_the_time_of_the_box() -> None:
    """A right place at a wrong time is no find: the walker had not come there yet."""
    late = score([follow(walker, 3, 5, dt=2.0)], scene(9, walker))
    assert (late.found, late.false) == (0, 1)


def test_a_box_outside_of_the_recorded_time_holds_nothing() -> None:
    """Where no frame is near, nothing is taken for granted."""
    truth = scene(4, walker)
    assert truth.at(103.95)
    assert truth.at(105.0) == {}
    assert shown(Received("e", 105.0, 106.0, ((105.0, Box(0.0, 0.0, 1.0, 1.0)),)), truth) == []


def test_a_box_is_grown_by_a_tenth_and_no_more() -> None:
    """A centre up to a twentieth of the box's width beside its edge is held; a little further it is not."""
    truth = scene(4, lambda t: walker(t) | {"box": [0.5, 0.5, 0.0, 0.0]})
    for gap, held in ((0.009, True), (0.011, False)):
        box = Box(0.5 + gap, 0.4, 0.2, 0.2)
        assert bool(shown(Received("e", 102.0, 103.0, ((103.0, box),)), truth)) is held


@pytest.mark.parametrize(
    ("what", "counts"),
    [
        ({}, True),
        ({"moving": False}, False),
        ({"box": [0.5, 0.5, 0.2, 0.019]}, False),
        ({"box": [0.5, 0.5, 0.001, 0.021]}, True),
    ],
    ids=["walks", "stands", "too low", "thin and just high enough"],
)
def test_who_counts(what: dict[str, Any], counts: bool) -> None:
    """What moves and is as high as the smallest thing set counts, however thin; nothing else excuses the gateway."""
    assert score([], scene(8, lambda t: walker(t) | what)).true == counts


def test_who_leaves_before_the_gateway_has_settled_does_not_count() -> None:
    """Only the first two seconds are given away: the same walk counts when it goes on for one second more."""
    for last, counts in ((SETTLE_SECONDS, 0), (SETTLE_SECONDS + MOVING_SECONDS + 0.2, 1)):
        truth = scene(8, lambda t, last=last: walker(t) if t < last else None)
        assert score([], truth).true == counts


def test_who_passes_behind_a_covered_lens_does_not_count() -> None:
    """A thing that came and went under the cover could not be seen; one that walks on afterwards counts."""

    def passer(t: float) -> dict[str, Any] | None:
        return walker(t) if 3 <= t < 5 else None

    assert score([], scene(9, passer, covered=(3, 5))).true == 0
    assert score([], scene(9, passer)).true == 1
    assert score([], scene(9, walker, covered=(3, 5))).true == 1


def test_an_episode_on_something_that_need_not_be_found_is_not_false() -> None:
    """A thing too small to be asked for was really there: whoever reports it does not lie."""
    tiny = scene(8, lambda t: walker(t) | {"box": [t / 10, 0.5, 0.01, 0.01]})
    seen = score([follow(lambda t: walker(t) | {"box": [t / 10, 0.5, 0.01, 0.01]}, 3, 6)], tiny)
    assert (seen.true, seen.found, seen.false) == (0, 0, 0)


def test_lost_frames_do_not_add_to_the_time_in_sight() -> None:
    """A hole in the truth counts as a quarter of a second at most, so that a hung camera makes nothing due."""
    truth = Truth(smallest=0.02)
    for mono in (100.0, 103.0, 110.0, 117.0):
        truth.add({"mono": mono, "objects": [walker(0.0)], "state": {}})
    assert not truth.objects[1].counts


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, None), ([7.0], 0.99, 7.0), ([3.0, 1.0, 2.0], 0.5, 2.0), (list(range(1, 101)), 0.99, 99)],
)
def test_percentile_is_the_nearest_rank(values: list[float], share: float, expected: float | None) -> None:
    """Percentiles are values that occurred, not means between them."""
    assert percentile(values, share) == expected
