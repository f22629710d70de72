"""What leaves the store for good: what is worth least when there is no room, and what was kept long enough.

What a message is worth is in worth.py; when room is needed is the outbox's to know (outbox.py). On the thread that owns
the store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.uplink.rows import STREAMS, bounds
from gateway.uplink.store import PAGE
from gateway.uplink.worth import WAITING, Worth

if TYPE_CHECKING:
    from gateway.uplink.books import Books

DELIVERED_SECONDS = 24 * 3600
PICTURE_SECONDS = 72 * 3600
KEPT_SECONDS = (
    (Worth.DELIVERED, DELIVERED_SECONDS),
    (Worth.PICTURE, PICTURE_SECONDS),
    (Worth.ALARM_PICTURE, PICTURE_SECONDS),
)


def evict(books: Books, upto: Worth, size: int) -> list[int]:
    """Remove the rows that are worth least, none above `upto`, until `size` bytes may fit.

    In a transaction of its own, a few rows at a time. What had still to be delivered becomes a gap.

    Returns:
        What the rows were worth that went; empty when there is none to go.

    Raises:
        StoreError: nothing could be removed.
    """
    gone: list[int] = []
    freed = 0
    query = "SELECT key, worth, size FROM message WHERE worth <= ? ORDER BY worth, key LIMIT 64"
    with books.writing(forced=True):
        for place, worth, bytes_ in books.db.execute(query, (upto,)).fetchall():
            books.remove(place)
            gone.append(worth)
            freed += bytes_ + 200
            if worth >= WAITING:
                books.gaps.note_at(place, "evicted")
            if freed > size + 8 * PAGE:
                break
    return gone


def expire(books: Books) -> None:
    """Remove what was kept long enough, at most 256 rows of each kind and stream; inside a transaction."""
    for worth, seconds in KEPT_SECONDS:
        before = books.age() - seconds
        for stream in STREAMS:
            query = "SELECT key, age FROM message WHERE worth = ? AND key BETWEEN ? AND ? ORDER BY key LIMIT 256"
            for place, age in books.db.execute(query, (worth, *bounds(stream))).fetchall():
                if age > before:
                    break
                books.remove(place)
                if worth >= WAITING:
                    books.gaps.note_at(place, "expired")
