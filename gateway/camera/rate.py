"""How many frames a second one camera is read at, and why: as set, fewer in a hot housing, another number by night.

Night is told by the camera's own estimate of the light, with two thresholds and a dwell time: a lamp that goes on, or
an exposure that hunts, does not switch back and forth. A camera that does not tell the light knows no night. Pure: the
frame's time is the clock. Runs on the thread that reads.
"""

from __future__ import annotations

DWELL_SECONDS = 30.0
"""The light must be on the other side for so long."""
LEAST_FPS = 2.0
"""Below that, what moves is not followed any more."""


class Night:
    """Whether it is night, by the light that the camera tells."""

    def __init__(self, below: float, above: float) -> None:
        """Take the two thresholds in lux: night begins below the first and ends above the second."""
        self._below, self._above = below, above
        self._other_since: float | None = None
        self.now = False

    def see(self, lux: float | None, t: float) -> bool:
        """Take a frame's light in lux (None: unknown) and time in seconds; return whether it is night."""
        other = lux is not None and (lux > self._above if self.now else lux < self._below)
        if not other:
            self._other_since = None
        elif self._other_since is None or t < self._other_since:
            self._other_since = t
        elif t - self._other_since >= DWELL_SECONDS:
            self.now, self._other_since = not self.now, None
        return self.now


class Rate:
    """The rate that is asked of a camera, and which frames are left out to keep it."""

    def __init__(self, fps: float, night_fps: float, stall: float) -> None:
        """Take the rates by day and by night (0: the same), and after how many seconds a camera counts as stalled."""
        self._day, self._night = fps, night_fps or fps
        self._least = min(fps, max(LEAST_FPS, 2.0 / stall))
        self._share = 1.0
        self._by_night = False
        self._due = float("-inf")
        self.asked = fps
        """Frames a second that are wanted now."""
        self.why = ""
        """heat, night, or nothing: as set."""

    def choose(self, *, share: float | None = None, night: bool | None = None) -> bool:
        """Take the share that heat leaves, and whether it is night; return whether the rate has changed."""
        self._share = self._share if share is None else share
        self._by_night = self._by_night if night is None else night
        before = self.asked
        base = self._night if self._by_night else self._day
        self.asked = max(min(self._least, base), base * self._share)
        self.why = "heat" if self.asked < base else "night" if base != self._day else ""
        return self.asked != before

    def wants(self, t: float) -> bool:
        """Return whether the frame of time `t` (seconds) is to be looked at; too early ones are left out."""
        if not self.why:
            return True  # a camera that is a little faster than asked loses nothing
        period = 1.0 / self.asked
        if self._due - 2.0 * period < t < self._due - 0.3 * period:  # further off: the clock has begun anew
            return False
        late = self._due <= t - period or t < self._due - 2.0 * period
        self._due = (t if late else self._due) + period
        return True
