"""A full store makes room with judgement, says what went, and never passes its cap."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.uplink import beside
from gateway.uplink.outbox import Outbox
from gateway.uplink.rows import Key
from gateway.uplink.worth import WAITING, Worth, worth_of
from gateway.wire.draft import LANES, Rank, lane_of
from gateway.wire.message import Message
from tests.conftest import everything, finish, message, ranked_as_stored

CAP = 8 << 20
pytestmark = pytest.mark.usefixtures("tidy")


def fill(outbox: Outbox, rank: Rank, count: int, size: int, **more: object) -> list[Message]:
    """Put messages one by one, each with a number of its own."""
    made = []
    for seq in outbox.reserve(lane_of(rank), count):
        one = message(rank, seq, epoch=outbox.epoch, size=size, **more)  # type: ignore[arg-type]
        outbox.put([one])
        made.append(one)
    return made


def left(outbox: Outbox) -> set[Key]:
    """Return the keys that are still to be delivered."""
    found: set[Key] = set()
    for lane in LANES:
        place = 0
        while batch := outbox.pending(lane, place, 1000):
            found |= {made.key for _, made in batch}
            place = batch[-1][0]
    return found


def evicted(outbox: Outbox) -> set[Key]:
    """Return the keys that the store says were evicted."""
    return {
        (outbox.epoch, lane, seq)
        for lane, gaps in outbox.gaps().items()
        for first, last in gaps.get("evicted", [])
        for seq in range(first, last + 1)
    }


def test_the_order_of_eviction_is_the_table(memory: Path) -> None:
    """What is worth least goes first, class by class: the table of the design, from a store filled with each."""
    outbox = Outbox.open(memory / "outbox.db", 12 << 20, 0)
    size = 60_000  # of hexadecimal digits: half of it when deflated
    classes: dict[str, list[Message]] = {}
    classes["delivered"] = fill(outbox, Rank.END, 20, size)
    outbox.done([made.key for made in classes["delivered"]])
    classes["alarm"] = fill(outbox, Rank.ALARM, 20, size)
    classes["end"] = fill(outbox, Rank.END, 20, size)
    classes["open start"] = fill(outbox, Rank.START, 20, size)
    classes["alarm picture"] = fill(outbox, Rank.PICTURE, 20, size, alarm=True)
    closed = fill(outbox, Rank.START, 20, size)
    for start in closed:
        classes["end"] += fill(outbox, Rank.END, 1, 100, episode=start.episode)
    classes["closed start"] = closed
    classes["update"] = fill(outbox, Rank.UPDATE, 20, size)
    classes["picture"] = fill(outbox, Rank.PICTURE, 20, size)
    order = ["delivered", "picture", "update", "closed start", "alarm picture", "open start", "end"]
    ends: list[str] = []
    for _ in range(600):
        fill(outbox, Rank.ALARM, 1, size)
        present = left(outbox)
        delivered = outbox.counts()["delivered"]
        for name, made in classes.items():
            gone = delivered == 0 if name == "delivered" else not present & {one.key for one in made}
            if gone and name not in ends:
                ends.append(name)
                untouched = order[order.index(name) + 2 :] if name in order else []
                for later in untouched:
                    assert {one.key for one in classes[later]} <= present, f"{later} went before {name} was gone"
        if ends[-1:] == ["end"]:
            break
    assert ends == order


def test_what_is_worth_less_than_all_there_is_does_not_displace_it(memory: Path) -> None:
    """A picture that comes to a store full of events is the one that goes, and its number is said to be gone."""
    outbox = Outbox.open(memory / "outbox.db", CAP, 0)
    ends = fill(outbox, Rank.END, 260, 60_000)
    before = left(outbox)
    assert len(before) < len(ends), "the store is not full"
    pictures = {picture.key for picture in fill(outbox, Rank.PICTURE, 10, 59_000)}
    assert before <= left(outbox)
    assert pictures - left(outbox) == pictures & evicted(outbox) != set()


def test_a_store_that_evicts_by_age_alone_is_caught(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: when worth does not count, alarms go while pictures stay, and the table's test would fail."""
    monkeypatch.setattr("gateway.uplink.storing.worth_of", lambda _message: Worth.END)
    outbox = Outbox.open(memory / "outbox.db", CAP, 0)
    alarms = fill(outbox, Rank.ALARM, 20, 30_000)
    fill(outbox, Rank.PICTURE, 300, 30_000)
    assert not {made.key for made in alarms} <= left(outbox)


def test_too_little_free_space_stops_the_growth(memory: Path) -> None:
    """Below the free space that is to stay, the store makes room within itself and does not grow."""
    outbox = Outbox.open(memory / "outbox.db", CAP, 0)
    fill(outbox, Rank.PICTURE, 40, 30_000)
    outbox.close(unused={})
    there = beside.size_of(memory / "outbox.db")
    again = Outbox.open(memory / "outbox.db", CAP, min_free=1 << 60)
    alarms = fill(again, Rank.ALARM, 20, 30_000)
    assert {made.key for made in alarms} <= left(again)
    assert again.evicted > 0
    journal = beside.journal_of(memory / "outbox.db").stat().st_size
    assert beside.size_of(memory / "outbox.db") - journal <= there


class Room(RuleBasedStateMachine):
    """Any mixture of messages in a small store, against what must hold whatever was done."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        self.path = Path(self.folder.name) / "outbox.db"
        self.outbox = Outbox.open(self.path, CAP, 0)
        self.waiting: dict[Key, Message] = {}
        self.open_starts: list[str] = []
        self.ended: set[str] = set()
        self.replayable: set[Key] = set()
        self.rng = random.Random(7)

    def teardown(self) -> None:
        """Close and remove."""
        self.outbox.abandon()
        self.folder.cleanup()

    @rule(
        rank=st.sampled_from(list(Rank)),
        count=st.integers(1, 60),
        size=st.sampled_from([0, 300, 3000, 20_000, 59_000]),
        alarm=st.booleans(),
        closing=st.booleans(),
    )
    def put(self, rank: Rank, count: int, size: int, alarm: bool, closing: bool) -> None:
        """Put some messages of a rank; ends may close an open start."""
        before = {key: self.worth(made) for key, made in self.waiting.items()}
        dearest_gone = Worth.DELIVERED
        for seq in self.outbox.reserve(lane_of(rank), count):
            episode = self.open_starts.pop() if rank == Rank.END and closing and self.open_starts else ""
            self.ended.add(episode)
            more = {"alarm": alarm and rank in {Rank.ALARM, Rank.PICTURE}, "episode": episode}
            one = message(rank, seq, epoch=self.outbox.epoch, size=size, **more)  # type: ignore[arg-type]
            self.outbox.put([one])
            self.waiting[one.key] = one
            if rank == Rank.START:
                self.open_starts.append(one.episode)
        present = left(self.outbox)
        for key in set(self.waiting) - present:
            dearest_gone = max(dearest_gone, self.worth(self.waiting.pop(key)))
        # Nothing went that is worth more than what came, and nothing cheaper stayed while something dearer went.
        assert dearest_gone <= worth_of(message(rank, 1, alarm=alarm))
        cheaper = {key for key, worth in before.items() if worth < min(dearest_gone, Worth.START_ENDED)}
        assert not cheaper & present or dearest_gone == Worth.DELIVERED

    def worth(self, made: Message) -> Worth:
        """Return what a message is worth now."""
        ended = made.rank == Rank.START and made.episode in self.ended
        return Worth.START_ENDED if ended else worth_of(made)

    @precondition(lambda self: self.waiting)
    @rule(share=st.floats(0, 1))
    def deliver(self, share: float) -> None:
        """The centre has some of them."""
        keys = [key for key in self.waiting if self.rng.random() < share]
        self.outbox.done(keys)
        for key in keys:
            del self.waiting[key]

    @rule(count=st.integers(16, 200))
    def keep_for_replay(self, count: int) -> None:
        """The centre has some that were never stored: they displace nothing that waits."""
        made = [message(Rank.UPDATE, seq, epoch=self.outbox.epoch) for seq in self.outbox.reserve("event", count)]
        self.outbox.put_delivered(made)
        self.replayable |= {one.key for one in made}

    @precondition(lambda self: self.replayable)
    @rule()
    def ask_again(self) -> None:
        """The centre misses one that it had: it waits again, or is said to be gone."""
        key = self.rng.choice(sorted(self.replayable))
        finish(self.outbox.replay("event", key[2], key[2]))
        here = {one.key: one for one in everything(self.outbox, "event")}
        if key in here:
            self.waiting.setdefault(key, here[key])
        else:
            expired = self.outbox.gaps()["event"]
            assert any(first <= key[2] <= last for gone in expired.values() for first, last in gone)
        self.replayable.discard(key)

    @rule()
    def restart(self) -> None:
        """Close in order and open again."""
        self.outbox.close(unused={})
        self.outbox = Outbox.open(self.path, CAP, 0)

    @invariant()
    def nothing_vanishes(self) -> None:
        """What was put is there, delivered, or said to be evicted."""
        present = left(self.outbox)
        assert set(self.waiting) <= present | evicted(self.outbox)
        assert present <= set(self.waiting)

    @invariant()
    def the_cap_holds(self) -> None:
        """Store and journal never pass the cap, and the counts are those of the rows."""
        assert beside.size_of(self.path) <= CAP
        counts = self.outbox.counts()
        assert counts["rows"] == len(left(self.outbox))
        assert ranked_as_stored(self.outbox)
        assert counts["bytes"] == sum(len(self.waiting[key].payload) for key in left(self.outbox))


TestRoom = Room.TestCase
TestRoom.settings = settings(
    max_examples=8,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=[Phase.generate],  # making a failure small takes minutes here
)
assert WAITING > Worth.DEAD
