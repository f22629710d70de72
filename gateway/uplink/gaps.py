"""The numbers that will never come, and why: in memory and on the card alike.

Which numbers these are is decided elsewhere (outbox.py, room.py), transactions are the books' (books.py); how the
centre is told is not known here. On the thread that owns the store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from gateway.uplink.ranges import Range, Ranges
from gateway.uplink.rows import lane_at
from gateway.wire.draft import LANES, Lane

if TYPE_CHECKING:
    import sqlite3

Why = Literal["void", "evicted", "expired"]
WHYS: tuple[Why, ...] = ("void", "evicted", "expired")
GAP_RANGES = 256
"""Of each lane and reason; the oldest are forgotten, and answered as expired when the centre asks."""

Copy = dict[tuple[Lane, Why], Ranges]


class Gaps:
    """The gaps of an open store. Changes are made inside a transaction of the books."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Take an open connection; `load` reads what is there."""
        self._db = db
        self._ranges: Copy = {(lane, why): Ranges(GAP_RANGES) for lane in LANES for why in WHYS}

    def load(self) -> None:
        """Read the gaps.

        Raises:
            sqlite3.Error, TypeError, ValueError, LookupError: the store cannot be used.
        """
        for place, why, first, last in self._db.execute("SELECT * FROM gap ORDER BY first").fetchall():
            self._ranges[LANES[place], why].add(first, last)

    def note(self, lane: Lane, why: Why, first: int, last: int) -> None:
        """Note that numbers will not come."""
        self._keep(lane, why, *self._ranges[lane, why].add(first, last))

    def note_at(self, place: int, why: Why) -> None:
        """Note that the message at a place will not come; nothing for a saved one, whose epoch is over."""
        if here := lane_at(place):
            self.note(here[0], why, here[1], here[1])

    def cut(self, lane: Lane, upto: int) -> None:
        """Forget gaps up to a number."""
        for why in WHYS:
            self._keep(lane, why, *self._ranges[lane, why].cut(upto))

    def highest(self, lane: Lane) -> int:
        """Return the highest number of a lane that will not come, or 0."""
        return max([0, *(last for why in WHYS for _, last in self._ranges[lane, why].as_list()[-1:])])

    def by_lane(self) -> dict[Lane, dict[Why, list[Range]]]:
        """Return what is there, without empty entries."""
        found: dict[Lane, dict[Why, list[Range]]] = {}
        for (lane, why), ranges in self._ranges.items():
            if ranges.as_list():
                found.setdefault(lane, {})[why] = ranges.as_list()
        return found

    def copy(self) -> Copy:
        """Return what memory knows, for `restore`."""
        return {name: ranges.copy() for name, ranges in self._ranges.items()}

    def restore(self, before: Copy) -> None:
        """Return to a copy: the transaction did not succeed."""
        self._ranges = before

    def _keep(self, lane: Lane, why: Why, gone: list[Range], came: list[Range]) -> None:
        place = LANES.index(lane)
        for first, _ in gone:
            self._db.execute("DELETE FROM gap WHERE lane = ? AND why = ? AND first = ?", (place, why, first))
        for first, last in came:
            self._db.execute("INSERT OR REPLACE INTO gap VALUES (?, ?, ?, ?)", (place, why, first, last))
