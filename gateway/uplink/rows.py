"""How a message lies in the store: its place, its columns, and what shows that a card has changed it. Pure.

A place is a row's key: the lane in the high bits and the number in the low 48, so the order of keys is the order of
sending. A fourth "lane" holds messages that were saved from an older store and keep their own epoch and number.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import replace
from typing import Any, Literal

from gateway.uplink.worth import Worth, worth_of
from gateway.wire.draft import LANES, Lane, Rank
from gateway.wire.message import Message

Key = tuple[str, str, int]
"""(epoch, lane, seq), as Message.key gives it."""
Stream = Literal["alarm", "event", "media", "saved"]
"""A lane, or the messages that were saved from an older store."""
STREAMS: tuple[Stream, ...] = ("alarm", "event", "saved", "media")
"""In the order of urgency."""
COLUMNS = "key, origin, id, rank, topic, wall, episode, phase, alarm, crc, payload"

UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BITS = 48
_SAVED = len(LANES)
_MEDIA = LANES.index("media")


def bounds(stream: Stream) -> tuple[int, int]:
    """Return the lowest key of a stream, which no message has, and its highest."""
    place = _SAVED if stream == "saved" else LANES.index(stream)
    return place << _BITS, (place + 1 << _BITS) - 1


def stream_at(place: int) -> Stream:
    """Return the stream of a key.

    Raises:
        LookupError: there is no such stream.
    """
    return "saved" if place >> _BITS == _SAVED else LANES[place >> _BITS]


def tables_of(place: int) -> tuple[str, ...]:
    """Return the tables in which a message with this key may lie, first the one where a new one goes.

    A store of an earlier version has all its messages in one.
    """
    return ("picture", "message") if place >> _BITS == _MEDIA else ("message",)


def may_be_picture(place: int) -> bool:
    """Whether the message with this key is a picture, or a saved one, which may be."""
    return place >> _BITS in {_MEDIA, _SAVED}


def lane_at(place: int) -> tuple[Lane, int] | None:
    """Return lane and number of a key of this epoch, or None for a saved message's."""
    lane = place >> _BITS
    return None if lane >= _SAVED else (LANES[lane], place & (1 << _BITS) - 1)


def place_of(lane: str, seq: int) -> int | None:
    """Return the key of a number of this epoch, or None when there is no such lane."""
    return next((bounds(known)[0] + seq for known in LANES if known == lane), None)


def origin_of(key: Key) -> str:
    """Return what names a saved message."""
    return "/".join(map(str, key))


def packed(id_: str) -> str | bytes:
    """Return an id as it lies in a row: a UUID as its 16 bytes, so that three events fit a page and not two."""
    if len(id_) == 36 and UUID.fullmatch(id_):
        return bytes.fromhex(id_.replace("-", ""))
    return id_


def unpacked(id_: object) -> str:
    """Return an id that `packed` made.

    Raises:
        ValueError: it made none such.
    """
    if isinstance(id_, bytes):
        digits = id_.hex()
        if len(digits) != 32:
            raise ValueError("an id of another length")
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    if not isinstance(id_, str):
        raise ValueError("an id that is none")  # noqa: TRY004 (it is what a card made of it)
    return id_


def message_in(row: tuple[Any, ...], epoch: str) -> Message | None:
    """Return the message in a row (of COLUMNS) of a store of this epoch, or None when the card has changed it."""
    place, origin, id_, rank, topic, wall, episode, phase, alarm, checksum_, payload = row
    here = lane_at(place) if origin is None else None
    parts = str(origin).split("/")
    if here is not None:
        key: Key = (epoch, *here)
    elif len(parts) == 3 and parts[2].isdecimal():
        key = (parts[0], parts[1], int(parts[2]))
    else:
        return None
    lane: Any = key[1]
    try:
        ids = unpacked(id_), unpacked(episode)
        found = Message(key[0], lane, key[2], ids[0], rank, topic, payload, wall, ids[1], phase, bool(alarm))
        return replace(found, rank=Rank(rank)) if checksum(found) == checksum_ else None
    except (TypeError, ValueError):  # a column of another type than was written
        return None


def checksum(message: Message) -> int:
    """Return what shows that a card has changed a message."""
    head = (*message.key, message.id, int(message.rank), message.topic, float(message.wall), message.episode)
    return zlib.crc32(message.payload, zlib.crc32(repr((*head, message.phase, message.alarm)).encode()))


def worth_again(rank: int, *, alarm: bool) -> Worth:
    """Return what a delivered message is worth when it has to leave again."""
    return worth_of(Message("", "event", 0, "", Rank(rank), "", b"", 0.0, alarm=alarm))
