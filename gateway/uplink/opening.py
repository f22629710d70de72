"""How a store comes to be open: the one that is there, or a fresh one when that cannot be used and is set aside.

Here is also what is read, or made, in the file before it is used. What makes a file unusable is known in store.py, its
tables are in schema.py. On the thread that will own the store; it may wait for the card.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.errors import StoreError
from gateway.uplink import beside, rows, schema, store
from gateway.uplink.books import Books, guard
from gateway.uplink.worth import Worth
from gateway.wire.draft import LANES

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_BACK = 100_000
"""Numbers of the event lane in which the ends of starts are looked for when a store is opened."""


LOOK_INTO_PACKS = 1024
"""Delivered events behind the first open start that are looked through, too: a second's work on a small device."""


class NewerError(Exception):
    """The store was written by a newer version of this program."""


def open_books(
    path: str,
    cap_bytes: int,
    min_free: int,
    clock: Callable[[], float],
    open_file: Callable[..., Any],
    *,
    as_it_is: bool = False,
) -> Books:
    """Open the store, or make it; see Outbox.open.

    With `as_it_is` one that cannot be used is left where it is.

    Raises:
        StoreError: there can be no store here now.
    """

    def books(aside: str) -> Books:
        db = store.connect(path, cap_bytes, open_file)
        found = _load(Books(db, path, cap_bytes, min_free, clock), aside, journalled=had)
        beside.note_epoch(path, found.epoch)
        return found

    try:
        had = beside.prepare(path)
        try:
            return books(_lying_aside(path))
        except (store.Damaged, NewerError) as error:
            if as_it_is:
                hint = "start the gateway: it sets this store aside, saves what can be read, and makes a fresh one"
                raise StoreError(str(error) or f"{path} is of a newer version of this program", hint) from error
            why = "newer" if isinstance(error, NewerError) else "damaged"
            beside.set_aside(Path(path), why)
            return books(why)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}", beside.FOLDER) from error


def _lying_aside(path: str) -> str:
    """Return why a store was set aside that lies beside this path, the latest; what a fresh store has to salvage.

    That no fresh one was made yet comes of damage that showed in use, and of a power cut between the two.
    """
    if path == beside.MEMORY:
        return ""
    found = [(aside, why) for why in ("damaged", "newer") if (aside := beside.aside_of(Path(path), why)).exists()]
    return max(found, key=lambda each: each[0].stat().st_mtime)[1] if found else ""


def _load(books: Books, aside: str, *, journalled: bool) -> Books:
    """Load the books; close the file when they are of no use now, its journal kept for the next attempt."""
    try:
        try:
            _read(books, aside, journalled=journalled)
        except sqlite3.Error as error:
            raise store.explain(error, books.path, opening=True) from error
        except (TypeError, ValueError, LookupError) as error:  # values that this program never writes
            raise store.Damaged(f"{books.path} holds nonsense: {error}", store.SET_ASIDE) from error
    except BaseException:
        with beside.keeping_journal(books.path):
            books.db.close()
        raise
    return books


def _read(books: Books, aside: str, *, journalled: bool) -> None:
    """Read, or make, what is in the file.

    Args:
        books: of an open file.
        aside: why another store was just set aside; noted in a fresh one, so that salvage goes on after a restart.
        journalled: a journal was there when it was opened.

    Raises:
        Damaged, sqlite3.Error, TypeError, ValueError, LookupError: it cannot be used.
        NewerError: it is of a newer version.
    """
    version = books.db.execute("PRAGMA user_version").fetchone()[0]
    if version > schema.VERSION:
        raise NewerError
    books.resize()
    books.db.execute(f"PRAGMA max_page_count={books.limit}").fetchall()
    if version == 0 and not books.db.execute("SELECT 1 FROM sqlite_master").fetchall():
        _make(books, aside)
    else:
        if version == 0:
            raise store.Damaged(f"{books.path} is another program's", store.SET_ASIDE)
        store.check(books.db, books.path)
        _see_the_end(books, journalled=journalled)
        schema.bring_up_to_date(books.db, version)
    books.meta = _see_the_end(books, journalled=journalled)
    books.epoch = books.meta["epoch"]
    _read_age(books)
    _read_numbers(books)
    books.entries.epoch = books.epoch
    books.entries.load()
    _read_starts(books)
    _take_possession(books)


def _make(books: Books, aside: str) -> None:
    epoch = os.urandom(4).hex()
    former = beside.noted_epoch(books.path)
    books.db.execute("BEGIN IMMEDIATE")
    schema.make(books.db)
    for name, value in {"epoch": epoch, "age": "0", "end": "exact", "aside": aside, "former": former}.items():
        books.db.execute("INSERT INTO meta VALUES (?, ?)", (name, value))
    for place in range(len(LANES)):
        books.db.execute("INSERT INTO lane VALUES (?, 0, ?)", (place, guard(epoch, place, 0)))
    books.db.execute("COMMIT")


def _see_the_end(books: Books, *, journalled: bool) -> dict[str, str]:
    """Return the facts about the store, which say among others how it was left.

    Raises:
        Damaged: it was in use, and what was only in its journal is gone.
    """
    meta = dict(books.db.execute("SELECT name, value FROM meta").fetchall())
    if meta["end"] == "none" and not journalled and books.path != beside.MEMORY:
        raise store.Damaged(f"{books.path} has lost its journal", store.SET_ASIDE)
    return meta


def _read_age(books: Books) -> None:
    """Take up the age where the last run left it, which is known no better than from the last row it wrote."""
    ages = [int(books.meta["age"]), books.entries.packs.newest_age()]
    for stream in rows.STREAMS:
        query = "SELECT age, key FROM stored WHERE key BETWEEN ? AND ? ORDER BY key DESC LIMIT 1"
        ages += [age for age, _ in books.db.execute(query, rows.bounds(stream)).fetchall()]
    books.meta["age"] = str(max(ages))


def _read_numbers(books: Books) -> None:
    for place, reserved, guarded in books.db.execute("SELECT lane, reserved, guard FROM lane").fetchall():
        if guarded != guard(books.epoch, place, reserved):
            raise store.Damaged(f"{books.path}: the count of a lane is damaged", store.SET_ASIDE)
        books.reserved[LANES[place]] = reserved
    if set(books.reserved) != set(LANES):
        raise store.Damaged(f"{books.path} misses a lane", store.SET_ASIDE)
    books.gaps.check()


def _read_starts(books: Books) -> None:
    """Read which starts have no end yet; an end that came is behind its start."""
    low, high = rows.bounds("event")
    place = low
    while found := books.entries.ranking.of(Worth.START, "event", place, 1000):
        place = found[-1]
        for start in found:
            for (episode,) in books.db.execute("SELECT episode FROM message WHERE key = ?", (start,)).fetchall():
                books.entries.starts[rows.unpacked(episode)] = start
    first = max(min(books.entries.starts.values(), default=high), books.highest("event") + low - LOOK_BACK)
    query = "SELECT episode FROM message WHERE key > ? AND key <= ? AND phase = 'end'"
    ends = [rows.unpacked(episode) for (episode,) in books.db.execute(query, (first, high)).fetchall()]
    if books.entries.starts:
        packed, _ = books.entries.packs.read(first + 1, high, books.epoch, LOOK_INTO_PACKS)
        ends += [message.episode for message in packed.values() if message.phase == "end"]
    for episode in ends:
        if start := books.entries.starts.pop(episode, 0):
            books.entries.ranking.end(start)


def _take_possession(books: Books) -> None:
    """Note that the store is open, and which numbers nobody knows about."""
    with books.writing(forced=True):
        books.exact = books.meta["end"] == "exact"
        books.set_meta("end", "none")
        for lane in LANES:
            used = books.highest(lane)
            if not books.exact and books.reserved[lane] > used:
                # Who had these numbers is not known: they are never given again.
                books.gaps.note(lane, "void", used + 1, books.reserved[lane])
                books.voided[lane] = (used + 1, books.reserved[lane])
    books.checkpoint()
