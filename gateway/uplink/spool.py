"""The spool: what the outbox is to all who must not wait for a card, which may stall for 7 s.

Others hand in messages and acknowledgements and go on. Rank 0 is committed at once, the rest together soon after,
unless the centre has it by then. Here is who may call what on which thread; not here: what both sides touch (tray.py),
what the spool's own thread does and in which order (writing.py), the store itself (outbox.py).
"""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Any

from gateway.uplink import packs
from gateway.uplink.entries import DONE_ROWS
from gateway.uplink.fallback import CardOrMemory
from gateway.uplink.room import Kept
from gateway.uplink.storing import chunks
from gateway.uplink.tray import Tray
from gateway.uplink.writing import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from gateway.uplink.lanes import Batch
    from gateway.uplink.outbox import Outbox
    from gateway.uplink.receipts import Ack
    from gateway.uplink.rows import Key, Stream
    from gateway.wire.draft import Lane
    from gateway.wire.message import Message


class Spool:
    """Store-and-forward that never makes anyone wait."""

    def __init__(
        self, path: str | Path, cap_bytes: int = 512 << 20, min_free: int = 64 << 20, kept: Kept | None = None
    ) -> None:
        """Take the path of the store, its bounds, and for how long things stay in it; see Outbox.open."""
        self._path = str(path)
        self._tray = Tray()
        self._store = CardOrMemory(self._path, cap_bytes, min_free, kept or Kept())
        writer = Writer(self._tray, self._store)
        self._thread = threading.Thread(target=writer.run, name="spool", daemon=True)
        # Of the main thread.
        self._epoch = ""

    # The main thread's side

    def start(self) -> None:
        """Start the thread; it opens the store."""
        self._thread.start()

    def wait_ready(self, timeout: float) -> bool:
        """Wait until there is a store and numbers; whether there are."""
        return self._tray.ready.wait(timeout)

    @property
    def epoch(self) -> str:
        """The epoch of the number that `next_number` gave last. Main thread only."""
        return self._epoch

    def next_number(self, lane: Lane) -> int | None:
        """Return the next number of a lane, which belongs to `epoch`; None: none to be had now. Main thread only."""
        with self._tray.lock:
            found = self._tray.numbering.take(lane)
            if self._tray.numbering.short(lane):
                self._tray.lock.notify()
            if found is None:
                return None
            self._epoch, number = found
            return number

    def offer(self, message: Message) -> bool:
        """Take a message to be stored; False when there was no room for it even in memory. Never waits."""
        with self._tray.lock:
            self._tray.numbering.saw(message)
            taken = self._tray.unwritten.offer(message, time.monotonic())
            self._tray.lock.notify()
            return taken

    def remember(self, boot: str, offset: float | None, since: float | None = None) -> None:
        """Note the boot and, once known, its clock's offset; see Outbox.remember."""
        self.call(lambda outbox: outbox.remember(boot, offset, since))

    def confirmed(self, ack: Ack, then: Callable[[], None]) -> None:
        """Take what the centre says it has and misses, and call `then` on the spool's thread; see Outbox.confirm.

        An acknowledgement of another epoch is ignored. One that has not begun when two others come is passed over: each
        says all that the centre has.
        """

        def confirm(outbox: Outbox) -> Iterator[None]:
            with self._tray.lock:
                delivered = self._tray.unwritten.for_replay(math.inf)
                # What the broker had before the centre spoke: written later it would take back what is asked for.
                noted = self._tray.unwritten.to_note(None)
                seen = self._tray.settled(outbox.epoch)
            for chunk in chunks(delivered, packs.MOST):
                outbox.put_delivered(chunk)
                with self._tray.lock:
                    self._tray.unwritten.kept_for_replay(chunk)
                yield
            for first in range(0, len(noted), DONE_ROWS):
                some = noted[first : first + DONE_ROWS]
                outbox.done(some)
                with self._tray.lock:
                    self._tray.unwritten.noted_done(some)
                yield
            if ack.epoch == outbox.epoch:
                for lane, said in ack.lanes.items():
                    yield from outbox.confirm(lane, min(said.upto, seen[lane]), said.within(seen[lane]))
                then()

        with self._tray.lock:
            self._tray.jobs.append(confirm)
            self._tray.lock.notify()

    def call(self, action: Callable[[Outbox], None]) -> None:
        """Have `action` called with the outbox on the spool's thread, when all that waits in memory is written.

        It is lost when it raises StoreError.
        """
        with self._tray.lock:
            self._tray.calls.append(action)
            self._tray.lock.notify()

    def status(self) -> dict[str, Any]:
        """Return what the heartbeat and a maintainer ask; a copy, from any thread.

        epoch; path; volatile (it is only in memory); rows, bytes, oldest_s, dead, delivered, evicted, corrupted of the
        store as it was after the last write; saved (messages read from a store that was set aside); salvaging;
        waiting_in_ram; dropped (by kind and rank); stalled_s (for how long the card has not answered); problem and
        hint, or None; gaps; gap_notes; boots.
        """
        with self._tray.lock:
            found = dict(self._tray.snapshot)
            oldest = found.pop("oldest_wall", None)
            # What is acknowledged waits no more, though the card does not know it yet.
            found["rows"] = max(0, found["rows"] - len(self._tray.unwritten.done()))
            waiting = [message.wall for message in self._tray.unwritten.messages()]
            if waiting:
                oldest = min(waiting) if oldest is None else min(oldest, *waiting)
            busy = self._tray.busy_since
            problem = self._store.problem
            return found | {
                "epoch": self._tray.numbering.store_epoch,
                "path": self._path,
                "oldest_s": 0 if oldest is None else max(0, round(time.time() - oldest)),
                "waiting_in_ram": len(waiting),
                "dropped": dict(self._tray.unwritten.dropped),
                "stalled_s": 0.0 if busy is None else round(time.monotonic() - busy, 1),
                "problem": None if problem is None else str(problem),
                "hint": None if problem is None else problem.hint,
            }

    def stop(self, timeout: float) -> bool:
        """Write everything and close the store; whether that was done in time. The main thread asks no more numbers."""
        with self._tray.lock:
            self._tray.stopping = True
            self._tray.lock.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    # The deliver thread's side

    def acknowledged(self, keys: Iterable[Key]) -> None:
        """Note that the centre has these messages. Never waits."""
        with self._tray.lock:
            self._tray.unwritten.acknowledge(keys, time.monotonic())
            self._tray.lock.notify()

    def refused(self, key: Key, reason: str) -> None:
        """Note that the broker will never take this message. Never waits."""
        with self._tray.lock:
            self._tray.unwritten.refuse(key, reason)
            self._tray.lock.notify()

    def fetch(self, stream: Stream, after: int, limit: int, reply: Callable[[Stream, Batch | None], None]) -> None:
        """Have `reply` called on the spool's thread with the messages behind `after`, or None: not to be read now."""
        with self._tray.lock:
            self._tray.fetches.append((stream, after, limit, reply))
            self._tray.lock.notify()
