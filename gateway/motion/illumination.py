"""Follows the light: takes what was estimated of it out of the differences and into everything that was learned.

Not here: the estimates (light.py, field.py), what is left of the frame afterwards (regions.py). Runs on the camera's
thread.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gateway.motion.cells import OCTAVE
from gateway.motion.field import Field
from gateway.motion.light import Light

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.motion.background import Background


class Illumination:
    """How the light of one view changed against what was learned; owns the frame without that change."""

    def __init__(self, model: Background, seen: NDArray[np.bool_], earlier: NDArray[np.int16]) -> None:
        """Follow the light for a model.

        seen: (height, width), False where a cell is masked. earlier: frames kept by the caller, (any, height, width),
        which are moved with the model.
        """
        height, width = seen.shape
        self._model = model
        self._seen = seen
        self._all_seen = bool(seen.all())
        self._area = max(1, int(np.count_nonzero(seen)))
        self._earlier = earlier
        self._light = Light(height, width, seen)
        self._field = Field(height, width)
        self._without = np.zeros((height, width), np.int16)
        self.clean = self._without
        """The frame seen last without the fields of light that lie on it; valid until the next one."""
        self.lit = False
        """Whether there is such a field."""
        self.unrest = 0
        """How much the light changed of late, in units of 1/4096 octave."""
        self._loose = np.zeros((height, width), np.bool_)
        self._was_lit = False
        self._dimmed = 0
        self._gain = 0
        self._exposure: dict[str, float] = {}

    @property
    def gain(self) -> float:
        """Light against what was learned: 1.2 = a fifth brighter."""
        return float(2.0 ** (self._gain / OCTAVE))

    def told(self, exposure_us: float | None, gain: float | None, lux: float | None) -> bool:
        """Return whether the camera says that exposure or light changed; what is not a number says nothing."""
        if exposure_us is None and gain is None and lux is None:
            return False
        told = False
        for name, value in (("time", exposure_us), ("gain", gain), ("lux", lux)):
            if value is None or not math.isfinite(value) or value <= 0:
                continue
            last = self._exposure.get(name, value)
            told |= abs(value - last) > last * (0.02 if name != "lux" else 0.3)
            self._exposure[name] = value
        return told

    def follow(self, now: NDArray[np.int16], dt: float, *, told: bool, free: NDArray[np.bool_] | None) -> int:
        """Take changes of light out of the differences and into the model; return how many cells still fire.

        now: the frame, which the model was compared with; dt: seconds since the one before.
        told: the camera says that the light changed. free: False where something stands, or None.
        """
        model = self._model
        least = model.floor // 4
        self.unrest -= int(self.unrest * min(1.0, dt * 2.0))
        offset = self._light.offset(model.difference)
        if abs(offset) > least // 2:
            self.shift(offset, abs(offset))
            self._dimmed += offset
            if abs(self._dimmed) > model.floor:
                model.darken(self._dimmed)
                self._dimmed = 0
            self._gain += offset
        self._gain -= self._gain >> 6
        model.fire(self.unrest >> 2 if self.unrest >= 8 or abs(offset) > least // 2 else 0)
        count = self._count()
        self._was_lit, self.lit = self.lit, False
        loose = count
        if free is not None and count > self._area // 40:
            np.logical_and(model.fired, free, out=self._loose)
            loose = int(np.count_nonzero(self._loose))
        if loose > self._area // (400 if told or self._was_lit else 40):
            curve = self._light.curve(model.difference, model.level, least)
            if curve is not None:
                self.shift(curve, least)
            field = self._field.find(model.difference, model.level, model.threshold, least)
            if field is not None:
                count = self._take_out(now, field, count)
            elif curve is not None:
                model.fire(self.unrest >> 2)
                count = self._count()
        self.clean = self._without if self.lit else now
        return count

    def shift(self, amount: int | NDArray[np.int16], unrest: int) -> None:
        """Add a change of light to everything that was learned; it makes the light so much more unsteady."""
        self._model.shift(amount)
        np.add(self._earlier, amount, out=self._earlier, casting="unsafe")
        self.unrest = min(self.unrest + unrest, OCTAVE)

    def _take_out(self, now: NDArray[np.int16], field: NDArray[np.int16], count: int) -> int:
        """Look at the frame without a field of light; keep that only if it leaves much less to explain."""
        model = self._model
        np.subtract(now, field, out=self._without)
        np.subtract(model.difference, field, out=model.difference)
        slack = self._field.slack(field)
        np.add(slack, self.unrest >> 2, out=slack)
        model.fire(slack)
        left = self._count()
        self.lit = left * 10 <= count * 9
        if not self.lit:
            np.subtract(now, model.level, out=model.difference)
            model.fire(self.unrest >> 2)
            left = self._count()
        return left

    def _count(self) -> int:
        fired = self._model.fired
        if not self._all_seen:
            np.logical_and(fired, self._seen, out=fired)
        return int(np.count_nonzero(fired))
