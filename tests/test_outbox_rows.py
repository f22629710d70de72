"""How messages lie in the store: as small as can be, and as they were when they come back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gateway.uplink import beside, rows, schema, store
from gateway.uplink.outbox import Outbox
from gateway.uplink.rows import STREAMS
from gateway.uplink.worth import Worth
from gateway.wire.draft import Rank
from gateway.wire.message import Message
from tests.conftest import everything, finish, message
from tests.old_stores import EPOCH, make_old

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
    worths = [
        again._books.read("SELECT worth FROM worth WHERE key = ?", (place,))[0][0] for place in places(again, starts)
    ]
    assert worths == [Worth.START_ENDED] * 6 + [Worth.START] * 4
    again.put([message(Rank.END, next(numbers), epoch=again.epoch, episode=starts[9].episode)])
    again.expire()
    assert again._books.entries.tally[Worth.START] == [3, sum(len(made.payload) for made in starts[6:9])]


def places(outbox: Outbox, messages: list[Message]) -> list[int]:
    """Return where messages lie."""
    found = [outbox._books.entries.place_of(made.key) for made in messages]
    return [place for place in found if place is not None]


@pytest.mark.parametrize("version", [1, 2])
def test_a_store_of_an_earlier_version_is_brought_up_to_date(memory: Path, version: int) -> None:
    """Its tables, ids and pages are no reason to set it aside: all leaves, is replayed and makes room as ever."""
    path = memory / "outbox.db"
    made = [
        message(rank, seq, epoch=EPOCH, size=3000) for rank in (Rank.ALARM, Rank.END, Rank.PICTURE) for seq in (1, 2)
    ]
    made += [message(Rank.START, 3, epoch=EPOCH, episode="e"), message(Rank.START, 4, epoch=EPOCH)]
    made += [message(Rank.END, 5, epoch=EPOCH, episode="e"), message(Rank.ALARM, 9, epoch="0ldep0ch")]
    make_old(path, version, made, page=4096 if version == 1 else store.PAGE, delivered=made[2:3])
    outbox = Outbox.open(path, 9_000_000, 0)
    assert (outbox.past.set_aside, outbox.epoch) == (None, EPOCH)
    there = [one for stream in STREAMS for one in everything(outbox, stream)]
    assert sorted(there, key=lambda one: one.key) == sorted(
        (one for one in made if one != made[2]), key=lambda one: one.key
    )
    assert outbox.counts()["delivered"] == 1
    pictures = [message(Rank.PICTURE, seq, epoch=EPOCH, size=99) for seq in outbox.reserve("media", 3)]
    outbox.put(pictures)
    assert list(everything(outbox, "media")) == [*made[4:6], *pictures], "the old ones first"
    outbox.put(made)
    assert outbox.counts()["rows"] == len(there) + 3, "nothing is there twice"
    outbox.expire()
    assert [worth for _, worth, _ in outbox._books.entries.ranking.least(Worth.ALARM, 99)] == sorted(
        [Worth.DELIVERED, *[Worth.PICTURE] * 5, Worth.START_ENDED, Worth.START, *[Worth.END] * 2, *[Worth.ALARM] * 3]
    )
    finish(outbox.replay("event", 1, 1))
    assert made[2] in list(everything(outbox, "event"))
    outbox.done([made[4].key])
    assert made[4] not in list(everything(outbox, "media"))
    for seq in outbox.reserve("media", 3000):
        outbox.put([message(Rank.PICTURE, seq, epoch=outbox.epoch, size=6000)])
        if outbox.evicted > 50:
            break
    assert outbox.evicted > 50
    assert beside.size_of(path) <= 9_000_000
    assert {*everything(outbox, "alarm")} >= {*made[:2]}
    outbox.past.tell()
    assert outbox.gap_notes() == {}


def test_a_full_store_of_an_earlier_version_stays_within_the_cap(memory: Path) -> None:
    """Bringing it up to date makes the journal longer and the file no longer; nothing goes for it."""
    path = memory / "outbox.db"
    cap = 8 << 20
    limit = store.page_limit(str(path), cap)
    made: list[Message] = [message(Rank.END, seq, epoch=EPOCH) for seq in range(1, int(limit * 3.3))]
    make_old(path, 2, made, page=store.PAGE)
    assert path.stat().st_size > 0.8 * limit * store.PAGE, "the store is not full"
    before = path.stat().st_size
    most = 0
    db = store.connect(str(path), cap)
    db.execute(f"PRAGMA max_page_count={limit}").fetchall()
    schema.bring_up_to_date(db, 2)
    most = beside.size_of(path)
    db.close()
    print(f"{before} bytes before, {path.stat().st_size} after, {most} at most; the cap is {cap}")
    assert most <= cap
    assert path.stat().st_size <= max(before, limit * store.PAGE)
    outbox = Outbox.open(path, cap, 0)
    assert outbox.counts()["rows"] == len(made)
    assert list(everything(outbox, "event")) == made
