"""What waits in memory for the card, how long it may, and what goes when there is too much of it.

Messages that are not stored yet, acknowledgements of stored ones, delivered ones that are kept for replay, refusals,
and the numbers of what was dropped. Memory is bounded: what is worth least goes first, and every drop is counted.
Writing it is the spool's (spool.py), what goes first on the card the outbox's (outbox.py). Guarded by the spool's lock,
which is never held while the card is used; times are monotonic seconds.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import TYPE_CHECKING

from gateway.uplink.entries import DONE_ROWS
from gateway.uplink.storing import CHUNK_BYTES, chunks
from gateway.uplink.worth import worth_of
from gateway.wire.draft import Rank

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.uplink.rows import Key, Stream
    from gateway.wire.message import Message

RAM_COUNT = 4000
RAM_BYTES = 8 << 20
"""Most that waits in memory for the card."""
GROUP_SECONDS = 1.75
"""A quarter of a second below the promise, for the commit itself. The longer, the fewer commits."""
DONE_SECONDS = 10.0
"""Acknowledgements of stored messages wait so long for a commit that happens anyway; losing them costs duplicates."""
FEW = 16
FEW_SECONDS = 120.0
"""So few wait longer: the commit of the next alarm, a minute or two later at a usual corner, takes them along."""
DONE_COUNT = 512
REPLAY_SECONDS = 300.0
REPLAY_COUNT = 1000
"""Delivered events that were never written wait so long, or until they are so many, for one commit."""


class Unwritten:
    """What the card does not know yet."""

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        """Messages for which there was no room, by kind and rank."""
        self._ram: dict[Key, tuple[Message, float]] = {}
        self._ram_bytes = 0
        self._writing: frozenset[Key] = frozenset()
        self._done: dict[Key, None] = {}
        self._done_since = 0.0
        self._delivered: dict[Key, Message] = {}
        self._delivered_since = 0.0
        self._refused: dict[Key, str] = {}
        self._lost: dict[Key, None] = {}

    # What comes in

    def offer(self, message: Message, now: float) -> bool:
        """Take a message; False when there was no room for it."""
        self._ram[message.key] = (message, now)
        self._ram_bytes += len(message.payload)
        while len(self._ram) > RAM_COUNT or self._ram_bytes > RAM_BYTES:
            self._drop_one()
        return message.key in self._ram

    def acknowledge(self, keys: Iterable[Key], now: float) -> None:
        """Note that the centre has these messages: those that are not stored yet need not be, but for alarms."""
        for key in keys:
            message = self._ram[key][0] if key in self._ram else None
            if message is None or key in self._writing or message.rank == Rank.ALARM:
                self._done_since = self._done_since if self._done else now
                self._done[key] = None
                continue
            self._forget(key)
            if message.rank != Rank.PICTURE:
                self._delivered_since = self._delivered_since if self._delivered else now
                self._delivered[key] = message

    def refuse(self, key: Key, reason: str) -> None:
        """Note that a message will never be taken."""
        self._refused[key] = reason

    def _drop_one(self) -> None:
        """Let go of what is worth least, the oldest of it."""
        candidates = [key for key in self._ram if key not in self._writing]
        if not candidates:
            return
        # An alarm that the centre has waits for the card, too: it is worth least of all, and is not lost.
        key = min(candidates, key=lambda candidate: (candidate not in self._done, worth_of(self._ram[candidate][0])))
        message = self._ram[key][0]
        self._forget(key)
        if key in self._done:
            del self._done[key]
            return
        self.dropped[f"{kind_of(message)}/{message.rank.value}"] += 1
        self._lost[key] = None

    def _forget(self, key: Key) -> None:
        found = self._ram.pop(key, None)
        if found is not None:
            self._ram_bytes -= len(found[0].payload)

    # What is there

    def messages(self) -> list[Message]:
        """Return all messages that wait to be stored, in the order of coming."""
        return [message for message, _ in self._ram.values()]

    def behind(self, epoch: str, stream: Stream, after: int) -> list[Message]:
        """Return the messages of a lane that wait to be stored and have a number above `after`."""
        return [
            message
            for message, _ in self._ram.values()
            if message.lane == stream and message.epoch == epoch and message.seq > after
        ]

    def done(self) -> list[Key]:
        """Return what was acknowledged and still waits for delivery on the card."""
        return list(self._done)

    # What has to be written

    def due_at(self) -> float:
        """Return when something has to be written; the past: now; infinity: nothing waits."""
        if self._lost or self._refused or self._ram_bytes >= CHUNK_BYTES:
            return -math.inf
        if any(message.rank == Rank.ALARM for message, _ in self._ram.values()):
            return -math.inf
        due = [math.inf]
        if self._ram:
            due.append(next(iter(self._ram.values()))[1] + GROUP_SECONDS)
        if self._done:
            due.append(self._done_at())
        if self._delivered:
            due.append(self._replay_at())
        return min(due)

    def begin(self, now: float, *, everything: bool, alone: bool) -> tuple[list[Message], list[Key]] | None:
        """Return messages and acknowledgements for one transaction, rank 0 first, or None: nothing is due.

        The messages are neither dropped nor taken back until `written` or `failed` is called.

        Args:
            now: infinity when nothing may wait any longer.
            everything: also what is not due, and may be acknowledged before it is.
            alone: acknowledgements that are due are reason enough for a transaction.
        """
        everything = everything or self._ram_bytes >= CHUNK_BYTES
        due = [
            message
            for message, since in self._ram.values()
            if everything or message.rank == Rank.ALARM or since <= now - GROUP_SECONDS or message.key in self._refused
        ]
        chunk = next(iter(chunks(sorted(due, key=lambda message: message.rank != Rank.ALARM))), [])
        self._writing = frozenset(message.key for message in chunk)
        noted = self.to_note()
        if not chunk and not (alone and noted and now >= self._done_at()):
            return None
        return chunk, noted

    def to_note(self, most: int | None = DONE_ROWS) -> list[Key]:
        """Return acknowledgements for one transaction, or with None all that may be noted now.

        Of what comes to the card with a later chunk the acknowledgement is noted with that one.
        """
        known = (key for key in self._done if key not in self._ram or key in self._writing)
        return list(itertools.islice(known, most))

    def written(self, messages: Sequence[Message], done: Sequence[Key]) -> None:
        """Note that what `begin` gave is on the card."""
        self._writing = frozenset()
        for message in messages:
            self._forget(message.key)
        self.noted_done(done)

    def noted_done(self, done: Iterable[Key]) -> None:
        """Note that the card knows of these acknowledgements."""
        for key in done:
            self._done.pop(key, None)

    def failed(self) -> None:
        """Note that what `begin` gave could not be written."""
        self._writing = frozenset()

    def next_refused(self) -> tuple[Key, str] | None:
        """Return a refused message with the reason, or None; `noted` forgets it."""
        return next(iter(self._refused.items()), None)

    def next_lost(self) -> Key | None:
        """Return a message that was dropped, or None; `noted` forgets it."""
        return next(iter(self._lost), None)

    def noted(self, key: Key) -> None:
        """Note that the card knows that a message was refused or dropped."""
        self._refused.pop(key, None)
        self._lost.pop(key, None)

    def for_replay(self, now: float) -> list[Message]:
        """Return the delivered messages when they are due; infinity: they are."""
        return list(self._delivered.values()) if self._delivered and now >= self._replay_at() else []

    def kept_for_replay(self, messages: Iterable[Message]) -> None:
        """Note that delivered messages are on the card."""
        for message in messages:
            self._delivered.pop(message.key, None)

    def _done_at(self) -> float:
        if len(self._done) >= DONE_COUNT:
            return -math.inf
        return self._done_since + (FEW_SECONDS if len(self._done) < FEW else DONE_SECONDS)

    def _replay_at(self) -> float:
        return -math.inf if len(self._delivered) >= REPLAY_COUNT else self._delivered_since + REPLAY_SECONDS


def kind_of(message: Message) -> str:
    """Return what a message is, from its topic: the event's kind, media or reply."""
    parts = message.topic.split("/")
    return parts[2] if parts[1:2] == ["event"] and len(parts) > 2 else "/".join(parts[1:2])
