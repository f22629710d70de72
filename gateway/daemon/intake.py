"""Where drafts become messages: numbered in order within each lane, then handed to store and link.

A card that stalls hands out no numbers: what cannot be numbered waits here, bounded, the least dear dropping first. Not
here: numbers and store (uplink/spool.py), what a day may cost (budget.py). Runs on the daemon's main thread and never
waits.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from gateway.wire.draft import Draft, Rank, lane_of
from gateway.wire.message import Address, Moment, make_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.daemon.budget import Budget
    from gateway.uplink.link import Link
    from gateway.uplink.spool import Spool

HELD_DRAFTS = 512
"""Most drafts that wait for a number while the card stalls; the least dear drops first."""


class Intake:
    """See the module."""

    def __init__(
        self,
        address: Address,
        boot: str,
        spool: Spool,
        link: Link,
        budget: Budget,
        synced: Callable[[], bool],
        *,
        compress: bool,
    ) -> None:
        """Take what every message says, and where messages go.

        Args:
            address: of this gateway.
            boot: this boot's id.
            spool: hands out numbers and stores.
            link: delivers.
            budget: lets drafts in, or sums them up.
            synced: whether the wall clock is right now.
            compress: whether events are deflated.
        """
        self._address, self._boot = address, boot
        self._spool, self._link, self._budget = spool, link, budget
        self._synced, self._compress = synced, compress
        self._held: deque[Draft] = deque()
        self.dropped = dict.fromkeys((rank.name.lower() for rank in Rank), 0)
        """Drafts that were dropped here, by rank."""

    def take(self, draft: Draft) -> None:
        """Take a draft: number it now, or hold it until numbers can be had."""
        self._held.append(draft)
        self.number()
        if len(self._held) > HELD_DRAFTS:
            worst = max(self._held, key=lambda held: held.rank)
            self._held.remove(worst)
            self.dropped[worst.rank.name.lower()] += 1

    def number(self) -> None:
        """Number what can be numbered, in order within each lane: an alarm does not wait for another lane's numbers."""
        waiting, self._held = self._held, deque()
        without: set[str] = set()
        for draft in waiting:
            lane = lane_of(draft.rank)
            if lane in without:
                self._held.append(draft)
                continue
            if not self._budget.admit(draft, time.monotonic()):
                continue
            seq = self._spool.next_number(lane)
            if seq is None:
                without.add(lane)
                self._held.append(draft)
                continue
            now = Moment(time.time(), self._synced(), time.monotonic(), self._boot)
            message = make_message(draft, self._address, self._spool.epoch, seq, now, compress=self._compress)
            self._budget.spend(message, now.mono)
            self._spool.offer(message)
            self._link.offer(message)
