"""What the eye tells the daemon: drafts of messages, and the packets of the socket between them.

A draft has no number, no wall time and no address yet: the daemon adds them. One packet of the SOCK_SEQPACKET pair
carries one draft or one small control note. Not here: the socket itself (channel.py). Pure; any thread.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import Any, Literal

Lane = Literal["alarm", "event", "media"]
LANES: tuple[Lane, ...] = ("alarm", "event", "media")
Phase = Literal["start", "update", "end"]
Kind = Literal["motion", "stationary", "view", "health", "storm", "media", "reply"]
"""media and reply are no events: they have topics of their own."""

PACKET_BYTES = 96 * 1024
"""Longest packet between the processes: a picture of 60 KiB, its body, and room."""


class Rank(IntEnum):
    """Decides durability and eviction; the lower, the dearer."""

    ALARM = 0
    END = 1
    START = 2
    UPDATE = 3
    PICTURE = 4


def lane_of(rank: Rank) -> Lane:
    """Return the lane in which messages of this rank are numbered and leave in order."""
    if rank == Rank.ALARM:
        return "alarm"
    return "media" if rank == Rank.PICTURE else "event"


def rank_of(phase: Phase, *, alarm: bool) -> Rank:
    """Return the rank of an episode's phase: 0 for an alarm whatever its phase."""
    if alarm:
        return Rank.ALARM
    return {"start": Rank.START, "update": Rank.UPDATE, "end": Rank.END}[phase]


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that the eye proposes; what is known where the frame was seen."""

    id: str
    """UUIDv7 of this message."""
    rank: Rank
    kind: Kind
    camera: str
    mono: float
    """When it happened, on the monotonic clock, in seconds."""
    episode: str
    """The episode's id (an event without phases: its own id); names the picture's topic."""
    phase: Phase | None = None
    severity: str = "low"
    subject: str = ""
    """Id of the zone that decided the severity, or empty."""
    body: dict[str, Any] = field(default_factory=dict)
    """The event's `data`, as in events.py, without what the daemon adds."""
    picture: bytes | None = None
    """JPEG, at most 60 KiB; kind is then media."""
    alarm: bool = False
    """Belongs to an alarm: rank 0, or the picture of one."""


def uuid7(unix_ms: int, entropy: bytes) -> str:
    """Return a UUIDv7 (RFC 9562, section 5.7) in its usual text form.

    Args:
        unix_ms: milliseconds since 1970; only the low 48 bits are used.
        entropy: at least 10 bytes; random, or derived from a recording where the same input must give the same id.
    """
    bits = int.from_bytes(entropy[:10], "big")
    value = (unix_ms & (1 << 48) - 1) << 80 | 0x7 << 76 | (bits >> 62 & 0xFFF) << 64 | 0b10 << 62 | bits & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def random_uuid7(unix_seconds: float) -> str:
    """Return a fresh UUIDv7 for a time in seconds since 1970."""
    return uuid7(int(unix_seconds * 1000), os.urandom(10))


def pack_draft(draft: Draft) -> bytes:
    """Return the packet that carries `draft`: `D`, length of the JSON part, JSON, picture."""
    fields = {name: value for name, value in asdict(draft).items() if name != "picture"}
    head = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")
    return b"D" + len(head).to_bytes(4, "big") + head + (draft.picture or b"")


def pack_note(note: dict[str, Any]) -> bytes:
    """Return the packet that carries a control note: `J`, then JSON."""
    return b"J" + json.dumps(note, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")


def unpack(packet: bytes) -> Draft | dict[str, Any]:
    """Return the draft or the note in a packet.

    Raises:
        ValueError: the packet is damaged (the other side is of another version).
    """
    if packet[:1] == b"J":
        note = json.loads(packet[1:])
        if isinstance(note, dict):
            return note
    elif packet[:1] == b"D":
        size = int.from_bytes(packet[1:5], "big")
        fields = json.loads(packet[5 : 5 + size])
        fields["rank"] = Rank(fields["rank"])
        return Draft(**fields, picture=packet[5 + size :] or None)
    raise ValueError(f"not a packet of the eye: {packet[:16]!r}")
