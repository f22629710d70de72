"""The outbox keeps what it was given, gives no number twice, and makes room with judgement."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from gateway.errors import StoreError
from gateway.uplink import beside, schema, store
from gateway.uplink.outbox import Outbox
from gateway.wire.draft import LANES, Lane, Rank, lane_of
from gateway.wire.message import Message
from tests.conftest import finish, message, power_off

pytestmark = pytest.mark.usefixtures("tidy")


def number(outbox: Outbox, lane: Lane = "event") -> int:
    """Return one fresh number."""
    return outbox.reserve(lane, 1)[0]


def fresh(outbox: Outbox, rank: Rank, **more: object) -> Message:
    """Return a message with a fresh number of this store."""
    return message(rank, number(outbox, lane_of(rank)), epoch=outbox.epoch, **more)  # type: ignore[arg-type]


def waiting(outbox: Outbox) -> list[Message]:
    """Return everything that is still to be delivered, lane by lane."""
    return [found for lane in LANES for _, found in outbox.pending(lane, 0, 100_000)]


def test_what_is_put_comes_back_in_the_order_of_numbers(tmp_path: Path) -> None:
    """Messages come back unchanged, each lane in the order of its numbers, whatever the order they were put in."""
    outbox = Outbox.open(tmp_path / "outbox.db")
    made = [fresh(outbox, rank, alarm=rank == Rank.ALARM) for rank in Rank for _ in range(5)]
    shuffled = random.Random(3).sample(made, len(made))
    outbox.put(shuffled)
    assert waiting(outbox) == sorted(made, key=lambda found: (LANES.index(found.lane), found.seq))
    assert outbox.pending("event", 7, 3) == [
        (seq, next(m for m in made if m.key[1:] == ("event", seq))) for seq in (8, 9, 10)
    ]
    outbox.close()


def test_what_was_put_is_there_after_a_crash(tmp_path: Path) -> None:
    """A message is on the card when `put` returns: a copy of the files at that instant has it."""
    outbox = Outbox.open(tmp_path / "outbox.db")
    made = fresh(outbox, Rank.ALARM)
    outbox.put([made])
    copy = power_off(outbox, tmp_path / "copy")
    again = Outbox.open(copy)
    assert waiting(again) == [made]
    assert again.epoch == outbox.epoch


def test_no_number_is_given_twice(tmp_path: Path) -> None:
    """After a crash numbers go on behind the reserved block, and the skipped ones are void."""
    outbox = Outbox.open(tmp_path / "outbox.db")
    block = outbox.reserve("event", 100)
    outbox.put([message(Rank.START, seq, epoch=outbox.epoch) for seq in block[:10]])
    again = Outbox.open(power_off(outbox, tmp_path / "copy"))
    assert again.epoch == outbox.epoch
    assert again.reserve("event", 1) == range(101, 102)
    assert again.gaps() == {"event": {"void": [(11, 100)]}}


def test_unused_numbers_are_given_again_after_an_orderly_end(tmp_path: Path) -> None:
    """A restart in order leaves no gap."""
    outbox = Outbox.open(tmp_path / "outbox.db")
    outbox.reserve("event", 100)
    outbox.close(unused={"event": 41})
    again = Outbox.open(tmp_path / "outbox.db")
    assert again.reserve("event", 1) == range(41, 42)
    assert again.gaps() == {}


def test_a_number_in_the_store_is_never_given_back(tmp_path: Path) -> None:
    """A caller that is wrong about what is unused gets no number again that the store has seen."""
    outbox = Outbox.open(tmp_path / "outbox.db")
    outbox.reserve("event", 100)
    outbox.put([message(Rank.START, 60, epoch=outbox.epoch)])
    outbox.close(unused={"event": 41})
    assert Outbox.open(tmp_path / "outbox.db").reserve("event", 1)[0] > 60


def test_delivered_events_stay_for_replay_and_pictures_go(tmp_path: Path) -> None:
    """What is done is not pending any more; an event can be asked for again, a picture is gone and said to be."""
    outbox = Outbox.open(tmp_path / "outbox.db")
    event, picture = fresh(outbox, Rank.END), fresh(outbox, Rank.PICTURE, size=5000)
    outbox.put([event, picture])
    outbox.done([event.key, picture.key, (outbox.epoch, "event", 999), ("ffffffff", "event", 1)])
    assert waiting(outbox) == []
    assert outbox.counts()["delivered"] == 1
    finish(outbox.replay("event", 1, 1))
    finish(outbox.replay("media", 1, 1))
    assert waiting(outbox) == [event]
    assert outbox.gaps() == {"media": {"expired": [(1, 1)]}}


def test_a_refused_message_is_kept_as_dead(tmp_path: Path) -> None:
    """What the broker refuses for good is counted, never sent again, and its number stands in the gaps."""
    outbox = Outbox.open(tmp_path / "outbox.db")
    made = fresh(outbox, Rank.START)
    outbox.put([made])
    outbox.bury(made.key, "larger than the broker takes")
    assert waiting(outbox) == []
    assert outbox.counts()["dead"] == 1
    assert outbox.gaps() == {"event": {"evicted": [(1, 1)]}}


def test_messages_of_another_epoch_are_saved(tmp_path: Path) -> None:
    """A message numbered by an older store keeps its epoch and number, and can be acknowledged under them."""
    outbox = Outbox.open(tmp_path / "outbox.db")
    old = message(Rank.ALARM, 7, epoch="0ldep0ch")
    outbox.put([old])
    outbox.put([old])
    assert waiting(outbox) == []
    assert [found for _, found in outbox.pending("saved", 0, 9)] == [old]
    outbox.done([old.key])
    assert outbox.pending("saved", 0, 9) == []


def test_ages_are_hours_of_running(tmp_path: Path) -> None:
    """Delivered events leave after 24 h, pictures after 72 h, whatever the wall clock says; others stay."""
    clock = [0.0]
    outbox = Outbox.open(tmp_path / "outbox.db", clock=lambda: clock[0])
    done, event, picture = fresh(outbox, Rank.END), fresh(outbox, Rank.END), fresh(outbox, Rank.PICTURE, size=99)
    outbox.put([done, event, picture])
    outbox.done([done.key])
    for hours, delivered, left in ((23, 1, [event, picture]), (25, 0, [event, picture]), (73, 0, [event])):
        clock[0] = hours * 3600.0
        outbox.expire()
        assert outbox.counts()["delivered"] == delivered
        assert waiting(outbox) == left
    assert outbox.gaps() == {"media": {"expired": [(1, 1)]}}


def test_gaps_and_boots_are_kept(tmp_path: Path) -> None:
    """What the centre has to be told survives a restart, until the centre knows it."""
    outbox = Outbox.open(tmp_path / "outbox.db")
    outbox.reserve("event", 20)
    for seq in (3, 4, 9, 5):
        outbox.note_lost("event", seq)
    outbox.remember("aaaaaaaa", None)
    outbox.remember("bbbbbbbb", 12.5, 1.7e9)
    outbox.remember("aaaaaaaa", 3.0, 1.6e9)
    outbox.close(unused={"event": 21})
    again = Outbox.open(tmp_path / "outbox.db")
    assert again.gaps() == {"event": {"evicted": [(3, 5), (9, 9)]}}
    assert [boot["boot"] for boot in again.boots()] == ["aaaaaaaa", "bbbbbbbb"]
    assert again.boots()[0] == {"boot": "aaaaaaaa", "offset": 3.0, "since": 1.6e9}
    finish(again.confirm("event", 4, []))
    assert again.gaps() == {"event": {"evicted": [(5, 5), (9, 9)]}}


def test_a_payload_that_changed_on_the_card_is_not_sent(tmp_path: Path) -> None:
    """A flipped bit in a message makes it dead, not a wrong event; the others leave."""
    outbox = Outbox.open(tmp_path / "outbox.db")
    made = [fresh(outbox, Rank.PICTURE, size=20_000) for _ in range(3)]
    outbox.put(made)
    outbox.close()
    path = tmp_path / "outbox.db"
    raw = bytearray(path.read_bytes())
    at = raw.find(made[1].payload[9000:9100])  # inside one overflow page
    assert at > 0
    raw[at] ^= 1
    path.write_bytes(raw)
    again = Outbox.open(path)
    assert waiting(again) == [made[0], made[2]]
    assert again.corrupted == 1
    assert again.gaps()["media"]["evicted"] == [(2, 2)]


def test_a_store_of_a_newer_version_is_set_aside(tmp_path: Path) -> None:
    """A newer program's store is not destroyed and not used: a fresh epoch begins beside it."""
    path = tmp_path / "outbox.db"
    outbox = Outbox.open(path)
    outbox.close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version={schema.VERSION + 1}")
    db.close()
    again = Outbox.open(path)
    assert again.epoch != outbox.epoch
    assert beside.aside_of(path, "newer").stat().st_size > 0


def test_a_folder_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    """An outbox that cannot be made names the file and the next step."""
    with pytest.raises(StoreError, match=r"missing/outbox\.db") as caught:
        Outbox.open(tmp_path / "missing" / "outbox.db")
    assert "folder" in caught.value.hint


def test_a_second_opener_is_refused(tmp_path: Path) -> None:
    """Two daemons on one folder: the second is told, and nothing is set aside."""
    outbox = Outbox.open(tmp_path / "outbox.db")
    with pytest.raises(StoreError, match="in use") as caught:
        Outbox.open(tmp_path / "outbox.db")
    assert "other gateway" in caught.value.hint
    assert not beside.aside_of(tmp_path / "outbox.db", "damaged").exists()
    outbox.put([fresh(outbox, Rank.ALARM)])
    outbox.close()


DAMAGES = ("flip", "flips", "truncate", "zero-page", "no-journal", "short-journal", "flip-journal", "garbage", "empty")


def damage(path: Path, how: str, rng: random.Random) -> None:
    """Do to a store what cards do."""
    target = beside.journal_of(path) if "journal" in how else path
    raw = bytearray(target.read_bytes())
    if how.startswith("flip"):
        for _ in range(1 if how == "flip" else 20):
            raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    elif how in {"truncate", "short-journal"}:
        del raw[rng.randrange(len(raw)) :]
    elif how == "zero-page":
        at = rng.randrange(len(raw) // store.PAGE) * store.PAGE
        raw[at : at + store.PAGE] = bytes(store.PAGE)
    elif how == "garbage":
        raw = bytearray(rng.randbytes(len(raw)))
    else:
        raw.clear()
    if how == "no-journal":
        target.unlink()
    else:
        target.write_bytes(raw)


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_store_never_stops_the_gateway(tmp_path: Path, how: str) -> None:
    """Whatever happened to the files, a store opens, works, and gives no number again under the same epoch."""
    for seed in range(23):
        rng = random.Random(seed)
        home = tmp_path / f"{how}-{seed}"
        home.mkdir()
        outbox = Outbox.open(home / "outbox.db")
        outbox.reserve("event", 300)
        for start in range(1, 200, 20):
            outbox.put(
                [
                    message(Rank.START, seq, epoch=outbox.epoch, size=rng.randrange(900))
                    for seq in range(start, start + 20)
                ]
            )
        outbox.put_delivered([message(Rank.END, seq, epoch=outbox.epoch) for seq in range(201, 240)])
        outbox.put([message(Rank.PICTURE, seq, epoch=outbox.epoch, size=900) for seq in outbox.reserve("media", 20)])
        outbox.done([(outbox.epoch, "event", seq) for seq in range(1, 50)])
        path = power_off(outbox, home / "copy")
        outbox.abandon()
        damage(path, how, rng)
        again = Outbox.open(path)
        try:
            waiting(again)
            finish(again.replay("event", 1, 240))
            again.expire()
            new = again.reserve("event", 5)
            again.put([message(Rank.ALARM, number(again, "alarm"), epoch=again.epoch)])
        except store.Damaged:
            # Found while it was read: the spool then sets it aside and opens a fresh one.
            again.abandon()
            beside.set_aside(path, "damaged")
            again = Outbox.open(path)
            new = again.reserve("event", 5)
            again.put([message(Rank.ALARM, number(again, "alarm"), epoch=again.epoch)])
        assert new[0] > 300 or again.epoch != outbox.epoch
        assert again.counts()["rows"] >= 1
        again.close()
