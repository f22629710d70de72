"""Sheds frames before the firmware throttles: which share of the frame rate a hot processor is given, with hysteresis.

A throttled processor is slow everywhere, and nobody chose where; fewer frames a second are less work, and motion is
found all the same. From a few degrees below 80 degrees Celsius the rate is lowered step by step, each given its time to
cool, down to a quarter. A Pi 3B+ lowers its clock a little from 60 degrees on (its soft limit), and so does the rate by
one step. It rises again step by step when it has stayed well below. Pure. Not here: reading (readings.py), telling the
eyes (daemon), the fault "hot" (problems.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.device.health import Facts

SOFT_LIMIT_C = 60.0
"""A 3B+ runs at 1.2 instead of 1.4 GHz from here (config.txt: temp_soft_limit)."""
LIMIT_C = 80.0
"""All boards throttle from here."""
MARGIN_C = 3.0
"""The rate is lowered from so far below a limit."""
CALM_C = 8.0
"""It rises again from so far below it."""
SHARES = (1.0, 0.7, 0.5, 0.35, 0.25)
SOFT_STEP = 1
"""How far the soft limit alone lowers it."""
DOWN_SECONDS, UP_SECONDS = 10.0, 30.0
"""A step down, or up, after so long at the temperature for it, and so long after the step before."""


def has_soft_limit(model: str | None) -> bool:
    """Tell whether a board has a limit below the one at which all of them throttle."""
    return model is not None and "3 Model B Plus" in model


class Heat:
    """Remembers how much is shed."""

    def __init__(self) -> None:
        self._step = 0
        self._since: tuple[int, float] = (0, 0.0)
        """Which way the temperature asks for, and since when."""

    @property
    def share(self) -> float:
        """The share of the frame rate that may be used."""
        return SHARES[self._step]

    def see(self, facts: Facts, now: float) -> float:
        """Take the state of the device; return the share of the frame rate that may be used, 0..1.

        What is unknown changes nothing. Under-voltage slows the processor, too, and is no matter of heat.

        Args:
            facts: the state of the device.
            now: monotonic clock in seconds.
        """
        wanted = self._wanted(facts)
        if wanted != self._since[0]:
            self._since = (wanted, now)
        patience = DOWN_SECONDS if wanted > 0 else UP_SECONDS
        if wanted and now - self._since[1] >= patience:
            self._step += wanted
            self._since = (wanted, now)
        return self.share

    def _wanted(self, facts: Facts) -> int:
        """1: less, -1: more, 0: as it is."""
        if self._step < _needed(facts, MARGIN_C):
            return 1
        return -1 if facts.temperature_c is not None and self._step > _needed(facts, CALM_C) else 0


def _needed(facts: Facts, below: float) -> int:
    """Return how many steps a board needs that is so hot, when the limits lie `below` degrees lower."""
    degrees = -273.0 if facts.temperature_c is None else facts.temperature_c
    by_heat = not facts.under_voltage
    if degrees >= LIMIT_C - below or (by_heat and facts.throttled):
        return len(SHARES) - 1
    soft = has_soft_limit(facts.model) and degrees >= SOFT_LIMIT_C - below
    return SOFT_STEP if soft or (by_heat and facts.soft_limit) else 0
