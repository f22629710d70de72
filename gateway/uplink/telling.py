"""What others are told of the store: how much waits since when, and which numbers will never come.

How it is put into payloads is the reports' business (daemon/reporting.py). On the thread that owns the store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.uplink.rows import STREAMS, bounds
from gateway.uplink.worth import WAITING, Worth

if TYPE_CHECKING:
    from gateway.uplink.books import Books


class Told:
    """What was told last of the gaps, which is read again only when they have changed."""

    def __init__(self, books: Books) -> None:
        """Take the books of an open store."""
        self._books = books
        self._told: dict[str, Any] = {}
        self._told_at = (-1, -1)

    def gaps(self) -> dict[str, Any]:
        """Return `lanes`, and where there are any `partial` and `former`, as they stand in up/gap.

        Raises:
            StoreError: they cannot be read.
        """
        changes = (self._books.gaps.changes, self._books.former.changes)
        if changes != self._told_at:
            with self._books.explained():
                former = self._books.former.told()
                self._told = self._books.gaps.told() | ({"former": former} if former else {})
            self._told_at = changes
        return self._told


def counts(books: Books) -> dict[str, Any]:
    """Return rows and bytes waiting, dead and delivered rows, and the wall time of the oldest waiting one."""
    waiting = [found for worth, found in books.entries.tally.items() if worth >= WAITING]
    walls: list[float] = []
    for stream in STREAMS:
        query = "SELECT wall, key FROM stored WHERE key BETWEEN ? AND ? AND worth >= ? ORDER BY key LIMIT 1"
        if waiting:
            walls += [wall for wall, _ in books.read(query, (*bounds(stream), WAITING))]
    return {
        "rows": sum(rows for rows, _ in waiting),
        "bytes": sum(size for _, size in waiting),
        "dead": books.entries.tally.get(Worth.DEAD, [0])[0],
        "delivered": books.entries.tally.get(Worth.DELIVERED, [0])[0],
        "oldest_wall": min(walls, default=None),
        "evicted": books.evicted,
        "corrupted": books.corrupted,
    }
