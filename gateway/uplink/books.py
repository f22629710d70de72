"""The store's bookkeeping: transactions, and what memory knows of the card, which are changed together or not at all.

Rows and bytes of each worth, numbers, starts whose end has not come; gaps stand in gaps.py. Which message comes and
goes, and when, is the outbox's business (outbox.py, room.py). On the thread that owns the store.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import zlib
from typing import TYPE_CHECKING, Any

from gateway.uplink import rows, store
from gateway.uplink.former import Former
from gateway.uplink.gaps import Gaps
from gateway.uplink.worth import Worth
from gateway.wire.draft import LANES, Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gateway.wire.message import Message

HEADROOM_PAGES = 64
"""Kept back so that a full store can still delete and count."""


LOOK_BACK = 100_000
"""Numbers of the event lane in which the ends of starts are looked for when a store is opened."""


class NewerError(Exception):
    """The store was written by a newer version of this program."""


class Books:
    """What is known of an open store."""

    def __init__(
        self, db: sqlite3.Connection, path: str, cap_bytes: int, min_free: int, clock: Callable[[], float]
    ) -> None:
        """Take an open connection (store.connect) and the bounds; see Outbox.open."""
        self.db = db
        self.path = path
        self.epoch = ""
        self.reserved: dict[Lane, int] = {}
        self.gaps = Gaps(db)
        self.former = Former(db)
        self.starts: dict[str, int] = {}
        """Places of the starts whose end is not stored, by episode."""
        self.ended: list[int] = []
        """Places of starts whose end is stored, which does not stand in their rows yet: see settle_starts."""
        self.tally: dict[int, list[int]] = {}
        """Rows and bytes of each worth."""
        self.meta: dict[str, str] = {}
        self.exact = False
        """Whether no number was lost when it was closed last."""
        self.untouched = True
        """Whether no number was reserved since it was opened."""
        self._cap = cap_bytes
        self._min_free = min_free
        self._clock = clock
        self._opened = clock()
        self._page = store.page_of(db)
        self._limit = 0

    def load(self, *, journalled: bool, aside: str = "") -> None:
        """Read, or make, what is in the file.

        Args:
            journalled: a journal was there when it was opened.
            aside: why another store was just set aside; noted in a fresh one, so that salvage goes on after a restart.

        Raises:
            Damaged, sqlite3.Error, TypeError, ValueError, LookupError: it cannot be used.
            NewerError: it is of a newer version.
        """
        version = self.db.execute("PRAGMA user_version").fetchone()[0]
        if version > store.VERSION:
            raise NewerError
        self.resize()
        self.db.execute(f"PRAGMA max_page_count={self._limit}").fetchall()
        if version == 0 and not self.db.execute("SELECT 1 FROM sqlite_master").fetchall():
            self._create(aside)
        else:
            if version == 0:
                raise store.Damaged(f"{self.path} is another program's", store.SET_ASIDE)
            store.check(self.db, self.path)
            self._bring_up_to_date(version)
        self.meta = dict(self.db.execute("SELECT name, value FROM meta").fetchall())
        if self.meta["end"] == "none" and not journalled and self.path != store.MEMORY:
            raise store.Damaged(f"{self.path} has lost its journal", store.SET_ASIDE)
        self.epoch = self.meta["epoch"]
        self._load_age()
        self._load_numbers()
        query = "SELECT worth, count(*), sum(size) FROM message GROUP BY worth"
        self.tally = {worth: [count, size] for worth, count, size in self.db.execute(query).fetchall()}
        self._load_starts()
        self._take_possession()

    def _create(self, aside: str) -> None:
        epoch = os.urandom(4).hex()
        former = store.noted_epoch(self.path)
        self.db.execute("BEGIN IMMEDIATE")
        self._run(store.SCHEMA + store.SINCE_2)
        for name, value in {"epoch": epoch, "age": "0", "end": "exact", "aside": aside, "former": former}.items():
            self.db.execute("INSERT INTO meta VALUES (?, ?)", (name, value))
        for place in range(len(LANES)):
            self.db.execute("INSERT INTO lane VALUES (?, 0, ?)", (place, _guard(epoch, place, 0)))
        self.db.execute(f"PRAGMA user_version={store.VERSION}")
        self.db.execute("COMMIT")

    def _bring_up_to_date(self, version: int) -> None:
        """Add what a store of an earlier version has not."""
        if version < 2:
            self.db.execute("BEGIN IMMEDIATE")
            self._run(store.SINCE_2)
            self.db.execute("INSERT OR IGNORE INTO meta VALUES ('former', '')")
            self.db.execute(f"PRAGMA user_version={store.VERSION}")
            self.db.execute("COMMIT")

    def _run(self, statements: str) -> None:
        for statement in statements.split(";\n"):
            if statement.strip():
                self.db.execute(statement)

    def _load_age(self) -> None:
        """Take up the age where the last run left it, which is known no better than from the last row it wrote."""
        ages = [int(self.meta["age"])]
        for stream in rows.STREAMS:
            query = "SELECT age FROM message WHERE key BETWEEN ? AND ? ORDER BY key DESC LIMIT 1"
            ages += [age for (age,) in self.db.execute(query, rows.bounds(stream)).fetchall()]
        self.meta["age"] = str(max(ages))

    def _load_numbers(self) -> None:
        for place, reserved, guard in self.db.execute("SELECT lane, reserved, guard FROM lane").fetchall():
            if guard != _guard(self.epoch, place, reserved):
                raise store.Damaged(f"{self.path}: the count of a lane is damaged", store.SET_ASIDE)
            self.reserved[LANES[place]] = reserved
        if set(self.reserved) != set(LANES):
            raise store.Damaged(f"{self.path} misses a lane", store.SET_ASIDE)
        self.gaps.check()

    def _load_starts(self) -> None:
        """Read which starts have no end yet; an end that came is behind its start."""
        query = "SELECT episode, key FROM message WHERE worth = ?"
        found = self.db.execute(query, (Worth.START,)).fetchall()
        self.starts = {rows.unpacked(episode): place for episode, place in found}
        _, high = rows.bounds("event")
        first = max(
            min(self.starts.values(), default=high), self.highest("event") + rows.bounds("event")[0] - LOOK_BACK
        )
        query = "SELECT episode FROM message WHERE key > ? AND key <= ? AND phase = 'end'"
        for (episode,) in self.db.execute(query, (first, high)).fetchall():
            if (start := self.starts.pop(rows.unpacked(episode), None)) is not None:
                self.ended.append(start)

    def settle_starts(self, count: int) -> bool:
        """Write into some rows of starts that their end is stored, too; return whether there may be more.

        Done late and together, for a start and its end seldom lie on one page, and each page is written whole.

        Raises:
            StoreError: it could not be written.
        """
        some = self.ended[:count]
        if some:
            with self.writing(forced=True):
                for place in some:
                    self.change(place, Worth.START_ENDED, only=Worth.START)  # it may be delivered by now
            del self.ended[: len(some)]
        return bool(self.ended)

    def _take_possession(self) -> None:
        """Note that the store is open, and which numbers nobody knows about."""
        with self.writing(forced=True):
            self.exact = self.meta["end"] == "exact"
            self.set_meta("end", "none")
            for lane in LANES:
                used = self.highest(lane)
                if not self.exact and self.reserved[lane] > used:
                    # Who had these numbers is not known: they are never given again.
                    self.gaps.note(lane, "void", used + 1, self.reserved[lane])
        self.checkpoint()

    def resize(self) -> None:
        """Reckon again how many pages the store may have, what was set aside counted in."""
        self._limit = store.page_limit(self.path, self._cap, self._page)

    @property
    def cramped(self) -> bool:
        """Whether what was set aside leaves this store less than half of the cap."""
        return self._limit * self._page < self._cap // 2

    # Reading and writing

    def read(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query.

        Raises:
            StoreError: it cannot be read.
        """
        with self.explained():
            return self.db.execute(query, values).fetchall()

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Turn SQLite's errors into StoreError."""
        try:
            yield
        except sqlite3.Error as error:
            raise store.explain(error, self.path) from error

    @contextlib.contextmanager
    def writing(self, *, forced: bool = False) -> Iterator[None]:
        """One transaction; what memory knows follows what the card knows, also when it fails.

        Args:
            forced: it makes room, so it may use the pages that are kept back.

        Raises:
            StoreError: it did not succeed, and nothing has changed.
        """
        before = self._snapshot()
        try:
            with self.explained():
                self.db.execute(f"PRAGMA max_page_count={self._pages(forced=forced)}").fetchall()
                self.db.execute("BEGIN IMMEDIATE")
                yield
                self.db.execute("COMMIT")
        except BaseException:
            self.tally, self.starts, self.reserved, self.meta, ended = before
            del self.ended[ended:]
            with contextlib.suppress(sqlite3.Error):
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
            raise

    def checkpoint(self) -> None:
        """Write the journal back into the store."""
        self.read("PRAGMA wal_checkpoint(PASSIVE)")

    def _pages(self, *, forced: bool) -> int:
        free = store.free_bytes(self.path)
        if free is not None and free < self._min_free:
            # SQLite lifts a limit below the present size to that size: the store keeps what it has and does not grow.
            return 1
        return self._limit if forced else self._limit - HEADROOM_PAGES

    def _snapshot(self) -> tuple[Any, ...]:
        tally = {worth: list(counts) for worth, counts in self.tally.items()}
        return tally, dict(self.starts), dict(self.reserved), dict(self.meta), len(self.ended)

    # Entries; all but `age` and `highest` inside a transaction

    def age(self) -> int:
        """Return for how many seconds this store has been open in its life."""
        return int(self.meta["age"]) + int(self._clock() - self._opened)

    def keep_age(self) -> None:
        """Write the age down."""
        now = self.age()
        self._opened = self._clock()
        self.set_meta("age", str(now))

    def highest(self, lane: Lane) -> int:
        """Return the highest number of a lane that is known to have been used."""
        low, high = rows.bounds(lane)
        found = self.read("SELECT max(key) FROM message WHERE key BETWEEN ? AND ?", (low, high))[0][0]
        return max(0 if found is None else found - low, self.gaps.highest(lane))

    def set_meta(self, name: str, value: str) -> None:
        """Note a fact about the store."""
        self.meta[name] = value
        self.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def set_reserved(self, lane: Lane, number: int) -> None:
        """Note up to which number a lane's numbers are given away."""
        place = LANES.index(lane)
        guard = _guard(self.epoch, place, number)
        self.db.execute("UPDATE lane SET reserved = ?, guard = ? WHERE lane = ?", (number, guard, place))
        self.reserved[lane] = number

    def insert(self, message: Message, worth: Worth) -> None:
        """Add a message, if it is not there; of another epoch than the store's: as a saved one."""
        origin = None
        place = rows.bounds(message.lane)[0] + message.seq
        if message.epoch != self.epoch:
            origin = rows.origin_of(message.key)
            low, high = rows.bounds("saved")
            top = self.db.execute("SELECT max(key) FROM message WHERE key BETWEEN ? AND ?", (low, high)).fetchone()[0]
            place = (top or low) + 1
            self.former.saved(message.key)
        size = len(message.payload)
        row: tuple[Any, ...]
        row = (place, worth, size, self.age(), message.rank, message.alarm, message.wall, rows.packed(message.id))
        row += (
            message.topic,
            rows.packed(message.episode),
            message.phase,
            origin,
            None,
            rows.checksum(message),
            message.payload,
        )
        marks = ", ".join("?" * len(row))
        if self.db.execute(f"INSERT OR IGNORE INTO message VALUES ({marks})", row).rowcount != 1:  # noqa: S608
            return
        self._count(worth, 1, size)
        if worth == Worth.START:
            self.starts[message.episode] = place
        elif message.phase == "end" and (start := self.starts.pop(message.episode, None)) is not None:
            self.ended.append(start)

    def change(self, place: int, worth: Worth, note: str | None = None, *, only: Worth | None = None) -> None:
        """Give a row another worth, if it is there (and of worth `only`)."""
        found = self.db.execute("SELECT worth, size FROM message WHERE key = ?", (place,)).fetchone()
        if found is None or found[0] == worth or only not in {None, found[0]}:
            return
        if note is None:
            self.db.execute("UPDATE message SET worth = ? WHERE key = ?", (worth, place))
        else:
            self.db.execute("UPDATE message SET worth = ?, note = ? WHERE key = ?", (worth, note, place))
        self._count(found[0], -1, -found[1])
        self._count(worth, 1, found[1])

    def place_of(self, key: rows.Key) -> int | None:
        """Return where a message is, or would be; None for one of another epoch that was never saved."""
        epoch, lane, seq = key
        if epoch == self.epoch:
            return rows.place_of(lane, seq)
        row = self.db.execute("SELECT key FROM message WHERE origin = ?", (rows.origin_of(key),)).fetchone()
        return None if row is None else int(row[0])

    def deliver(self, key: rows.Key) -> None:
        """Note that the centre has a message, if it is there; only events of this epoch are kept for replay."""
        place = self.place_of(key)
        if place is None:
            return
        if key[1] == "media" or rows.lane_at(place) is None:
            self.remove(place)
        else:
            self.change(place, Worth.DELIVERED)

    def remove(self, place: int) -> None:
        """Delete a row, if it is there."""
        for worth, size in self.db.execute(
            "DELETE FROM message WHERE key = ? RETURNING worth, size", (place,)
        ).fetchall():
            self._count(worth, -1, -size)

    def _count(self, worth: int, number: int, size: int) -> None:
        """Note that rows came or went."""
        tally = self.tally.setdefault(worth, [0, 0])
        tally[0] += number
        tally[1] += size


def _guard(epoch: str, place: int, number: int) -> int:
    """Return what shows that a count was changed by the card."""
    return zlib.crc32(f"{epoch}/{place}/{number}".encode())
