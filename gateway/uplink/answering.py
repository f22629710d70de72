"""The centre's word about what it has and what it misses, carried out on the store: a step at a time.

What it has is noted as delivered, what it misses and is still here leaves again, the rest is told in the gaps. Reading
down/ack is in receipts.py. On the thread that owns the store; between two steps an alarm can be written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import StoreError
from gateway.uplink import room, store
from gateway.uplink.ranges import Ranges
from gateway.uplink.rows import bounds, worth_again
from gateway.uplink.worth import WAITING, Worth, worth_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gateway.uplink.books import Books
    from gateway.uplink.ranges import Range
    from gateway.wire.draft import Lane
    from gateway.wire.message import Message


def confirm(books: Books, lane: Lane, upto: int, missing: Sequence[Range], rows: int) -> Iterator[None]:
    """Take the centre's word; see Outbox.confirm. `rows`: most in one transaction."""
    absent = Ranges(missing)
    low, _ = bounds(lane)
    query = "SELECT key FROM stored WHERE key > ? AND key <= ? AND worth >= ? ORDER BY key LIMIT ?"
    place = low
    while found := books.read(query, (place, low + upto, WAITING, rows)):
        place = found[-1][0]
        books.deliver_all((books.epoch, lane, place - low) for (place,) in found if place - low not in absent)
        yield
    # The centre knows what stands below the first number that it misses.
    with books.writing():
        books.gaps.cut(lane, min([upto, *(first - 1 for first, _ in absent.as_list())]))
    books.gaps.asked(lane, absent.as_list())
    for first, last in absent.as_list():
        yield from replay(books, lane, first, last, rows)


def replay(books: Books, lane: Lane, first: int, last: int, rows: int) -> Iterator[None]:
    """Deliver again what is still here of a range, and note the rest as expired; see Outbox.replay."""
    low, _ = bounds(lane)
    last = min(last, books.reserved[lane])
    query = "SELECT key, rank, alarm, worth FROM stored WHERE key BETWEEN ? AND ? ORDER BY key LIMIT ?"
    while first <= last:
        there = books.read(query, (low + first, low + last, rows))
        packed = _packed(books, lane, first, last, rows)
        places = sorted({place for place, *_ in there} | packed.keys())[:rows]
        upto = places[-1] - low if len(places) == rows else last
        try:
            _again(books, lane, (first, upto), there, packed)
        except StoreError as error:
            if not store.is_full_error(error):
                raise
            if room.evict(books, Worth.UPDATE, sum(len(packed[place].payload) for place in places if place in packed)):
                continue
            _again(books, lane, (first, upto), there, {})
        yield
        first = upto + 1


def _again(
    books: Books, lane: Lane, span: Range, there: Sequence[tuple[int, int, int, int]], packed: Mapping[int, Message]
) -> None:
    """In one transaction: have what is here of a range delivered again, and tell the rest.

    Args:
        books: of the store.
        lane: of which.
        span: the range.
        there: its rows: place, rank, alarm, worth.
        packed: by place what is in packs; it becomes rows, where it is none.
    """
    low, _ = bounds(lane)
    first, last = low + span[0], low + span[1]
    here = Ranges()
    with books.writing(forced=True):
        for place, rank, alarm, worth in there:
            if place <= last:
                here.add(place - low, place - low)
                if worth == Worth.DELIVERED:
                    books.entries.change(place, worth_again(rank, alarm=bool(alarm)))
        for place, message in packed.items():
            if first <= place <= last and place - low not in here:
                books.entries.insert(message, worth_of(message))
        for place in packed:
            if first <= place <= last:
                here.add(place - low, place - low)
        for begin, end in here.holes(*span):
            books.gaps.fill(lane, begin, end)


def _packed(books: Books, lane: Lane, first: int, last: int, most: int) -> dict[int, Message]:
    """Return what is in packs of a range, the first `most` at least, by place; packs that the card has changed go."""
    if lane != "event":
        return {}
    low, _ = bounds(lane)
    with books.explained():
        found, damaged = books.entries.packs.read(low + first, low + last, books.epoch, most)
    for place in damaged:
        with books.writing(forced=True):
            books.corrupted += books.entries.unpack(place)
    return found
