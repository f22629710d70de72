"""How sharp each camera's picture is from day to day: dirt on a lens comes so slowly that only weeks show it.

A sample a minute, the median of sixty is an hour, the median of twenty-four is a day, and thirty days are kept. They
are hours of pictures, not of a clock: a device without one may not know what day it is, and a day of light and night
compares with another. Kept beside the store in a small file, written once an hour: a power cut costs that much of it.
Not here: a lens that is out of focus now (motion/view.py). On the daemon's main thread; the file on one that may wait.
"""

from __future__ import annotations

import json
import logging
import math
import os
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

log = logging.getLogger(__name__)

FILE = "sharpness.json"
SAMPLE_SECONDS = 60.0
HOUR, DAY, DAYS = 60, 24, 30
"""Samples in an hour, hours in a day, days that are kept."""
FIRST_DAYS = 3
"""The median of so many of the oldest days is what the latest one is compared with."""


class Sharpness:
    """The trend of one camera."""

    def __init__(self, scale: str, kept: Mapping[str, Any] | None = None) -> None:
        """Begin, or go on with what was `kept`; `scale`: what makes values compare, the size of the picture."""
        self._scale = scale
        same = kept is not None and kept["scale"] == scale
        self._hours: list[float] = list(kept["hours"]) if kept is not None and same else []
        self._days: list[float] = list(kept["days"]) if kept is not None and same else []
        self._samples: list[float] = []
        self._due = -math.inf
        self._moved = False
        self.changed = False
        """Whether there is something new to keep."""

    def see(self, beat: Mapping[str, Any], now: float) -> None:
        """Take what an eye says of itself each second; `now` in seconds on the monotonic clock.

        A view that moved and was confirmed is another view: its trend begins anew.
        """
        moved = bool(beat.get("moved"))
        if self._moved and not moved:
            self._samples, self._hours, self._days, self.changed = [], [], [], True
        self._moved = moved
        value = beat.get("sharpness")
        if now < self._due or moved or beat.get("view") != "ok" or beat.get("suppressed") or value is None:
            return
        self._due = now + SAMPLE_SECONDS
        self._samples.append(float(value))
        if len(self._samples) < HOUR:
            return
        self._hours.append(round(median(self._samples), 2))
        self._samples, self.changed = [], True
        if len(self._hours) >= DAY:
            self._days = [*self._days, round(median(self._hours), 2)][-DAYS:]
            self._hours = []

    def facts(self) -> dict[str, Any]:
        """Return what up/health says: medians of the days, oldest first, today's so far, and the change in all.

        The change is a share of the first days' median: -0.3 is a third less; None before there is a second day.
        """
        today = round(median(self._hours), 2) if self._hours else None
        latest = self._days[-1] if self._days else None
        first = median(self._days[:FIRST_DAYS]) if len(self._days) > 1 else 0.0
        change = round(latest / first - 1, 3) if latest is not None and first > 0 else None
        return {"sharpness_days": list(self._days), "sharpness_today": today, "sharpness_change": change}

    def kept(self) -> dict[str, Any]:
        """Return what a later run goes on with."""
        self.changed = False
        return {"scale": self._scale, "hours": list(self._hours), "days": list(self._days)}


class Record:
    """The file of all cameras."""

    def __init__(self, folder: Path, later: Callable[[Callable[[], None]], None]) -> None:
        """Read what the last run left; a file that cannot be read is forgotten, as nothing depends on it.

        Args:
            folder: where the file is.
            later: has a function called soon, on a thread that may wait for the card.
        """
        self._file = folder / FILE
        self._later = later
        self._trends: dict[str, Sharpness] = {}
        self._found: dict[str, Any] = {}
        try:
            self._found = dict(json.loads(self._file.read_text(encoding="utf-8")))
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            pass  # there is none, or the whole folder is shut, which the store will say
        except (OSError, ValueError, TypeError, RecursionError) as error:
            log.warning("%s cannot be read, the trend of sharpness begins anew: %s", self._file, error)

    def of(self, camera: str, scale: str) -> Sharpness:
        """Return a camera's trend, as far as it is known."""
        try:
            trend = Sharpness(scale, self._found.get(camera))
            trend.facts()
        except (KeyError, TypeError, ValueError) as error:
            log.warning("the trend of %s's sharpness cannot be used and begins anew: %s", camera, error)
            trend = Sharpness(scale)
        self._trends[camera] = trend
        return trend

    def tick(self) -> None:
        """Keep what is new."""
        if not any(trend.changed for trend in self._trends.values()):
            return
        text = json.dumps({camera: trend.kept() for camera, trend in self._trends.items()})
        self._later(lambda: _write(self._file, text))


def _write(file: Path, text: str) -> None:
    """Write it so that the old one stays until the new one is on the card."""
    fresh = file.with_name(file.name + ".new")
    with fresh.open("w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)
