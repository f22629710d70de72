"""The order of sending: which message leaves next, when memory holds only the newest and the store holds the rest.

Within a lane messages leave in the order of their numbers. A lane is either live (what is offered leaves from memory,
the card is not asked) or behind (memory overflowed, or nobody knows yet what the store holds): then the backlog is
fetched from the spool until an answer covers everything that memory had to let go. Pure; guarded by the link's lock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from gateway.uplink.rows import Key, Stream
    from gateway.wire.message import Message

QUEUE_COUNT = 256
QUEUE_BYTES = 512 * 1024
"""Of each lane; a longer backlog stays in the store."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The spool's answer to a fetch: messages in the order of sending."""

    stream: Stream
    epoch: str
    messages: list[Message] = field(default_factory=list)
    last: int = 0
    """Place of the last message: fetch from here on."""
    upto: int = 0
    """When there are no messages: every number up to this one was offered to the spool before it looked."""


class Lane:
    """One lane's order."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.epoch = ""
        self._live: deque[Message] = deque()
        self._live_bytes = 0
        self._backlog: deque[Message] = deque()
        self._behind = True
        self._fetching = False
        self._stale = False
        """The answer that is under way belongs to a place that is no longer ours."""
        self._place = 0
        """Everything up to here was handed out, or is in the backlog."""
        self._dropped = 0
        """The highest number that memory let go: the store has it."""

    def offer(self, message: Message) -> None:
        """Add the newest message; the spool has it already."""
        if message.epoch != self.epoch:
            self._turn_over(message.epoch)
        self._live.append(message)
        self._live_bytes += len(message.payload)
        while len(self._live) > QUEUE_COUNT or self._live_bytes > QUEUE_BYTES:
            lost = self._live.popleft()
            self._live_bytes -= len(lost.payload)
            if lost.epoch == self.epoch and lost.seq > self._place:
                self._behind = True
                self._dropped = max(self._dropped, lost.seq)

    def take(self, *, backlog: bool = True) -> Message | None:
        """Return the message that leaves next, or None: there is none, or it has to be fetched first.

        Args:
            backlog: whether messages from the store may leave now; while they wait, so does everything behind them.
        """
        if self._backlog:
            return self._backlog.popleft() if backlog else None
        while not self._behind and self._live:
            message = self._live.popleft()
            self._live_bytes -= len(message.payload)
            if message.epoch != self.epoch or message.seq > self._place:
                if message.epoch == self.epoch:
                    self._place = message.seq
                return message
        return None

    @property
    def behind(self) -> bool:
        """Whether there is backlog, or may be."""
        return self._behind or bool(self._backlog)

    def wants(self) -> int | None:
        """Return the place after which to fetch, or None when nothing is to be fetched now; the caller then fetches."""
        if not self._behind or self._fetching or self._backlog:
            return None
        self._fetching = True
        return self._place

    def answer(self, batch: Batch | None, skip: Collection[Key] = ()) -> None:
        """Take the answer to a fetch.

        Args:
            batch: None when the store could not be read: it will be asked again.
            skip: messages that are on their way and must not leave twice.
        """
        self._fetching = False
        stale, self._stale = self._stale, False
        if batch is None or stale:
            return
        if batch.epoch != self.epoch:
            first = not self.epoch
            self._turn_over(batch.epoch)
            if not first:
                return  # it was asked with the old epoch's place
        if batch.messages:
            self._backlog.extend(message for message in batch.messages if message.key not in skip)
            self._place = max(self._place, batch.last)
        elif batch.upto >= self._dropped:
            self._behind = False
            self._dropped = 0

    def give_back(self, messages: Iterable[Message]) -> None:
        """Put messages back that were on their way when the connection broke: they leave first, in order."""
        back = sorted([*messages, *self._backlog], key=lambda message: (message.epoch == self.epoch, message.seq))
        self._backlog = deque(back)

    def rewind(self, seq: int) -> None:
        """Start again from a number that the broker would not take; the store still has it and all that follow."""
        self._place = min(self._place, seq - 1)
        self._backlog.clear()
        self._ask_again()

    def _turn_over(self, epoch: str) -> None:
        self.epoch = epoch
        self._place = self._dropped = 0
        self._ask_again()

    def _ask_again(self) -> None:
        self._behind = True
        self._stale = self._fetching
