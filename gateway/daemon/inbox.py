"""What the centre says to this gateway: taken from the queue that the link fills, and done or refused.

Not here: which commands are let in (uplink/commands.py) and carried out (orders.py), what may be wished (wishes.py),
what the centre has (uplink/receipts.py). `put` is for any thread, the rest runs on the daemon's main thread.
"""

from __future__ import annotations

import logging
import queue
import time
from typing import TYPE_CHECKING

from gateway.daemon import wishes
from gateway.uplink.receipts import read_ack

if TYPE_CHECKING:
    from gateway.configuration.settings import BrokerSettings
    from gateway.daemon.orders import Orders
    from gateway.daemon.reporting import Reports
    from gateway.memory.state import Memory
    from gateway.uplink.commands import Gate
    from gateway.uplink.link import Link

log = logging.getLogger(__name__)

AGAIN_SECONDS = 3600.0
"""A complaint that comes again is logged again so late."""
COMPLAINTS, LONGEST_COMPLAINT = 16, 500
"""So many are remembered, and so many characters of each."""


class Inbox:
    """Everything below `down/`."""

    def __init__(self, memory: Memory, broker: BrokerSettings) -> None:
        """Take what remembers the centre's wishes over a restart, and what is set where it wishes nothing."""
        self._memory = memory
        self._broker = broker
        self._waiting: queue.SimpleQueue[tuple[str, bytes, bool]] = queue.SimpleQueue()
        self._complained: dict[str, float] = {}
        """What was logged of late, and when on the monotonic clock."""

    def put(self, topic: str, payload: bytes, retained: bool) -> None:  # noqa: FBT001 (as the link calls it)
        """Take what came, from `down/` on; from any thread, never waits."""
        self._waiting.put((topic, payload, retained))

    def spread(self) -> tuple[float, float]:
        """Return over how many seconds first connections, and later ones, are spread."""
        wished = wishes.Spread(*self._memory.spread)
        return wished.over(self._broker.first_connect_spread_s, self._broker.reconnect_spread_s)

    def tick(self, link: Link, reports: Reports, orders: Orders, gate: Gate) -> None:
        """Do what was asked since the last time."""
        while not self._waiting.empty():
            topic, payload, retained = self._waiting.get()
            try:
                if topic == "down/ack":
                    self._ack(payload, link, reports)
                elif topic == "down/config":
                    self._wish(payload, link, reports)
                elif topic.startswith("down/cmd/"):
                    orders.take(topic, payload, retained=retained, synced=reports.synced)
                else:
                    self._complain(f"{topic}: the centre says what this gateway does not know")
            except (ValueError, RecursionError) as error:  # a retained one would come again after every start
                self._complain(f"{topic}: {error}")
        self._memory.note_commands(gate.seen)

    def _complain(self, text: str) -> None:
        """Log it, once an hour where it comes again and again: it must not push out of the log what else is there."""
        text, now = text[:LONGEST_COMPLAINT], time.monotonic()
        if text in self._complained and now < self._complained[text] + AGAIN_SECONDS:
            return
        log.warning("%s", text)
        self._complained.pop(text, None)
        self._complained[text] = now
        if len(self._complained) > COMPLAINTS:
            del self._complained[next(iter(self._complained))]

    def _ack(self, payload: bytes, link: Link, reports: Reports) -> None:
        """Do what the centre says it has and misses, or tell it why not: alarms may wait for its word."""
        try:
            if payload.strip():  # an empty one takes back what the broker keeps
                link.confirmed(read_ack(payload))
            reports.ack_refused = ""
        except (ValueError, RecursionError) as error:
            self._complain(f"down/ack: {error}")
            reports.ack_refused = str(error)[:200]

    def _wish(self, payload: bytes, link: Link, reports: Reports) -> None:
        """Do what the centre sets from afar, or tell it why not."""
        try:
            self._memory.note_spread(wishes.read(payload))
            reports.wish_refused = ""
        except (ValueError, RecursionError) as error:
            self._complain(str(error))
            reports.wish_refused = str(error)[:200]
        reports.spread = self.spread()
        link.spread(*reports.spread)
        reports.say_config()
