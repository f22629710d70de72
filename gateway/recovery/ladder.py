"""A recovery ladder: what to try next for something that does not work, and when. Pure: times and words in, a word out.

The cheapest step comes first; each has a deadline by which it must have helped, so many tries, and a budget an hour,
whatever happens. What works steadily again starts from the bottom; what fails again before that goes on where it was.
Not here: how a fault is found and how a step is done (eyes.py for cameras, linkage.py for the link). The clock is an
argument, so an hour takes no time in a test.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

HOUR = 3600.0
FLAPS = 3
"""So many outages within FLAP_SECONDS are one fault of their own: each of them may be too short to be told."""
FLAP_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of a ladder."""

    name: str
    """Stable word, as it is reported."""
    deadline: float
    """Seconds within which it must have helped."""
    patience: float = 0.0
    """The deadline doubles with each further try of an outage, up to so many seconds: what is slow gets its time at
    last. Less than the deadline: it stays."""
    tries: int = 1
    """How often in one outage, before the next rung."""
    an_hour: int = 60
    """Never more often than so in any hour."""
    waits: tuple[float, ...] = (0.0,)
    """Seconds before the first, second, ... try, from when it was known that the step before did not help; the last
    holds for all further ones."""
    after: float = 0.0
    """Not before the outage has lasted for so many seconds."""
    again: bool = False
    """Whether it is tried without end when no rung is left."""

    def time_for(self, tried: int) -> float:
        """Return the seconds within which it must have helped when it was tried so often before in this outage."""
        return min(self.deadline * 2.0 ** min(tried, 16), max(self.deadline, self.patience))


@dataclass(slots=True)
class _Outage:
    fault: str
    since: float
    rung: int = 0
    tries: dict[str, int] = field(default_factory=dict)
    under_way: str = ""
    """The step that was taken last and has neither helped nor run out of time."""
    until: float = 0.0
    free_since: float = 0.0
    """From when the next step's wait counts."""
    well_since: float | None = None


class Ladder:
    """Remembers one thing's outage and the steps of the last hour."""

    def __init__(self, rungs: Sequence[Rung], steady: float = 60.0) -> None:
        """Take the rungs, the cheapest first, and after how many seconds without a fault an outage is over."""
        self._rungs = tuple(rungs)
        self._steady = steady
        self._outage: _Outage | None = None
        self._taken: dict[str, deque[float]] = {rung.name: deque() for rung in rungs}
        self._outbreaks: deque[float] = deque()
        self._flapping = False
        self.last = ""
        """The step that was taken last, or nothing."""
        self.cause = ""
        """The fault for which it was taken."""
        self.steps = dict.fromkeys((rung.name for rung in rungs), 0)
        """How often each step was taken."""

    def see(self, fault: str, now: float, useful: Collection[str], *, over: bool = False) -> str:
        """Take what is known now; return the step to be taken now, or nothing.

        Args:
            fault: stable word for what is wrong; empty: all is well.
            now: seconds on a clock that never goes back.
            useful: names of the rungs that can be taken now and may help against this fault.
            over: the step that was taken last is known to have failed, before its deadline.
        """
        outage = self._outage
        if not fault:
            if outage is not None:
                self._get_well(outage, now)
            return ""
        if outage is None:
            outage = self._outage = _Outage(fault, now, free_since=now)
            self._outbreaks.append(now)
        elif outage.well_since is not None:  # again, before it was steady
            outage.well_since, outage.under_way, outage.free_since = None, "", now
            self._outbreaks.append(now)
        outage.fault = fault
        if outage.under_way and (over or now >= outage.until):
            outage.under_way, outage.free_since = "", now
        if outage.under_way:
            return ""
        return self._climb(outage, now, useful)

    def under_way(self, now: float) -> bool:
        """Whether a step was taken that may still help."""
        outage = self._outage
        return outage is not None and bool(outage.under_way) and now < outage.until

    def since(self) -> float | None:
        """Return when the outage began, or None: there is none."""
        return None if self._outage is None else self._outage.since

    def flapping(self, now: float) -> bool:
        """Whether it failed and came back so often that this is a fault of its own; over after a calm time."""
        while self._outbreaks and now - self._outbreaks[0] >= FLAP_SECONDS:
            self._outbreaks.popleft()
        self._flapping = len(self._outbreaks) >= FLAPS or (self._flapping and bool(self._outbreaks))
        return self._flapping

    def status(self, now: float) -> dict[str, Any]:
        """Return what a maintainer asks: the last step and why, steps of the last hour, outages of the last minutes."""
        self.flapping(now)
        hour = {name: len(times) for name in self._taken if (times := self._of_last_hour(name, now))}
        found: dict[str, Any] = {"step": self.last, "cause": self.cause, "hour": hour, "outages": len(self._outbreaks)}
        if self._outage is not None:
            found["for_s"] = round(now - self._outage.since)
        return found

    def _get_well(self, outage: _Outage, now: float) -> None:
        outage.under_way = ""
        if outage.well_since is None:
            outage.well_since = now
        elif now - outage.well_since >= self._steady:
            self._outage = None

    def _climb(self, outage: _Outage, now: float, useful: Collection[str]) -> str:
        number = self._next(outage, now, useful)
        if number is None:
            return ""
        rung = self._rungs[number]
        tried = outage.tries.get(rung.name, 0)
        if now - outage.free_since < rung.waits[min(tried, len(rung.waits) - 1)]:
            return ""
        outage.rung = max(outage.rung, number)
        outage.tries[rung.name] = tried + 1
        outage.under_way, outage.until = rung.name, now + rung.time_for(tried)
        self._taken[rung.name].append(now)
        self.steps[rung.name] += 1
        self.last, self.cause = rung.name, outage.fault
        return rung.name

    def _next(self, outage: _Outage, now: float, useful: Collection[str]) -> int | None:
        """Return the lowest rung, not below the last one, with tries left; else the highest that is tried for ever."""
        open_now = [
            number
            for number, rung in enumerate(self._rungs)
            if rung.name in useful
            and now - outage.since >= rung.after
            and len(self._of_last_hour(rung.name, now)) < rung.an_hour
        ]
        for number in open_now:
            rung = self._rungs[number]
            if number >= outage.rung and outage.tries.get(rung.name, 0) < rung.tries:
                return number
        return max((number for number in open_now if self._rungs[number].again), default=None)

    def _of_last_hour(self, name: str, now: float) -> deque[float]:
        times = self._taken[name]
        while times and now - times[0] >= HOUR:
            times.popleft()
        return times
