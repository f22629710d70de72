"""How long to wait before the next connection, so that ten thousand gateways do not come back in one second.

Jitter over the whole delay (M. Brooker, "Exponential backoff and jitter", 2015). A whole city loses its broker in the
same instant, so already the first delay after a loss is spread over the cap; those that find the broker still away wait
at least a quarter of it, so that the end of a long outage is no rush either. Where the current comes back to a whole
city and the broker a minute later, those that were switched on and found nobody would meet those that still wait for
their first attempt: so after a first attempt the delay is longer. Pure apart from the random numbers it is given; the
link (link.py) does the waiting.
"""

from __future__ import annotations

import random

LONG_CAP = 480.0
"""However far a city is spread, a gateway whose id was taken is back within an hour."""


class Backoff:
    """The delays of one gateway."""

    def __init__(self, spread: float = 90.0, cap: float = 120.0, rng: random.Random | None = None) -> None:
        """Take times in seconds.

        Args:
            spread: the first connection of a run comes within this time; 0 for demo and self-test, which connect at
                once and come back after seconds.
            cap: no delay is longer, but the one after a first attempt that failed: at most half as much again.
            rng: where the jitter comes from; a seeded one makes a simulation repeatable.
        """
        self.spread = spread
        self.cap = cap
        self._switched_on = False
        self._rng = rng or random.Random()
        self._failures = 0

    @property
    def longest(self) -> float:
        """The longest delay that `first` and `next` may give, in seconds."""
        return max(self.spread, 1.5 * self.cap)

    def first(self) -> float:
        """Return the delay before the first connection of this run."""
        self._switched_on = True
        return self._rng.uniform(0, self.spread)

    def next(self) -> float:
        """Return the delay after a connection was lost or an attempt failed."""
        failures, self._failures = self._failures, self._failures + 1
        switched_on, self._switched_on = self._switched_on, False
        if self.spread == 0:
            # 2**20 s is longer than any cap: the exponent stays small however long the outage is.
            return self._rng.uniform(0, min(self.cap, 2.0 ** min(failures, 20)))
        if switched_on:
            return self._rng.uniform(self.cap / 2, 1.5 * self.cap)
        return self._rng.uniform(self.cap / 4 if failures else 0, self.cap)

    def long(self) -> float:
        """Return the delay after another device took our client id: the two must not chase each other."""
        cap = min(self.cap, LONG_CAP)
        return self._rng.uniform(2.5 * cap, 7.5 * cap)

    def arrived(self) -> None:
        """Note that a connection was made: the next delay is one after a loss."""
        self._switched_on = False

    def reset(self) -> None:
        """Note that a connection lasted: the next loss is a new outage."""
        self._failures = 0
