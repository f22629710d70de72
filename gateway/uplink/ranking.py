"""Which rows are worth least: an index of all stored messages by worth, which is written late.

SQLite's own index would touch a page for each kind of message in each commit: a quarter of all that is written while
the network is down. So the newest rows of each stream stand in their own tables only, until they are some hundreds;
then they are ranked together, and which starts have their end by then is written here alone, not in the starts' rows.
Until then they are looked up where they lie. Transactions are the books' (books.py), who leaves is decided in room.py.
On the thread that owns the store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.uplink.rows import STREAMS, Stream, bounds, stream_at
from gateway.uplink.worth import Worth

if TYPE_CHECKING:
    import sqlite3

RANK_ROWS = 256
"""So many rows are ranked together."""
Row = tuple[int, int, int]
"""Place, worth, size."""


class Ranking:
    """The order in which rows leave. Changes are made inside a transaction of the books."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Take an open connection."""
        self._db = db
        self.fresh = 0
        """Rows that are not ranked, about."""
        self.ended: dict[int, None] = {}
        """Places of starts whose end is stored, which is not written here yet."""
        self._upto: dict[Stream, int] = {}
        """Up to this place all rows of a stream are ranked, and none behind it."""

    def load(self) -> dict[int, list[int]]:
        """Read what is there; return rows and bytes of each worth.

        Raises:
            sqlite3.Error, TypeError, ValueError, LookupError: it cannot be used.
        """
        known = dict(self._db.execute("SELECT stream, place FROM ranked").fetchall())
        self._upto = {stream: int(known[stream]) for stream in STREAMS}
        query = "SELECT worth, count(*), sum(size) FROM worth GROUP BY worth"
        tally = {worth: [count, size] for worth, count, size in self._db.execute(query).fetchall()}
        newest = self._newest()
        self.fresh = len(newest)
        for _, worth, size in newest:
            counts = tally.setdefault(worth, [0, 0])
            counts[0] += 1
            counts[1] += size
        return tally

    def snapshot(self) -> tuple[int, dict[int, None], dict[Stream, int]]:
        """Return what `restore` needs."""
        return self.fresh, dict(self.ended), dict(self._upto)

    def restore(self, before: tuple[int, dict[int, None], dict[Stream, int]]) -> None:
        """Forget what a transaction did that failed."""
        self.fresh, self.ended, self._upto = before

    # Rows that come, change and go

    def insert(self, place: int, worth: int, size: int) -> None:
        """Note a row that came."""
        if self._is_ranked(place):
            self._db.execute("INSERT OR REPLACE INTO worth VALUES (?, ?, ?)", (worth, place, size))
        else:
            self.fresh += 1

    def change(self, place: int, old: int, new: int, size: int) -> int:
        """Note that a row is worth something else than its own columns said; return what it was worth."""
        old = self.remove(place, old)
        if self._is_ranked(place):
            self._db.execute("INSERT INTO worth VALUES (?, ?, ?)", (new, place, size))
        return old

    def remove(self, place: int, worth: int) -> int:
        """Note that a row is gone; return what it was worth, where its own columns say `worth`."""
        self.ended.pop(place, None)
        if not self._is_ranked(place):
            return worth
        if worth == Worth.START and self._delete(Worth.START_ENDED, place):
            return Worth.START_ENDED
        self._delete(worth, place)
        return worth

    def end(self, place: int) -> None:
        """Note that the end of the start at a place is stored, too."""
        self.ended[place] = None

    # Writing it down

    def settle(self, count: int) -> list[Row]:
        """Write down of some ranked starts that they have ended; return them. Empty: there are no more."""
        found: list[Row] = []
        for place in [place for place in self.ended if self._is_ranked(place)][:count]:
            del self.ended[place]
            query = "DELETE FROM worth WHERE worth = ? AND key = ? RETURNING size"
            for (size,) in self._db.execute(query, (Worth.START, place)).fetchall():
                self._db.execute("INSERT INTO worth VALUES (?, ?, ?)", (Worth.START_ENDED, place, size))
                found.append((place, Worth.START_ENDED, size))
        return found

    def rank(self) -> list[Row]:
        """Rank some of the newest rows; return those starts among them that are worth less, for their end is there."""
        newest = self._newest(2 * RANK_ROWS)
        ended = [row for row in newest if row[1] == Worth.START_ENDED]
        self._db.executemany(
            "INSERT OR REPLACE INTO worth VALUES (?, ?, ?)",
            sorted((worth, place, size) for place, worth, size in newest),
        )
        for stream in STREAMS:
            low, high = bounds(stream)
            if last := max((place for place, *_ in newest if low < place <= high), default=0):
                self._upto[stream] = last
                self._db.execute("UPDATE ranked SET place = ? WHERE stream = ?", (last, stream))
        for place, *_ in newest:
            self.ended.pop(place, None)
        self.fresh = max(0, self.fresh - len(newest)) if newest else 0
        return ended

    # Who is where

    def least(self, upto: Worth, limit: int) -> list[Row]:
        """Return the rows that are worth least, none above `upto`; of the same worth the first to be sent first."""
        query = "SELECT key, worth, size FROM worth WHERE worth <= ? ORDER BY worth, key LIMIT ?"
        found = self._db.execute(query, (upto, limit)).fetchall()
        found += [row for row in self._newest() if row[1] <= upto]
        return sorted(found, key=lambda row: (row[1], row[0]))[:limit]

    def of(self, worth: Worth, stream: Stream, after: int, limit: int) -> list[int]:
        """Return the places of rows of one worth in a stream behind a place, in order."""
        _, high = bounds(stream)
        query = "SELECT key FROM worth WHERE worth = ? AND key > ? AND key <= ? ORDER BY key LIMIT ?"
        found = [place for (place,) in self._db.execute(query, (worth, after, high, limit)).fetchall()]
        if len(found) < limit:
            found += [place for place, its, _ in self._newest(stream=stream) if its == worth and place > after]
        return found[:limit]

    def _newest(self, limit: int = -1, stream: Stream | None = None) -> list[Row]:
        """Return the rows that are not ranked, each stream's in order."""
        found: list[Row] = []
        query = "SELECT key, worth, size FROM stored WHERE key > ? AND key <= ? ORDER BY key LIMIT ?"
        for each in STREAMS if stream is None else (stream,):
            left = limit - len(found) if limit >= 0 else -1
            found += self._db.execute(query, (self._upto[each], bounds(each)[1], left)).fetchall()
        return [(place, Worth.START_ENDED if place in self.ended else worth, size) for place, worth, size in found]

    def _is_ranked(self, place: int) -> bool:
        return place <= self._upto[stream_at(place)]

    def _delete(self, worth: int, place: int) -> bool:
        return self._db.execute("DELETE FROM worth WHERE worth = ? AND key = ?", (worth, place)).rowcount == 1
