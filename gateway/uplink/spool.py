"""The spool: the thread that owns the outbox, because a card may stall for 7 s and nobody else may wait for it.

Others hand in messages and acknowledgements and go on. Rank 0 is committed at once, the rest together soon after,
unless the centre has it by then. Whatever happens to the card, messages go on being numbered, kept in memory (bounded,
what is worth least goes first, every drop is counted) and delivered. What goes first in the store: outbox.py.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter, deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.errors import StoreError
from gateway.uplink import store
from gateway.uplink.lanes import Batch
from gateway.uplink.outbox import CHUNK_BYTES, Outbox
from gateway.uplink.rows import STREAMS, Key, Stream
from gateway.uplink.salvage import salvage as salvage_of
from gateway.uplink.worth import Worth, worth_of
from gateway.wire.draft import LANES, Lane, Rank

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from gateway.uplink.receipts import Ack
    from gateway.wire.message import Message

RAM_COUNT = 4000
RAM_BYTES = 8 << 20
"""Most that waits in memory for the card."""
BLOCK = 256
"""Numbers of a lane that are reserved at once."""
GROUP_SECONDS = 1.5
"""Half a second below the promise, for the commit itself."""
DONE_SECONDS = 10.0
"""Acknowledgements of stored messages wait so long for a commit that happens anyway; losing them costs duplicates."""
DONE_COUNT = 512
REPLAY_SECONDS = 300.0
REPLAY_COUNT = 1000
"""Delivered events that were never written wait so long, or until they are so many, for one commit."""
UPKEEP_SECONDS = 3600.0
GIVE_UP_SECONDS = 15.0
"""A store that fails for so long is given up for one in memory, so that messages can be numbered."""
RETRY_SECONDS = 60.0
"""So often a store that was given up is tried again."""
MEMORY_BYTES = 16 << 20
SALVAGE_PAUSE = 0.05
"""Between two slices of a store that was set aside."""


class Spool:
    """Store-and-forward that never makes anyone wait."""

    def __init__(self, path: str | Path, cap_bytes: int = 512 << 20, min_free: int = 64 << 20) -> None:
        """Take the path of the store and its bounds; see Outbox.open."""
        self._path = str(path)
        self._cap = cap_bytes
        self._min_free = min_free
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._wake = threading.Condition()
        # Guarded by _wake; never held while the card is used.
        self._ram: dict[Key, tuple[Message, float]] = {}
        self._ram_bytes = 0
        self._writing: frozenset[Key] = frozenset()
        self._delivered: dict[Key, Message] = {}
        self._delivered_since = 0.0
        self._done: dict[Key, None] = {}
        self._done_since = 0.0
        self._lost: list[Key] = []
        self._refused: dict[Key, str] = {}
        self._calls: deque[Callable[[Outbox], None]] = deque()
        self._fetches: deque[tuple[Stream, int, int, Callable[[Stream, Batch | None], None]]] = deque()
        self._blocks: dict[Lane, deque[int]] = {lane: deque() for lane in LANES}
        self._block_epoch = ""
        self._seen: dict[Lane, int] = dict.fromkeys(LANES, 0)
        self._store_epoch = ""
        self._dropped: Counter[str] = Counter()
        self._busy_since: float | None = None
        self._snapshot: dict[str, Any] = dict.fromkeys(
            ("rows", "bytes", "dead", "delivered", "evicted", "corrupted"), 0
        )
        self._snapshot |= {"gaps": {}, "boots": [], "volatile": False, "saved": 0}
        self._error: StoreError | None = None
        self._stopping = False
        self._ready = threading.Event()
        # Of the main thread.
        self._epoch = ""
        # Of the spool's own thread.
        self._outbox: Outbox | None = None
        self._failing_since: float | None = None
        self._retry_at = 0.0
        self._reopen_at = 0.0
        self._upkeep_at = 0.0
        self._salvage: Generator[list[Message], None, None] | None = None
        self._salvage_at = 0.0
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
            block = self._blocks[lane]
            number = block.popleft() if block else None
            if number is not None:
                self._epoch = self._block_epoch
            if len(block) <= BLOCK // 2:
                self._wake.notify()
            return number

    def offer(self, message: Message) -> bool:
        """Take a message to be stored; False when there was no room for it even in memory. Never waits."""
        with self._wake:
            if message.epoch == self._store_epoch:
                self._seen[message.lane] = max(self._seen[message.lane], message.seq)
            self._ram[message.key] = (message, time.monotonic())
            self._ram_bytes += len(message.payload)
            while len(self._ram) > RAM_COUNT or self._ram_bytes > RAM_BYTES:
                self._drop_one()
            self._wake.notify()
            return message.key in self._ram

    def remember(self, boot: str, offset: float | None, since: float | None = None) -> None:
        """Note the boot and, once known, its clock's offset; see Outbox.remember."""
        self.call(lambda outbox: outbox.remember(boot, offset, since))

    def confirmed(self, ack: Ack, then: Callable[[], None]) -> None:
        """Take what the centre says it has and misses, and call `then` on the spool's thread; see Outbox.confirm.

        An acknowledgement of another epoch is ignored.
        """

        def confirm(outbox: Outbox) -> None:
            with self._wake:
                delivered = list(self._delivered.values())
                self._delivered.clear()
                seen = dict(self._seen)
            for chunk in _chunks(delivered):
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
            waiting = [message.wall for message, _ in self._ram.values()]
            if waiting:
                oldest = min(waiting) if oldest is None else min(oldest, *waiting)
            busy = self._busy_since
            return found | {
                "epoch": self._store_epoch,
                "path": self._path,
                "oldest_s": 0 if oldest is None else max(0, round(time.time() - oldest)),
                "waiting_in_ram": len(self._ram),
                "dropped": dict(self._dropped),
                "stalled_s": 0.0 if busy is None else round(time.monotonic() - busy, 1),
                "problem": None if self._error is None else str(self._error),
                "hint": None if self._error is None else self._error.hint,
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
            now = time.monotonic()
            for key in keys:
                message = self._ram[key][0] if key in self._ram else None
                if message is None or key in self._writing or message.rank == Rank.ALARM:
                    self._done_since = self._done_since if self._done else now
                    self._done[key] = None
                    continue
                del self._ram[key]
                self._ram_bytes -= len(message.payload)
                if message.rank != Rank.PICTURE:
                    self._delivered_since = self._delivered_since if self._delivered else now
                    self._delivered[key] = message
            self._wake.notify()

    def refused(self, key: Key, reason: str) -> None:
        """Note that the broker will never take this message. Never waits."""
        with self._wake:
            self._refused[key] = reason
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
                self._failed(error)
                if stopping:
                    if self._outbox is not None:
                        self._outbox.abandon()
                    return
            finally:
                with self._wake:
                    self._busy_since = None

    def _pause(self) -> float:
        """Return for how many seconds there is nothing to do."""
        now = time.monotonic()
        if self._stopping:
            return 0.0
        if now < self._retry_at:
            return self._retry_at - now
        urgent = self._calls or self._fetches or self._lost or self._refused
        if self._outbox is None or urgent or self._wanting():
            return 0.0
        due = [self._upkeep_at]
        if self._outbox.path != self._path:
            due.append(self._reopen_at)
        if self._salvage is not None:
            due.append(self._salvage_at)
        if self._ram:
            if self._ram_bytes >= CHUNK_BYTES or any(message.rank == Rank.ALARM for message, _ in self._ram.values()):
                return 0.0
            due.append(next(iter(self._ram.values()))[1] + GROUP_SECONDS)
        if self._done:
            due.append(0.0 if len(self._done) >= DONE_COUNT else self._done_since + DONE_SECONDS)
        if self._delivered:
            due.append(0.0 if len(self._delivered) >= REPLAY_COUNT else self._delivered_since + REPLAY_SECONDS)
        return min(due) - now

    def _wanting(self) -> list[Lane]:
        if self._block_epoch != self._store_epoch:
            return list(LANES)
        return [lane for lane in LANES if len(self._blocks[lane]) <= BLOCK // 2]

    def _turn(self, *, stopping: bool) -> None:
        """Do what is due."""
        with self._wake:
            self._busy_since = time.monotonic()
        now = time.monotonic()
        outbox = self._outbox
        if outbox is None:
            outbox = self._open()
        elif outbox.path != self._path and now >= self._reopen_at:
            outbox = self._return_to_card(outbox)
        try:
            self._write(outbox)
        finally:
            self._answer_fetches(outbox)  # reading may work where writing does not
        if not stopping:
            self._reserve(outbox)
        self._answer_calls(outbox)
        with self._wake:
            delivered = list(self._delivered.values())
            late = bool(delivered) and now >= self._delivered_since + REPLAY_SECONDS
        if delivered and (late or stopping or len(delivered) >= REPLAY_COUNT):
            for chunk in _chunks(delivered):
                outbox.put(chunk, delivered=True)
                with self._wake:
                    for message in chunk:
                        self._delivered.pop(message.key, None)
        if now >= self._upkeep_at:
            outbox.expire()
            self._upkeep_at = now + UPKEEP_SECONDS
        if self._salvage is not None and now >= self._salvage_at and not stopping:
            self._salvage_slice(outbox, self._salvage)
        self._publish_snapshot(outbox)
        self._ready.set()

    def _write(self, outbox: Outbox) -> None:
        """Commit what waits in memory, rank 0 first, and with it what was acknowledged."""
        first = True
        while True:
            with self._wake:
                chunk = next(iter(_chunks(self._due())), [])
                done = list(self._done)
                late = bool(done) and (time.monotonic() >= self._done_since + DONE_SECONDS or len(done) >= DONE_COUNT)
                if not chunk and not (first and (late or (done and self._stopping))):
                    break
                self._writing = frozenset(message.key for message in chunk)
            first = False
            try:
                outbox.put(chunk, done=done)
            finally:
                with self._wake:
                    self._writing = frozenset()
            with self._wake:
                for message in chunk:
                    if self._ram.pop(message.key, None) is not None:
                        self._ram_bytes -= len(message.payload)
                for key in done:
                    self._done.pop(key, None)
        with self._wake:
            refused, self._refused = self._refused, {}
            lost, self._lost = self._lost, []
        for key, reason in refused.items():
            outbox.bury(key, reason)
        for epoch, name, seq in lost:
            for lane in LANES:
                if lane == name and epoch == outbox.epoch:
                    outbox.note_lost(lane, seq)

    def _due(self) -> list[Message]:
        """Return what has to be written now, rank 0 first; the rest may be acknowledged before its time comes."""
        before = time.monotonic() - GROUP_SECONDS
        everything = self._stopping or self._calls or self._ram_bytes >= CHUNK_BYTES
        due = [
            message
            for message, since in self._ram.values()
            if everything or message.rank == Rank.ALARM or since <= before or message.key in self._refused
        ]
        return sorted(due, key=lambda message: message.rank != Rank.ALARM)

    def _reserve(self, outbox: Outbox) -> None:
        with self._wake:
            wanting = self._wanting()
        for lane in wanting:
            numbers = outbox.reserve(lane, BLOCK)
            with self._wake:
                if self._block_epoch != outbox.epoch:
                    for block in self._blocks.values():
                        block.clear()
                    self._block_epoch = outbox.epoch
                self._blocks[lane].extend(numbers)

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
                upto = 0 if stream == "saved" else self._seen[stream]
                waiting = [
                    message
                    for message, _ in self._ram.values()
                    if message.lane == stream and message.epoch == outbox.epoch and message.seq > after
                ]
                done = set(self._done)
            try:
                batch = _batch(outbox, stream, after, limit, waiting, upto, done)
            except StoreError:
                reply(stream, None)
                raise
            reply(stream, batch)

    # When the card fails

    def _open(self) -> Outbox:
        try:
            outbox = Outbox.open(self._path, self._cap, self._min_free)
        except StoreError as error:
            self._failed(error)
            outbox = self._give_up()
        self._adopt(outbox)
        return outbox

    def _adopt(self, outbox: Outbox) -> None:
        self._end_salvage()
        self._salvage = None if outbox.set_aside is None else salvage_of(outbox.set_aside)
        used = {lane: outbox.reserved(lane) for lane in LANES}
        with self._wake:
            self._outbox = outbox
            self._store_epoch = outbox.epoch
            self._seen = used
            for message, _ in self._ram.values():
                if message.epoch == outbox.epoch:
                    self._seen[message.lane] = max(self._seen[message.lane], message.seq)

    def _salvage_slice(self, outbox: Outbox, salvage: Generator[list[Message], None, None]) -> None:
        """Save a few messages of the store that was set aside; new ones are never kept waiting by that for long."""
        found = next(salvage, None)
        if found is None:
            outbox.salvaged()
            self._salvage = None
            return
        for chunk in _chunks(found):
            outbox.put(chunk)
        self._saved += len(found)
        self._salvage_at = time.monotonic() + SALVAGE_PAUSE

    def _end_salvage(self) -> None:
        """Close what salvage reads, on the thread that opened it."""
        if self._salvage is not None:
            self._salvage.close()
        self._salvage = None

    def _give_up(self) -> Outbox:
        """Go on in memory, under an epoch of its own."""
        self._reopen_at = time.monotonic() + RETRY_SECONDS
        self._retry_at = 0.0
        self._failing_since = None
        return Outbox.open(store.MEMORY, MEMORY_BYTES, 0)

    def _return_to_card(self, memory: Outbox) -> Outbox:
        """Try the card again, and move there what was kept in memory."""
        self._reopen_at = time.monotonic() + RETRY_SECONDS
        try:
            outbox = Outbox.open(self._path, self._cap, self._min_free)
        except StoreError as error:
            self._failed(error)
            self._retry_at = 0.0
            return memory
        for stream in STREAMS:
            place = 0
            while found := memory.pending(stream, place, 256):
                outbox.put([message for _, message in found])
                place = found[-1][0]
        memory.abandon()
        with self._wake:
            self._error = None
        self._adopt(outbox)
        return outbox

    def _failed(self, error: StoreError) -> None:
        now = time.monotonic()
        with self._wake:
            self._error = error
        if self._failing_since is None:
            self._failing_since = now
        self._retry_at = now + 1.0
        outbox = self._outbox
        if outbox is None or outbox.path == store.MEMORY:
            return
        if isinstance(error, store.Damaged):
            outbox.abandon()
            self._outbox = None
            with contextlib.suppress(OSError):  # opening it will say what is wrong
                store.set_aside(Path(self._path), "damaged")
            self._retry_at = 0.0
        elif now - self._failing_since >= GIVE_UP_SECONDS:
            with contextlib.suppress(StoreError):
                outbox.close()
            self._adopt(self._give_up())

    def _close(self) -> None:
        outbox = self._outbox
        if outbox is None:
            return
        with self._wake:
            unused: dict[Lane, int] = {}
            if self._block_epoch == outbox.epoch:
                unused = {lane: block[0] for lane, block in self._blocks.items() if block}
            for block in self._blocks.values():
                block.clear()
        outbox.close(unused=unused)

    def _publish_snapshot(self, outbox: Outbox) -> None:
        found = outbox.counts() | {
            "gaps": outbox.gaps(),
            "boots": outbox.boots(),
            "volatile": outbox.path == store.MEMORY,
            "saved": self._saved,
        }
        self._failing_since = None
        with self._wake:
            self._snapshot = found
            if outbox.path == self._path:
                self._error = None

    def _drop_one(self) -> None:
        """Let go of what is worth least in memory, the oldest of it; called with the lock held."""
        candidates = [key for key in self._ram if key not in self._writing]
        if not candidates:
            return
        worths: dict[Key, Worth] = {key: worth_of(self._ram[key][0]) for key in candidates}
        key = min(candidates, key=lambda candidate: worths[candidate])
        message, _ = self._ram.pop(key)
        self._ram_bytes -= len(message.payload)
        self._dropped[f"{kind_of(message)}/{message.rank.value}"] += 1
        self._lost.append(key)


def kind_of(message: Message) -> str:
    """Return what a message is, from its topic: the event's kind, media or reply."""
    parts = message.topic.split("/")
    return parts[2] if parts[1:2] == ["event"] and len(parts) > 2 else "/".join(parts[1:2])


def _chunks(messages: list[Message]) -> Iterable[list[Message]]:
    """Return the messages in runs that fit one transaction."""
    chunk: list[Message] = []
    size = 0
    for message in messages:
        if chunk and size + len(message.payload) > CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(message)
        size += len(message.payload)
    if chunk:
        yield chunk


def _batch(
    outbox: Outbox, stream: Stream, after: int, limit: int, waiting: list[Message], upto: int, done: set[Key]
) -> Batch:
    """Return what follows `after` in the store and in memory, in order; nothing is skipped."""
    place = after
    while found := outbox.pending(stream, place, limit):
        place = found[-1][0]
        if stored := [message for _, message in found if message.key not in done]:
            between = [message for message in waiting if message.seq < place and message.seq > after]
            merged = {message.key: message for message in [*stored, *between]}
            ordered = list(merged.values())
            if stream != "saved":
                ordered.sort(key=lambda message: message.seq)
            return Batch(stream, outbox.epoch, ordered, place)
    rest = sorted((message for message in waiting if message.seq > after), key=lambda message: message.seq)[:limit]
    if rest:
        return Batch(stream, outbox.epoch, rest, rest[-1].seq)
    return Batch(stream, outbox.epoch, upto=upto)
