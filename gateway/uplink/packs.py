"""Delivered events that were never written one by one: many together in one row, for replay.

A row each would be written twice and once more when it leaves. Their texts are compressed together, for they are much
alike: a third of what they are each by itself. One pack is a run of the event lane, with holes where a number is
another lane's business or was stored before; two packs may overlap. Which events they are, and for how long they stay,
is decided in outbox.py and room.py; transactions are the books' (books.py). On the thread that owns the store.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING, Any

from gateway.uplink.rows import place_of
from gateway.wire.draft import Rank
from gateway.wire.message import Message, deflate_text, text_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

LEAST = 16
"""Fewer events are kept in a row each: most of a pack would be its own."""
MOST = 512
"""Events in one pack."""
REMEMBERED = 3
"""Packs that are kept unpacked; more than two seldom overlap."""
_HEAD = struct.Struct(">HI?")
"""Lengths of an event's columns and of its text, and whether the text was deflated."""


class Packs:
    """The packs of an open store. Changes are made inside a transaction of the books."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Take an open connection."""
        self._db = db
        self._latest: dict[int, list[Message]] = {}
        """What was unpacked last: a question is answered from one pack several times."""

    def count(self) -> tuple[int, int]:
        """Return how many events there are, and their bytes as they lie."""
        rows, size = self._db.execute("SELECT ifnull(sum(rows), 0), ifnull(sum(length(body)), 0) FROM pack").fetchone()
        return int(rows), int(size)

    def insert(self, messages: Sequence[Message], age: int) -> tuple[int, int]:
        """Keep events of this epoch's event lane; return by how many rows and bytes there are more."""
        ordered = sorted(messages, key=lambda message: message.seq)
        first, last = (place_of("event", message.seq) for message in (ordered[0], ordered[-1]))
        body = pack(ordered)
        assert first is not None
        before = self.remove(first)  # the same once more: a commit that failed may have happened
        row = (first, last, age, len(ordered), _crc(first, body), body)
        self._db.execute("INSERT INTO pack VALUES (?, ?, ?, ?, ?, ?)", row)
        return len(ordered) - before[0], len(body) - before[1]

    def remove(self, place: int) -> tuple[int, int]:
        """Delete a pack, if it is there; return how many rows and bytes that were."""
        self._latest.clear()
        query = "DELETE FROM pack WHERE place = ? RETURNING rows, length(body)"
        found = self._db.execute(query, (place,)).fetchall()
        return (int(found[0][0]), int(found[0][1])) if found else (0, 0)

    def oldest(self) -> tuple[int, int] | None:
        """Return the place and the age of the pack that was made first, or None."""
        found = self._db.execute("SELECT place, age FROM pack ORDER BY age, place LIMIT 1").fetchone()
        return None if found is None else (int(found[0]), int(found[1]))

    def newest_age(self) -> int:
        """Return the age of the pack that was made last, or 0."""
        return int(self._db.execute("SELECT ifnull(max(age), 0) FROM pack").fetchone()[0])

    def highest(self) -> int:
        """Return the highest place in any pack, or 0."""
        return int(self._db.execute("SELECT ifnull(max(last), 0) FROM pack").fetchone()[0])

    def overlap(self, first: int, last: int) -> bool:
        """Whether an event may lie between two places, both included."""
        query = "SELECT 1 FROM pack WHERE place <= ? AND last >= ? LIMIT 1"
        return bool(self._db.execute(query, (last, first)).fetchall())

    def read(self, first: int, last: int, epoch: str, most: int) -> tuple[dict[int, Message], list[int]]:
        """Return the first events between two places, both included, by place; and the places of damaged packs.

        Args:
            first: place.
            last: place.
            epoch: of the store.
            most: no pack is read any more when so many events are known that none in it can come before them.
        """
        query = "SELECT place FROM pack WHERE place <= ? AND last >= ? ORDER BY place"
        found: dict[int, Message] = {}
        damaged: list[int] = []
        for (place,) in self._db.execute(query, (last, first)).fetchall():
            if len(found) >= most and place > sorted(found)[most - 1]:
                break
            try:
                for message in self._unpacked(place, epoch):
                    here = place_of("event", message.seq)
                    if here is not None and first <= here <= last:
                        found[here] = message
            except (ValueError, TypeError, LookupError, struct.error, zlib.error):
                damaged.append(place)
        return found, damaged

    def _unpacked(self, place: int, epoch: str) -> list[Message]:
        if place not in self._latest:
            crc, body = self._db.execute("SELECT crc, body FROM pack WHERE place = ?", (place,)).fetchone()
            if crc != _crc(place, body):
                raise ValueError("the card has changed a pack")
            while len(self._latest) >= REMEMBERED:
                del self._latest[next(iter(self._latest))]
            self._latest[place] = unpack(body, epoch)
        return self._latest[place]


def pack(messages: Sequence[Message]) -> bytes:
    """Return events as one run of bytes."""
    packer = zlib.compressobj(6)
    parts = []
    for message in messages:
        text = _text(message.payload)
        columns: list[Any] = [message.seq, message.id, int(message.rank), message.topic, message.wall]
        columns += [message.episode, message.phase, message.alarm]
        head = json.dumps(columns, separators=(",", ":")).encode()
        body = message.payload if text is None else text
        parts.append(packer.compress(_HEAD.pack(len(head), len(body), text is not None) + head + body))
    return b"".join(parts) + packer.flush()


def unpack(body: bytes, epoch: str) -> list[Message]:
    """Return the events in a pack of this epoch.

    Raises:
        ValueError, TypeError, LookupError, struct.error, zlib.error: it is none.
    """
    raw = zlib.decompress(body)
    found: list[Message] = []
    at = 0
    while at < len(raw):
        head, size, deflated = _HEAD.unpack_from(raw, at)
        at += _HEAD.size
        seq, id_, rank, topic, wall, episode, phase, alarm = json.loads(raw[at : at + head])
        text = raw[at + head : at + head + size]
        at += head + size
        payload = deflate_text(text) if deflated else text
        found.append(Message(epoch, "event", seq, id_, Rank(rank), topic, payload, wall, episode, phase, alarm))
    return found


def _text(payload: bytes) -> bytes | None:
    """Return the text of a deflated payload; None for one that is not, or that would come back as other bytes."""
    if payload[:1] != b"\x78":
        return None
    try:
        text = text_of(payload)
    except ValueError:
        return None
    return text if deflate_text(text) == payload else None


def _crc(place: int, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(str(place).encode()))
