"""A week without a network: alarms and ends are all there afterwards, and the store never passed its cap."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.uplink import beside, room, store
from gateway.uplink.outbox import Outbox
from gateway.uplink.storing import chunks
from gateway.uplink.writing import UPKEEP_SECONDS
from gateway.wire.draft import Rank
from tests.conftest import everything, message
from tests.week import Week, live_through

if TYPE_CHECKING:
    from gateway.uplink.rows import Key

CAP = 9_000_000
FULL = "GATEWAY_TEST_WEEK"


def check(week: Week) -> None:
    """Hold a week to what was promised of it."""
    print(week)
    assert week.most_bytes <= week.cap_bytes
    for dear in ("alarm", "end"):
        assert week.kept[dear] == week.made[dear] > 0


def test_a_small_week(tmp_path: Path) -> None:
    """Half a day in 24 MiB, which is tighter than a week in 512 MiB: pictures go, nothing dear, and all is told."""
    week = live_through(tmp_path, hours=12, cap_bytes=24 << 20)
    check(week)
    assert week.lost_in_silence == 0
    assert week.evicted > 0, "the control: the store was full"


def test_a_week(tmp_path: Path) -> None:
    """Seven days, 400 episodes an hour with 6 KB pictures, in 512 MiB: all events, and the pictures of 72 h."""
    if FULL not in os.environ:
        pytest.skip(f"takes minutes: {FULL}=1 runs it, and so does `scripts/bench outbox --week`")
    week = live_through(tmp_path)
    check(week)
    assert week.evicted == 0
    assert week.fresh_pictures_kept == 1.0
    assert week.kept["start"] == week.made["start"]
    assert week.stale_pictures == 0
    assert week.lost_in_silence == 0


def hours_of_pictures(folder: Path, ahead: float) -> tuple[int, Counter[int]]:
    """Store 400 pictures an hour for four hours and see to them hourly; return how many, and their hours at 72 h."""
    now = [0.0]
    outbox = Outbox.open(folder / "outbox.db", 64 << 20, 0, lambda: now[0])
    made: dict[Key, int] = {}
    for hour in range(72):
        now[0] = hour * 3600.0
        outbox.expire(ahead)
        if hour < 4:
            for chunk in chunks(message(Rank.PICTURE, seq, epoch=outbox.epoch) for seq in outbox.reserve("media", 400)):
                outbox.put(chunk)
                made |= {found.key: hour for found in chunk}
    now[0] = 72 * 3600.0 - 1
    outbox.expire(ahead)
    there = Counter(made[found.key] for found in everything(outbox, "media"))
    outbox.abandon()
    return len(made), there


def test_no_picture_stays_longer_than_72_hours(memory: Path) -> None:
    """However many pictures there are, none is older than 72 h before the next hourly look, and the others stay."""
    made, there = hours_of_pictures(memory, UPKEEP_SECONDS)
    assert made == 1600
    assert there == {1: 400, 2: 400, 3: 400}


def test_a_look_that_takes_one_batch_an_hour_is_caught(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: an hourly look that removes one batch leaves pictures that are too old."""
    monkeypatch.setattr("gateway.uplink.room.EXPIRE_ROWS", 128)
    expire = room.expire
    monkeypatch.setattr("gateway.uplink.room.expire", lambda books, kept: expire(books, kept) and False)
    assert hours_of_pictures(memory, UPKEEP_SECONDS)[1][0] > 0


def test_the_age_goes_on_after_a_crash(memory: Path) -> None:
    """A gateway that crashes before each hourly look counts its pictures' hours all the same."""
    now = [0.0]
    place = memory
    for number in range(80):
        outbox = Outbox.open(place / "outbox.db", 64 << 20, 0, lambda: now[0])
        now[0] += 3000.0
        outbox.put([message(Rank.PICTURE, outbox.reserve("media", 1)[0], epoch=outbox.epoch)])
        place = memory / str(number)
        place.mkdir()
        for file in Path(outbox.path).parent.glob("outbox.db*"):  # as it is at this instant
            shutil.copy(file, place)
        outbox.abandon()
    outbox = Outbox.open(place / "outbox.db", 64 << 20, 0, lambda: now[0])
    outbox.expire(ahead=72 * 3600.0 - 60 * 3000.0)
    assert outbox.counts()["rows"] == 60
    outbox.abandon()


def cap_while(work: str, folder: Path) -> tuple[int, int]:
    """Fill a store of 9 MB with events, do something large with them; return the most bytes, and how many they were."""
    path = folder / "outbox.db"
    outbox = Outbox.open(path, CAP, 0)
    most = highest = 0
    delivered = work != "has everything"
    before = -1
    while not outbox.evicted and outbox.counts()["delivered"] > before:
        before = outbox.counts()["delivered"] if delivered else before
        numbers = outbox.reserve("event", 192)
        highest = numbers[-1]
        for chunk in chunks(message(Rank.END, seq, epoch=outbox.epoch) for seq in numbers):
            outbox.put(chunk, delivered=delivered)
            most = max(most, beside.size_of(path))
        if delivered and outbox.counts()["delivered"] < before + 192:
            break
    missing = {"asks for everything": [(1, highest)], "has everything": [], "asks for every other": []}[work]
    if work == "asks for every other":
        missing = [(seq, seq) for seq in range(1, 511, 2)]
    for _ in outbox.confirm("event", highest, missing):
        most = max(most, beside.size_of(path))
    if work == "asks for everything":
        assert outbox.counts()["rows"] > 4000
    outbox.abandon()
    return most, highest


def test_more_is_packed_than_has_room_in_rows(memory: Path) -> None:
    """A small store full of alarms is asked for all that its packs hold: what has room leaves, the rest is told."""
    path = memory / "outbox.db"
    outbox = Outbox.open(path, CAP, 0)
    made = [message(Rank.END, seq, epoch=outbox.epoch) for seq in outbox.reserve("event", 4096)]
    for first in range(0, 4096, 512):
        outbox.put_delivered(made[first : first + 512])
    alarms = 0
    numbers = iter(outbox.reserve("alarm", 1000))
    while path.stat().st_size < store.page_limit(str(path), CAP) * store.PAGE - 400_000:
        outbox.put([message(Rank.ALARM, next(numbers), epoch=outbox.epoch, size=30_000) for _ in range(4)])
        alarms += 4
        outbox._books.checkpoint()
    assert outbox.counts()["delivered"] == 4096, "the packs are still there"
    most = 0
    for _ in outbox.confirm("event", made[-1].seq, [(1, made[-1].seq)]):
        most = max(most, beside.size_of(path))
    here = {one.seq for one in everything(outbox, "event")}
    told = {seq for gone in outbox.gaps()["event"].values() for first, last in gone for seq in range(first, last + 1)}
    print(f"{len(here)} of 4096 leave again, {len(told)} are told; {most} bytes at most")
    assert here
    assert told
    assert here | told == {one.seq for one in made}
    assert len(list(everything(outbox, "alarm"))) == alarms
    assert most <= CAP
    outbox.abandon()


@pytest.mark.parametrize("work", ["asks for everything", "has everything", "asks for every other"])
def test_the_cap_holds_whatever_the_centre_asks(memory: Path, work: str) -> None:
    """A full store is asked for again, or confirmed, in one `down/ack`: with its journal it stays within the cap."""
    most, events = cap_while(work, memory)
    print(f"{work}, {events} events: {most} bytes at most, the cap is {CAP}")
    assert most <= CAP


def cap_while_pictures_go(how: str, folder: Path) -> int:
    """Fill a store of 9 MB with the largest pictures and have all leave at once; return the most bytes."""
    now = [0.0]
    path = folder / "outbox.db"
    outbox = Outbox.open(path, CAP, 0, lambda: now[0])
    numbers = iter(outbox.reserve("media", 500))
    while not outbox.evicted:
        outbox.put([message(Rank.PICTURE, next(numbers), epoch=outbox.epoch, size=59_000)])
    most = 0
    pictures = list(everything(outbox, "media"))
    now[0] = 73 * 3600.0
    if how == "delivered":
        outbox.done(one.key for one in pictures)
    elif how == "with others":
        outbox.put([message(Rank.ALARM, 1, epoch=outbox.epoch)], done=[one.key for one in pictures])
    else:
        for _ in outbox.expiring():
            most = max(most, beside.size_of(path))
    most = max(most, beside.size_of(path))
    assert outbox.counts()["bytes"] < 1000
    outbox.abandon()
    return most


@pytest.mark.parametrize("how", ["delivered", "with others", "expired"])
def test_the_cap_holds_while_large_pictures_go(memory: Path, how: str) -> None:
    """A backlog of pictures of 59 KB is acknowledged or expires at once: overwriting it passes no cap."""
    most = cap_while_pictures_go(how, memory)
    print(f"{how}: {most} bytes at most, the cap is {CAP}")
    assert most <= CAP


def test_pictures_that_go_in_one_transaction_are_caught(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: all in one transaction, the journal passes the cap."""
    monkeypatch.setattr("gateway.uplink.entries.FREED_BYTES", 1 << 40)
    assert cap_while_pictures_go("delivered", memory) > CAP


def test_an_answer_in_one_transaction_is_caught(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: with everything in one transaction the journal passes the cap."""
    monkeypatch.setattr("gateway.uplink.storing.CHUNK_ROWS", 1_000_000)
    monkeypatch.setattr("gateway.uplink.entries.DONE_ROWS", 1_000_000)
    assert cap_while("asks for everything", memory)[0] > CAP
