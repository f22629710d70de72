"""What the spool's thread does, a turn at a time: it forgets nothing too early, and nothing long holds up an alarm."""

from __future__ import annotations

import contextlib
import gc
from typing import TYPE_CHECKING

import pytest

from gateway.errors import StoreError
from gateway.uplink import packs, room, unwritten
from gateway.uplink.outbox import Outbox
from gateway.uplink.receipts import Ack, Receipt
from gateway.uplink.room import Kept
from gateway.uplink.spool import Spool
from gateway.uplink.storing import chunks
from gateway.uplink.writing import Writer
from gateway.wire.draft import Rank, lane_of
from gateway.wire.message import Message
from tests.conftest import everything, message

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.uplink.lanes import Batch
    from gateway.wire.draft import Lane

pytestmark = pytest.mark.usefixtures("tidy")


class Turns:
    """The spool's inside, turned by hand instead of by its thread."""

    def __init__(self, path: Path, kept: Kept | None = None) -> None:
        self.spool = Spool(path, 64 << 20, 0, kept)
        self.tray, self.card = self.spool._tray, self.spool._store
        self.writer = Writer(self.tray, self.card)

    @property
    def outbox(self) -> Outbox:
        """The store in use."""
        assert self.card.outbox is not None
        return self.card.outbox

    def turn(self) -> None:
        """One turn; what fails is noted as the thread does."""
        try:
            self.writer._turn(stopping=False)
        except StoreError as error:
            self.card.failed(error)
            raise

    def make(self, rank: Rank) -> Message:
        """Number a message and offer it."""
        found = self.tray.numbering.take(lane_of(rank))
        assert found is not None
        made = message(rank, found[1], epoch=found[0])
        self.tray.numbering.saw(made)
        assert self.tray.unwritten.offer(made, 0.0)
        return made


@pytest.fixture
def turns(memory: Path) -> Iterator[Turns]:
    """A spool that was opened."""
    found = Turns(memory / "outbox.db")
    found.turn()
    yield found
    found.outbox.abandon()


def test_a_thread_that_dies_leaves_a_store_that_opens(memory: Path) -> None:
    """A fault of ours ends the spool's thread; its store keeps journal, epoch and messages, and is no damaged one."""
    turns = Turns(memory / "outbox.db")
    turns.turn()
    made, epoch = turns.make(Rank.ALARM), turns.outbox.epoch
    turns.turn()

    def nonsense(_outbox: Outbox) -> None:
        raise ZeroDivisionError("a fault of ours")

    turns.spool.call(nonsense)
    with pytest.raises(ZeroDivisionError):
        turns.writer.run()
    del turns
    gc.collect()  # as the interpreter does at its end: SQLite removes the journal of what is closed
    with contextlib.closing(Outbox.open(memory / "outbox.db", 64 << 20, 0)) as found:
        assert found.epoch == epoch
        assert [each.id for _, each in found.pending("alarm", 0, 10)] == [made.id]
    assert not (memory / "outbox.db.damaged").exists()


def fails(*_given: object, **_named: object) -> None:
    """Be a card that fails."""
    raise StoreError("an input/output error", "")


def test_what_was_refused_or_dropped_is_known_until_it_is_written(
    turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card that fails just then costs neither a dead letter nor a gap: both are written when it works again."""
    refused, dropped = turns.make(Rank.END), turns.make(Rank.END)
    turns.turn()
    turns.tray.unwritten.refuse(refused.key, "too large")
    turns.tray.unwritten._lost[dropped.key] = None
    with monkeypatch.context() as broken:
        broken.setattr(Outbox, "bury", fails)
        broken.setattr(Outbox, "note_lost", fails)
        with pytest.raises(StoreError):
            turns.turn()
    turns.turn()
    assert turns.outbox.counts()["dead"] == 1
    assert turns.outbox.gaps() == {"event": {"evicted": [(refused.seq, dropped.seq)]}}
    turns.turn()
    assert turns.tray.unwritten.due_at() > 0, "once"


def test_an_alarm_waits_for_one_step_of_the_hourly_work(memory: Path) -> None:
    """While many rows are too old an alarm is on the card after the next step, and most of the rows are still there."""
    turns = Turns(memory / "outbox.db", Kept(replay=0.0, pictures=0.0))
    outbox = Outbox.open(memory / "outbox.db", 64 << 20, 0)
    for chunk in chunks(message(Rank.END, seq, epoch=outbox.epoch) for seq in outbox.reserve("event", 1000)):
        outbox.put(chunk, delivered=True)
    outbox.close(unused={})
    turns.turn()
    for _ in range(3):
        turns.turn()
    before = turns.outbox.counts()["delivered"]
    assert before > 500
    alarm = turns.make(Rank.ALARM)
    turns.turn()
    assert list(everything(turns.outbox, "alarm")) == [alarm]
    assert before - turns.outbox.counts()["delivered"] <= room.EXPIRE_ROWS
    steps = 0
    while turns.outbox.counts()["delivered"]:
        turns.turn()
        steps += 1
    assert steps > 5
    turns.outbox.abandon()


def asks(turns: Turns, *missing: Message) -> None:
    """Have the centre say that it misses these, until that is carried out."""
    done: list[bool] = []
    receipt = Receipt(missing[-1].seq, tuple((one.seq, one.seq) for one in missing))
    turns.spool.confirmed(Ack(turns.outbox.epoch, {missing[0].lane: receipt}), lambda: done.append(True))
    while not done:
        turns.turn()


def fetched(turns: Turns, lane: Lane) -> list[Message]:
    """Return what the link gets of a lane, from its start."""
    answers: list[Batch | None] = []
    turns.spool.fetch(lane, 0, 64, lambda _stream, batch: answers.append(batch))
    turns.turn()
    assert answers[0] is not None
    return answers[0].messages


def test_what_the_centre_says_is_done_while_a_backlog_leaves(turns: Turns) -> None:
    """Acknowledgements that go on coming neither hold it up nor become a commit each."""
    done: list[bool] = []
    made = [turns.make(Rank.END) for _ in range(40)]
    turns.spool.call(lambda _outbox: None)
    turns.turn()
    turns.spool.acknowledged([made[0].key])
    turns.spool.confirmed(Ack(turns.outbox.epoch, {"event": Receipt(0)}), lambda: done.append(True))
    steps = 0
    while not done:
        turns.spool.acknowledged([made[1 + steps].key])
        turns.turn()
        steps += 1
    assert steps <= 3


@pytest.mark.parametrize("rank", [Rank.ALARM, Rank.END])
def test_what_the_centre_misses_leaves_again_though_the_broker_had_it_a_moment_ago(turns: Turns, rank: Rank) -> None:
    """A broker acknowledges, and dies before it hands on: the acknowledgement that is not on the card yet is void."""
    made = turns.make(rank)
    turns.spool.call(lambda _outbox: None)
    turns.turn()
    turns.spool.acknowledged([made.key])
    turns.turn()
    assert fetched(turns, made.lane) == [], "the centre has it, as far as anybody knows"
    asks(turns, made)
    assert fetched(turns, made.lane) == [made]
    turns.spool.acknowledged([made.key])
    turns.tray.unwritten._done_since = -1000.0
    turns.turn()
    assert turns.outbox.counts()["rows"] == 0, "and this time it has"


def test_a_card_that_fails_when_the_centre_asks_costs_nothing_that_it_may_ask_for(
    turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Delivered events wait in memory for the card; they are forgotten there when they are on it, and not before."""
    made = [turns.make(Rank.END) for _ in range(packs.LEAST)]
    turns.spool.acknowledged([one.key for one in made])
    with monkeypatch.context() as broken:
        broken.setattr(Outbox, "put_delivered", fails)
        with pytest.raises(StoreError):
            asks(turns, made[0])
    asks(turns, made[0])
    assert fetched(turns, "event") == made[:1]
    assert turns.outbox.gaps() == {}


def test_an_alarm_that_the_centre_has_is_not_called_lost(turns: Turns, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the card stalls memory runs full: what was acknowledged makes room first, and no gap is told of it."""
    monkeypatch.setattr(unwritten, "RAM_COUNT", 3)
    heard, *unheard = (turns.make(Rank.ALARM) for _ in range(3))
    turns.spool.acknowledged([heard.key])
    unheard.append(turns.make(Rank.ALARM))
    assert not turns.tray.unwritten.dropped
    turns.turn()
    assert turns.outbox.gaps() == {}
    assert fetched(turns, "alarm") == unheard
    turns.make(Rank.END)
    for _ in range(3):
        unheard.append(turns.make(Rank.ALARM))
    assert sum(turns.tray.unwritten.dropped.values()) == 1, "what nobody has is counted"
    turns.turn()
    assert set(turns.outbox.gaps()) == {"event"}
