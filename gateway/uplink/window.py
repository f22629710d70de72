"""What is on its way: messages that the broker has not acknowledged yet, and whether another may join them.

Pure; changed by the deliver thread only, under the lock of dispatch.py, as other threads look at it. Not here: which
message is next (lanes.py, dispatch.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.uplink.rows import Key, Stream
    from gateway.wire.message import Message

BULK_BYTES = 64 * 1024
"""Most that is on its way beside alarms: a slow link must be free again for an alarm within two seconds."""
ALARM_SLOTS = 2
"""Places in the window that only alarms and states may take."""
PACKET_HEAD = 16
"""Most bytes that a PUBLISH adds to its topic and payload."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message, or a state (without one), that is on its way."""

    since: float
    message: Message | None = None
    stream: Stream | None = None

    @property
    def bulk(self) -> int:
        """How many bytes of it stand in an alarm's way."""
        return len(self.message.payload) if self.message and self.stream != "alarm" else 0


class Window:
    """Everything that is on its way, by its id on this connection."""

    def __init__(self) -> None:
        self._size = 1
        self._largest = 1 << 28
        self._sent: dict[int, Sent] = {}

    def __len__(self) -> int:
        """How much is on its way."""
        return len(self._sent)

    def __contains__(self, mid: int) -> bool:
        """Whether this id is still unacknowledged."""
        return mid in self._sent

    def opened(self, size: int, largest: int) -> None:
        """Note a new connection: at most `size` messages on their way, none longer than `largest` bytes."""
        self._size, self._largest = size, largest

    def closed(self) -> list[Sent]:
        """Return what was on its way when the connection ended; nothing is any more."""
        back = list(self._sent.values())
        self._sent.clear()
        return back

    def add(self, mid: int, sent: Sent) -> None:
        """Note what was sent."""
        self._sent[mid] = sent

    def take(self, mid: int) -> Sent | None:
        """Return what the broker has answered for; it is not on its way any more."""
        return self._sent.pop(mid, None)

    @property
    def has_room(self) -> bool:
        """Whether an alarm or a state may leave."""
        return len(self._sent) < self._size

    @property
    def has_room_for_bulk(self) -> bool:
        """Whether anything else may leave."""
        if len(self._sent) >= max(1, self._size - ALARM_SLOTS):
            return False
        return sum(sent.bulk for sent in self._sent.values()) < BULK_BYTES

    def takes(self, topic: str, payload: bytes) -> bool:
        """Whether the broker takes a packet of this length; for a longer one it ends the connection."""
        return len(topic) + len(payload) + PACKET_HEAD <= self._largest

    @property
    def has_alarm(self) -> bool:
        """Whether an alarm is on its way."""
        return any(sent.stream == "alarm" for sent in self._sent.values())

    @property
    def oldest(self) -> float | None:
        """Since when the oldest is on its way, or None."""
        return min((sent.since for sent in self._sent.values()), default=None)

    @property
    def keys(self) -> set[Key]:
        """Of all messages."""
        return {sent.message.key for sent in self._sent.values() if sent.message}
