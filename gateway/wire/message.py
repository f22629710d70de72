"""What the daemon stores and sends: numbered messages with their final bytes.

A body never changes after it is made. Events are CloudEvents 1.0 in structured JSON, deflated with the contract's
preset dictionary; pictures are plain JPEG whose comment segment carries the numbers, so that nothing depends on
MQTT 5 properties. Not here: storing (uplink/outbox.py) and sending (uplink/mqtt.py). Pure; any thread.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gateway.wire.dictionary import DICTIONARY
from gateway.wire.draft import Draft, Lane, Rank, lane_of

if TYPE_CHECKING:
    from collections.abc import Mapping

PICTURE_BYTES = 60 * 1024
"""No media message is longer, its comment segment included."""
INFLATED_BYTES = 1 << 20
"""No event is longer; a longer one is an attack."""
INTEREST_SECONDS = 3600
"""How long an event that is no alarm interests a desk (`expirytime`)."""


@dataclass(frozen=True, slots=True)
class Address:
    """Who speaks: the parts of the topic root."""

    area: str
    gateway: str

    @property
    def root(self) -> str:
        """The topic prefix of everything that this gateway says and hears, without a slash at the end."""
        return f"citycam/v1/{self.area}/{self.gateway}"


@dataclass(frozen=True, slots=True)
class Moment:
    """What the clocks say when a message is made."""

    wall: float
    """Seconds since 1970, by a wall clock that may be wrong."""
    synced: bool
    """Whether the wall clock is synchronised."""
    mono: float
    """The monotonic clock at the same instant."""
    boot: str
    """First eight hexadecimal digits of the kernel's boot id."""


@dataclass(frozen=True, slots=True)
class Message:
    """What the outbox keeps. (epoch, lane, seq) is unique for a gateway, for ever."""

    epoch: str
    lane: Lane
    seq: int
    id: str
    rank: Rank
    topic: str
    """Without the root: `up/event/motion/cam0`."""
    payload: bytes
    wall: float
    """When it was made: age in the store is counted from here."""
    episode: str = ""
    phase: str = ""
    alarm: bool = False

    @property
    def key(self) -> tuple[str, str, int]:
        """What names it in the store and in acknowledgements."""
        return (self.epoch, self.lane, self.seq)


def deflate(payload: Mapping[str, Any]) -> bytes:
    """Return JSON, deflated with the preset dictionary; the first byte is 0x78."""
    return deflate_text(plain(payload))


def deflate_text(text: bytes) -> bytes:
    """Return the text of an event as `deflate` makes it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)
    return packer.compress(text) + packer.flush()


def plain(payload: Mapping[str, Any]) -> bytes:
    """Return JSON as it is; the first byte is `{`.

    What JSON has no word for is said all the same: null for what is no number, `?` for half a character.
    """
    try:
        text = json.dumps(payload, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except ValueError:
        finite = json.loads(json.dumps(payload), parse_constant=lambda _: None)
        text = json.dumps(finite, separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors="replace")


def inflate(payload: bytes) -> dict[str, Any]:
    """Return the JSON object in a payload that may be deflated or plain.

    Raises:
        ValueError: it is neither, or is longer than INFLATED_BYTES.
    """
    value = json.loads(text_of(payload))
    if not isinstance(value, dict):
        raise ValueError(f"payload is no JSON object but {type(value).__name__}")  # noqa: TRY004 (it is input)
    return value


def text_of(payload: bytes) -> bytes:
    """Return the text of an event's payload, which may be deflated or plain.

    Raises:
        ValueError: it is damaged, or its text is longer than INFLATED_BYTES.
    """
    if payload[:1] != b"\x78":
        return payload
    unpacker = zlib.decompressobj(15, DICTIONARY)
    try:
        text = unpacker.decompress(payload, INFLATED_BYTES)
    except zlib.error as error:
        raise ValueError(f"damaged payload: {error}") from error
    if not unpacker.eof:
        raise ValueError("payload is cut off or too long")
    return text


def timestamp(unix_seconds: float) -> str:
    """Return a time as RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(unix_seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def make_message(
    draft: Draft, address: Address, epoch: str, seq: int, now: Moment, *, compress: bool = True
) -> Message:
    """Return the message that says what `draft` says, with number and wall time.

    The wall time of what happened is reckoned back from `now` on the monotonic clock.
    """
    lane = lane_of(draft.rank)
    happened = now.wall - (now.mono - draft.mono)
    if draft.picture is not None:
        topic = f"up/media/{draft.camera}/{draft.episode}"
        label = {"gateway": address.gateway, "epoch": epoch, "lane": lane, "seq": seq, "id": draft.id}
        payload = label_jpeg(draft.picture, label | draft.body)
    else:
        topic = f"up/reply/{draft.episode}" if draft.kind == "reply" else f"up/event/{draft.kind}/{draft.camera}"
        event = cloud_event(draft, address, epoch, seq, now, happened)
        payload = deflate(event) if compress else plain(event)
    return Message(
        epoch=epoch,
        lane=lane,
        seq=seq,
        id=draft.id,
        rank=draft.rank,
        topic=topic,
        payload=payload,
        wall=now.wall,
        episode=draft.episode,
        phase=draft.phase or "",
        alarm=draft.alarm,
    )


def cloud_event(draft: Draft, address: Address, epoch: str, seq: int, now: Moment, happened: float) -> dict[str, Any]:
    """Return the CloudEvents 1.0 object for an event; key order is the dictionary's, for size."""
    kind = draft.kind if draft.phase is None else f"{draft.kind}.{draft.phase}"
    event: dict[str, Any] = {
        "specversion": "1.0",
        "type": f"citycam.{kind}.v1",
        "source": f"urn:citycam:{address.area}:{address.gateway}:{draft.camera}",
        "id": draft.id,
        "correlationid": draft.episode,
        "time": timestamp(happened),
        "epoch": epoch,
        "lane": lane_of(draft.rank),
        "sequence": f"{seq:012d}",
        "severitytext": draft.severity,
    }
    if draft.subject:
        event["subject"] = f"zone/{draft.subject}"
    if now.synced and draft.rank != Rank.ALARM:
        event["expirytime"] = timestamp(happened + INTEREST_SECONDS)
    clock = {"boot": now.boot, "synced": now.synced, "mono": round(draft.mono, 3)}
    return event | {"data": draft.body | clock}


def label_jpeg(jpeg: bytes, label: Mapping[str, Any]) -> bytes:
    """Return the JPEG with `label` as JSON in a comment segment (COM, ITU-T T.81 B.2.4.5) behind its start marker.

    Raises:
        ValueError: it is no JPEG.
    """
    if jpeg[:2] != b"\xff\xd8":
        raise ValueError("a picture that is no JPEG")
    text = plain(label)
    return jpeg[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + jpeg[2:]


def read_label(jpeg: bytes) -> dict[str, Any]:
    """Return the label that `label_jpeg` wrote.

    Raises:
        ValueError: the picture carries none.
    """
    if jpeg[:4] != b"\xff\xd8\xff\xfe":
        raise ValueError("a picture without a label")
    size = int.from_bytes(jpeg[4:6], "big")
    label = json.loads(jpeg[6 : 4 + size])
    if not isinstance(label, dict):
        raise ValueError("a picture whose label is no JSON object")  # noqa: TRY004 (it is input)
    return label
