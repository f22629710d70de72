"""The messages in the store: rows that come, change and go, counted and ranked as they do.

What a row looks like is in rows.py, the order of worth in ranking.py, delivered events in packs.py. Which message comes
and goes, and when, is decided in outbox.py, room.py and answering.py. Changes are made inside a transaction of the
books (books.py). On the thread that owns the store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.uplink import rows
from gateway.uplink.packs import Packs
from gateway.uplink.ranking import RANK_ROWS, Ranking
from gateway.uplink.worth import Worth

if TYPE_CHECKING:
    import sqlite3
    from collections import deque
    from collections.abc import Callable, Sequence

    from gateway.uplink.former import Former
    from gateway.wire.message import Message

DONE_ROWS = 128
"""Most rows that are noted as delivered in one transaction."""
FREED_BYTES = 512 * 1024
"""Of rows that go no more is overwritten in one transaction, about: it is all in the journal first."""


class Entries:
    """The messages of an open store."""

    def __init__(self, db: sqlite3.Connection, former: Former, age: Callable[[], int]) -> None:
        """Take an open connection, the numbers of former epochs, and what says how old the store is."""
        self._db = db
        self._former = former
        self._age = age
        self.epoch = ""
        self.ranking = Ranking(db)
        self.packs = Packs(db)
        self.starts: dict[str, int] = {}
        """Places of the starts whose end is not stored, by episode."""
        self.tally: dict[int, list[int]] = {}
        """Rows and bytes of each worth."""
        self.stained = True
        """Whether the journal may hold a picture that is deleted in the store; after a crash, nobody knows."""

    def load(self) -> None:
        """Count what is there; the starts are read in opening.py.

        Raises:
            sqlite3.Error, TypeError, ValueError, LookupError: it cannot be used.
        """
        self.tally = self.ranking.load()
        self._count(Worth.DELIVERED, *self.packs.count())

    def snapshot(self) -> tuple[Any, ...]:
        """Return what `restore` needs."""
        tally = {worth: list(counts) for worth, counts in self.tally.items()}
        return tally, dict(self.starts), self.ranking.snapshot()

    def restore(self, before: tuple[Any, ...]) -> None:
        """Forget what a transaction did that failed."""
        self.tally, self.starts, ranking = before
        self.ranking.restore(ranking)

    def insert(self, message: Message, worth: Worth) -> None:
        """Add a message, if it is not there; of another epoch than the store's: as a saved one."""
        origin = None
        place = rows.bounds(message.lane)[0] + message.seq
        if message.epoch != self.epoch:
            origin = rows.origin_of(message.key)
            low, high = rows.bounds("saved")
            top = self._db.execute("SELECT max(key) FROM message WHERE key BETWEEN ? AND ?", (low, high)).fetchone()[0]
            place = (top or low) + 1
            self._former.saved(message.key)
        size = len(message.payload)
        row: tuple[Any, ...]
        row = (place, worth, size, self._age(), message.rank, message.alarm, message.wall, rows.packed(message.id))
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
        if any(self._db.execute(f"SELECT 1 FROM {each} WHERE key = ?", (place,)).fetchall() for each in older):  # noqa: S608
            return
        marks = ", ".join("?" * len(row))
        if self._db.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row).rowcount != 1:  # noqa: S608
            return
        self.ranking.insert(place, worth, size)
        self._count(worth, 1, size)
        if worth == Worth.START:
            self.starts[message.episode] = place
        elif message.phase == "end":
            self._end(message.episode)

    def pack(self, messages: Sequence[Message]) -> None:
        """Add delivered events of this epoch's event lane, all in one row."""
        more, size = self.packs.insert(messages, self._age())
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
            found = self._db.execute(query, (place,)).fetchone()
            if found is None or found[0] == worth:
                continue
            if note is None:
                self._db.execute(f"UPDATE {table} SET worth = ? WHERE key = ?", (worth, place))  # noqa: S608
            else:
                self._db.execute(f"UPDATE {table} SET worth = ?, note = ? WHERE key = ?", (worth, note, place))  # noqa: S608
            self._count(self.ranking.change(place, found[0], worth, found[1]), -1, -found[1])
            self._count(worth, 1, found[1])

    def place_of(self, key: rows.Key) -> int | None:
        """Return where a message is, or would be; None for one of another epoch that was never saved."""
        epoch, lane, seq = key
        if epoch == self.epoch:
            return rows.place_of(lane, seq)
        row = self._db.execute("SELECT key FROM message WHERE origin = ?", (rows.origin_of(key),)).fetchone()
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

    def remove(self, place: int) -> int | None:
        """Delete a row; return its bytes, or None: it is not there."""
        gone: int | None = None
        for table in rows.tables_of(place):
            query = f"DELETE FROM {table} WHERE key = ? RETURNING worth, size"  # noqa: S608
            for worth, size in self._db.execute(query, (place,)).fetchall():
                self._count(self.ranking.remove(place, worth), -1, -size)
                gone = int(size)
                self.stained = self.stained or rows.may_be_picture(place)
        return gone

    def forget(self, place: int, worth: int, size: int) -> None:
        """Strike a row out that is ranked and not there."""
        self._count(self.ranking.remove(place, worth), -1, -size)

    def rank(self, *, everything: bool = False) -> None:
        """Write down what the newest rows are worth, when they are many; or in any case."""
        if everything or self.ranking.fresh >= RANK_ROWS:
            self._ended(self.ranking.rank())

    def settle(self, count: int) -> bool:
        """Write down of some starts that their end is stored, too; return whether there may be more.

        Done late and together, for a start and its end seldom lie on one page, and each page is written whole.
        """
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
