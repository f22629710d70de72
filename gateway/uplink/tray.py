"""What lies between those who hand in and the thread that owns the card: everything that both sides touch.

One lock, which is never held while the card is used. Who may do what is in spool.py, what is done with it in
writing.py. Any thread, under the lock.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from gateway.uplink.numbering import Numbering
from gateway.uplink.unwritten import Unwritten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.uplink.lanes import Batch
    from gateway.uplink.outbox import Outbox
    from gateway.uplink.rows import Stream
    from gateway.wire.draft import Lane


class Tray:
    """Guarded by `lock`, all of it but `ready`."""

    def __init__(self) -> None:
        self.lock = threading.Condition()
        self.ready = threading.Event()
        """There is a store, and there are numbers."""
        self.unwritten = Unwritten()
        self.numbering = Numbering()
        self.calls: deque[Callable[[Outbox], None]] = deque()
        """Done at once, when all that waits in memory is written."""
        self.jobs: deque[Callable[[Outbox], Iterator[None]]] = deque(maxlen=2)
        """Done a step at a time, so that an alarm never waits for a whole one; the newest are kept."""
        self.fetches: deque[tuple[Stream, int, int, Callable[[Stream, Batch | None], None]]] = deque()
        self.busy_since: float | None = None
        """Since when the card is being used, in monotonic seconds."""
        self.stopping = False
        self.snapshot: dict[str, Any] = dict.fromkeys(("rows", "bytes", "dead", "delivered", "evicted", "corrupted"), 0)
        """What is told of the store as it was after the last write."""
        self.snapshot |= {"gaps": {}, "gap_notes": {}, "boots": [], "volatile": False, "saved": 0, "salvaging": False}

    def settled(self, epoch: str) -> dict[Lane, int]:
        """Return up to which number of each lane nothing waits in memory and all were offered; under the lock."""
        found = dict(self.numbering.seen)
        for message in self.unwritten.messages():
            if message.epoch == epoch:
                found[message.lane] = min(found[message.lane], message.seq - 1)
        return found
