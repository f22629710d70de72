"""Episodes and zones: what is said of a track, when, and at what rank."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given, strategies as st

from gateway.events.episode import PATH_POINTS, Episodes
from gateway.events.zones import WHOLE_PICTURE, Zone, inside
from gateway.motion import Box, Motion, Track
from gateway.wire.draft import Draft, Rank, uuid7

SQUARE = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
LEFT = Zone("left", "footway", SQUARE, severity="medium")
FIRE_LANE = Zone("lane", "fire-lane", ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)), severity="high", alarm=True)


def ids() -> Iterable[str]:
    """Yield ids that tell the order in which they were given."""
    return (uuid7(number, bytes(10)) for number in itertools.count(1))


def episodes(*zones: Zone, update_seconds: float = 5.0) -> Episodes:
    """Return episodes of one camera over some zones."""
    source = iter(ids())
    return Episodes("cam0", zones or (WHOLE_PICTURE,), lambda _t: next(source), update_seconds=update_seconds)


def track(t: float, x: float, *, number: int = 1, state: str = "moving", seen: bool = True, h: float = 0.2) -> Track:
    """Return a track whose foot stands at (x, 0.8), first seen at 0."""
    return Track(number, Box(x - 0.05, 0.8 - h, 0.1, h), (0.1, 0.0), t, seen=seen, state=state)  # type: ignore[arg-type]


def motion(t: float, *tracks: Track, ended: tuple[int, ...] = ()) -> Motion:
    """Return what the core says of one frame."""
    return Motion(t=t, moving=bool(tracks), score=0.1, tracks=tracks, ended=ended)


def never(_episode: str) -> bool:
    """No episode has a better picture."""
    return False


def always(_episode: str) -> bool:
    """Every episode has a better picture."""
    return True


def walk(book: Episodes, times: Iterable[float], fresh: object = never) -> list[Draft]:
    """Let one thing cross the picture from left to right and go; return all drafts."""
    drafts: list[Draft] = []
    t = 0.0
    for t in times:
        drafts += book.step(motion(t, track(t, 0.1 + t * 0.08)), fresh)  # type: ignore[arg-type]
    return drafts + book.step(motion(t + 1, ended=(1,)), never)


def test_an_episode_has_one_id_and_two_ends() -> None:
    """One track gives one start and one end with one episode id; the message ids all differ."""
    drafts = walk(episodes(), [t / 10 for t in range(100)])
    assert [draft.phase for draft in drafts] == ["start", "end"]
    assert [draft.rank for draft in drafts] == [Rank.START, Rank.END]
    assert len({draft.episode for draft in drafts}) == 1
    assert len({draft.id for draft in drafts}) == 2


def test_an_end_is_self_contained() -> None:
    """An end tells start, duration, zones and path, so that a lost start costs nothing."""
    end = walk(episodes(), [t / 10 for t in range(100)])[-1]
    assert end.body["started"] == 0.0
    assert end.body["duration"] == pytest.approx(9.9)
    assert end.body["outcome"] == "left"
    assert end.body["zones"] == [{"id": "all", "purpose": "general"}]
    path = end.body["path"]
    assert 2 <= len(path) <= PATH_POINTS
    assert (path[0][0], path[-1][0]) == (0.0, 9.9)
    assert end.body["speed"] == pytest.approx(0.08, abs=0.01)


@pytest.mark.parametrize("last", [2.0, 2.1, 2.3, 2.5])
def test_the_path_has_both_ends_whenever_the_thing_was_seen_last(last: float) -> None:
    """From where to where is told also when the last frame is the very one at which the path was noted."""
    path = walk(episodes(), [t / 10 for t in range(round(last * 10) + 1)])[-1].body["path"]
    assert (path[0][0], path[-1][0]) == (0.0, last)
    assert [point[0] for point in path] == sorted({point[0] for point in path})


@pytest.mark.parametrize(("across", "down"), [(0.2, 0.0), (-0.1, 0.0), (0.0, 0.05), (-0.03, -0.04), (0.0, 0.0)])
def test_direction_and_speed_are_in_picture_units(across: float, down: float) -> None:
    """Velocity says where to, right and down in pictures a second; speed is its length, also for who comes nearer."""
    book = episodes()
    for number in range(21):
        t = number / 10
        box = Box(0.4 + across * t, 0.4 + down * t, 0.1, 0.2)
        book.step(motion(t, Track(1, box, (across, down), t, seen=True, state="moving")), never)
    (end,) = book.step(motion(3.0, ended=(1,)), never)
    assert end.body["velocity"] == pytest.approx([across, down], abs=0.002)
    assert end.body["speed"] == pytest.approx((across**2 + down**2) ** 0.5, abs=0.002)


def test_the_path_begins_where_the_thing_was_first_seen() -> None:
    """A track that is believed a second after it was first seen came from there, and its path says so."""
    book = episodes()
    for number in range(10, 31):
        t = number / 10
        box, first = Box(0.1 + 0.2 * t, 0.4, 0.1, 0.2), Box(0.1, 0.4, 0.1, 0.2)
        book.step(motion(t, Track(1, box, (0.2, 0.0), t, seen=True, state="moving", first=first)), never)
    (end,) = book.step(motion(4.0, ended=(1,)), never)
    assert end.body["path"][0] == (0.0, 0.1, 0.4, 0.1, 0.2)
    assert end.body["velocity"] == pytest.approx([0.2, 0.0], abs=0.005)


def test_updates_come_seldom_and_only_with_a_better_picture() -> None:
    """Updates are at least `update_seconds` apart; without a better picture there is none."""
    times = [t / 10 for t in range(130)]
    with_pictures = walk(episodes(), times, always)
    assert [draft.phase for draft in with_pictures] == ["start", "update", "update", "end"]
    assert [draft.mono for draft in with_pictures[1:3]] == [5.0, 10.0]
    assert [draft.phase for draft in walk(episodes(), times, never)] == ["start", "end"]


def test_outside_of_all_zones_nothing_is_said() -> None:
    """A thing that enters no zone makes no episode; it does once it enters."""
    book = episodes(FIRE_LANE)
    assert book.step(motion(0.0, track(0.0, 0.2)), never) == []
    (start,) = book.step(motion(1.0, track(1.0, 0.7)), never)
    assert start.body["started"] == 0.0
    assert start.subject == "lane"


def test_an_episode_rises_to_an_alarm_and_never_falls() -> None:
    """Entering an alarm zone is told at once at rank 0; from then on all phases are rank 0, also after leaving it."""
    book = episodes(LEFT, FIRE_LANE)
    (start,) = book.step(motion(0.0, track(0.0, 0.2)), never)
    (rise,) = book.step(motion(1.0, track(1.0, 0.7)), never)
    assert book.step(motion(2.0, track(2.0, 0.2)), never) == []
    (end,) = book.step(motion(3.0, ended=(1,)), never)
    assert [start.rank, rise.rank, end.rank] == [Rank.START, Rank.ALARM, Rank.ALARM]
    assert [start.severity, rise.severity, end.severity] == ["medium", "high", "high"]
    assert end.body["zones"] == [{"id": "left", "purpose": "footway"}, {"id": "lane", "purpose": "fire-lane"}]
    assert end.alarm


def test_a_small_thing_is_ignored_where_the_zone_says_so() -> None:
    """A thing lower than the zone's minimum height makes no episode there; a taller one does (control)."""
    tall = Zone("tall", "general", WHOLE_PICTURE.polygon, minimum_height=0.3)
    assert episodes(tall).step(motion(0.0, track(0.0, 0.5, h=0.2)), never) == []
    assert len(episodes(tall).step(motion(0.0, track(0.0, 0.5, h=0.35)), never)) == 1


def test_what_comes_to_stay_is_told_as_stationary() -> None:
    """A track that becomes stationary gives one stationary event in the same episode, and its end says so."""
    book = episodes()
    book.step(motion(0.0, track(0.0, 0.5)), never)
    (parked,) = book.step(motion(1.0, track(1.0, 0.5, state="stationary")), never)
    assert book.step(motion(2.0, track(2.0, 0.5, state="stationary")), never) == []
    (end,) = book.step(motion(3.0, ended=(1,)), never)
    assert (parked.kind, parked.phase) == ("stationary", None)
    assert parked.episode == end.episode
    assert end.body["outcome"] == "stationary"


def test_an_interrupted_camera_ends_its_episodes() -> None:
    """When the camera stops, every open episode ends as interrupted, so that no desk waits for ever."""
    book = episodes()
    book.step(motion(0.0, track(0.0, 0.2), track(0.0, 0.7, number=2)), never)
    assert [draft.body["outcome"] for draft in book.interrupt(4.0)] == ["interrupted", "interrupted"]
    assert book.interrupt(5.0) == []


def test_score_is_the_share_of_frames_that_show_it() -> None:
    """A thing seen in every second frame has half the score of one seen always."""
    book = episodes()
    for number in range(10):
        book.step(motion(number / 10, track(number / 10, 0.5, seen=number % 2 == 0)), never)
    (end,) = book.step(motion(2.0, ended=(1,)), never)
    assert end.body["score"] == 0.5


@given(st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_every_point_is_in_exactly_one_half(x: float, y: float) -> None:
    """Two zones that share an edge divide the picture: no point is in both or in none."""
    right = tuple((corner_x + 0.5, corner_y) for corner_x, corner_y in SQUARE)
    assert inside(x, y, SQUARE) != inside(x, y, right)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=8), st.floats(0, 1), st.floats(0, 1))
def test_inside_does_not_depend_on_the_first_corner(polygon: list[tuple[float, float]], x: float, y: float) -> None:
    """Turning the list of corners changes nothing."""
    assert inside(x, y, polygon) == inside(x, y, polygon[1:] + polygon[:1])


def test_what_comes_to_stay_unseen_is_told_once() -> None:
    """A track that becomes stationary while it is hidden gives one stationary event, not one a frame."""
    book = episodes()
    book.step(motion(0.0, track(0.0, 0.5)), never)
    hidden = [book.step(motion(t, track(t, 0.5, state="stationary", seen=False)), never) for t in (1.0, 2.0, 3.0)]
    assert [[draft.kind for draft in drafts] for drafts in hidden] == [["stationary"], [], []]
    (end,) = book.step(motion(4.0, ended=(1,)), never)
    assert end.body["outcome"] == "stationary"


def test_what_was_stationary_from_its_first_frame_is_told() -> None:
    """A track that is stationary when its episode opens has its stationary event too, in the next frame."""
    book = episodes()
    book.step(motion(0.0, track(0.0, 0.5, state="stationary")), never)
    (parked,) = book.step(motion(1.0, track(1.0, 0.5, state="stationary")), never)
    assert parked.kind == "stationary"
