"""Keeps the daemon's latest log lines over its own death and over a reboot: Pi OS's journal lives in memory only.

Two copies. Every second to a file in the runtime folder, which is memory too and outlives a `kill -9`; and in batches
to two files beside the store, which outlive a power cut. A batch is due a few seconds after a warning, else after a
quarter of an hour, and never more than BATCHES_A_DAY of them and BURST. On ext4 a batch of three lines was seen to
write 17.6 kB to the device, so a day costs the card 3.9 MB at most, and 1.7 MB when a line comes every quarter of an
hour without a warning. The files hold 64 KiB each.

Not here: the lines (logs.py), how the last run ended (state.py). Runs on the daemon's main thread, which writes to
memory only; batches are written by the thread that may wait for the card.
"""

from __future__ import annotations

import logging
import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway import logs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger(__name__)

RUN_FILE = "log"
CARD_FILE, OLD_FILE = "log.txt", "log.old.txt"
FILE_BYTES = 64 << 10
RUN_SECONDS = 1.0
URGENT_SECONDS, BATCH_SECONDS = 5.0, 900.0
"""A batch is due so long after a warning, or after any line."""
BATCHES_A_DAY = 200
BURST = 20
"""So many batches may be written in a row; the rest of a day's is spread over the day."""
MARK = "---"
"""Stands around what is said between two runs; the line has its time, so that two of one boot differ."""


class Diary:
    """See the module."""

    def __init__(self, card: Path, run: Path, boot: str, later: Callable[[Callable[[], None]], None]) -> None:
        """Read what the last run left.

        Args:
            card: folder beside the store.
            run: runtime folder; kept while the device runs, also when the service is restarted.
            boot: this boot's id.
            later: has a function called soon, on a thread that may wait for the card.
        """
        self._card, self._run = card, run / RUN_FILE
        self._later = later
        on_card, in_memory = _lines(card / OLD_FILE) + _lines(card / CARD_FILE), _lines(self._run)
        unwritten = _after(in_memory, on_card)
        self.before = on_card + unwritten
        """Lines of earlier runs, the latest last."""
        self._pending = [*unwritten, f"{time.time():.3f} {MARK} started in boot {boot} {MARK}"]
        self._taken = 0
        logs.precede([*self.before, self._pending[-1]])
        self._run_due = self._changed = self._urgent = 0.0
        self._tokens, self._tokens_at = float(BURST), 0.0
        self._dirty = True
        self._in_memory = 0
        self._writing = False

    def tick(self, now: float) -> None:
        """Keep what was logged since. `now` on the monotonic clock."""
        if now < self._run_due:
            return
        self._run_due = now + RUN_SECONDS
        fresh, self._taken = logs.since(self._taken)
        if fresh or self._dirty:
            self._remember(fresh)
            self._changed = self._changed or now
            if any(" WARNING " in line[:40] or " ERROR " in line[:40] or " CRITICAL " in line[:40] for line in fresh):
                self._urgent = self._urgent or now
        self._tokens = min(float(BURST), self._tokens + (now - self._tokens_at) * BATCHES_A_DAY / 86400.0)
        self._tokens_at = now
        due = (self._urgent and now - self._urgent >= URGENT_SECONDS) or (
            self._changed and now - self._changed >= BATCH_SECONDS
        )
        if due and self._tokens >= 1.0 and not self._writing:
            self._tokens -= 1.0
            self._write()

    def end(self) -> None:
        """Hand over what is left; for the end of the daemon."""
        fresh, self._taken = logs.since(self._taken)
        self._remember(fresh)
        self._write()

    def _remember(self, fresh: list[str]) -> None:
        """Put lines into the file in memory, and into the next batch."""
        self._pending += fresh
        del self._pending[: -logs.KEPT_LINES]
        text = "".join(line + "\n" for line in (self._pending if self._dirty else fresh))
        try:
            if self._dirty or self._in_memory + len(text) > FILE_BYTES:
                if not self._dirty:
                    text = "".join(line + "\n" for line in logs.latest(FILE_BYTES // 2))
                self._run.write_text(text, encoding="utf-8")
                self._in_memory = 0
            else:
                with self._run.open("a", encoding="utf-8") as out:
                    out.write(text)
            self._in_memory += len(text)
            self._dirty = False
        except OSError:  # no such folder, or full: the card has it in the end
            self._dirty = bool(self._pending)

    def _write(self) -> None:
        batch, self._pending = self._pending, []
        self._changed = self._urgent = 0.0
        if not batch:
            return
        self._writing = True

        def work() -> None:
            try:
                append(self._card, batch)
            finally:
                self._writing = False

        self._later(work)


def append(folder: Path, lines: list[str]) -> None:
    """Append lines durably; the file that is full becomes the old one.

    Raises:
        OSError: the folder cannot be written.
    """
    path = folder / CARD_FILE
    text = "".join(line + "\n" for line in lines).encode()
    with path.open("ab") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
        full = out.tell() > FILE_BYTES
    if full:
        path.replace(folder / OLD_FILE)


def kept(card: Path, run: Path) -> list[str]:
    """Return what is kept of a gateway that does not run, the latest line last."""
    on_card = _lines(card / OLD_FILE) + _lines(card / CARD_FILE)
    return on_card + _after(_lines(run / RUN_FILE), on_card)


def readable(line: str) -> str:
    """Return a kept line with its time as people write it (UTC); another line as it is."""
    stamp, blank, rest = line.partition(" ")
    try:
        when = datetime.fromtimestamp(float(stamp), UTC)
    except (ValueError, OverflowError, OSError):
        return line
    return when.strftime("%Y-%m-%d %H:%M:%S") + blank + rest


def _lines(path: Path) -> list[str]:
    """The lines of a file, or none; a power cut may have left the last one torn."""
    try:
        with path.open("rb") as file:
            skipped = max(0, file.seek(0, os.SEEK_END) - 2 * FILE_BYTES)
            file.seek(skipped)
            if skipped:
                file.readline()  # the rest of a line
            text = file.read(2 * FILE_BYTES)
    except OSError:
        return []
    return ["".join(c for c in line if c.isprintable()) for line in text.decode("utf-8", "replace").splitlines()]


def _after(lines: list[str], written: list[str]) -> list[str]:
    """The lines that are not among those that were written: what follows the last of them that was."""
    known = set(written[-2 * logs.KEPT_LINES :])
    last = max((number for number, line in enumerate(lines) if line in known), default=-1)
    return lines[last + 1 :]
