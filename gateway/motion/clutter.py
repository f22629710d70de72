"""What moves without being a thing: how many regions belong to nothing, how often they begin, how far they get.

It is what a track is weighed against: where leaves, drops and flakes come and go all the time, a region at the place
where one was expected is no surprise.

Not here: the weighing (trust.py). Plain Python numbers; runs on the camera's thread.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gateway.motion.gait import outlasts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.motion.regions import Region
    from gateway.motion.thing import Thing

_TILE = 8  # cells
_OCTAVES = 12
_MEMORY = 3.0  # seconds
_STORM = 4.0  # regions a second
_SELDOM = 0.35  # regions a frame
_CALM = 1.0  # regions a frame
_BRIEF = 0.075  # seconds: what flickers is born in every frame, however many there are
_SOMEWHERE = 2.0  # cells that its sides drift the same way: leaves and webs stay where they are
_CAP = 4.0  # evidence that one region can give


class Clutter:
    """Counts what belongs to nothing that is believed, over one grid of cells."""

    def __init__(self, width: int, height: int) -> None:
        self._cells = width * height
        self._since = 0.0
        self._loose = [0.0] * _OCTAVES
        """Regions a frame that belong to nothing believed, of at least 2 ** i cells; a mean over some seconds."""
        self._births = [0.0] * _OCTAVES
        """Regions a second that begin, of at least 2 ** i cells; a mean over some seconds."""
        self._reach = [[0.0] * (width // _TILE + 1) for _ in range(height // _TILE + 1)]
        """How far things went that were born in this tile and never believed: leaves, webs, water."""

    def loose(self) -> float:
        """Return how many regions a frame belong to nothing believed, of late."""
        return self._loose[0]

    def count(self, things: Sequence[Thing], born: Sequence[Region], dt: float) -> None:
        """Keep the mean number of regions that belong to nothing believed, by size."""
        fresh = [0] * _OCTAVES
        for region in born:
            for i in range(min(_OCTAVES, region.area.bit_length())):
                fresh[i] += 1
        counts = list(fresh)
        for thing in things:
            if not thing.confirmed and thing.region is not None:
                for i in range(min(_OCTAVES, thing.region.area.bit_length())):
                    counts[i] += 1
        weight = min(1.0, dt / _MEMORY)
        span = max(dt, _BRIEF)
        self._loose = _towards(self._loose, counts, weight)
        self._births = _towards(self._births, [count / span for count in fresh] if born else fresh, weight)

    def surprise(self, thing: Thing, region: Region, away_x: float, away_y: float) -> float:
        """Return the evidence of a region that lies so far from where it was expected."""
        octave = max(0, min(_OCTAVES, min(region.area, int(thing.area)).bit_length()) - 2)
        density = max(0.3, self._loose[octave]) / self._cells
        chance = density * (2 * abs(away_x) + 1.5) * (2 * abs(away_y) + 1.5)
        return min(_CAP, max(0.0, -math.log(chance)))

    def weathers(self, thing: Thing) -> bool:
        """Say whether things of half its size appear all the time: drops, flakes, leaves."""
        if self._births[0] <= _STORM:  # of all sizes together
            return False
        octave = max(0, min(_OCTAVES, int(thing.area).bit_length()) - 2)
        return self._births[octave] > _STORM

    def rare(self, thing: Thing) -> bool:
        """Say whether hardly anything of half its size moves that belongs to nothing."""
        octave = max(0, min(_OCTAVES, int(thing.area).bit_length()) - 2)
        return self._loose[octave] < _CALM and self._births[octave] <= _STORM / 2

    def alone(self, thing: Thing) -> bool:
        """Say whether hardly anything of half its size moves besides it, though it is not believed itself."""
        octave = max(0, min(_OCTAVES, int(thing.area).bit_length()) - 2)
        return self._loose[octave] < 1.0 + _CALM and self._births[octave] <= _STORM / 2

    def dwarfs(self, thing: Thing) -> bool:
        """Say whether hardly anything even of a quarter of its size came of late that belongs to nothing."""
        octave = max(0, min(_OCTAVES, int(thing.area).bit_length()) - 3)
        return self._loose[octave] < _SELDOM and self._births[octave] < _CALM

    def reach_at(self, thing: Thing) -> float:
        """Return how far things got that were born about where this one was, and were never believed."""
        column = int((thing.start[0] + thing.start[2]) / 2) // _TILE
        row = int((thing.start[1] + thing.start[3]) / 2) // _TILE
        rows = self._reach[max(0, row - 1) : row + 2]
        return max(max(line[max(0, column - 1) : column + 2]) for line in rows)

    def remember(self, thing: Thing) -> None:
        """Note how far a thing got that is not believed, unless it went steadily from where it began."""
        if outlasts(thing) and thing.drift > _SOMEWHERE and thing.drift >= 0.5 * thing.slow_path:
            return
        column = int((thing.start[0] + thing.start[2]) / 2) // _TILE
        row = int((thing.start[1] + thing.start[3]) / 2) // _TILE
        self._reach[row][column] = max(self._reach[row][column], min(thing.far, 20.0))

    def fade(self, dt: float) -> None:
        """Forget half of the reaches in twenty seconds."""
        self._since += dt
        if self._since >= 1.0:
            self._since = 0.0
            self._reach = [[value * 0.966 for value in line] if any(line) else line for line in self._reach]


def _towards(means: list[float], values: Sequence[float], weight: float) -> list[float]:
    """Return the means after one more value each; nothing moves in most frames."""
    if not any(values):
        return [mean - weight * mean for mean in means]
    return [mean + weight * (value - mean) for mean, value in zip(means, values, strict=True)]
