"""A week without a network: alarms and ends are all there afterwards, and the store never passed its cap."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.uplink import room, store
from gateway.uplink.outbox import Outbox, chunks
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
    before = -1
    while outbox.counts()["delivered"] > before or not outbox.counts()["rows"]:
        before = outbox.counts()["delivered"]
        numbers = outbox.reserve("event", 192)
        highest = numbers[-1]
        delivered = work != "has everything"
        for chunk in chunks(message(Rank.END, seq, epoch=outbox.epoch) for seq in numbers):
            outbox.put(chunk, delivered=delivered)
            most = max(most, store.size_of(path))
        if outbox.evicted or (delivered and outbox.counts()["delivered"] < before + 192):
            break
    missing = {"asks for everything": [(1, highest)], "has everything": [], "asks for every other": []}[work]
    if work == "asks for every other":
        missing = [(seq, seq) for seq in range(1, 511, 2)]
    for _ in outbox.confirm("event", highest, missing):
        most = max(most, store.size_of(path))
    if work == "asks for everything":
        assert outbox.counts()["rows"] > 4000
    outbox.abandon()
    return most, highest


@pytest.mark.parametrize("work", ["asks for everything", "has everything", "asks for every other"])
def test_the_cap_holds_whatever_the_centre_asks(memory: Path, work: str) -> None:
    """A full store is asked for again, or confirmed, in one `down/ack`: with its journal it stays within the cap."""
    most, events = cap_while(work, memory)
    print(f"{work}, {events} events: {most} bytes at most, the cap is {CAP}")
    assert most <= CAP


def test_an_answer_in_one_transaction_is_caught(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: with everything in one transaction the journal passes the cap."""
    monkeypatch.setattr("gateway.uplink.outbox.CHUNK_ROWS", 1_000_000)
    monkeypatch.setattr("gateway.uplink.books.DONE_ROWS", 1_000_000)
    assert cap_while("asks for everything", memory)[0] > CAP
