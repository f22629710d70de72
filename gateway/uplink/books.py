"""The store's bookkeeping: transactions, and what memory knows of the card, which are changed together or not at all.

Here are also the facts about the store, its numbers and its bounds; messages stand in entries.py, gaps in gaps.py. How
all that is read when a store is opened is in opening.py. On the thread that owns the store.
"""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from collections import deque
from typing import TYPE_CHECKING, Any

from gateway.uplink import rows, store
from gateway.uplink.boots import Boots
from gateway.uplink.entries import Entries
from gateway.uplink.former import Former
from gateway.uplink.gaps import Gaps
from gateway.uplink.worth import Worth
from gateway.wire.draft import LANES, Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence


HEADROOM_PAGES = 64
"""Kept back so that a full store can still delete and count."""


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
        self.entries = Entries(db, self.former, self.age)
        self.meta: dict[str, str] = {}
        self.voided: dict[Lane, tuple[int, int]] = {}
        """Of each lane the numbers of which nobody knew when it was opened who had them: they are told as void."""
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
        before = dict(self.reserved), dict(self.meta), self.entries.snapshot()
        try:
            with self.explained():
                self.db.execute(f"PRAGMA max_page_count={self._pages(forced=forced)}").fetchall()
                self.db.execute(f"PRAGMA secure_delete={'ON' if zeroing else 'FAST'}").fetchall()
                self.db.execute("BEGIN IMMEDIATE")
                yield
                self.db.execute("COMMIT")
        except BaseException:
            self.reserved, self.meta = before[:2]
            self.entries.restore(before[2])
            with contextlib.suppress(sqlite3.Error):
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
            raise

    def checkpoint(self, *, clean: bool = False) -> None:
        """Write the journal back into the store.

        Args:
            clean: and cut it off, with the pictures that are in it; it grows again, which costs the file system some.
        """
        if not clean:
            self.read("PRAGMA wal_checkpoint(PASSIVE)")
            return
        with self.writing(forced=True):  # a store that is open must have a journal at the next start: not now
            self.set_meta("end", "closed")
        self.read("PRAGMA wal_checkpoint(TRUNCATE)")
        with self.writing(forced=True):
            self.set_meta("end", "none")
        self.read("PRAGMA wal_checkpoint(PASSIVE)")  # into the store itself: it knows then that a journal belongs to it
        self.entries.stained = False

    def _pages(self, *, forced: bool) -> int:
        free = store.free_bytes(self.path)
        if free is not None and free < self._min_free:
            # SQLite lifts a limit below the present size to that size: the store keeps what it has and does not grow.
            return 1
        return self.limit if forced else self.limit - HEADROOM_PAGES

    # Facts and numbers; all but `age` and `highest` inside a transaction

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
                found.append(self.entries.packs.highest() - low)
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

    def reserve(self, lane: Lane, count: int) -> range:
        """Reserve numbers in a transaction of its own; see Outbox.reserve."""
        first = self.reserved[lane] + 1
        self.untouched = False
        with self.writing():
            self.set_reserved(lane, first + count - 1)
        # Into the store itself: a journal that loses its tail must not bring the numbers back.
        self.checkpoint()
        return range(first, first + count)

    def were_given(self, unused: Mapping[Lane, int]) -> None:
        """Take numbers out of those that are void, in a transaction of its own; see Outbox.were_given."""
        if self.voided:
            with self.writing(forced=True):
                for lane, (first, last) in self.voided.items():
                    self.gaps.shrink_void(lane, first, last, min(last, unused.get(lane, last + 1) - 1))
            self.voided = {}

    def note_end(self, unused: Mapping[Lane, int] | None) -> None:
        """Note in a transaction of its own that the store is closed in order; see Outbox.close."""
        with self.writing(forced=True):
            for lane, first in (unused or {}).items():
                if self.highest(lane) < first <= self.reserved[lane]:
                    self.set_reserved(lane, first - 1)
            # "none" while it is open: then a journal must be there at the next start. "exact": no number is lost.
            exact = unused is not None or (self.exact and self.untouched)
            self.set_meta("end", "exact" if exact else "closed")
            self.keep_age()

    # Messages, in transactions of their own

    def bury(self, places: Sequence[int], why: str) -> None:
        """Keep messages as dead, and tell that their numbers will not come.

        Raises:
            StoreError: it could not be written.
        """
        with self.writing():
            for place in places:
                self.entries.change(place, Worth.DEAD, why)
                self.gaps.note_at(place, "evicted")

    def deliver_all(self, keys: Iterable[rows.Key]) -> None:
        """Note that the centre has these messages, some in a transaction; unknown ones are ignored.

        Raises:
            StoreError: not all could be noted.
        """
        rest = deque(keys)
        while rest:
            with self.writing(forced=True):
                self.entries.deliver(rest)

    def settle_starts(self, count: int) -> bool:
        """Write down of some starts that they have ended; return whether there may be more. See Entries.settle.

        Raises:
            StoreError: it could not be written.
        """
        if not self.entries.ranking.ended:
            return False
        with self.writing(forced=True):
            return self.entries.settle(count)


def guard(epoch: str, place: int, number: int) -> int:
    """Return what shows that a count was changed by the card."""
    return zlib.crc32(f"{epoch}/{place}/{number}".encode())
