"""The numbers of a lane's messages: reserved in the store a block at a time, and given out one by one without it.

Numbers belong to the epoch of the store that reserved them; with another store they begin anew. Which of them were
seen as messages is kept here too. Reserving is the outbox's (outbox.py), when to reserve the spool's (spool.py).
Guarded by the spool's lock.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from gateway.wire.draft import LANES, Lane

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.wire.message import Message

BLOCK = 1024
"""Numbers of a lane that are reserved at once. Each reservation writes the journal back into the store."""


class Numbering:
    """Numbers to be given, and the highest that came back on a message."""

    def __init__(self) -> None:
        self.store_epoch = ""
        """Of the store that is in use; no number of it may have been reserved yet."""
        self.seen: dict[Lane, int] = dict.fromkeys(LANES, 0)
        """Of each lane: up to here every number of the store's epoch was offered, or used by an earlier process."""
        self._blocks: dict[Lane, deque[int]] = {lane: deque() for lane in LANES}
        self._epoch = ""
        self.given_up: dict[str, dict[Lane, int]] = {}
        """Of an epoch whose store failed: of each lane the lowest number that no message was given."""

    def take(self, lane: Lane) -> tuple[str, int] | None:
        """Return epoch and number of the next message of a lane, or None: none is left."""
        block = self._blocks[lane]
        return (self._epoch, block.popleft()) if block else None

    def wanting(self) -> list[Lane]:
        """Return the lanes for which a block has to be reserved."""
        if self._epoch != self.store_epoch:
            return list(LANES)
        return [lane for lane in LANES if self.short(lane)]

    def short(self, lane: Lane) -> bool:
        """Whether half of a lane's block is used up."""
        return len(self._blocks[lane]) <= BLOCK // 2

    def add(self, epoch: str, lane: Lane, numbers: Iterable[int]) -> None:
        """Take numbers that were reserved; with a new epoch the old numbers go."""
        if self._epoch != epoch:
            if self._epoch:
                self.given_up = {self._epoch: self._unused()}
            self._clear()
            self._epoch = epoch
            self.given_up.pop(epoch, None)
        self._blocks[lane].extend(numbers)

    def give_back(self, epoch: str) -> dict[Lane, int]:
        """Return the lowest number of each lane that was reserved under `epoch` and not used; none is left here."""
        unused = {lane: block[0] for lane, block in self._blocks.items() if block and self._epoch == epoch}
        self._clear()
        return unused

    def _unused(self) -> dict[Lane, int]:
        return {lane: block[0] for lane, block in self._blocks.items() if block}

    def saw(self, message: Message) -> None:
        """Note that a number came back on a message."""
        if message.epoch == self.store_epoch:
            self.seen[message.lane] = max(self.seen[message.lane], message.seq)

    def turn_over(self, epoch: str, used: dict[Lane, int]) -> None:
        """Note that another store is in use, and up to which number its lanes may have been used."""
        self.store_epoch = epoch
        self.seen = dict(used)

    def _clear(self) -> None:
        for block in self._blocks.values():
            block.clear()
