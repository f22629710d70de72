"""What the spool's own thread does: writes, reserves, answers, cleans up, in that order; it alone waits for the card.

What waits in memory, how long, and what is dropped is in unwritten.py; what happens when the card fails in
fallback.py; what was set aside in salvage.py; what is read for the deliver thread in fetching.py.
"""

from __future__ import annotations

import contextlib
import math
import time
from typing import TYPE_CHECKING

from gateway.errors import StoreError
from gateway.uplink import beside, packs
from gateway.uplink.fetching import read_batch
from gateway.uplink.numbering import BLOCK
from gateway.uplink.salvage import Salvage
from gateway.uplink.storing import chunks
from gateway.wire.draft import LANES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.uplink.fallback import CardOrMemory
    from gateway.uplink.outbox import Outbox
    from gateway.uplink.tray import Tray

UPKEEP_SECONDS = 3600.0
TELL_SECONDS = 10.0
"""So long after the end of an epoch it is told what is lost of it: by then memory has been written, too."""


class Writer:
    """The thread "spool"."""

    def __init__(self, tray: Tray, card: CardOrMemory) -> None:
        """Take what others hand in, and the store."""
        self._tray = tray
        self._store = card
        self._adopted: Outbox | None = None
        self._upkeep_at = 0.0
        self._tell_at = math.inf
        self._job: Iterator[None] | None = None
        self._upkeep: Iterator[None] | None = None
        self._salvage: Salvage | None = None
        self._saved = 0

    def run(self) -> None:
        """Work until the tray says that it is over."""
        try:
            self._work()
        except BaseException:
            if (outbox := self._store.outbox) is not None:
                with beside.keeping_journal(outbox.path):  # without it the next start would take the store for damaged
                    outbox.abandon()
            raise
        finally:
            self._end_salvage()

    def _work(self) -> None:
        while True:
            with self._tray.lock:
                while (pause := self._pause()) > 0:
                    self._tray.lock.wait(pause)
                stopping = self._tray.stopping
            try:
                self._turn(stopping=stopping)
                if stopping:
                    self._close()
                    return
            except StoreError as error:
                self._store.failed(error)
                outbox = self._store.outbox
                if stopping:
                    # In order, or the next start would take it for one that lost its journal. What could not be
                    # written is lost; its numbers were given, so they are not given back.
                    if outbox is not None:
                        with contextlib.suppress(StoreError):
                            outbox.close()
                    return
                if outbox is not None:
                    self._adopt(outbox)
            finally:
                with self._tray.lock:
                    self._tray.busy_since = None

    def _pause(self) -> float:
        """Return for how many seconds there is nothing to do."""
        now = time.monotonic()
        if self._tray.stopping:
            return 0.0
        if now < self._store.retry_at:
            return self._store.retry_at - now
        tray = self._tray
        if self._store.outbox is None or tray.calls or tray.fetches or tray.jobs or self._job or self._upkeep:
            return 0.0
        if tray.numbering.wanting():
            return 0.0
        due = [self._upkeep_at, self._tell_at, tray.unwritten.due_at()]
        if (reopen_at := self._store.reopen_at()) is not None:
            due.append(reopen_at)
        if self._salvage is not None:
            due.append(self._salvage.due_at)
        return min(due) - now

    def _turn(self, *, stopping: bool) -> None:
        """Do what is due."""
        with self._tray.lock:
            self._tray.busy_since = time.monotonic()
        now = time.monotonic()
        outbox = self._store.use()
        self._adopt(outbox)
        with self._tray.lock:
            given = self._tray.numbering.given_up.get(outbox.epoch)
        if given is not None:
            outbox.were_given(given)
        try:
            self._write(outbox)
        finally:
            self._answer_fetches(outbox)  # reading may work where writing does not
        if not stopping:
            self._reserve(outbox)
        self._answer_calls(outbox)
        self._step_job(outbox)
        self._write_for_replay(outbox, math.inf if stopping else now)
        self._step_upkeep(outbox, now)
        if self._salvage is not None and now >= self._salvage.due_at and not stopping:
            saved = self._salvage.step(outbox)
            if saved is None:
                self._end_salvage()
                self._tell_at = now + TELL_SECONDS
            else:
                self._saved += saved
        if now >= self._tell_at:
            outbox.past.tell()
            self._tell_at = math.inf
        self._publish_snapshot(outbox)
        self._tray.ready.set()

    def _adopt(self, outbox: Outbox) -> None:
        """Turn to another store than the one before, if it is another."""
        if outbox is self._adopted:
            return
        self._end_salvage()
        self._job = self._upkeep = None
        self._upkeep_at = 0.0
        self._salvage = None if outbox.past.set_aside is None else Salvage(outbox.past.set_aside)
        self._tell_at = time.monotonic() + TELL_SECONDS if outbox.past.ended and self._salvage is None else math.inf
        used = {lane: outbox.reserved(lane) for lane in LANES}
        with self._tray.lock:
            self._adopted = outbox
            self._tray.numbering.turn_over(outbox.epoch, used)
            for message in self._tray.unwritten.messages():
                self._tray.numbering.saw(message)

    def _write(self, outbox: Outbox) -> None:
        """Commit what waits in memory, rank 0 first, and with it what was acknowledged."""
        alone = True
        while True:
            with self._tray.lock:
                now = math.inf if self._tray.stopping else time.monotonic()
                found = self._tray.unwritten.begin(
                    now, everything=bool(self._tray.calls or self._tray.jobs), alone=alone
                )
            if found is None:
                break
            alone = math.isinf(now)
            try:
                outbox.put(found[0], done=found[1])
            except BaseException:
                with self._tray.lock:
                    self._tray.unwritten.failed()
                raise
            with self._tray.lock:
                self._tray.unwritten.written(*found)
        self._bury(outbox)

    def _bury(self, outbox: Outbox) -> None:
        """Note what was refused, and what was dropped; it is forgotten here when it is on the card, and not before."""
        while True:
            with self._tray.lock:
                refused, lost = self._tray.unwritten.next_refused(), self._tray.unwritten.next_lost()
            if refused is not None:
                key = refused[0]
                outbox.bury(*refused)
            elif lost is not None:
                key = lost
                for lane in LANES:
                    if lane == key[1] and key[0] == outbox.epoch:
                        outbox.note_lost(lane, key[2])
            else:
                return
            with self._tray.lock:
                self._tray.unwritten.noted(key)

    def _write_for_replay(self, outbox: Outbox, now: float) -> None:
        with self._tray.lock:
            delivered = self._tray.unwritten.for_replay(now)
        for chunk in chunks(delivered, packs.MOST):
            with self._tray.lock:
                noted = self._tray.unwritten.to_note()
            outbox.put_delivered(chunk, done=noted)
            with self._tray.lock:
                self._tray.unwritten.kept_for_replay(chunk)
                self._tray.unwritten.written([], noted)

    def _reserve(self, outbox: Outbox) -> None:
        with self._tray.lock:
            wanting = self._tray.numbering.wanting()
        for lane in wanting:
            numbers = outbox.reserve(lane, BLOCK)
            with self._tray.lock:
                self._tray.numbering.add(outbox.epoch, lane, numbers)

    def _answer_calls(self, outbox: Outbox) -> None:
        while True:
            with self._tray.lock:
                if not self._tray.calls:
                    return
                action = self._tray.calls.popleft()
            action(outbox)

    def _step_job(self, outbox: Outbox) -> None:
        """Do the next step of what takes long; it is lost when it raises StoreError."""
        if self._job is None:
            with self._tray.lock:
                if not self._tray.jobs:
                    return
                begin = self._tray.jobs.popleft()
            self._job = begin(outbox)
        job, self._job = self._job, None
        if next(job, self) is not self:
            self._job = job

    def _step_upkeep(self, outbox: Outbox, now: float) -> None:
        """Do the next step of what is done every hour; after a failure it begins anew."""
        if self._upkeep is None:
            if now < self._upkeep_at:
                return
            self._upkeep = outbox.expiring(ahead=UPKEEP_SECONDS)
        upkeep, self._upkeep = self._upkeep, None
        if next(upkeep, self) is not self:
            self._upkeep = upkeep
        else:
            self._upkeep_at = now + UPKEEP_SECONDS

    def _answer_fetches(self, outbox: Outbox) -> None:
        while True:
            with self._tray.lock:
                if not self._tray.fetches:
                    return
                stream, after, limit, reply = self._tray.fetches.popleft()
                upto = 0 if stream == "saved" else self._tray.numbering.seen[stream]
                waiting = self._tray.unwritten.behind(outbox.epoch, stream, after)
                done = set(self._tray.unwritten.done())
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
            "gap_notes": outbox.gap_notes(),
            "boots": outbox.boots(),
            "volatile": outbox.path == beside.MEMORY,
            "saved": self._saved,
            "salvaging": self._salvage is not None,
        }
        with self._tray.lock:
            self._tray.snapshot = found
            self._store.succeeded()

    def _close(self) -> None:
        outbox = self._store.outbox
        if outbox is not None:
            with self._tray.lock:
                unused = self._tray.numbering.give_back(outbox.epoch)
            outbox.close(unused=unused)
