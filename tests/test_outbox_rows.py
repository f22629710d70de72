"""How messages lie in the store: as small as can be, and as they were when they come back."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from gateway.uplink import rows, store
from gateway.uplink.outbox import Outbox
from gateway.uplink.worth import Worth
from gateway.wire.draft import Rank
from tests.conftest import everything, message

pytestmark = pytest.mark.usefixtures("tidy")


@pytest.mark.parametrize(
    ("id_", "short"),
    [
        ("01a20ada-2c00-7004-8203-040506070809", True),
        ("01A20ADA-2C00-7004-8203-040506070809", False),
        ("01a20ada-2c00-7004-8203-04050607080", False),
        ("episode-1", False),
        ("", False),
    ],
)
def test_an_id_comes_back_as_it_was(id_: str, short: bool) -> None:
    """A UUID lies there as 16 bytes, anything else as it is."""
    lying = rows.packed(id_)
    assert isinstance(lying, bytes) == short
    assert rows.unpacked(lying) == id_


@pytest.mark.parametrize("damaged", [b"", b"short", b"x" * 17, 5, None])
def test_an_id_that_a_card_has_changed_is_no_id(damaged: object) -> None:
    """What was never written is refused, and its row counts as changed."""
    with pytest.raises(ValueError, match="an id"):
        rows.unpacked(damaged)


def crash(outbox: Outbox, place: Path) -> Path:
    """Copy a store as it is now, as after a power cut, and let go of it; return the copy."""
    place.mkdir()
    for file in Path(outbox.path).parent.glob("outbox.db*"):
        shutil.copy(file, place)
    outbox.abandon()
    return place / "outbox.db"


def test_a_start_whose_end_is_there_is_worth_less_also_after_a_crash(memory: Path) -> None:
    """It is written into the start's row late; a store that crashes before finds it out again."""
    outbox = Outbox.open(memory / "outbox.db", 16 << 20, 0)
    numbers = iter(outbox.reserve("event", 100))
    starts = [message(Rank.START, next(numbers), epoch=outbox.epoch) for _ in range(10)]
    outbox.put(starts)
    outbox.put([message(Rank.END, next(numbers), epoch=outbox.epoch, episode=made.episode) for made in starts[:6]])
    again = Outbox.open(crash(outbox, memory / "copy"), 16 << 20, 0)
    again.expire()
    worths = [worth for (worth,) in again._books.read("SELECT worth FROM message WHERE rank = 2 ORDER BY key")]
    assert worths == [Worth.START_ENDED] * 6 + [Worth.START] * 4
    again.put([message(Rank.END, next(numbers), epoch=again.epoch, episode=starts[9].episode)])
    again.expire()
    assert again._books.tally[Worth.START] == [3, sum(len(made.payload) for made in starts[6:9])]


def test_a_store_of_the_first_version_is_brought_up_to_date(memory: Path) -> None:
    """Its longer pages, its ids as text and its missing table are no reason to set it aside; what waits leaves."""
    path = memory / "outbox.db"
    made = [message(rank, 1, epoch="0000abcd", size=3000) for rank in (Rank.ALARM, Rank.END, Rank.PICTURE)]
    with sqlite3.connect(path, isolation_level=None) as db:
        db.execute("PRAGMA page_size=4096")
        for statement in store.SCHEMA.split(";\n"):
            db.execute(statement)
        for name, value in {"epoch": "0000abcd", "age": "7", "end": "exact", "aside": ""}.items():
            db.execute("INSERT INTO meta VALUES (?, ?)", (name, value))
        from gateway.uplink.books import _guard

        for place, one in enumerate(made):
            db.execute("INSERT INTO lane VALUES (?, 1, ?)", (place, _guard("0000abcd", place, 1)))
            key, worth = (place << 48) + 1, {0: Worth.ALARM, 1: Worth.END, 2: Worth.PICTURE}[place]
            row: tuple[object, ...]
            row = (key, worth, len(one.payload), 7, one.rank, one.alarm, one.wall, one.id, one.topic, one.episode)
            row += (one.phase, None, None, rows.checksum(one), one.payload)
            db.execute(f"INSERT INTO message VALUES ({', '.join('?' * 15)})", row)
        db.execute("PRAGMA user_version=1")
    db.close()
    outbox = Outbox.open(path, 9_000_000, 0)
    assert outbox.set_aside is None
    assert [one for stream in ("alarm", "event", "media") for one in everything(outbox, stream)] == made
    assert outbox._books._page == 4096
    for seq in outbox.reserve("media", 3000):
        outbox.put([message(Rank.PICTURE, seq, epoch=outbox.epoch, size=6000)])
        if outbox.evicted > 50:
            break
    assert outbox.evicted > 50
    assert store.size_of(path) <= 9_000_000
    outbox.tell_ended()
    assert outbox.gap_notes() == {}
