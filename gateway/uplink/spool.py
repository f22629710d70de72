"""The spool: the thread that owns the outbox, because a card may stall for 7 s and nobody else may wait for it.

Others hand in messages and acknowledgements and go on. Rank 0 is committed at once, the rest together soon after,
unless the centre has it by then. Here is who may call what on which thread, and in which order things are done; not
here: what waits in memory, how long, and what is dropped (unwritten.py), numbers (numbering.py), what happens when the
card fails (fallback.py), what was set aside (salvage.py), what is read for the deliver thread (reading.py), the store
itself (outbox.py).
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from gateway.errors import StoreError
from gateway.uplink import store
from gateway.uplink.fallback import CardOrMemory
from gateway.uplink.numbering import BLOCK, Numbering
from gateway.uplink.outbox import Outbox, chunks
from gateway.uplink.reading import read_batch
from gateway.uplink.salvage import Salvage
from gateway.uplink.unwritten import Unwritten
from gateway.wire.draft import LANES, Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from gateway.uplink.lanes import Batch
    from gateway.uplink.receipts import Ack
    from gateway.uplink.rows import Key, Stream
    from gateway.wire.message import Message

UPKEEP_SECONDS = 3600.0


class Spool:
    """Store-and-forward that never makes anyone wait."""

    def __init__(self, path: str | Path, cap_bytes: int = 512 << 20, min_free: int = 64 << 20) -> None:
        """Take the path of the store and its bounds; see Outbox.open."""
        self._path = str(path)
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._wake = threading.Condition()
        # Guarded by _wake; never held while the card is used.
        self._unwritten = Unwritten()
        self._numbering = Numbering()
        self._calls: deque[Callable[[Outbox], None]] = deque()
        self._fetches: deque[tuple[Stream, int, int, Callable[[Stream, Batch | None], None]]] = deque()
        self._busy_since: float | None = None
        self._snapshot: dict[str, Any] = dict.fromkeys(
            ("rows", "bytes", "dead", "delivered", "evicted", "corrupted"), 0
        )
        self._snapshot |= {"gaps": {}, "boots": [], "volatile": False, "saved": 0}
        self._stopping = False
        self._ready = threading.Event()
        # Of the main thread.
        self._epoch = ""
        # Of the spool's own thread.
        self._store = CardOrMemory(self._path, cap_bytes, min_free)
        self._adopted: Outbox | None = None
        self._upkeep_at = 0.0
        self._salvage: Salvage | None = None
        self._saved = 0

    # The main thread's side

    def start(self) -> None:
        """Start the thread; it opens the store."""
        self._thread.start()

    def wait_ready(self, timeout: float) -> bool:
        """Wait until there is a store and numbers; whether there are."""
        return self._ready.wait(timeout)

    @property
    def epoch(self) -> str:
        """The epoch of the number that `next_number` gave last. Main thread only."""
        return self._epoch

    def next_number(self, lane: Lane) -> int | None:
        """Return the next number of a lane, which belongs to `epoch`; None: none to be had now. Main thread only."""
        with self._wake:
            found = self._numbering.take(lane)
            if self._numbering.short(lane):
                self._wake.notify()
            if found is None:
                return None
            self._epoch, number = found
            return number

    def offer(self, message: Message) -> bool:
        """Take a message to be stored; False when there was no room for it even in memory. Never waits."""
        with self._wake:
            self._numbering.saw(message)
            taken = self._unwritten.offer(message, time.monotonic())
            self._wake.notify()
            return taken

    def remember(self, boot: str, offset: float | None, since: float | None = None) -> None:
        """Note the boot and, once known, its clock's offset; see Outbox.remember."""
        self.call(lambda outbox: outbox.remember(boot, offset, since))

    def confirmed(self, ack: Ack, then: Callable[[], None]) -> None:
        """Take what the centre says it has and misses, and call `then` on the spool's thread; see Outbox.confirm.

        An acknowledgement of another epoch is ignored.
        """

        def confirm(outbox: Outbox) -> None:
            with self._wake:
                delivered = self._unwritten.take_delivered()
                seen = dict(self._numbering.seen)
            for chunk in chunks(delivered):
                outbox.put(chunk, delivered=True)
            if ack.epoch == outbox.epoch:
                for lane, said in ack.lanes.items():
                    outbox.confirm(lane, min(said.upto, seen[lane]), said.within(seen[lane]))
                then()

        self.call(confirm)

    def call(self, action: Callable[[Outbox], None]) -> None:
        """Have `action` called with the outbox on the spool's thread, when all that waits in memory is written.

        It is lost when it raises StoreError.
        """
        with self._wake:
            self._calls.append(action)
            self._wake.notify()

    def status(self) -> dict[str, Any]:
        """Return what the heartbeat and a maintainer ask; a copy, from any thread.

        epoch; path; volatile (it is only in memory); rows, bytes, oldest_s, dead, delivered, evicted, corrupted of the
        store as it was after the last write; saved (messages read from a store that was set aside); waiting_in_ram;
        dropped (by kind and rank); stalled_s (for how long the card has not answered); problem and hint, or None;
        gaps; boots.
        """
        with self._wake:
            found = dict(self._snapshot)
            oldest = found.pop("oldest_wall", None)
            waiting = [message.wall for message in self._unwritten.messages()]
            if waiting:
                oldest = min(waiting) if oldest is None else min(oldest, *waiting)
            busy = self._busy_since
            problem = self._store.problem
            return found | {
                "epoch": self._numbering.store_epoch,
                "path": self._path,
                "oldest_s": 0 if oldest is None else max(0, round(time.time() - oldest)),
                "waiting_in_ram": len(waiting),
                "dropped": dict(self._unwritten.dropped),
                "stalled_s": 0.0 if busy is None else round(time.monotonic() - busy, 1),
                "problem": None if problem is None else str(problem),
                "hint": None if problem is None else problem.hint,
            }

    def stop(self, timeout: float) -> bool:
        """Write everything and close the store; whether that was done in time. The main thread asks no more numbers."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    # The deliver thread's side

    def acknowledged(self, keys: Iterable[Key]) -> None:
        """Note that the centre has these messages. Never waits."""
        with self._wake:
            self._unwritten.acknowledge(keys, time.monotonic())
            self._wake.notify()

    def refused(self, key: Key, reason: str) -> None:
        """Note that the broker will never take this message. Never waits."""
        with self._wake:
            self._unwritten.refuse(key, reason)
            self._wake.notify()

    def fetch(self, stream: Stream, after: int, limit: int, reply: Callable[[Stream, Batch | None], None]) -> None:
        """Have `reply` called on the spool's thread with the messages behind `after`, or None: not to be read now."""
        with self._wake:
            self._fetches.append((stream, after, limit, reply))
            self._wake.notify()

    # The spool's own thread

    def _run(self) -> None:
        try:
            self._work()
        finally:
            self._end_salvage()

    def _work(self) -> None:
        while True:
            with self._wake:
                while (pause := self._pause()) > 0:
                    self._wake.wait(pause)
                stopping = self._stopping
            try:
                self._turn(stopping=stopping)
                if stopping:
                    self._close()
                    return
            except StoreError as error:
                self._store.failed(error)
                outbox = self._store.outbox
                if stopping:
                    if outbox is not None:
                        outbox.abandon()
                    return
                if outbox is not None:
                    self._adopt(outbox)
            finally:
                with self._wake:
                    self._busy_since = None

    def _pause(self) -> float:
        """Return for how many seconds there is nothing to do."""
        now = time.monotonic()
        if self._stopping:
            return 0.0
        if now < self._store.retry_at:
            return self._store.retry_at - now
        if self._store.outbox is None or self._calls or self._fetches or self._numbering.wanting():
            return 0.0
        due = [self._upkeep_at, self._unwritten.due_at()]
        if (reopen_at := self._store.reopen_at()) is not None:
            due.append(reopen_at)
        if self._salvage is not None:
            due.append(self._salvage.due_at)
        return min(due) - now

    def _turn(self, *, stopping: bool) -> None:
        """Do what is due."""
        with self._wake:
            self._busy_since = time.monotonic()
        now = time.monotonic()
        outbox = self._store.use()
        self._adopt(outbox)
        try:
            self._write(outbox)
        finally:
            self._answer_fetches(outbox)  # reading may work where writing does not
        if not stopping:
            self._reserve(outbox)
        self._answer_calls(outbox)
        self._write_for_replay(outbox, math.inf if stopping else now)
        if now >= self._upkeep_at:
            outbox.expire()
            self._upkeep_at = now + UPKEEP_SECONDS
        if self._salvage is not None and now >= self._salvage.due_at and not stopping:
            saved = self._salvage.step(outbox)
            if saved is None:
                self._end_salvage()
            else:
                self._saved += saved
        self._publish_snapshot(outbox)
        self._ready.set()

    def _adopt(self, outbox: Outbox) -> None:
        """Turn to another store than the one before, if it is another."""
        if outbox is self._adopted:
            return
        self._end_salvage()
        self._salvage = None if outbox.set_aside is None else Salvage(outbox.set_aside)
        used = {lane: outbox.reserved(lane) for lane in LANES}
        with self._wake:
            self._adopted = outbox
            self._numbering.turn_over(outbox.epoch, used)
            for message in self._unwritten.messages():
                self._numbering.saw(message)

    def _write(self, outbox: Outbox) -> None:
        """Commit what waits in memory, rank 0 first, and with it what was acknowledged."""
        alone = True
        while True:
            with self._wake:
                now = math.inf if self._stopping else time.monotonic()
                found = self._unwritten.begin(now, everything=bool(self._calls), alone=alone)
            if found is None:
                break
            alone = False
            try:
                outbox.put(found[0], done=found[1])
            except BaseException:
                with self._wake:
                    self._unwritten.failed()
                raise
            with self._wake:
                self._unwritten.written(*found)
        with self._wake:
            refused = self._unwritten.take_refused()
            lost = self._unwritten.take_lost()
        for key, reason in refused.items():
            outbox.bury(key, reason)
        for epoch, name, seq in lost:
            for lane in LANES:
                if lane == name and epoch == outbox.epoch:
                    outbox.note_lost(lane, seq)

    def _write_for_replay(self, outbox: Outbox, now: float) -> None:
        with self._wake:
            delivered = self._unwritten.for_replay(now)
        for chunk in chunks(delivered):
            outbox.put(chunk, delivered=True)
            with self._wake:
                self._unwritten.kept_for_replay(chunk)

    def _reserve(self, outbox: Outbox) -> None:
        with self._wake:
            wanting = self._numbering.wanting()
        for lane in wanting:
            numbers = outbox.reserve(lane, BLOCK)
            with self._wake:
                self._numbering.add(outbox.epoch, lane, numbers)

    def _answer_calls(self, outbox: Outbox) -> None:
        while True:
            with self._wake:
                if not self._calls:
                    return
                action = self._calls.popleft()
            action(outbox)

    def _answer_fetches(self, outbox: Outbox) -> None:
        while True:
            with self._wake:
                if not self._fetches:
                    return
                stream, after, limit, reply = self._fetches.popleft()
                upto = 0 if stream == "saved" else self._numbering.seen[stream]
                waiting = self._unwritten.behind(outbox.epoch, stream, after)
                done = set(self._unwritten.done())
            try:
                batch = read_batch(outbox, stream, after, limit, waiting=waiting, done=done, upto=upto)
            except StoreError:
                reply(stream, None)
                raise
            reply(stream, batch)

    def _end_salvage(self) -> None:
        """Close what salvage reads, on the thread that opened it."""
        if self._salvage is not None:
            self._salvage.close()
        self._salvage = None

    def _publish_snapshot(self, outbox: Outbox) -> None:
        found = outbox.counts() | {
            "gaps": outbox.gaps(),
            "boots": outbox.boots(),
            "volatile": outbox.path == store.MEMORY,
            "saved": self._saved,
        }
        with self._wake:
            self._snapshot = found
            self._store.succeeded()

    def _close(self) -> None:
        outbox = self._store.outbox
        if outbox is not None:
            with self._wake:
                unused = self._numbering.give_back(outbox.epoch)
            outbox.close(unused=unused)
