"""Log lines without waiting: a card that stalls also stalls the journal, and no thread of ours may wait for that.

A bounded queue stands before stderr; a thread of its own (`log`) writes. What does not fit is dropped and counted. Not
here: what is logged, how it outlives the process (memory/diary.py). `start` runs once, on the main thread of the daemon
and of each eye.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import sys
from collections import deque
from logging.handlers import QueueHandler, QueueListener
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

QUEUED_LINES = 1000
KEPT_LINES = 400
LINE_LENGTH = 300


class DroppingHandler(QueueHandler):
    """Puts records on the queue, or drops them."""

    dropped = 0

    def enqueue(self, record: logging.LogRecord) -> None:
        """Take a record; never waits, never raises."""
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


class Ring(logging.Handler):
    """Keeps the latest lines in memory, for whoever asks from afar."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.count = 0
        """How many lines there were, those that are not kept any more included."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line; never waits."""
        self.count += 1  # under the handler's own lock
        # A centre words things as it likes: half a character, which no file can hold, or a terminal's commands.
        said = printable(" ".join(record.getMessage().split()))
        self.lines.append(f"{record.created:.3f} {record.levelname} {record.name}: {said}"[:LINE_LENGTH])


def printable(text: str) -> str:
    """Return a text with escapes in place of what a file cannot hold, or a terminal would obey."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


_ring = Ring()


def latest(length: int) -> list[str]:
    """Return the latest lines of this process, oldest first, of at most `length` characters in all."""
    found: deque[str] = deque()
    for line in reversed(list(_ring.lines)):
        length -= len(line) + 4
        if length < 0:
            break
        found.appendleft(line)
    return list(found)


def since(count: int) -> tuple[list[str], int]:
    """Return the lines that came after the first `count`, as far as they are kept, and how many there are now."""
    _ring.acquire()
    try:
        lines, now = list(_ring.lines), _ring.count
    finally:
        _ring.release()
    fresh = min(now - count, len(lines))
    return lines[len(lines) - fresh :], now


def precede(lines: Sequence[str]) -> None:
    """Put lines of an earlier run before those of this one, as far as there is room."""
    _ring.acquire()
    try:
        room = KEPT_LINES - len(_ring.lines)
        _ring.lines.extendleft(reversed(lines[max(0, len(lines) - room) :]))
    finally:
        _ring.release()


class Writer(QueueListener):
    """Writes the lines that stand in the queue, on the thread `log`."""

    def finish(self, timeout: float = 0.5) -> bool:
        """Write what is left; whether that was done in time: stderr may hang, and no process may hang with it."""
        thread = self._thread  # its own `stop` waits for ever, and fails when the queue is full
        with contextlib.suppress(queue.Full):
            self.enqueue_sentinel()
        if thread is not None:
            thread.join(timeout)
        return thread is None or not thread.is_alive()


def start(*, verbose: bool = False) -> Writer:
    """Send all log lines to stderr through the queue; return what writes them, whose `finish` writes what is left."""
    target = logging.StreamHandler(sys.stderr)
    # The journal stamps its lines itself; a file or a terminal does not.
    stamp = "" if os.environ.get("JOURNAL_STREAM") else "%(asctime)s "
    target.setFormatter(logging.Formatter(stamp + "%(levelname)s %(name)s: %(message)s"))
    lines: queue.Queue[logging.LogRecord] = queue.Queue(QUEUED_LINES)
    listener = Writer(lines, target)
    level = logging.DEBUG if verbose else logging.INFO
    logging.basicConfig(level=level, format="%(message)s", handlers=[DroppingHandler(lines), _ring], force=True)
    listener.start()
    return listener
