"""The store's bookkeeping: transactions, and what memory knows of the card, which are changed together or not at all.

Rows and bytes of each worth, numbers, starts whose end has not come; gaps stand in gaps.py, the order of worth in
ranking.py, delivered events in packs.py. How all that is read when a store is opened is in opening.py. Which message
comes and goes, and when, is the outbox's business (outbox.py, room.py). On the thread that owns the store.
"""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from collections import deque
from typing import TYPE_CHECKING, Any

from gateway.uplink import rows, store
from gateway.uplink.boots import Boots
from gateway.uplink.former import Former
from gateway.uplink.gaps import Gaps
from gateway.uplink.packs import Packs
from gateway.uplink.ranking import RANK_ROWS, Ranking
from gateway.uplink.worth import Worth
from gateway.wire.draft import LANES, Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from gateway.wire.message import Message

HEADROOM_PAGES = 64
"""Kept back so that a full store can still delete and count."""
DONE_ROWS = 128
"""Most rows that are noted as delivered in one transaction."""
FREED_BYTES = 512 * 1024
"""Of rows that go no more is overwritten in one transaction, about: it is all in the journal first."""


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
        self.boots = Boots(db)
        self.ranking = Ranking(db)
        self.packs = Packs(db)
        self.starts: dict[str, int] = {}
        """Places of the starts whose end is not stored, by episode."""
        self.tally: dict[int, list[int]] = {}
        """Rows and bytes of each worth."""
        self.meta: dict[str, str] = {}
        self.voided: dict[Lane, tuple[int, int]] = {}
        """Of each lane the numbers of which nobody knew when it was opened who had them: they are told as void."""
        self.stained = True
        """Whether the journal may hold a picture that is deleted in the store; after a crash, nobody knows."""
        self.evicted = 0
        """Messages that made room."""
        self.corrupted = 0
        """Messages that had changed on the card."""
        self.exact = False
        """Whether no number was lost when it was closed last."""
        self.untouched = True
        """Whether no number was reserved since it was opened."""
        self._cap = cap_bytes
        self._min_free = min_free
        self._clock = clock
        self._opened = clock()
        self._page = store.page_of(db)
        self.limit = 0
        """Most pages."""

    def resize(self) -> None:
        """Reckon again how many pages the store may have, what was set aside counted in."""
        self.limit = store.page_limit(self.path, self._cap, self._page)

    @property
    def cramped(self) -> bool:
        """Whether what was set aside leaves this store less than half of the cap."""
        return self.limit * self._page < self._cap // 2

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
    def writing(self, *, forced: bool = False, zeroing: bool = True) -> Iterator[None]:
        """One transaction; what memory knows follows what the card knows, also when it fails.

        Args:
            forced: it makes room, so it may use the pages that are kept back.
            zeroing: the pages of what it deletes are overwritten, as those of pictures have to be.

        Raises:
            StoreError: it did not succeed, and nothing has changed.
        """
        before = self._snapshot()
        try:
            with self.explained():
                self.db.execute(f"PRAGMA max_page_count={self._pages(forced=forced)}").fetchall()
                self.db.execute(f"PRAGMA secure_delete={'ON' if zeroing else 'FAST'}").fetchall()
                self.db.execute("BEGIN IMMEDIATE")
                yield
                self.db.execute("COMMIT")
        except BaseException:
            self.tally, self.starts, self.reserved, self.meta, ranking = before
            self.ranking.restore(ranking)
            with contextlib.suppress(sqlite3.Error):
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
            raise

    def checkpoint(self, *, clean: bool = False) -> None:
        """Write the journal back into the store.

        Args:
            clean: and cut it off, with the pictures that are in it; it grows again, which costs the file system some.
        """
        self.read(f"PRAGMA wal_checkpoint({'TRUNCATE' if clean else 'PASSIVE'})")
        self.stained = self.stained and not clean

    def _pages(self, *, forced: bool) -> int:
        free = store.free_bytes(self.path)
        if free is not None and free < self._min_free:
            # SQLite lifts a limit below the present size to that size: the store keeps what it has and does not grow.
            return 1
        return self.limit if forced else self.limit - HEADROOM_PAGES

    def _snapshot(self) -> tuple[Any, ...]:
        tally = {worth: list(counts) for worth, counts in self.tally.items()}
        return tally, dict(self.starts), dict(self.reserved), dict(self.meta), self.ranking.snapshot()

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
        query = "SELECT key FROM stored WHERE key BETWEEN ? AND ? ORDER BY key DESC LIMIT 1"
        found = [0, *(int(place) - low for (place,) in self.read(query, (low, high)))]
        with self.explained():
            if lane == "event":
                found.append(self.packs.highest() - low)
            return max([*found, self.gaps.highest(lane)])

    def set_meta(self, name: str, value: str) -> None:
        """Note a fact about the store."""
        self.meta[name] = value
        self.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def set_reserved(self, lane: Lane, number: int) -> None:
        """Note up to which number a lane's numbers are given away."""
        place = LANES.index(lane)
        self.db.execute(
            "UPDATE lane SET reserved = ?, guard = ? WHERE lane = ?", (number, guard(self.epoch, place, number), place)
        )
        self.reserved[lane] = number

    # Rows

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
        table, *older = rows.tables_of(place)
        if any(self.db.execute(f"SELECT 1 FROM {each} WHERE key = ?", (place,)).fetchall() for each in older):  # noqa: S608
            return
        marks = ", ".join("?" * len(row))
        if self.db.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row).rowcount != 1:  # noqa: S608
            return
        self.ranking.insert(place, worth, size)
        self._count(worth, 1, size)
        if worth == Worth.START:
            self.starts[message.episode] = place
        elif message.phase == "end":
            self._end(message.episode)

    def pack(self, messages: Sequence[Message]) -> None:
        """Add delivered events of this epoch's event lane, all in one row."""
        more, size = self.packs.insert(messages, self.age())
        self._count(Worth.DELIVERED, more, size)
        for message in messages:
            if message.phase == "end":
                self._end(message.episode)

    def unpack(self, place: int) -> int:
        """Delete a pack; return how many events it had."""
        gone, size = self.packs.remove(place)
        self._count(Worth.DELIVERED, -gone, -size)
        return gone

    def change(self, place: int, worth: Worth, note: str | None = None) -> None:
        """Give a row another worth, if it is there."""
        for table in rows.tables_of(place):
            query = f"SELECT worth, size FROM {table} WHERE key = ?"  # noqa: S608
            found = self.db.execute(query, (place,)).fetchone()
            if found is None or found[0] == worth:
                continue
            if note is None:
                self.db.execute(f"UPDATE {table} SET worth = ? WHERE key = ?", (worth, place))  # noqa: S608
            else:
                self.db.execute(f"UPDATE {table} SET worth = ?, note = ? WHERE key = ?", (worth, note, place))  # noqa: S608
            self._count(self.ranking.change(place, found[0], worth, found[1]), -1, -found[1])
            self._count(worth, 1, found[1])

    def place_of(self, key: rows.Key) -> int | None:
        """Return where a message is, or would be; None for one of another epoch that was never saved."""
        epoch, lane, seq = key
        if epoch == self.epoch:
            return rows.place_of(lane, seq)
        row = self.db.execute("SELECT key FROM message WHERE origin = ?", (rows.origin_of(key),)).fetchone()
        return None if row is None else int(row[0])

    def deliver(self, keys: deque[rows.Key]) -> None:
        """Take some keys out, as many as one transaction allows, and note that the centre has these messages.

        Unknown ones are ignored; only events of this epoch are kept for replay.
        """
        freed = 0
        for _ in range(min(DONE_ROWS, len(keys))):
            key = keys.popleft()
            place = self.place_of(key)
            if place is None:
                continue
            if key[1] == "media" or rows.lane_at(place) is None:
                freed += self.remove(place) or 0
            else:
                self.change(place, Worth.DELIVERED)
            if freed >= FREED_BYTES:
                return

    def deliver_all(self, keys: Iterable[rows.Key]) -> None:
        """Note that the centre has these messages, some in a transaction; unknown ones are ignored.

        Raises:
            StoreError: not all could be noted.
        """
        rest = deque(keys)
        while rest:
            with self.writing(forced=True):
                self.deliver(rest)

    def remove(self, place: int) -> int | None:
        """Delete a row; return its bytes, or None: it is not there."""
        gone: int | None = None
        for table in rows.tables_of(place):
            query = f"DELETE FROM {table} WHERE key = ? RETURNING worth, size"  # noqa: S608
            for worth, size in self.db.execute(query, (place,)).fetchall():
                self._count(self.ranking.remove(place, worth), -1, -size)
                gone = int(size)
                self.stained = self.stained or rows.may_be_picture(place)
        return gone

    def forget(self, place: int, worth: int, size: int) -> None:
        """Strike a row out that is ranked and not there."""
        self._count(self.ranking.remove(place, worth), -1, -size)

    # The order of worth

    def rank(self, *, everything: bool = False) -> None:
        """Write down what the newest rows are worth, when they are many; or in any case."""
        if everything or self.ranking.fresh >= RANK_ROWS:
            self._ended(self.ranking.rank())

    def settle_starts(self, count: int) -> bool:
        """Write down of some starts that their end is stored, too; return whether there may be more.

        Done late and together, for a start and its end seldom lie on one page, and each page is written whole.

        Raises:
            StoreError: it could not be written.
        """
        if not self.ranking.ended:
            return False
        with self.writing(forced=True):
            found = self.ranking.settle(count)
            self._ended(found)
        return bool(found)

    def _end(self, episode: str) -> None:
        if (start := self.starts.pop(episode, None)) is not None:
            self.ranking.end(start)

    def _ended(self, found: Sequence[tuple[int, int, int]]) -> None:
        for _, _, size in found:
            self._count(Worth.START, -1, -size)
            self._count(Worth.START_ENDED, 1, size)

    def _count(self, worth: int, number: int, size: int) -> None:
        """Note that rows came or went."""
        tally = self.tally.setdefault(worth, [0, 0])
        tally[0] += number
        tally[1] += size


def guard(epoch: str, place: int, number: int) -> int:
    """Return what shows that a count was changed by the card."""
    return zlib.crc32(f"{epoch}/{place}/{number}".encode())
