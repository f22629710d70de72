"""Ways over the ground: where somebody is at a time, and which way they face.

Not here: how they look (actors.py), when they come (scenes.py). Pure functions of time, so that a frame that nobody
read changes nothing.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass, field
from typing import NamedTuple


class Stand(NamedTuple):
    """Where something is on the ground, in metres, and how it moves."""

    x: float
    y: float
    hx: float
    """Heading, unit length."""
    hy: float
    way: float
    """Metres gone so far."""
    speed: float
    """Metres per second."""


@dataclass(frozen=True)
class Path:
    """A line of points (metres) walked at `speed` (m/s) from `start` (s), with halts."""

    points: tuple[tuple[float, float], ...]
    speed: float
    start: float = 0.0
    halts: tuple[tuple[float, float], ...] = ()
    """(metres from the beginning, seconds); in order."""
    smooth: float = 0.0
    """Braking and starting distance in metres before and after a halt."""
    legs: tuple[float, ...] = field(init=False)
    times: tuple[tuple[float, float], ...] = field(init=False)
    """(second, metre) knots."""

    def __post_init__(self) -> None:
        legs = [0.0]
        for (x0, y0), (x1, y1) in zip(self.points, self.points[1:], strict=False):
            legs.append(legs[-1] + math.hypot(x1 - x0, y1 - y0))
        object.__setattr__(self, "legs", tuple(legs))
        knots = [(self.start, 0.0)]
        t, way = self.start, 0.0
        for at, seconds in self.halts:
            brake = min(self.smooth, (at - way) / 2)
            t += (at - brake - way) / self.speed
            knots.append((t, at - brake))
            last = 2 * brake / self.speed  # constant braking takes twice the time of driving through
            knots += [(t + last * i / 8, at - brake * (1 - i / 8) ** 2) for i in range(1, 9)]
            t += 2 * brake / self.speed + seconds
            knots.append((t, at))
            knots += [(t + last * i / 8, at + brake * (i / 8) ** 2) for i in range(1, 9)]
            t += 2 * brake / self.speed
            way = at + brake
        knots.append((t + max(legs[-1] - way, 0.0) / self.speed, legs[-1]))
        object.__setattr__(self, "times", tuple(knots))

    @property
    def end(self) -> float:
        """The second at which the last point is reached."""
        return self.times[-1][0]

    def at(self, t: float) -> Stand:
        """Return where it is at second `t`; before and after, at the ends."""
        i = min(max(bisect.bisect_right(self.times, (t, math.inf)) - 1, 0), len(self.times) - 2)
        (t0, w0), (t1, w1) = self.times[i], self.times[i + 1]
        moving = t0 <= t < t1 and w1 > w0
        way = w0 + (w1 - w0) * min(max((t - t0) / (t1 - t0), 0.0), 1.0) if t1 > t0 else w1
        leg = min(max(bisect.bisect_right(self.legs, way) - 1, 0), len(self.points) - 2)
        (x0, y0), (x1, y1) = self.points[leg], self.points[leg + 1]
        length = max(self.legs[leg + 1] - self.legs[leg], 1e-9)
        share = (way - self.legs[leg]) / length
        hx, hy = (x1 - x0) / length, (y1 - y0) / length
        return Stand(
            x0 + (x1 - x0) * share, y0 + (y1 - y0) * share, hx, hy, way, (w1 - w0) / (t1 - t0) if moving else 0.0
        )

    def still_since(self, t: float) -> float:
        """Return for how many seconds it has stood at second `t`; 0 while it moves."""
        if self.at(t).speed > 0:
            return 0.0
        if t >= self.end:
            return t - self.end
        i = max(bisect.bisect_right(self.times, (t, math.inf)) - 1, 0)
        while i > 0 and self.times[i - 1][1] == self.times[i][1]:
            i -= 1
        return max(t - self.times[i][0], 0.0)
