"""Reads from the open store what is still to be delivered. On the spool's thread: it waits for the card.

Not here: what is only in memory (fetching.py joins both), when it is asked for (dispatch.py).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from gateway.uplink.rows import COLUMNS, bounds, message_in
from gateway.uplink.worth import WAITING

if TYPE_CHECKING:
    from gateway.uplink.books import Books
    from gateway.uplink.rows import Stream
    from gateway.wire.message import Message


def read_waiting(
    books: Books, stream: Stream, after: int, limit: int, most_bytes: int
) -> tuple[list[tuple[int, Message]], list[int]]:
    """Read what is still to be delivered; see Outbox.pending.

    Returns:
        Messages with their places in the stream, and the keys of rows that the card has changed.

    Raises:
        StoreError: the store cannot be read.
    """
    low, high = bounds(stream)
    found: list[tuple[int, Message]] = []
    damaged: list[int] = []
    size = 0
    query = f"SELECT {COLUMNS} FROM stored WHERE key > ? AND key <= ? AND worth >= ? ORDER BY key LIMIT ?"  # noqa: S608
    with books.explained(), contextlib.closing(books.db.cursor()) as cursor:
        for row in cursor.execute(query, (low + after, high, WAITING, limit)):
            message = message_in(row, books.epoch)
            if message is None:
                damaged.append(row[0])
                continue
            found.append((row[0] - low, message))
            size += len(row[-1])
            if size >= most_bytes:
                break
    return found, damaged
