"""Which store is in use: the one on the card, or one in memory while the card fails, so that numbers never run out.

A store that fails for long is given up, a damaged one is set aside, and the card is tried again from time to time;
what was kept in memory then moves there. What is written into it is the spool's (spool.py), what a store holds the
outbox's (outbox.py). On the spool's thread; times are monotonic seconds.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.errors import StoreError
from gateway.uplink import beside, store
from gateway.uplink.outbox import Outbox
from gateway.uplink.rows import STREAMS
from gateway.uplink.storing import chunks

if TYPE_CHECKING:
    from gateway.uplink.room import Kept

GIVE_UP_SECONDS = 15.0
"""A store that fails for so long is given up for one in memory, so that messages can be numbered."""
RETRY_SECONDS = 60.0
"""So often a store that was given up is tried again."""
PAUSE_SECONDS = 1.0
"""Between a failure and the next attempt."""
MEMORY_BYTES = 16 << 20


class CardOrMemory:
    """The store in use, whatever happens to the card."""

    def __init__(self, path: str, cap_bytes: int, min_free: int, kept: Kept) -> None:
        """Take the path of the store on the card, its bounds, and how long things stay in it; see Outbox.open."""
        self.outbox: Outbox | None = None
        """None: there is none yet, or the last one was damaged."""
        self.problem: StoreError | None = None
        """Why the card is not, or was not, used. Any thread may read it."""
        self.retry_at = 0.0
        """Until then nothing is attempted."""
        self._path = path
        self._cap = cap_bytes
        self._min_free = min_free
        self._kept = kept
        self._failing_since: float | None = None
        self._reopen_at = 0.0

    def reopen_at(self) -> float | None:
        """Return when the card is to be tried again, or None: it is in use, or nothing is."""
        return None if self.outbox is None or self.outbox.path == self._path else self._reopen_at

    def use(self) -> Outbox:
        """Return the store in use: opened, if there is none, and back on the card, if that is due and succeeds.

        Raises:
            StoreError: what was in memory could not be moved to the card.
        """
        due = self.reopen_at()
        if self.outbox is None:
            try:
                self.outbox = Outbox.open(self._path, self._cap, self._min_free).keep(self._kept)
            except StoreError as error:
                self.problem = error
                self.outbox = self._in_memory()
        elif due is not None and time.monotonic() >= due:
            self.outbox = self._return_to_card(self.outbox)
        return self.outbox

    def succeeded(self) -> None:
        """Note that the store in use did all that was asked."""
        self._failing_since = None
        if self.outbox is not None and self.outbox.path == self._path:
            self.problem = None

    def failed(self, error: StoreError) -> None:
        """Note that the store in use failed, which may end its use."""
        now = time.monotonic()
        self.problem = error
        if self._failing_since is None:
            self._failing_since = now
        self.retry_at = now + PAUSE_SECONDS
        if self.outbox is None or self.outbox.path == beside.MEMORY:
            return
        if isinstance(error, store.Damaged):
            self.outbox.abandon()
            self.outbox = None
            with contextlib.suppress(OSError):  # opening it will say what is wrong
                beside.set_aside(Path(self._path), "damaged")
            self.retry_at = 0.0
        elif now - self._failing_since >= GIVE_UP_SECONDS:
            with contextlib.suppress(StoreError):
                self.outbox.close()
            self.outbox = self._in_memory()

    def _in_memory(self) -> Outbox:
        """Go on in memory, under an epoch of its own."""
        self._reopen_at = time.monotonic() + RETRY_SECONDS
        self.retry_at = 0.0
        self._failing_since = None
        return Outbox.open(beside.MEMORY, MEMORY_BYTES, 0).keep(self._kept)

    def _return_to_card(self, memory: Outbox) -> Outbox:
        """Try the card again, and move there what was kept in memory."""
        self._reopen_at = time.monotonic() + RETRY_SECONDS
        try:
            outbox = Outbox.open(self._path, self._cap, self._min_free).keep(self._kept)
        except StoreError as error:
            self.problem = error
            return memory
        try:
            _move(memory, outbox)
        except StoreError:
            with contextlib.suppress(StoreError):
                outbox.close()  # in order, or the next attempt would take it for one that lost its journal
            raise
        memory.abandon()
        self.problem = None
        return outbox


def _move(memory: Outbox, card: Outbox) -> None:
    """Put what waits in one store into the other, and what the one knows of the clocks of boots.

    Raises:
        StoreError: not all of it could be stored.
    """
    for stream in STREAMS:
        place = 0
        while found := memory.pending(stream, place, 256):
            for chunk in chunks(message for _, message in found):
                card.put(chunk)
            place = found[-1][0]
    known = {each["boot"] for each in card.boots()}
    for each in memory.boots():
        if each["boot"] not in known or each["offset"] is not None:
            card.remember(**each)
    card.past.end(memory.epoch)
