"""How messages are put into the store: a transaction at a time, as packs where they only wait for a replay, and what is
done when there is no room for them.

Not here: who asks and when (outbox.py, spool.py), what makes room (room.py), the rows (entries.py). On the thread that
owns the store.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from gateway.errors import StoreError
from gateway.uplink import packs, store
from gateway.uplink.room import making_room
from gateway.uplink.rows import Key, origin_of
from gateway.uplink.worth import Worth, worth_of
from gateway.wire.draft import Rank

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gateway.uplink.books import Books
    from gateway.wire.message import Message

CHUNK_BYTES = 128 * 1024
CHUNK_ROWS = 128
"""Most payload, and most rows, in one transaction: bounds the journal, and how long an alarm waits behind others."""


def put(books: Books, messages: Sequence[Message], done: Sequence[Key], *, delivered: bool) -> None:
    """Do what `Outbox.put` says."""
    rest = deque(done)
    try:
        with books.writing():
            for message in messages:
                _insert(books, message, delivered=delivered)
            books.entries.deliver(rest)  # after that: an alarm may be acknowledged before it is stored
            books.entries.rank()
    except StoreError as error:
        if not store.is_full_error(error):
            raise
        books.deliver_all(done)
        for message in messages:
            _force(books, message, delivered=delivered)
        rest = deque(done)
    books.deliver_all(rest)


def put_delivered(books: Books, messages: Sequence[Message], done: Sequence[Key]) -> None:
    """Do what `Outbox.put_delivered` says."""
    many = [each for each in messages if each.lane == "event" and each.epoch == books.epoch]
    if len(many) < packs.LEAST:
        many = []
    packed = {each.key for each in many}
    few = [each for each in messages if each.key not in packed]
    for chunk in chunks(few):
        put(books, chunk, (), delivered=True)
    rest = deque(done)
    try:
        with books.writing():
            if many:
                books.entries.pack(many)
            books.entries.deliver(rest)
    except StoreError as error:
        if not store.is_full_error(error):
            raise
        books.deliver_all(done)  # which may make room
        size = sum(len(message.payload) for message in many)
        making_room(books, Worth.DELIVERED, size, lambda: books.entries.pack(many))
        return
    books.deliver_all(rest)


def chunks(messages: Iterable[Message], rows: int = 0) -> Iterator[list[Message]]:
    """Return the messages in runs that fit one transaction, of at most `rows` of them (by default CHUNK_ROWS)."""
    chunk: list[Message] = []
    size = 0
    for message in messages:
        if chunk and (size + len(message.payload) > CHUNK_BYTES or len(chunk) == (rows or CHUNK_ROWS)):
            yield chunk
            chunk, size = [], 0
        chunk.append(message)
        size += len(message.payload)
    if chunk:
        yield chunk


def _insert(books: Books, message: Message, *, delivered: bool) -> None:
    if delivered and message.rank == Rank.PICTURE:
        return
    books.entries.insert(message, Worth.DELIVERED if delivered else worth_of(message))


def _force(books: Books, message: Message, *, delivered: bool) -> None:
    """Store a message in a full store, or note that it is gone."""
    limit = Worth.DELIVERED if delivered else worth_of(message)
    size = len(message.payload)
    if making_room(books, limit, size, lambda: _insert(books, message, delivered=delivered)):
        return
    books.evicted += 1
    with books.writing(forced=True):
        if message.epoch == books.epoch:
            books.gaps.note(message.lane, "evicted", message.seq, message.seq)
        else:
            books.former.lost(origin_of(message.key))
