"""The outbox: a durable store of numbered messages in one SQLite file.

What a method wrote is on the card when it returns. Synchronous, no thread of its own: the thread that opens it owns it
(spool.py), and nobody else may wait for a card. When to write is decided there, too. Opening is in opening.py, putting
in storing.py, reading in reading.py, what leaves again in answering.py, what leaves for good in room.py, what others
are told in telling.py, transactions in books.py, gaps in gaps.py.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.errors import StoreError
from gateway.uplink import answering, beside, room, storing
from gateway.uplink.opening import open_books
from gateway.uplink.past import Past
from gateway.uplink.reading import read_waiting
from gateway.uplink.telling import Told, counts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from gateway.uplink.books import Books
    from gateway.uplink.boots import Boot
    from gateway.uplink.gaps import Why
    from gateway.uplink.ranges import Range
    from gateway.uplink.rows import Key, Stream
    from gateway.wire.draft import Lane
    from gateway.wire.message import Message

LEAST_CAP = 8 << 20
CLEAN_SECONDS = 24 * 3600.0
"""A journal with deleted pictures in it is cut off so often, and in the first hour of a run; without them never."""


class Outbox:
    """The store; see `open`."""

    def __init__(self, books: Books) -> None:
        """Not for callers: use `open`."""
        self._books = books
        self._db = books.db
        self.path = books.path
        self.epoch = books.epoch
        self.past = Past(books)
        self._clean_at = 0.0
        self._kept = room.Kept()
        self._told = Told(books)

    @property
    def evicted(self) -> int:
        """Messages that made room, since this object was opened."""
        return self._books.evicted

    @property
    def corrupted(self) -> int:
        """Messages that had changed on the card, since this object was opened."""
        return self._books.corrupted

    def keep(self, kept: room.Kept) -> Outbox:
        """Set for how long delivered events and undelivered pictures stay; return this object."""
        self._kept = kept
        return self

    # Opening and closing

    @classmethod
    def open(
        cls,
        path: str | Path,
        cap_bytes: int = 512 << 20,
        min_free: int = 64 << 20,
        clock: Callable[[], float] = time.monotonic,
        open_file: Callable[..., Any] = sqlite3.connect,
        *,
        as_it_is: bool = False,
    ) -> Outbox:
        """Open the store, or make it. A damaged or newer one is set aside, and a fresh one with a new epoch made.

        Args:
            path: of the file; ":memory:" for one that lives as long as this object.
            cap_bytes: the store, its journal and what was set aside never pass it together; at least 8 MiB.
            min_free: what must stay free on the file system; below it the store does not grow.
            clock: monotonic seconds.
            open_file: makes the connection (the power-cut tests have their own).
            as_it_is: only to look: one that cannot be used is not set aside, and none is made.

        Raises:
            StoreError: there can be no store here now.
        """
        if cap_bytes < LEAST_CAP:
            raise StoreError(f"store cap of {cap_bytes} bytes", f"give the store at least {LEAST_CAP} bytes")
        if as_it_is and not Path(path).exists():
            raise StoreError(f"{path}: there is no store yet", "start the gateway, or name its configuration: --config")
        books = open_books(str(path), cap_bytes, min_free, clock, open_file, as_it_is=as_it_is)
        return cls(books)

    def close(self, *, unused: dict[Lane, int] | None = None) -> None:
        """Close the store in order.

        Args:
            unused: of each lane, the lowest reserved number that was not used; it will be given again. None: none was
                given by this object, so what was known when it was opened is known still.
        """
        try:
            self._end(unused)
        except StoreError:
            with beside.keeping_journal(self.path):
                self.abandon()
            raise
        self.abandon()

    def _end(self, unused: dict[Lane, int] | None) -> None:
        try:
            self._books.note_end(unused)
        except StoreError:
            # On a full card: what is in the journal finds its place in the store, and leaves its own to the note.
            self._books.checkpoint()
            self._books.note_end(unused)

    def abandon(self) -> None:
        """Let go of the file without writing anything: it is damaged, or the card is gone. Else `close` it."""
        with contextlib.suppress(sqlite3.Error):
            self._db.close()

    # Numbers

    def reserve(self, lane: Lane, count: int) -> range:
        """Return `count` numbers that were never given before and never will be again, power cut or not."""
        return self._books.reserve(lane, count)

    def reserved(self, lane: Lane) -> int:
        """Return the highest number of a lane that was ever reserved; right after `open`: that may have been used."""
        return self._books.reserved[lane]

    def were_given(self, unused: dict[Lane, int]) -> None:
        """Note that the numbers below these were given to messages, and those that are here are not all: none is void.

        Args:
            unused: of each lane the lowest number that no message was given; a lane that is missing: all were.
        """
        self._books.were_given(unused)

    # Messages

    def put(self, messages: Sequence[Message], *, done: Sequence[Key] = (), delivered: bool = False) -> None:
        """Store messages in one transaction; those stored before are left as they are.

        Messages of another epoch are stored too, as saved ones. When there is no room, what is worth least goes, which
        may be one of `messages`.

        Args:
            messages: at most CHUNK_BYTES of payload and CHUNK_ROWS of them together, or one; see `storing.chunks`.
            done: noted as delivered in the same transaction; at most DONE_ROWS.
            delivered: the centre has them; they are kept for replay.
        """
        storing.put(self._books, messages, done, delivered=delivered)

    def put_delivered(self, messages: Sequence[Message], *, done: Sequence[Key] = ()) -> None:
        """Store what the centre has, for replay: many events as one pack, few in a row each.

        When there is no room what was delivered before goes, and these where nothing else can.

        Args:
            messages: at most CHUNK_BYTES of payload and packs.MOST of them together, or one; see `storing.chunks`.
            done: noted as delivered, too; at most DONE_ROWS.
        """
        storing.put_delivered(self._books, messages, done)

    def done(self, keys: Iterable[Key]) -> None:
        """Note that the centre has these messages, DONE_ROWS at a time; unknown ones are ignored."""
        self._books.deliver_all(keys)

    def bury(self, key: Key, reason: str) -> None:
        """Keep a message as dead: it was refused for good, and its number will not come."""
        with self._books.explained():
            place = self._books.entries.place_of(key)
        if place is not None:
            self._books.bury([place], reason)

    def pending(self, stream: Stream, after: int, limit: int) -> list[tuple[int, Message]]:
        """Return messages still to be delivered in the order of sending, each with its place.

        Args:
            stream: a lane (the place is the number), or "saved".
            after: only messages whose place is greater.
            limit: at most as many, and not much more than CHUNK_BYTES.
        """
        found, damaged = read_waiting(self._books, stream, after, limit, storing.CHUNK_BYTES)
        if damaged:
            self._books.corrupted += len(damaged)
            self._books.bury(damaged, "changed on the card")
        return found

    def confirm(self, lane: Lane, upto: int, missing: Sequence[Range]) -> Iterator[None]:
        """Take the centre's word: it has everything up to `upto` except what it misses, which leaves again.

        What it misses and is no longer here is told in the gaps from then on. Yields after each transaction: between
        two of them an alarm can be written.
        """
        return answering.confirm(self._books, lane, upto, missing, storing.CHUNK_ROWS)

    def replay(self, lane: Lane, first: int, last: int) -> Iterator[None]:
        """Deliver again what is still here of a range that the centre misses; note the rest as expired.

        The caller knows that these numbers were used, and that none of them still waits in memory. Yields after each
        transaction.
        """
        return answering.replay(self._books, lane, first, last, storing.CHUNK_ROWS)

    def note_lost(self, lane: Lane, seq: int) -> None:
        """Note that a message was dropped before it could be stored."""
        with self._books.writing():
            self._books.gaps.note(lane, "evicted", seq, seq)

    def expire(self, ahead: float = 0.0) -> None:
        """Do all that `expiring` does at once."""
        for _ in self.expiring(ahead):
            pass

    def expiring(self, ahead: float = 0.0) -> Iterator[None]:
        """Remove what was kept long enough: by default delivered events after 24 h and pictures after 72 h of running.

        Ages are counted in hours of running and not by the wall clock, which may jump by years. Yields after each
        transaction: between two of them an alarm can be written.

        Args:
            ahead: seconds until this is called again: what would be too old by then goes, too.
        """
        with self._books.writing():
            self._books.keep_age()
        yield
        kept = room.Kept(*(max(0.0, seconds - ahead) for seconds in self._kept))
        while room.expire(self._books, kept):
            yield
        self.past.forget(self._kept.pictures)
        if self._books.entries.stained and self._books.age() >= self._clean_at:
            self._books.checkpoint(clean=True)
            self._clean_at = self._books.age() + CLEAN_SECONDS

    # What others are told

    def counts(self) -> dict[str, Any]:
        """Return rows and bytes waiting, dead and delivered rows, and the wall time of the oldest waiting one."""
        return counts(self._books)

    def gaps(self) -> dict[Lane, dict[Why, list[Range]]]:
        """Return the numbers that will never come, by lane and reason, as up/gap says them."""
        lanes: dict[Lane, dict[Why, list[Range]]] = self._told.gaps()["lanes"]
        return lanes

    def gap_notes(self) -> dict[str, Any]:
        """Return what else up/gap says, if there is anything: `partial`, and `former` epochs."""
        return {name: said for name, said in self._told.gaps().items() if name != "lanes"}

    def remember(self, boot: str, offset: float | None, since: float | None = None) -> None:
        """Note a boot, and once the clock is right its offset (wall minus monotonic seconds), for up/clock."""
        with self._books.writing():
            self._books.boots.note(boot, offset, since)

    def recall(self, boots: Sequence[Boot]) -> None:
        """Note boots of a store that was set aside: they are older than all that are known here, and these count."""
        with self._books.writing():
            self._books.boots.note_older(boots)

    def boots(self) -> list[dict[str, Any]]:
        """Return the latest boots, oldest first: boot, offset, since; the last two None if never synchronised."""
        with self._books.explained():
            return self._books.boots.told()
