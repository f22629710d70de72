"""What can still be read of a store that was set aside moves to the store in use: messages that were never delivered.

A few at a time, for new messages are more urgent. Nothing is written to what was set aside, and whether it stays is not
decided here (outbox.py). On the spool's thread.
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import time
from typing import TYPE_CHECKING

from gateway.errors import StoreError
from gateway.uplink import rows, store
from gateway.uplink.storing import chunks
from gateway.uplink.worth import WAITING

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from gateway.uplink.boots import Boot
    from gateway.uplink.outbox import Outbox
    from gateway.wire.message import Message

SLICE = 32
"""Rows at a time: what reads them has other things to do."""
PAUSE = 0.05
"""Seconds between two slices."""


class Salvage:
    """One store that was set aside, as far as it is read."""

    def __init__(self, path: Path) -> None:
        """Take the path; the file is opened at the first step."""
        self.due_at = 0.0
        """When the next step is due, in monotonic seconds."""
        self._epoch = ""
        self._slices = self._undelivered(path)
        self._boots: list[Boot] = []
        """What it knew of the clock: what was said before it was set is dated by that."""
        self._found: list[Message] | None = None
        """A slice that is not stored yet."""

    def step(self, outbox: Outbox) -> int | None:
        """Save the next few messages; return how many, or None: that was all, and the outbox knows it.

        Raises:
            StoreError: they could not be stored; the next step tries them again.
        """
        if self._found is None:
            self._found = next(self._slices, None)
        found = self._found
        if found is None:
            if self._boots:
                outbox.recall(self._boots)
            outbox.past.end(self._epoch)
            outbox.past.salvaged()
            return None
        for chunk in chunks(found):
            outbox.put(chunk)
        self._found = None
        self.due_at = time.monotonic() + PAUSE
        return len(found)

    def close(self) -> None:
        """Let go of the file; on the thread that took the steps."""
        self._slices.close()

    def _undelivered(self, path: Path) -> Generator[list[Message], None, None]:
        """Return undelivered messages of a damaged store in slices; each was checked against its checksum.

        Each lane is read from its beginning to the first damage, and from its end back to the last, so that one bad
        page costs what lies on it and not what lies behind it.
        """
        try:
            db = store.connect(str(path))
        except StoreError:
            return
        with contextlib.closing(db):
            try:
                epoch = str(db.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()[0])
            except (sqlite3.Error, TypeError):
                return  # whose numbers they were, nobody can say
            self._epoch = epoch
            self._boots = _boots(db)
            for stream, table in itertools.product(rows.STREAMS, ("message", "picture")):
                low, high = rows.bounds(stream)
                reached = low
                for found, place in _scan(db, table, low, high, "ASC"):
                    reached = place
                    yield _checked(found, epoch)
                for found, _ in _scan(db, table, reached, high, "DESC"):
                    yield _checked(found, epoch)


def _scan(
    db: sqlite3.Connection, table: str, low: int, high: int, way: str
) -> Iterator[tuple[list[tuple[object, ...]], int]]:
    """Return rows above `low` and up to `high` in slices, with the last place of each, as far as the first damage."""
    query = f"SELECT {rows.COLUMNS} FROM {table} WHERE key > ? AND key <= ? AND worth >= ? ORDER BY key {way} LIMIT ?"  # noqa: S608
    size = SLICE
    while True:
        try:
            found = db.execute(query, (low, high, WAITING, size)).fetchall()
        except sqlite3.Error:
            if size == 1:
                return
            size = 1  # what lies before the damage is read one by one
            continue
        if not found:
            return
        place = found[-1][0]
        yield found, place
        if way == "ASC":
            low = place
        else:
            high = place - 1


def _boots(db: sqlite3.Connection) -> list[Boot]:
    """Return the boots that a damaged store knew, oldest first: boot, offset, since; nonsense is left out."""
    try:
        found = db.execute("SELECT boot, offset, since FROM boot ORDER BY place").fetchall()
    except sqlite3.Error:
        return []
    return [
        (boot, offset, since)
        for boot, offset, since in found
        if isinstance(boot, str) and isinstance(offset, float | None) and isinstance(since, float | None)
    ]


def _checked(found: list[tuple[object, ...]], epoch: str) -> list[Message]:
    return [message for row in found if (message := rows.message_in(row, epoch)) is not None]
