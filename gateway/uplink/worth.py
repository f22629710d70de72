"""What a message is worth when there is no room for all: one table for the card and for memory.

Pure. Who drops, counts and reports does not belong here (room.py, unwritten.py).
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from gateway.wire.draft import Rank

if TYPE_CHECKING:
    from gateway.wire.message import Message


class Worth(IntEnum):
    """The lower goes first. The numbers stand in the store: they are never reused with another meaning.

    All fit one byte and none is 0 or 1, which SQLite keeps in no byte at all: so a change of worth changes no row's
    length, and SQLite rewrites one page and not the whole picture.
    """

    DELIVERED = 10
    """The centre has it; kept for replay."""
    DEAD = 20
    """Refused for good; kept for a person to look at."""
    PICTURE = 30
    UPDATE = 40
    START_ENDED = 50
    """A start whose end is stored too: the end says all of it."""
    ALARM_PICTURE = 60
    START = 70
    END = 80
    """Ends and replies."""
    ALARM = 90


WAITING = Worth.PICTURE
"""Rows of at least this worth still have to be delivered."""

_BY_RANK = {
    Rank.ALARM: Worth.ALARM,
    Rank.END: Worth.END,
    Rank.START: Worth.START,
    Rank.UPDATE: Worth.UPDATE,
    Rank.PICTURE: Worth.PICTURE,
}


def worth_of(message: Message) -> Worth:
    """Return what a message that is still to be delivered is worth by itself."""
    if message.rank == Rank.PICTURE and message.alarm:
        return Worth.ALARM_PICTURE
    return _BY_RANK[message.rank]
