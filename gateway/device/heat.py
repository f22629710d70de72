"""Sheds frames before the firmware throttles: which share of the frame rate a hot processor is given, with hysteresis.

A throttled processor is slow everywhere, and nobody chose where; fewer frames a second are less work, and motion is
found all the same. From a few degrees below the board's limit the rate is lowered step by step, each given its time to
cool; it rises again step by step when it has stayed well below. Pure. Not here: reading (readings.py), telling the eyes
(daemon.py), the fault "hot" (problems.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.device.health import Facts

SOFT_LIMIT_C = 60.0
"""A Pi 3B+ lowers its clock from here (config.txt: temp_soft_limit)."""
LIMIT_C = 80.0
"""All others from here."""
MARGIN_C = 3.0
"""The rate is lowered from so far below the limit."""
CALM_C = 8.0
"""It rises again from so far below the limit."""
SHARES = (1.0, 0.7, 0.5, 0.35, 0.25)
DOWN_SECONDS, UP_SECONDS = 10.0, 30.0
"""A step down, or up, after so long at the temperature for it, and so long after the step before."""


def limit_of(model: str | None) -> float:
    """Return at how many degrees Celsius the firmware of a board slows its processor down."""
    return SOFT_LIMIT_C if model and "3 Model B Plus" in model else LIMIT_C


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
        if wanted and now - self._since[1] >= patience and 0 <= self._step + wanted < len(SHARES):
            self._step += wanted
            self._since = (wanted, now)
        return self.share

    def _wanted(self, facts: Facts) -> int:
        """1: less, -1: more, 0: as it is."""
        degrees = facts.temperature_c
        slowed = bool(facts.throttled or facts.soft_limit) and not facts.under_voltage
        if slowed or (degrees is not None and degrees >= limit_of(facts.model) - MARGIN_C):
            return 1
        if degrees is None:
            return 0
        return -1 if degrees <= limit_of(facts.model) - CALM_C else 0
