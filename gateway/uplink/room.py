"""What leaves the store for good: what is worth least when there is no room, and what was kept long enough.

What a message is worth is in worth.py; when room is needed is the outbox's to know (outbox.py). On the thread that owns
the store.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from gateway.errors import StoreError
from gateway.uplink import store
from gateway.uplink.entries import FREED_BYTES
from gateway.uplink.gaps import SETTLED_SECONDS
from gateway.uplink.rows import STREAMS, Stream, bounds
from gateway.uplink.worth import WAITING, Worth
from gateway.wire.draft import Rank

if TYPE_CHECKING:
    from collections.abc import Callable

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
LOOK_ROWS = 64
"""Most rows that are evicted in one transaction."""
EXPIRE_ROWS = 64
"""Most rows that are removed in one transaction."""


def making_room(books: Books, upto: Worth, size: int, work: Callable[[], None]) -> bool:
    """Do something in a transaction of its own, evicting what is worth least until it has room; whether it had.

    Args:
        books: of a store that is full.
        upto: nothing goes that is worth more.
        size: bytes that are needed.
        work: is tried again after each eviction.

    Raises:
        StoreError: it failed for another reason.
    """
    while True:
        try:
            with books.writing():
                work()
        except StoreError as error:
            if not store.is_full_error(error):
                raise
        else:
            return True
        if not evict(books, upto, size):
            return False


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
    if _unpack_oldest(books):
        return [Worth.DELIVERED]
    gone: list[int] = []
    freed = evicted = 0
    with books.writing(forced=True):
        for place, worth, bytes_ in books.entries.ranking.least(upto, LOOK_ROWS):
            age, origin = _age_and_origin(books, place)
            if books.entries.remove(place) is None:
                books.entries.forget(place, worth, bytes_)  # the card has lost the row
            gone.append(worth)
            freed += bytes_ + 200
            if worth >= WAITING:
                evicted += 1
                _tell(books, place, origin, "evicted", age)
            if freed > size + FREED_MORE:
                break
    books.evicted += evicted
    return gone


def expire(books: Books, kept: Kept) -> bool:
    """Remove what was kept long enough, some rows in a transaction; return whether there may be more.

    Raises:
        StoreError: nothing could be removed.
    """
    if _settle(books) or _rank(books):
        return True
    now = books.age()
    if _unpack_oldest(books, now - kept.replay):
        return True
    pictures = (Worth.PICTURE, Worth.ALARM_PICTURE, Worth.DEAD)
    for worth, stream, seconds in (
        *((Worth.DELIVERED, stream, kept.replay) for stream in STREAMS),
        *((worth, stream, kept.pictures) for stream in PICTURES for worth in pictures),
    ):
        old = _old(books, worth, stream, now - seconds)
        if not old:
            continue
        with books.writing(forced=True):
            freed = 0
            for place, age, origin in old:
                freed += books.entries.remove(place) or 0
                if worth >= WAITING:
                    _tell(books, place, origin, "expired", age)
                if freed >= FREED_BYTES:
                    break
        return True
    return False


def _old(books: Books, worth: Worth, stream: Stream, upto: float) -> list[tuple[int, float, str | None]]:
    """Return place, age and origin of some rows that came by `upto`; of dead ones only pictures."""
    place, _ = bounds(stream)
    old: list[tuple[int, float, str | None]] = []
    with books.explained():
        while not old and (found := books.entries.ranking.of(worth, stream, place, EXPIRE_ROWS)):
            for place in found:
                age, origin = _age_and_origin(books, place, pictures=worth == Worth.DEAD)
                if age <= upto:
                    old.append((place, age, origin))
            if not old and worth != Worth.DEAD:
                break  # what was sent later is hardly older
    return old


def _age_and_origin(books: Books, place: int, *, pictures: bool = False) -> tuple[float, str | None]:
    """Return a row's age, and where it was saved from; of a row that is gone, or not of the kind asked for: no age."""
    query = "SELECT age, origin, rank FROM stored WHERE key = ?"
    for age, origin, rank in books.db.execute(query, (place,)).fetchall():
        if not pictures or rank == Rank.PICTURE:
            return int(age), origin
    return math.inf, None


def _unpack_oldest(books: Books, upto: float = math.inf) -> bool:
    """Remove the pack that was made first, if there is one and it was made by `upto`; its pages are not overwritten."""
    with books.explained():
        oldest = books.entries.packs.oldest()
    if oldest is None or oldest[1] > upto:
        return False
    with books.writing(forced=True, zeroing=False):
        books.entries.unpack(oldest[0])
    return True


def _rank(books: Books) -> bool:
    """Rank what came last (see Entries.rank), so that a start that crashes has little to look through."""
    if not books.entries.ranking.fresh:
        return False
    try:
        with books.writing(forced=True):
            books.entries.rank(everything=True)
    except StoreError as error:
        if store.is_full_error(error):
            return False
        raise
    return books.entries.ranking.fresh > 0


def _settle(books: Books) -> bool:
    """Settle some starts (see Books.settle_starts); where even that finds no room it waits, for rows that go make room.

    Raises:
        StoreError: it could not be written, for another reason.
    """
    try:
        return books.settle_starts(EXPIRE_ROWS)
    except StoreError as error:
        if store.is_full_error(error):
            return False
        raise


def _tell(books: Books, place: int, origin: str | None, why: Why, age: float) -> None:
    if origin is None:
        books.gaps.note_at(place, why, settled=books.age() - age > SETTLED_SECONDS)
    else:
        books.former.lost(origin)
