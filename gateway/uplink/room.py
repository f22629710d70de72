"""What leaves the store for good: what is worth least when there is no room, and what was kept long enough.

What a message is worth is in worth.py; when room is needed is the outbox's to know (outbox.py). On the thread that owns
the store.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, NamedTuple

from gateway.errors import StoreError
from gateway.uplink import store
from gateway.uplink.gaps import SETTLED_SECONDS
from gateway.uplink.rows import STREAMS, Stream, bounds
from gateway.uplink.worth import WAITING, Worth
from gateway.wire.draft import Rank

if TYPE_CHECKING:
    from gateway.uplink.books import Books
    from gateway.uplink.gaps import Why


class Kept(NamedTuple):
    """For how many seconds of running."""

    replay: float = 24 * 3600.0
    """Delivered events."""
    pictures: float = 72 * 3600.0
    """Pictures that nobody has fetched, those that were refused among them."""


PICTURES: tuple[Stream, ...] = ("media", "saved")
FREED_MORE = 32 * 1024
"""Bytes that are freed beside those that are needed, so that the next message finds room."""
EXPIRE_ROWS = 64
"""Most rows that are removed in one transaction."""


def evict(books: Books, upto: Worth, size: int) -> list[int]:
    """Remove the rows that are worth least, none above `upto`, until `size` bytes may fit.

    In a transaction of its own, a few rows at a time. What had still to be delivered becomes a gap.

    Returns:
        What the rows were worth that went; empty when there is none to go.

    Raises:
        StoreError: nothing could be removed.
    """
    while _settle(books):
        pass
    gone: list[int] = []
    freed = 0
    query = "SELECT key, worth, size, age, origin FROM message WHERE worth <= ? ORDER BY worth, key LIMIT 64"
    with books.writing(forced=True):
        for place, worth, bytes_, age, origin in books.db.execute(query, (upto,)).fetchall():
            books.remove(place)
            gone.append(worth)
            freed += bytes_ + 200
            if worth >= WAITING:
                _tell(books, place, origin, "evicted", age)
            if freed > size + FREED_MORE:
                break
    return gone


def expire(books: Books, kept: Kept) -> bool:
    """Remove what was kept long enough, some rows in a transaction; return whether there may be more.

    Raises:
        StoreError: nothing could be removed.
    """
    if _settle(books):
        return True
    now = books.age()
    pictures = (Worth.PICTURE, Worth.ALARM_PICTURE, Worth.DEAD)
    for worth, stream, seconds in (
        *((Worth.DELIVERED, stream, kept.replay) for stream in STREAMS),
        *((worth, stream, kept.pictures) for stream in PICTURES for worth in pictures),
    ):
        query = "SELECT key, age, origin FROM message WHERE worth = ? AND key BETWEEN ? AND ?"
        query += f" AND rank = {Rank.PICTURE:d}" if worth == Worth.DEAD else ""
        found = books.read(query + " ORDER BY key LIMIT ?", (worth, *bounds(stream), EXPIRE_ROWS))
        old = [each for each in found if each[1] <= now - seconds]
        if not old:
            continue
        with books.writing(forced=True):
            for place, age, origin in old:
                books.remove(place)
                if worth >= WAITING:
                    _tell(books, place, origin, "expired", age)
        return True
    return False


def _settle(books: Books) -> bool:
    """Settle some starts (see Books.settle_starts); where even that finds no room it waits, for rows that go make room.

    Raises:
        StoreError: it could not be written, for another reason.
    """
    try:
        return books.settle_starts(EXPIRE_ROWS)
    except StoreError as error:
        if isinstance(error.__cause__, sqlite3.Error) and store.is_full(error.__cause__):
            return False
        raise


def _tell(books: Books, place: int, origin: str | None, why: Why, age: int) -> None:
    if origin is None:
        books.gaps.note_at(place, why, settled=books.age() - age > SETTLED_SECONDS)
    else:
        books.former.lost(origin)
