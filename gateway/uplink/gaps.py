"""The numbers that will never come, and why; as ranges in the store, however many there are.

Told to the centre are the newest, and those that answer what it asked last; where ranges are left out that is said,
too (`partial`). Which numbers these are is decided elsewhere (outbox.py, room.py), transactions are the books'
(books.py). On the thread that owns the store; nothing is kept in memory, so a transaction that fails takes its gaps
along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from gateway.uplink.ranges import Range, Ranges
from gateway.uplink.rows import bounds, lane_at
from gateway.wire.draft import LANES, Lane

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

Why = Literal["void", "evicted", "expired"]
WHYS: tuple[Why, ...] = ("void", "evicted", "expired")
TOLD_RANGES = 256
"""Of each lane: so many of the newest are told, and so many of those that answer a question."""
SETTLED_SECONDS = 600
"""What lay on the card for so long has nothing before it in its lane that still waits in memory."""


class Gaps:
    """The gaps of an open store. Changes are made inside a transaction of the books."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Take an open connection."""
        self._db = db
        self.changes = 0
        """Rises with every change, also with one that is rolled back."""
        self._asked: dict[Lane, list[Range]] = {}

    def check(self) -> None:
        """Look whether what is there can be used.

        Raises:
            sqlite3.Error, TypeError, ValueError: it cannot.
        """
        query = "SELECT count(*) FROM gap WHERE lane NOT IN (0, 1, 2) OR why NOT IN (?, ?, ?) OR first > last"
        if wrong := self._db.execute(query, WHYS).fetchone()[0]:
            raise ValueError(f"{wrong} gaps are none")

    def note(self, lane: Lane, why: Why, first: int, last: int) -> None:
        """Note that numbers will not come."""
        place = LANES.index(lane)
        touching = self._before(place, why, first)[-1:]
        touching = [found for found in touching if found[1] >= first - 1]
        query = "SELECT first, last FROM gap WHERE lane = ? AND why = ? AND first BETWEEN ? AND ?"
        touching += self._db.execute(query, (place, why, first, last + 1)).fetchall()
        if touching == [(first, last)]:
            return
        self._replace(place, why, touching, [(first, last), *touching])

    def note_at(self, place: int, why: Why, *, settled: bool = False) -> None:
        """Note that the message at a place will not come; nothing for a saved one, whose epoch is over.

        Args:
            place: of a row that has just left.
            why: the reason.
            settled: it lay on the card for SETTLED_SECONDS. Then the gap before it grows up to it where no row lies
                between them: what was there has arrived and was forgotten, so it will not come either.
        """
        here = lane_at(place)
        if here is None:
            return
        lane, seq = here
        first = seq
        if settled and (before := self._before(LANES.index(lane), why, seq)):
            low, _ = bounds(lane)
            between = (low + before[-1][1], place)
            stored = self._db.execute("SELECT 1 FROM stored WHERE key > ? AND key < ? LIMIT 1", between).fetchall()
            if (
                not stored
                and not self._db.execute("SELECT 1 FROM pack WHERE last > ? AND place < ?", between).fetchall()
            ):
                first = min(seq, before[-1][1] + 1)
        self.note(lane, why, first, seq)

    def fill(self, lane: Lane, first: int, last: int) -> None:
        """Note as expired whatever of a range is in no gap yet."""
        place = LANES.index(lane)
        query = "SELECT first, last FROM gap WHERE lane = ? AND why = ? AND first BETWEEN ? AND ?"
        known = Ranges()
        for why in WHYS:
            for begin, end in (
                self._before(place, why, first) + self._db.execute(query, (place, why, first, last)).fetchall()
            ):
                known.add(begin, end)
        for begin, end in known.holes(first, last):
            self.note(lane, "expired", begin, end)

    def shrink_void(self, lane: Lane, first: int, last: int, upto: int) -> None:
        """Take `first` to `upto` out of a void range that ends with `last`: they were given to messages after all."""
        place = LANES.index(lane)
        for begin, end in self._before(place, "void", last + 1):
            if end == last and first <= upto:
                parts = [(low, high) for low, high in ((begin, first - 1), (upto + 1, last)) if low <= high]
                self._db.execute("DELETE FROM gap WHERE lane = ? AND why = 'void' AND first = ?", (place, begin))
                for part in parts:
                    self._replace(place, "void", [], [part])
                self.changes += 1

    def cut(self, lane: Lane, upto: int) -> None:
        """Forget gaps up to a number."""
        place = LANES.index(lane)
        for why in WHYS:
            query = "SELECT first, last FROM gap WHERE lane = ? AND why = ? AND first <= ? AND last > ?"
            for first, last in self._db.execute(query, (place, why, upto, upto)).fetchall():
                self._replace(place, why, [(first, last)], [(upto + 1, last)])
        gone = self._db.execute("DELETE FROM gap WHERE lane = ? AND first <= ?", (place, upto)).rowcount
        self.changes += gone > 0

    def highest(self, lane: Lane) -> int:
        """Return the highest number of a lane that will not come, or 0."""
        place = LANES.index(lane)
        found = [self._newest(place, why, 1) for why in WHYS]
        return max([0, *(ranges[0][1] for ranges in found if ranges)])

    def asked(self, lane: Lane, ranges: Sequence[Range]) -> None:
        """Note what the centre misses: what of it is in a gap will be told, whatever else is left out."""
        self._asked[lane] = list(ranges)
        self.changes += 1

    def told(self) -> dict[str, Any]:
        """Return `lanes` and, where gaps are left out, `partial`, as they stand in up/gap."""
        lanes: dict[Lane, dict[Why, list[Range]]] = {}
        partial: dict[Lane, int] = {}
        for place, lane in enumerate(LANES):
            newest = [(found, why) for why in WHYS for found in self._newest(place, why, TOLD_RANGES + 1)]
            newest.sort(reverse=True)
            if left_out := newest[TOLD_RANGES:]:
                partial[lane] = max(newest[TOLD_RANGES - 1][0][0], *(found[1] + 1 for found, _ in left_out))
            for found, why in sorted({*newest[:TOLD_RANGES], *self._answers(place, lane)}):
                lanes.setdefault(lane, {}).setdefault(why, []).append(found)
        return {"lanes": lanes} | ({"partial": partial} if partial else {})

    def _answers(self, place: int, lane: Lane) -> list[tuple[Range, Why]]:
        """Return the gaps in what was asked last, from the lowest on."""
        found: list[tuple[Range, Why]] = []
        query = (
            "SELECT first, last FROM gap WHERE lane = ? AND why = ? AND first BETWEEN ? AND ? ORDER BY first LIMIT ?"
        )
        for first, last in self._asked.get(lane, []):
            here: list[tuple[Range, Why]] = []
            for why in WHYS:
                inside = [each for each in self._before(place, why, first) if each[1] >= first]
                inside += self._db.execute(query, (place, why, first, last, TOLD_RANGES)).fetchall()
                here += [(each, why) for each in inside]
            found += sorted(here)
            if len(found) >= TOLD_RANGES:
                break
        return found[:TOLD_RANGES]

    def _before(self, place: int, why: Why, number: int) -> list[Range]:
        """Return the range that begins next below a number, if there is one."""
        query = "SELECT first, last FROM gap WHERE lane = ? AND why = ? AND first < ? ORDER BY first DESC LIMIT 1"
        return self._db.execute(query, (place, why, number)).fetchall()

    def _newest(self, place: int, why: Why, count: int) -> list[Range]:
        query = "SELECT first, last FROM gap WHERE lane = ? AND why = ? ORDER BY first DESC LIMIT ?"
        return self._db.execute(query, (place, why, count)).fetchall()

    def _replace(self, place: int, why: Why, gone: Sequence[Range], parts: Sequence[Range]) -> None:
        """Put one range in the place of some, over all of `parts`."""
        for first, _ in gone:
            self._db.execute("DELETE FROM gap WHERE lane = ? AND why = ? AND first = ?", (place, why, first))
        first, last = min(first for first, _ in parts), max(last for _, last in parts)
        self._db.execute("INSERT OR REPLACE INTO gap VALUES (?, ?, ?, ?)", (place, why, first, last))
        self.changes += 1
