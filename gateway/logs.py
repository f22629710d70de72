"""Log lines without waiting: a card that stalls also stalls the journal, and no thread of ours may wait for that.

A bounded queue stands before stderr; a thread of its own (`log`) writes. What does not fit is dropped and counted. Not
here: what is logged. `start` runs once, on the main thread of the daemon and of each eye.
"""

from __future__ import annotations

import logging
import queue
import sys
from logging.handlers import QueueHandler, QueueListener

QUEUED_LINES = 1000


class DroppingHandler(QueueHandler):
    """Puts records on the queue, or drops them."""

    dropped = 0

    def enqueue(self, record: logging.LogRecord) -> None:
        """Take a record; never waits, never raises."""
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


def start(*, verbose: bool = False) -> QueueListener:
    """Send all log lines to stderr through the queue; return the listener, whose `stop` writes what is left."""
    target = logging.StreamHandler(sys.stderr)
    target.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    lines: queue.Queue[logging.LogRecord] = queue.Queue(QUEUED_LINES)
    listener = QueueListener(lines, target)
    level = logging.DEBUG if verbose else logging.INFO
    logging.basicConfig(level=level, format="%(message)s", handlers=[DroppingHandler(lines)], force=True)
    listener.start()
    return listener
