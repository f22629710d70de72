"""The outbox: a durable store of numbered messages in one SQLite file.

What a method wrote is on the card when it returns. Synchronous, no thread of its own: the thread that opens it owns it
(spool.py), and nobody else may wait for a card. What goes first when it is full, and what the centre is told about it,
is decided here; when to write is not.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gateway.errors import StoreError
from gateway.uplink import store
from gateway.uplink.ranges import Range, Ranges
from gateway.uplink.worth import WAITING, Worth, worth_of
from gateway.wire.draft import LANES, Lane, Rank
from gateway.wire.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

Key = tuple[str, str, int]
"""(epoch, lane, seq), as Message.key gives it."""
Why = Literal["void", "evicted", "expired"]
WHYS: tuple[Why, ...] = ("void", "evicted", "expired")
Stream = Literal["alarm", "event", "media", "saved"]
"""A lane, or the messages that were saved from an older store, which keep their old epoch and number."""

STREAMS: tuple[Stream, ...] = ("alarm", "event", "saved", "media")
"""In the order of urgency."""

DELIVERED_SECONDS = 24 * 3600
PICTURE_SECONDS = 72 * 3600
GAP_RANGES = 256
"""Of each lane and reason; the oldest are forgotten, and answered as expired when the centre asks."""
BOOTS = 64
CHUNK_BYTES = 256 * 1024
"""Most payload in one transaction: bounds the journal, and how long an alarm waits behind others."""
HEADROOM_PAGES = 16
"""Kept back so that a full store can still delete and count."""

_LANE_BITS = 48
_SAVED = len(LANES)
_COLUMNS = "key, origin, id, rank, topic, wall, episode, phase, alarm, crc, payload"


class Outbox:
    """The store; see `open`."""

    def __init__(
        self, db: sqlite3.Connection, path: str, cap_bytes: int, min_free: int, clock: Callable[[], float]
    ) -> None:
        """Not for callers: use `open`."""
        self._db = db
        self.path = path
        self._cap = cap_bytes
        self._min_free = min_free
        self._clock = clock
        self._opened = clock()
        self._age = 0
        self._limit = 0
        self.epoch = ""
        self.evicted = 0
        """Messages that made room, since this object was opened."""
        self.corrupted = 0
        """Messages whose payload had changed on the card."""
        self._reserved: dict[Lane, int] = {}
        self._gaps: dict[tuple[Lane, Why], Ranges] = {}
        self._starts: dict[str, int] = {}
        self._tally: dict[int, list[int]] = {}

    # Opening and closing

    @classmethod
    def open(
        cls,
        path: str | Path,
        cap_bytes: int = 512 << 20,
        min_free: int = 64 << 20,
        clock: Callable[[], float] = time.monotonic,
        open_file: Callable[..., Any] = sqlite3.connect,
    ) -> Outbox:
        """Open the store, or make it. A damaged or newer one is set aside, and a fresh one with a new epoch made.

        Args:
            path: of the file; ":memory:" for one that lives as long as this object.
            cap_bytes: the store, its journal and what was set aside never pass it together; at least 8 MiB.
            min_free: what must stay free on the file system; below it the store does not grow.
            clock: monotonic seconds.
            open_file: makes the connection (the power-cut tests have their own).

        Raises:
            StoreError: there can be no store here now.
        """
        name = str(path)
        if cap_bytes < 8 << 20:
            raise StoreError(f"store cap of {cap_bytes} bytes", "give the store at least 8 MiB")
        try:
            if name != store.MEMORY:
                _finish_setting_aside(Path(name))
            try:
                return cls._open(name, cap_bytes, min_free, clock, open_file)
            except store.Damaged:
                store.set_aside(Path(name), "damaged")
            except _NewerError:
                store.set_aside(Path(name), "newer")
            return cls._open(name, cap_bytes, min_free, clock, open_file)
        except OSError as error:
            raise StoreError(
                f"{name}: {error.strerror or error}", "check that the folder exists and belongs to the service"
            ) from error

    @classmethod
    def _open(
        cls, path: str, cap: int, min_free: int, clock: Callable[[], float], open_file: Callable[..., Any]
    ) -> Outbox:
        journal = store.journal_of(Path(path))
        journalled = path != store.MEMORY and journal.exists() and journal.stat().st_size > 0
        db = store.connect(path, open_file)
        outbox = cls(db, path, cap, min_free, clock)
        try:
            try:
                outbox._load(journalled=journalled)
            except sqlite3.Error as error:
                raise store.explain(error, path, opening=True) from error
            except (TypeError, ValueError, LookupError) as error:  # values that this program never writes
                raise store.Damaged(f"{path} holds nonsense: {error}", store.SET_ASIDE) from error
        except BaseException:
            db.close()
            raise
        return outbox

    def _load(self, *, journalled: bool) -> None:
        db = self._db
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > store.VERSION:
            raise _NewerError
        self._limit = store.page_limit(self.path, self._cap)
        db.execute(f"PRAGMA max_page_count={self._limit}").fetchall()
        if version == 0 and not db.execute("SELECT 1 FROM sqlite_master").fetchall():
            self._create()
        else:
            if version == 0:
                raise store.Damaged(f"{self.path} is another program's", store.SET_ASIDE)
            store.check(db, self.path)
        meta = dict(db.execute("SELECT name, value FROM meta").fetchall())
        if meta["end"] == "none" and not journalled and self.path != store.MEMORY:
            raise store.Damaged(f"{self.path} has lost its journal", store.SET_ASIDE)
        self.epoch = meta["epoch"]
        self._age = int(meta["age"])
        self._load_numbers()
        for worth, rows, size in db.execute("SELECT worth, count(*), sum(size) FROM message GROUP BY worth").fetchall():
            self._tally[worth] = [rows, size]
        starts = db.execute("SELECT episode, key FROM message WHERE worth = ?", (Worth.START,)).fetchall()
        self._starts = dict(starts)
        with self._writing(forced=True):
            self._set("end", "none")
            for lane in LANES:
                used = self.highest(lane)
                if meta["end"] != "exact" and self._reserved[lane] > used:
                    # Who had these numbers is not known: they are never given again.
                    self._note_gap(lane, "void", used + 1, self._reserved[lane])
        self._checkpoint()

    def _load_numbers(self) -> None:
        db = self._db
        for place, reserved, guard in db.execute("SELECT lane, reserved, guard FROM lane").fetchall():
            if guard != _guard(self.epoch, place, reserved):
                raise store.Damaged(f"{self.path}: the count of a lane is damaged", store.SET_ASIDE)
            self._reserved[LANES[place]] = reserved
        if set(self._reserved) != set(LANES):
            raise store.Damaged(f"{self.path} misses a lane", store.SET_ASIDE)
        self._gaps = {(lane, why): Ranges(GAP_RANGES) for lane in LANES for why in WHYS}
        for place, why, first, last in db.execute("SELECT lane, why, first, last FROM gap ORDER BY first").fetchall():
            self._gaps[LANES[place], why].add(first, last)

    def _create(self) -> None:
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        for statement in store.SCHEMA.split(";\n"):
            if statement.strip():
                db.execute(statement)
        epoch = os.urandom(4).hex()
        rows = {"epoch": epoch, "age": "0", "end": "exact"}
        db.executemany("INSERT INTO meta VALUES (?, ?)", list(rows.items()))
        db.executemany(
            "INSERT INTO lane VALUES (?, 0, ?)", [(place, _guard(epoch, place, 0)) for place in range(len(LANES))]
        )
        db.execute(f"PRAGMA user_version={store.VERSION}")
        db.execute("COMMIT")

    def close(self, *, unused: dict[Lane, int] | None = None) -> None:
        """Close the store in order.

        Args:
            unused: of each lane, the lowest reserved number that was not used; it will be given again. None: not
                known, so all that were reserved count as used.
        """
        try:
            with self._writing():
                for lane, first in (unused or {}).items():
                    if self.highest(lane) < first <= self._reserved[lane]:
                        self._set_reserved(lane, first - 1)
                # "none" while it is open: then a journal must be there at the next start. "exact": no number is lost.
                self._set("end", "closed" if unused is None else "exact")
                self._set("age", str(self.age()))
        finally:
            self._db.close()

    def abandon(self) -> None:
        """Let go of the file without writing anything: it is damaged, or the card is gone."""
        with contextlib.suppress(sqlite3.Error):
            self._db.close()

    # Numbers

    def reserve(self, lane: Lane, count: int) -> range:
        """Return `count` numbers that were never given before and never will be again, power cut or not."""
        first = self._reserved[lane] + 1
        with self._writing():
            self._set_reserved(lane, first + count - 1)
        # Into the store itself: a journal that loses its tail must not bring the numbers back.
        self._checkpoint()
        return range(first, first + count)

    def reserved(self, lane: Lane) -> int:
        """Return the highest number of a lane that was ever reserved; right after `open`: that may have been used."""
        return self._reserved[lane]

    def highest(self, lane: Lane) -> int:
        """Return the highest number of a lane that is known to have been used."""
        low, high = _bounds(lane)
        found = self._db.execute("SELECT max(key) FROM message WHERE key BETWEEN ? AND ?", (low, high)).fetchone()[0]
        stored = 0 if found is None else found - low
        gaps = [range_[1] for why in WHYS for range_ in self._gaps[lane, why].as_list()[-1:]]
        return max(stored, *gaps, 0)

    # Messages

    def put(self, messages: Sequence[Message], *, done: Sequence[Key] = (), delivered: bool = False) -> None:
        """Store messages in one transaction; those stored before are left as they are.

        Messages of another epoch are stored too, as saved ones. When there is no room, what is worth least goes, which
        may be one of `messages`.

        Args:
            messages: at most CHUNK_BYTES of payload together, or one.
            done: noted as delivered in the same transaction.
            delivered: the centre has them; they are kept for replay.
        """
        try:
            with self._writing():
                for message in messages:
                    self._insert(message, delivered=delivered)
                for key in done:  # after that: an alarm may be acknowledged before it is stored
                    self._deliver(key)
        except StoreError as error:
            if not is_full_error(error):
                raise
            self.done(done)
            for message in messages:
                self._put_with_force(message, delivered=delivered)
            self.done(done)

    def done(self, keys: Iterable[Key]) -> None:
        """Note that the centre has these messages; unknown ones are ignored."""
        with self._writing(forced=True):
            for key in keys:
                self._deliver(key)

    def bury(self, key: Key, reason: str) -> None:
        """Keep a message as dead: it was refused for good, and its number will not come."""
        with self._writing():
            place = self._place_of(key)
            if place is None:
                return
            self._change(place, Worth.DEAD, reason)
            self._gap_of(key, "evicted")

    def pending(self, stream: Stream, after: int, limit: int) -> list[tuple[int, Message]]:
        """Return messages still to be delivered in the order of sending, each with its place.

        Args:
            stream: a lane (the place is the number), or "saved".
            after: only messages whose place is greater.
            limit: at most as many, and not much more than CHUNK_BYTES.
        """
        low, high = _bounds(stream)
        found: list[tuple[int, Message]] = []
        size = 0
        query = f"SELECT {_COLUMNS} FROM message WHERE key > ? AND key <= ? AND worth >= ? ORDER BY key LIMIT ?"  # noqa: S608
        damaged = []
        with self._explained(), contextlib.closing(self._db.cursor()) as cursor:
            for row in cursor.execute(query, (low + after, high, WAITING, limit)):
                message = self._message(row)
                if message is None:
                    damaged.append(row[0])
                    continue
                found.append((row[0] - low, message))
                size += len(row[-1])
                if size >= CHUNK_BYTES:
                    break
        if damaged:
            self.corrupted += len(damaged)
            with self._writing():
                for place in damaged:
                    self._change(place, Worth.DEAD, "changed on the card")
                    if place >> _LANE_BITS < _SAVED:
                        self._note_gap(LANES[place >> _LANE_BITS], "evicted", *[place & (1 << _LANE_BITS) - 1] * 2)
        return found

    def confirm(self, lane: Lane, upto: int, missing: Sequence[Range]) -> None:
        """Take the centre's word: it has everything up to `upto` except what it misses, which leaves again."""
        absent = Ranges(len(missing))
        for first, last in missing:
            absent.add(first, last)
        low, _ = _bounds(lane)
        query = "SELECT key FROM message WHERE key BETWEEN ? AND ? AND worth >= ?"
        rows = self._db.execute(query, (low + 1, low + upto, WAITING)).fetchall()
        self.done((self.epoch, lane, place - low) for (place,) in rows if place - low not in absent)
        known = min([upto, *(first - 1 for first, _ in missing)])
        self.forget_gaps(lane, known)
        for first, last in absent.as_list():
            self.replay(lane, first, last)

    def replay(self, lane: Lane, first: int, last: int) -> None:
        """Deliver again what is still here of a range that the centre misses; note the rest as expired.

        The caller knows that these numbers were used, and that none of them still waits in memory.
        """
        low, _ = _bounds(lane)
        last = min(last, self._reserved[lane])
        rows = self._db.execute(
            "SELECT key, rank, alarm, worth FROM message WHERE key BETWEEN ? AND ? ORDER BY key",
            (low + first, low + last),
        ).fetchall()
        with self._writing():
            expected = first
            for place, rank, alarm, worth in rows:
                if worth == Worth.DELIVERED:
                    self._change(place, _worth_again(rank, alarm=bool(alarm)))
                if place - low > expected:
                    self._note_gap(lane, "expired", expected, place - low - 1)
                expected = place - low + 1
            if expected <= last:
                self._note_gap(lane, "expired", expected, last)

    def note_lost(self, lane: Lane, seq: int) -> None:
        """Note that a message was dropped before it could be stored."""
        with self._writing():
            self._note_gap(lane, "evicted", seq, seq)

    def expire(self) -> None:
        """Remove what was kept long enough: delivered events after 24 h, undelivered pictures after 72 h of running.

        Ages are counted in hours of running and not by the wall clock, which may jump by years.
        """
        with self._writing():
            self._set("age", str(self.age()))
            for worth, seconds in (
                (Worth.DELIVERED, DELIVERED_SECONDS),
                (Worth.PICTURE, PICTURE_SECONDS),
                (Worth.ALARM_PICTURE, PICTURE_SECONDS),
            ):
                for stream in STREAMS:
                    self._expire(worth, *_bounds(stream), self.age() - seconds)

    def _expire(self, worth: Worth, low: int, high: int, before: int) -> None:
        query = "SELECT key, age FROM message WHERE worth = ? AND key BETWEEN ? AND ? ORDER BY key LIMIT 256"
        for place, age in self._db.execute(query, (worth, low, high)).fetchall():
            if age > before:
                break
            self._remove(place)
            if worth >= WAITING and place >> _LANE_BITS < _SAVED:
                seq = place & (1 << _LANE_BITS) - 1
                self._note_gap(LANES[place >> _LANE_BITS], "expired", seq, seq)

    # What others are told

    def age(self) -> int:
        """Return for how many seconds this store has been open in its life."""
        return self._age + int(self._clock() - self._opened)

    def counts(self) -> dict[str, Any]:
        """Return rows and bytes waiting, dead and delivered rows, and the wall time of the oldest waiting one."""
        waiting = [self._tally[worth] for worth in self._tally if worth >= WAITING]
        walls = []
        for stream in STREAMS:
            low, high = _bounds(stream)
            query = "SELECT wall FROM message WHERE key BETWEEN ? AND ? AND worth >= ? ORDER BY key LIMIT 1"
            if waiting and (row := self._db.execute(query, (low, high, WAITING)).fetchone()):
                walls.append(row[0])
        return {
            "rows": sum(rows for rows, _ in waiting),
            "bytes": sum(size for _, size in waiting),
            "dead": self._tally.get(Worth.DEAD, [0])[0],
            "delivered": self._tally.get(Worth.DELIVERED, [0])[0],
            "oldest_wall": min(walls, default=None),
            "evicted": self.evicted,
            "corrupted": self.corrupted,
        }

    def gaps(self) -> dict[Lane, dict[Why, list[Range]]]:
        """Return the numbers that will never come, for up/gap."""
        found: dict[Lane, dict[Why, list[Range]]] = {}
        for (lane, why), ranges in self._gaps.items():
            if ranges.as_list():
                found.setdefault(lane, {})[why] = ranges.as_list()
        return found

    def forget_gaps(self, lane: Lane, upto: int) -> None:
        """Forget gaps up to a number: the centre knows them."""
        with self._writing():
            for why in WHYS:
                self._store_gap(lane, why, *self._gaps[lane, why].cut(upto))

    def remember(self, boot: str, offset: float | None, since: float | None = None) -> None:
        """Note a boot, and once the clock is right its offset (wall minus monotonic seconds), for up/clock."""
        with self._writing():
            self._db.execute(
                "INSERT INTO boot VALUES (?, (SELECT ifnull(max(place), 0) + 1 FROM boot), ?, ?)"
                " ON CONFLICT (boot) DO UPDATE SET offset = excluded.offset, since = excluded.since",
                (boot, offset, since),
            )
            self._db.execute("DELETE FROM boot WHERE place <= (SELECT max(place) FROM boot) - ?", (BOOTS,))

    def boots(self) -> list[dict[str, Any]]:
        """Return the latest boots, oldest first: boot, offset, since; the last two None if never synchronised."""
        rows = self._db.execute("SELECT boot, offset, since FROM boot ORDER BY place").fetchall()
        return [{"boot": boot, "offset": offset, "since": since} for boot, offset, since in rows]

    # One row

    def _insert(self, message: Message, *, delivered: bool) -> None:
        if delivered and message.rank == Rank.PICTURE:
            return
        worth = Worth.DELIVERED if delivered else worth_of(message)
        origin = None
        if message.epoch == self.epoch:
            place = _bounds(message.lane)[0] + message.seq
        else:
            origin = f"{message.epoch}/{message.lane}/{message.seq}"
            low, high = _bounds("saved")
            top = self._db.execute("SELECT max(key) FROM message WHERE key BETWEEN ? AND ?", (low, high)).fetchone()[0]
            place = (top or low) + 1
        size = len(message.payload)
        row: tuple[Any, ...]
        row = (place, worth, size, self.age(), message.rank, message.alarm, message.wall, message.id, message.topic)
        row += (message.episode, message.phase, origin, None, _checksum(message), message.payload)
        marks = ", ".join("?" * len(row))
        if self._db.execute(f"INSERT OR IGNORE INTO message VALUES ({marks})", row).rowcount != 1:  # noqa: S608
            return
        self._count(worth, 1, size)
        if worth == Worth.START:
            self._starts[message.episode] = place
        elif message.phase == "end" and (start := self._starts.pop(message.episode, None)) is not None:
            self._change(start, Worth.START_ENDED, only=Worth.START)  # it may be delivered by now

    def _put_with_force(self, message: Message, *, delivered: bool) -> None:
        limit = Worth.DELIVERED if delivered else worth_of(message)
        stored = False
        while not stored:
            try:
                with self._writing():
                    self._insert(message, delivered=delivered)
                stored = True
            except StoreError as error:
                if not is_full_error(error):
                    raise
                if not self._evict(limit, len(message.payload)):
                    self.evicted += 1
                    with self._writing(forced=True):
                        self._gap_of(message.key, "evicted")
                    return

    def _evict(self, upto: Worth, size: int) -> bool:
        """Remove the rows that are worth least, none above `upto`, until `size` bytes may fit; whether any went."""
        freed = rows = 0
        query = "SELECT key, worth, size FROM message WHERE worth <= ? ORDER BY worth, key LIMIT 64"
        with self._writing(forced=True):
            for place, worth, bytes_ in self._db.execute(query, (upto,)).fetchall():
                self._remove(place)
                rows += 1
                freed += bytes_ + 200
                if worth >= WAITING:
                    self.evicted += 1
                    if place >> _LANE_BITS < _SAVED:
                        seq = place & (1 << _LANE_BITS) - 1
                        self._note_gap(LANES[place >> _LANE_BITS], "evicted", seq, seq)
                if freed > size + 8 * store.PAGE:
                    break
        return rows > 0

    def _deliver(self, key: Key) -> None:
        place = self._place_of(key)
        if place is None:
            return
        if key[1] == "media" or place >> _LANE_BITS == _SAVED:
            self._remove(place)
        else:
            self._change(place, Worth.DELIVERED)

    def _place_of(self, key: Key) -> int | None:
        epoch, lane, seq = key
        if epoch == self.epoch:
            for name in LANES:
                if name == lane:
                    return _bounds(name)[0] + seq
            return None
        row = self._db.execute("SELECT key FROM message WHERE origin = ?", (f"{epoch}/{lane}/{seq}",)).fetchone()
        return None if row is None else int(row[0])

    def _change(self, place: int, worth: Worth, note: str | None = None, *, only: Worth | None = None) -> None:
        row = self._db.execute("SELECT worth, size FROM message WHERE key = ?", (place,)).fetchone()
        if row is None or row[0] == worth or only not in {None, row[0]}:
            return
        if note is None:
            self._db.execute("UPDATE message SET worth = ? WHERE key = ?", (worth, place))
        else:
            self._db.execute("UPDATE message SET worth = ?, note = ? WHERE key = ?", (worth, note, place))
        self._count(row[0], -1, -row[1])
        self._count(worth, 1, row[1])

    def _remove(self, place: int) -> None:
        row = self._db.execute("DELETE FROM message WHERE key = ? RETURNING worth, size", (place,)).fetchall()
        for worth, size in row:
            self._count(worth, -1, -size)

    def _message(self, row: tuple[Any, ...]) -> Message | None:
        """Return the message in a row, or None when the card has changed it."""
        place, origin, id_, rank, topic, wall, episode, phase, alarm, checksum, payload = row
        if origin is None:
            epoch, lane, seq = self.epoch, LANES[place >> _LANE_BITS], place & (1 << _LANE_BITS) - 1
        else:
            epoch, lane, seq = f"{origin}//0".split("/")[:3]
        if not str(seq).isdecimal():
            return None
        message = Message(epoch, lane, int(seq), id_, rank, topic, payload, wall, episode, phase, bool(alarm))
        return replace(message, rank=Rank(rank)) if _checksum(message) == checksum else None

    # Bookkeeping

    def _gap_of(self, key: Key, why: Why) -> None:
        if key[0] == self.epoch:
            for lane in LANES:
                if lane == key[1]:
                    self._note_gap(lane, why, key[2], key[2])

    def _note_gap(self, lane: Lane, why: Why, first: int, last: int) -> None:
        self._store_gap(lane, why, *self._gaps[lane, why].add(first, last))

    def _store_gap(self, lane: Lane, why: Why, gone: list[Range], came: list[Range]) -> None:
        place = LANES.index(lane)
        for first, _ in gone:
            self._db.execute("DELETE FROM gap WHERE lane = ? AND why = ? AND first = ?", (place, why, first))
        for first, last in came:
            self._db.execute("INSERT OR REPLACE INTO gap VALUES (?, ?, ?, ?)", (place, why, first, last))

    def _set(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def _set_reserved(self, lane: Lane, number: int) -> None:
        place = LANES.index(lane)
        guard = _guard(self.epoch, place, number)
        self._db.execute("UPDATE lane SET reserved = ?, guard = ? WHERE lane = ?", (number, guard, place))
        self._reserved[lane] = number

    def _count(self, worth: int, rows: int, size: int) -> None:
        tally = self._tally.setdefault(worth, [0, 0])
        tally[0] += rows
        tally[1] += size

    def _checkpoint(self) -> None:
        with self._explained():
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise store.explain(error, self.path) from error

    @contextlib.contextmanager
    def _writing(self, *, forced: bool = False) -> Iterator[None]:
        """One transaction; what memory knows follows what the card knows, also when it fails.

        Args:
            forced: it makes room, so it may use the pages that are kept back.
        """
        before = self._snapshot()
        try:
            self._db.execute(f"PRAGMA max_page_count={self._pages(forced=forced)}").fetchall()
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            self._tally, self._starts, self._reserved, self._gaps = before
            with contextlib.suppress(sqlite3.Error):
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise store.explain(error, self.path) from error
            raise

    def _pages(self, *, forced: bool) -> int:
        limit = self._limit if forced else self._limit - HEADROOM_PAGES
        free = store.free_bytes(self.path)
        if free is not None and free < self._min_free:
            # SQLite lifts a limit below the present size to that size: the store keeps what it has and does not grow.
            limit = 1
        return limit

    def _snapshot(self) -> tuple[Any, ...]:
        gaps = {name: ranges.copy() for name, ranges in self._gaps.items()}
        tally = {worth: list(counts) for worth, counts in self._tally.items()}
        return tally, dict(self._starts), dict(self._reserved), gaps


class _NewerError(Exception):
    """The store was written by a newer version of this program."""


def is_full_error(error: StoreError) -> bool:
    """Whether there was no room."""
    return isinstance(error.__cause__, sqlite3.Error) and store.is_full(error.__cause__)


def _bounds(stream: Stream) -> tuple[int, int]:
    """Return the lowest key of a stream, which no message has, and its highest."""
    place = _SAVED if stream == "saved" else LANES.index(stream)
    return place << _LANE_BITS, (place + 1 << _LANE_BITS) - 1


def _checksum(message: Message) -> int:
    """Return what shows that a card has changed a message."""
    head = (*message.key, message.id, int(message.rank), message.topic, float(message.wall), message.episode)
    return zlib.crc32(message.payload, zlib.crc32(repr((*head, message.phase, message.alarm)).encode()))


def _guard(epoch: str, place: int, number: int) -> int:
    return zlib.crc32(f"{epoch}/{place}/{number}".encode())


def _worth_again(rank: int, *, alarm: bool) -> Worth:
    blank = Message("", "event", 0, "", Rank(rank), "", b"", 0.0, alarm=alarm)
    return worth_of(blank)


def _finish_setting_aside(path: Path) -> None:
    """A journal without its store belongs to one that was being set aside when the power went."""
    journal = store.journal_of(path)
    if not path.exists() and journal.exists():
        journal.rename(store.journal_of(store.aside_of(path, "damaged")))
