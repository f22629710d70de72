"""Epochs that are over: which of their numbers will never come, because the store that had them is gone.

A number of such an epoch still comes when its message was saved: from the store that was set aside, or from memory.
All others, up to the highest there can be, are told as gaps when it is known what was saved. Transactions are the
books' (books.py), saving is salvage's (salvage.py). On the thread that owns the store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.uplink.ranges import Range, Ranges
from gateway.uplink.rows import bounds
from gateway.wire.draft import LANES

if TYPE_CHECKING:
    import sqlite3

    from gateway.uplink.rows import Key

HIGHEST = (1 << 47) - 1
"""No lane of any epoch has a higher number."""
KEPT = 4
"""Epochs that are remembered; older ones are forgotten, the first first."""
TOLD_RANGES = 256
"""Of each lane of each epoch: the newest are told."""


class Former:
    """What became of the numbers of former epochs. Changes are made inside a transaction of the books."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Take an open connection."""
        self._db = db
        self._saved: dict[str, dict[str, Ranges]] = {}
        self.changes = 0
        """Rises with every change, also with one that is rolled back."""

    def saved(self, key: Key) -> None:
        """Note that a message of a former epoch is here: it will come."""
        epoch, lane, seq = key
        self._saved.setdefault(epoch, {}).setdefault(lane, Ranges()).add(seq, seq)
        self._cut(epoch, lane, seq)

    def lost(self, origin: str) -> None:
        """Note that a saved message will not come after all; `origin` as in rows.origin_of."""
        epoch, lane, number = [*origin.split("/"), "", ""][:3]
        if not number.isdecimal():
            return  # the card has changed it: whose number it was, nobody can say
        seq = int(number)
        self._saved.get(epoch, {}).get(lane, Ranges()).take_out(seq)
        if (place := self._place(epoch)) is not None and lane in LANES:
            self._insert(place, epoch, LANES.index(lane), self._touching(place, lane, seq), (seq, seq))

    def end(self, epoch: str) -> None:
        """Note that all that could be saved of an epoch is saved: the rest is lost, unless the centre has it."""
        if self._place(epoch) is not None:
            return
        place = self._db.execute("SELECT ifnull(max(place), 0) + 1 FROM former").fetchone()[0]
        for number, lane in enumerate(LANES):
            saved = self._saved.get(epoch, {}).get(lane, Ranges())
            for (seq,) in self._waiting(epoch, lane):
                saved.add(seq, seq)
            for first, last in saved.holes(1, HIGHEST):
                self._db.execute("INSERT INTO former VALUES (?, ?, ?, ?, ?)", (place, epoch, number, first, last))
        self._db.execute("DELETE FROM former WHERE place <= ?", (place - KEPT,))
        self._saved.pop(epoch, None)
        self.changes += 1

    def told(self) -> list[dict[str, Any]]:
        """Return what stands in up/gap of former epochs, the oldest first."""
        found = []
        epochs = self._db.execute("SELECT DISTINCT place, epoch FROM former ORDER BY place").fetchall()
        query = "SELECT first, last FROM former WHERE place = ? AND lane = ? ORDER BY first DESC LIMIT ?"
        for place, epoch in epochs:
            lanes: dict[str, Any] = {}
            partial: dict[str, int] = {}
            for number, lane in enumerate(LANES):
                newest = self._db.execute(query, (place, number, TOLD_RANGES + 1)).fetchall()
                if len(newest) > TOLD_RANGES:
                    partial[lane] = newest[TOLD_RANGES - 1][0]
                if newest:
                    lanes[lane] = {"void": sorted(newest[:TOLD_RANGES])}
            found.append({"epoch": epoch, "lanes": lanes} | ({"partial": partial} if partial else {}))
        return found

    def _waiting(self, epoch: str, lane: str) -> list[tuple[int]]:
        """Return the numbers of saved messages that still wait to be sent."""
        start = f"{epoch}/{lane}/"
        query = "SELECT CAST(substr(origin, ?) AS INTEGER) FROM message WHERE key BETWEEN ? AND ? AND origin GLOB ?"
        return self._db.execute(query, (len(start) + 1, *bounds("saved"), start + "*")).fetchall()

    def _place(self, epoch: str) -> int | None:
        found = self._db.execute("SELECT place FROM former WHERE epoch = ? LIMIT 1", (epoch,)).fetchone()
        return None if found is None else int(found[0])

    def _cut(self, epoch: str, lane: str, seq: int) -> None:
        """Take one number out of what is lost: it was there after all."""
        if (place := self._place(epoch)) is None or lane not in LANES:
            return
        for first, last in self._touching(place, lane, seq):
            if not first <= seq <= last:
                continue
            number = LANES.index(lane)
            self._db.execute("DELETE FROM former WHERE place = ? AND lane = ? AND first = ?", (place, number, first))
            for part in ((first, seq - 1), (seq + 1, last)):
                if part[0] <= part[1]:
                    self._insert(place, epoch, number, [], part)

    def _touching(self, place: int, lane: str, seq: int) -> list[Range]:
        query = "SELECT first, last FROM former WHERE place = ? AND lane = ? AND first <= ? AND last >= ?"
        return self._db.execute(query, (place, LANES.index(lane), seq + 1, seq - 1)).fetchall()

    def _insert(self, place: int, epoch: str, number: int, touching: list[Range], part: Range) -> None:
        first, last = part
        for other in touching:
            self._db.execute("DELETE FROM former WHERE place = ? AND lane = ? AND first = ?", (place, number, other[0]))
            first, last = min(first, other[0]), max(last, other[1])
        self._db.execute("INSERT INTO former VALUES (?, ?, ?, ?, ?)", (place, epoch, number, first, last))
        self.changes += 1
