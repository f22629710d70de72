"""Delivered events are kept many in a row, and are all that single rows were: replayed, counted, removed in time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.uplink import packs
from gateway.uplink.outbox import Outbox
from gateway.uplink.storing import chunks
from gateway.wire.draft import Rank
from gateway.wire.message import Message, plain
from tests.conftest import everything, finish, message, power_off

pytestmark = pytest.mark.usefixtures("tidy")


def delivered(outbox: Outbox, count: int, *, every: int = 1) -> list[Message]:
    """Keep so many events for replay as the spool does, of which only each `every`th number is among them."""
    numbers = outbox.reserve("event", count * every)[::every]
    ranks = (Rank.START, Rank.UPDATE, Rank.END)
    made = [message(ranks[place % 3], seq, epoch=outbox.epoch) for place, seq in enumerate(numbers)]
    for chunk in chunks(made, packs.MOST):
        outbox.put_delivered(chunk)
    return made


def packs_in(outbox: Outbox) -> int:
    """Return how many packs there are."""
    return int(outbox._books.read("SELECT count(*) FROM pack")[0][0])


def test_a_pack_comes_back_as_it_was_and_is_small() -> None:
    """Every byte of every message, deflated or plain; and a batch takes less than half of its payload."""
    made = [message(Rank.END, seq) for seq in range(1, 200)]
    made += [replace(made[0], seq=500, payload=plain({"a": 1})), replace(made[0], seq=501, payload=b"\x78damaged")]
    body = packs.pack(made)
    assert packs.unpack(body, made[0].epoch) == made
    assert len(body) < sum(len(one.payload) for one in made) / 2


def test_what_is_packed_is_replayed(tmp_path: Path) -> None:
    """What the centre misses of packs, across them and beside rows, leaves again; what is not there is told."""
    outbox = Outbox.open(tmp_path / "outbox.db")
    made = delivered(outbox, 300, every=2) + delivered(outbox, 100)
    single = message(Rank.END, outbox.reserve("event", 1)[0], epoch=outbox.epoch)
    outbox.put([single])
    outbox.done([single.key])
    assert packs_in(outbox) == 2
    assert outbox.counts() | {"bytes": 0} == outbox.counts() | {"rows": 0, "delivered": 401, "bytes": 0}
    again = Outbox.open(power_off(outbox, tmp_path / "copy"))
    for one in (outbox, again):
        finish(one.confirm("event", single.seq, [(2, 599), (650, single.seq)]))
        assert list(everything(one, "event")) == [*made[1:300], *made[349:], single]
        told = {seq for first, last in one.gaps()["event"]["expired"] for seq in range(first, last + 1)}
        assert told == set(range(2, 600, 2))


def test_a_long_answer_unpacks_little_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The centre asks for all of a day: each step reads as much as it sends, so that an alarm waits for no more."""
    outbox = Outbox.open(tmp_path / "outbox.db")
    made: list[Message] = []
    for _ in range(20):
        made += delivered(outbox, 100)
    read: list[int] = []
    unpack = packs.unpack

    def watch(body: bytes, epoch: str) -> list[Message]:
        read.append(len(body))
        return unpack(body, epoch)

    monkeypatch.setattr(packs, "unpack", watch)
    most = before = 0
    for _ in outbox.replay("event", 1, 2000):
        most, before = max(most, len(read) - before), len(read)
    assert list(everything(outbox, "event")) == made
    assert most <= 3
    assert len(read) <= 2 * 20


def test_a_replayed_event_waits_for_the_centre_like_any_other(tmp_path: Path) -> None:
    """It is there once, after a second question too, and delivered once more it is kept on."""
    outbox = Outbox.open(tmp_path / "outbox.db")
    made = delivered(outbox, 50)
    for _ in range(2):
        finish(outbox.replay("event", 10, 12))
        assert list(everything(outbox, "event")) == made[9:12]
    outbox.done([one.key for one in made[9:12]])
    assert list(everything(outbox, "event")) == []
    finish(outbox.replay("event", 11, 11))
    assert list(everything(outbox, "event")) == made[10:11]
    assert outbox.gaps() == {}


def test_a_store_with_nothing_but_packs_starts_where_it_was(tmp_path: Path) -> None:
    """After a crash: no number of a pack is void or given again, the age goes on, and ends in packs count."""
    now = [100.0]
    outbox = Outbox.open(tmp_path / "outbox.db", clock=lambda: now[0])
    start = message(Rank.START, outbox.reserve("event", 1)[0], epoch=outbox.epoch)
    outbox.put([start])
    now[0] += 5000.0
    made = [message(Rank.UPDATE, seq, epoch=outbox.epoch) for seq in outbox.reserve("event", 40)]
    outbox.put_delivered([replace(made[20], phase="end", episode=start.episode), *made[:20], *made[21:]])
    again = Outbox.open(power_off(outbox, tmp_path / "copy"))
    assert again._books.age() >= 5000
    assert again.gaps() == {}
    assert again.counts()["delivered"] == 40
    assert again.reserve("event", 1)[0] == 42
    assert again._books.entries.starts == {}
    assert list(again._books.entries.ranking.ended) == [again._books.entries.place_of(start.key)]


def test_a_gap_does_not_grow_over_a_pack(tmp_path: Path) -> None:
    """Numbers that lie in a pack between two that are lost are not told as lost."""
    now = [0.0]
    outbox = Outbox.open(tmp_path / "outbox.db", clock=lambda: now[0])
    first, *between, last = [message(Rank.END, seq, epoch=outbox.epoch) for seq in outbox.reserve("event", 22)]
    outbox.put([first, last])
    outbox.put_delivered(between)
    now[0] = 10_000.0
    with outbox._books.writing():
        for made in (first, last):
            place = outbox._books.entries.place_of(made.key)
            assert place is not None
            outbox._books.gaps.note_at(place, "evicted", settled=True)
    assert outbox.gaps() == {"event": {"evicted": [(1, 1), (22, 22)]}}


def test_packs_leave_after_24_hours_and_when_there_is_no_room(tmp_path: Path) -> None:
    """In time one by one, and before anything that waits; a number in them is then told as expired when asked for."""
    now = [0.0]
    outbox = Outbox.open(tmp_path / "outbox.db", 8 << 20, 0, clock=lambda: now[0])
    for hour in range(3):
        now[0] = hour * 3600.0
        delivered(outbox, 30)
    now[0] = 24.5 * 3600
    steps = sum(1 for _ in outbox.expiring())
    assert (packs_in(outbox), outbox.counts()["delivered"]) == (2, 60)
    assert steps >= 2, "a step for each transaction"
    while not outbox.evicted:
        outbox.put([message(Rank.PICTURE, seq, epoch=outbox.epoch, size=60_000) for seq in outbox.reserve("media", 2)])
    assert packs_in(outbox) == 0
    assert outbox.counts()["delivered"] == 0
    assert "event" not in outbox.gaps()
    finish(outbox.replay("event", 1, 90))
    assert outbox.gaps()["event"] == {"expired": [(1, 90)]}


def test_in_a_store_full_of_alarms_packs_give_way(memory: Path) -> None:
    """What the centre has displaces nothing that it has not, and a batch of it in a full store is no failure."""
    outbox = Outbox.open(memory / "outbox.db", 8 << 20, 0)
    alarms: list[Message] = []
    while not outbox.evicted:
        more = [message(Rank.ALARM, seq, epoch=outbox.epoch, size=30_000) for seq in outbox.reserve("alarm", 4)]
        alarms += more
        outbox.put(more)
    before = len(list(everything(outbox, "alarm")))
    many = [message(Rank.END, seq, epoch=outbox.epoch, size=3000) for seq in outbox.reserve("event", 60)]
    outbox.put_delivered(many)
    assert len(list(everything(outbox, "alarm"))) == before


def test_a_pack_that_the_card_has_changed_is_told(tmp_path: Path) -> None:
    """One flipped bit: its events are counted as corrupted and told as expired, those of other packs are replayed."""
    outbox = Outbox.open(tmp_path / "outbox.db")
    delivered(outbox, 200)
    good = delivered(outbox, 200)
    with outbox._books.writing():
        body = bytearray(outbox._books.read("SELECT body FROM pack ORDER BY place LIMIT 1")[0][0])
        body[len(body) // 2] ^= 1
        outbox._db.execute("UPDATE pack SET body = ? WHERE place = (SELECT min(place) FROM pack)", (bytes(body),))
    finish(outbox.replay("event", 1, 400))
    assert list(everything(outbox, "event")) == good
    assert outbox.corrupted == 200
    assert outbox.gaps() == {"event": {"expired": [(1, 200)]}}
