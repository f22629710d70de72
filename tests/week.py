"""Seven days without a network, compressed: what the spool would write in a week goes into a real outbox in minutes.

Time is the outbox's own clock, which is given to it; everything else (SQLite, file, cap, eviction, ages) is real.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.uplink import beside
from gateway.uplink.outbox import Outbox
from gateway.uplink.rows import STREAMS, Key
from gateway.wire.draft import LANES, Lane, Rank, lane_of
from tests.conftest import finish, message

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.wire.message import Message

EPISODES_AN_HOUR = 400
ALARM_EVERY = 50
"""One episode in so many is an alarm."""
PICTURE_BYTES = 6_000
GROUP = 8
"""Messages in one commit, about; the spool takes together what comes in 1.5 s. Alarms have their own."""


@dataclass
class Week:
    """What a time without a network did to a store."""

    hours: int
    cap_bytes: int
    most_bytes: int = 0
    """Store and journal together, at their largest."""
    most_journal: int = 0
    made: dict[str, int] = field(default_factory=dict)
    """Messages by rank."""
    kept: dict[str, int] = field(default_factory=dict)
    evicted: int = 0
    answered_when_asked: int = 0
    """Messages that are neither there nor in a range of `up/gap`, until the centre asks for them."""
    lost_in_silence: int = 0
    """Messages of which nothing is said even then."""
    fresh_pictures_kept: float = 0.0
    """Of the last 70 h, as a share."""
    stale_pictures: int = 0
    """Older than 73 h and still there."""
    took_s: float = 0.0


def live_through(
    folder: Path, hours: int = 7 * 24, cap_bytes: int = 512 << 20, per_hour: int = EPISODES_AN_HOUR
) -> Week:
    """Let a gateway without a network see `per_hour` episodes an hour, and look what its store has afterwards."""
    now = [0.0]
    began = time.monotonic()
    path = folder / "outbox.db"
    outbox = Outbox.open(path, cap_bytes, 0, lambda: now[0])
    week = Week(hours, cap_bytes)
    made: dict[Key, tuple[Rank, float]] = {}
    blocks: dict[Lane, list[int]] = {lane: [] for lane in LANES}
    waiting: list[Message] = []

    def make(rank: Rank, episode: str, *, alarm: bool, size: int = 0) -> Message:
        lane = lane_of(rank)
        if not blocks[lane]:
            blocks[lane].extend(outbox.reserve(lane, 256))
        found = message(rank, blocks[lane].pop(0), epoch=outbox.epoch, episode=episode, alarm=alarm, size=size)
        made[found.key] = (rank, now[0])
        return found

    def look() -> None:
        week.most_bytes = max(week.most_bytes, beside.size_of(path))
        week.most_journal = max(week.most_journal, beside.journal_of(path).stat().st_size)

    for hour in range(hours):
        for number in range(per_hour):
            now[0] = (hour + number / per_hour) * 3600
            _see_one(make, f"{hour}/{number}", outbox, waiting, alarm=number % ALARM_EVERY == 0)
            look()
        outbox.expire()
        look()
    outbox.put(waiting)
    _count(outbox, week, made, now[0])
    outbox.abandon()
    week.took_s = round(time.monotonic() - began, 1)
    return week


def _see_one(
    make: Callable[..., Message], episode: str, outbox: Outbox, waiting: list[Message], *, alarm: bool
) -> None:
    ranks = (Rank.ALARM, Rank.ALARM) if alarm else (Rank.START, Rank.UPDATE, Rank.END)
    events = [make(rank, episode, alarm=alarm) for rank in ranks]
    if alarm:
        for event in events:
            outbox.put([event])
    else:
        waiting.extend(events)
    waiting.append(make(Rank.PICTURE, episode, alarm=alarm, size=PICTURE_BYTES))
    if len(waiting) >= GROUP:
        outbox.put(waiting)
        waiting.clear()


def _count(outbox: Outbox, week: Week, made: dict[Key, tuple[Rank, float]], now: float) -> None:
    there: set[Key] = set()
    for stream in STREAMS:
        place = 0
        while found := outbox.pending(stream, place, 1000):
            there |= {each.key for _, each in found}
            place = found[-1][0]
    fresh = Counter[bool]()
    for key, (rank, when) in made.items():
        name = rank.name.lower()
        week.made[name] = week.made.get(name, 0) + 1
        week.kept[name] = week.kept.get(name, 0) + (key in there)
        if rank == Rank.PICTURE and when > now - 70 * 3600:
            fresh[key in there] += 1
        week.stale_pictures += rank == Rank.PICTURE and when < now - 73 * 3600 and key in there
    forgotten = sorted(made.keys() - there - _told(outbox))
    week.answered_when_asked = len(forgotten)
    while forgotten:  # as the centre asks: one run of numbers after the other
        epoch, lane, first = forgotten[0]
        run = [key for place, key in enumerate(forgotten) if key == (epoch, lane, first + place)]
        finish(outbox.confirm(next(name for name in LANES if name == lane), 0, [(first, run[-1][2])]))
        week.lost_in_silence += len(set(run) - _told(outbox))
        forgotten = forgotten[len(run) :]
    week.evicted = outbox.evicted
    week.fresh_pictures_kept = round(fresh[True] / max(1, fresh.total()), 3)


def _told(outbox: Outbox) -> set[Key]:
    """Return the numbers that stand in `up/gap`."""
    spans = [(lane, span) for lane, gaps in outbox.gaps().items() for ranges in gaps.values() for span in ranges]
    return {(outbox.epoch, lane, seq) for lane, (first, last) in spans for seq in range(first, last + 1)}
