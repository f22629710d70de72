"""What was found by asking what else can fail while something fails: nothing that can be read is given up."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway.errors import StoreError
from gateway.uplink import beside, store
from gateway.uplink.books import Books
from gateway.uplink.fallback import CardOrMemory
from gateway.uplink.outbox import Outbox
from gateway.uplink.room import Kept
from gateway.uplink.salvage import Salvage
from gateway.wire.draft import Rank
from tests.conftest import everything, message
from tests.salvaging import salvaged, with_alarms

if TYPE_CHECKING:
    from gateway.wire.message import Message

pytestmark = pytest.mark.usefixtures("tidy")


def test_a_store_whose_damage_shows_in_use_is_salvaged(memory: Path) -> None:
    """It is set aside while the gateway runs, and what can be read of it moves to the fresh one, as after a start."""
    path = memory / "outbox.db"
    old, ids = with_alarms(path)
    old.close()
    card = CardOrMemory(str(path), 8 << 20, 0, Kept())
    before = card.use().epoch
    card.failed(store.Damaged("a page that was read an hour after the start", ""))
    fresh = card.use()
    assert fresh.epoch != before
    assert salvaged(fresh) == ids
    fresh.close()
    again = Outbox.open(path, 8 << 20, 0)
    assert again.past.set_aside is None, "it is read once"
    again.close()


@pytest.mark.parametrize("begun", [False, True])
def test_a_power_cut_between_setting_aside_and_the_fresh_store_loses_nothing(memory: Path, begun: bool) -> None:
    """No fresh store is there yet, or its file is and nothing in it: the next start salvages all the same."""
    path = memory / "outbox.db"
    old, ids = with_alarms(path)
    old.close()
    beside.set_aside(path, "damaged")
    if begun:
        store.connect(str(path)).close()
    fresh = Outbox.open(path, 8 << 20, 0)
    assert salvaged(fresh) == ids
    fresh.close()


def test_a_full_card_stops_nothing_from_making_room(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a page is left, and starts whose end has come wait to be noted: rows go, and alarms are stored."""
    outbox = Outbox.open(memory / "outbox.db", 8 << 20, 1)
    seq = 0
    starts: list[Message] = []
    while not outbox.evicted:
        more = [message(Rank.START, seq + each, epoch=outbox.epoch, episode=f"e{seq + each}") for each in range(1, 65)]
        starts += more
        seq += len(more)
        outbox.put(more)
    monkeypatch.setattr(store, "free_bytes", lambda _path: 0)
    for first in range(0, 1024, 64):
        last = starts[-1024:][first : first + 64]
        ends = [
            message(Rank.END, seq + at, epoch=outbox.epoch, episode=each.episode) for at, each in enumerate(last, 1)
        ]
        seq += len(ends)
        outbox.put(ends)
    alarm = message(Rank.ALARM, 1, epoch=outbox.epoch)
    outbox.put([alarm])
    assert [each.id for each in everything(outbox, "alarm")] == [alarm.id]
    monkeypatch.undo()
    outbox.expire()
    assert not outbox._books.entries.ranking.ended, "noted as soon as there is room"
    outbox.abandon()


def test_salvage_tries_again_what_could_not_be_stored(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A card that fails once in the middle of salvage costs none of the messages that were just read."""
    path = memory / "outbox.db"
    old, ids = with_alarms(path)
    old.close()
    beside.set_aside(path, "damaged")
    fresh = Outbox.open(path, 8 << 20, 0)
    salvage = Salvage(beside.aside_of(path, "damaged"))

    def fails(*_given: object, **_named: object) -> None:
        raise StoreError("an input/output error", "")

    with monkeypatch.context() as broken:
        broken.setattr(fresh, "put", fails)
        with pytest.raises(StoreError):
            salvage.step(fresh)
    while salvage.step(fresh) is not None:
        pass
    salvage.close()
    assert {each.id for each in everything(fresh, "saved")} == ids
    fresh.close()


def test_a_card_that_fails_while_memory_moves_to_it_keeps_its_store(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is closed in order and tried again later: neither set aside, nor under another epoch."""
    path = memory / "outbox.db"
    old, ids = with_alarms(path)
    old.close()
    card = CardOrMemory(str(path), 8 << 20, 0, Kept())
    held = card.outbox = card._in_memory()
    held.put([message(Rank.ALARM, 1, epoch=held.epoch)])

    def fails(*_given: object, **_named: object) -> None:
        raise StoreError("an input/output error", "")

    card._reopen_at = 0.0
    with monkeypatch.context() as broken:
        broken.setattr(Outbox, "put", fails)
        with pytest.raises(StoreError):
            card.use()
    card._reopen_at = 0.0
    back = card.use()
    assert (back.path, back.epoch, back.past.set_aside) == (str(path), old.epoch, None)
    assert {each.id for each in everything(back, "alarm")} == ids
    assert len(list(everything(back, "saved"))) == 1
    back.close()


def test_a_store_that_could_not_note_its_end_keeps_its_journal(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A card refuses the very last write, and SQLite tidies the journal away: the next start finds it all the same."""
    path = memory / "outbox.db"
    outbox, ids = with_alarms(path)

    def fails(*_given: object, **_named: object) -> None:
        raise StoreError("an input/output error", "")

    with monkeypatch.context() as broken:
        broken.setattr(Books, "note_end", fails)
        with pytest.raises(StoreError):
            outbox.close()
    again = Outbox.open(path, 8 << 20, 0)
    assert (again.past.set_aside, again.epoch) == (None, outbox.epoch)
    assert {each.id for each in everything(again, "alarm")} == ids
    again.close()
    assert sorted(file.name for file in memory.iterdir()) == ["outbox.db", "outbox.db.epoch"]


def test_a_store_beside_which_no_file_can_be_made_is_not_damaged(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No room for a journal's name in the folder: it cannot be opened now, and is the same when it can."""
    folder = memory / "full"
    folder.mkdir()
    path = folder / "outbox.db"
    outbox, ids = with_alarms(path)
    outbox.close()
    (folder / "outbox.db-wal").mkdir()  # as good as no room: SQLite cannot make its journal
    make = Path.open

    def refuse(file: Path, mode: str = "r", *more: Any, **named: Any) -> Any:
        if "w" in mode and file.parent == folder:
            raise OSError(errno.ENOSPC, "No space left on device")
        return make(file, mode, *more, **named)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(StoreError) as caught:
        Outbox.open(path, 8 << 20, 0)
    assert not isinstance(caught.value, store.Damaged)
    assert not beside.aside_of(path, "damaged").exists()
    (folder / "outbox.db-wal").rmdir()
    again = Outbox.open(path, 8 << 20, 0)
    assert {each.id for each in everything(again, "alarm")} == ids
    again.close()


@pytest.mark.parametrize("step", ["checkpoint", "set_meta"])
def test_a_start_that_fails_after_a_kill_keeps_the_journal(
    memory: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Killed, then a card that refuses a write once while the store is opened: the next attempt finds it as it was."""
    path = memory / "outbox.db"
    outbox, ids = with_alarms(path)
    shutil.copytree(memory, memory / "copy")
    outbox.close()
    path = memory / "copy" / "outbox.db"

    def fails(*_given: object, **_named: object) -> None:
        raise StoreError("an input/output error", "")

    with monkeypatch.context() as broken:
        broken.setattr(Books, step, fails)
        with pytest.raises(StoreError):
            Outbox.open(path, 8 << 20, 0)
    again = Outbox.open(path, 8 << 20, 0)
    assert (again.past.set_aside, again.epoch) == (None, outbox.epoch)
    assert {each.id for each in everything(again, "alarm")} == ids
    again.close()


@pytest.mark.parametrize("journal", [True, False])
def test_a_cut_while_the_journal_is_kept_is_no_damage(memory: Path, journal: bool) -> None:
    """The second name that the journal has meanwhile is taken back at the next start, or taken off."""
    path = memory / "outbox.db"
    outbox, ids = with_alarms(path)
    shutil.copytree(memory, memory / "copy")
    outbox.close()
    path = memory / "copy" / "outbox.db"
    kept = path.with_name("outbox.db-wal.kept")
    if journal:
        os.link(beside.journal_of(path), kept)
    else:
        beside.journal_of(path).rename(kept)
    again = Outbox.open(path, 8 << 20, 0)
    assert again.past.set_aside is None
    assert not kept.exists()
    assert {each.id for each in everything(again, "alarm")} == ids
    again.close()


@pytest.mark.parametrize("origin", ["", "0000aaaa", "0000aaaa/alarm/1x", "0000aaaa/alarm/1/2", "////"])
def test_a_saved_row_with_a_damaged_name_can_go(memory: Path, origin: str) -> None:
    """The card has changed what names it: it is evicted or expires like any other, and the store works on."""
    outbox, _ = with_alarms(memory / "outbox.db")
    with outbox._books.writing():
        outbox._books.former.lost(origin)
    outbox.close()
