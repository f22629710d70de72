"""What the camera says of its exposure, and the change of every grey level that follows from it.

A camera's curve is a power: when the exposure doubles, every grey level is multiplied by the same factor, up to white.
By how much it is (the response) differs between cameras, so it is learned from steps that all the picture agrees with.
What is told may come a frame or two late, may be missing or wrong: it only proposes, the picture decides
(illumination.py).

Not here: the decision. Plain numbers and one small table; runs on the camera's thread.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gateway.motion.cells import OCTAVE, PEDESTAL, logarithm

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHIFT = 6
"""The table has a value for every 64 units of level."""
_LEAST = 0.02  # octaves of exposure that count as a change
_LATE = 3  # frames within which a change that was told may show
_USUAL = 1 / 2.2  # grey levels are light to this power, as nearly every camera makes them
_FLATTEST, _STEEPEST = 0.2, 1.2  # responses that a camera may have
_LEARN = 0.2


class Exposure:
    """Keeps what was told of late."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._due = [0.0] * _LATE
        self._response = _USUAL
        levels = np.arange((1 << 15 >> SHIFT) + 1, dtype=np.float64) * (1 << SHIFT)
        self._levels = levels
        self._grey = PEDESTAL * (np.exp2(levels / OCTAVE) - 1)
        self._table = np.zeros(levels.size, np.int16)

    def told(self, exposure_us: float | None, gain: float | None, lux: float | None) -> bool:
        """Take in what is said with a frame; return whether it says that the light changed. No number says nothing."""
        told, octaves = False, 0.0
        if exposure_us is gain is lux is None and not any(self._due):
            return told
        for name, value in (("time", exposure_us), ("gain", gain), ("lux", lux)):
            if value is None or not math.isfinite(value) or value <= 0:
                continue
            last = self._last.get(name, value)
            self._last[name] = value
            if name == "lux":
                told = abs(value - last) > last * 0.3
            else:
                octaves += math.log2(value) - math.log2(last)
        self._due.insert(0, octaves if abs(octaves) >= _LEAST else 0.0)
        self._due.pop()
        return told

    def due(self) -> list[float]:
        """Return the changes, in octaves, that this frame may show: each that was told of late, and all of them."""
        each = [octaves for octaves in self._due if octaves]
        if len(each) > 1:
            each.append(sum(each))
        return each

    def table(self, octaves: float) -> NDArray[np.int16]:
        """Return the change of each level (one for every 64 units); valid until the next call."""
        after = np.minimum(self._grey * 2.0 ** (octaves * self._response), np.maximum(self._grey, 255.0))
        changed = OCTAVE * np.log2((after + PEDESTAL) / PEDESTAL) - self._levels
        self._table[...] = np.rint(np.clip(changed, -logarithm(255), logarithm(255)))
        return self._table

    def came(self, octaves: float, *, foretold: int, seen: int) -> None:
        """Note that the picture showed a change, so it is due no more; learn from it how the camera responds.

        foretold, seen: change of the same level, in units.
        """
        if octaves in self._due:
            self._due[self._due.index(octaves) :] = [0.0] * (_LATE - self._due.index(octaves))
        else:
            self._due = [0.0] * _LATE
        if foretold:
            share = min(2.0, max(0.5, seen / foretold))
            response = self._response * (1 + _LEARN * (share - 1))
            self._response = min(_STEEPEST, max(_FLATTEST, response))
