"""Follows the light: takes what was estimated of it out of the differences and into everything that was learned.

Not here: the estimates (light.py, field.py), what is left of the frame afterwards (regions.py). Runs on the camera's
thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gateway.motion.cells import OCTAVE
from gateway.motion.exposure import Exposure
from gateway.motion.field import Field
from gateway.motion.light import Light

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.motion.background import Background

_MINORITY = 4  # one cell in so many may tell what happened to the light, when the others agree on nothing


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
        self.exposure = Exposure()
        """What the camera says; told before each frame."""

    @property
    def gain(self) -> float:
        """Light against what was learned: 1.2 = a fifth brighter."""
        return float(2.0 ** (self._gain / OCTAVE))

    def follow(self, now: NDArray[np.int16], dt: float, *, told: bool, free: NDArray[np.bool_] | None) -> int:
        """Take changes of light out of the differences and into the model; return how many cells still fire.

        now: the frame, which the model was compared with; dt: seconds since the one before.
        told: the camera says that the light changed. free: False where something stands, or None.
        """
        model = self._model
        least = model.floor // 4
        self.unrest -= int(self.unrest * min(1.0, dt * 2.0))
        offset = self._light.offset(model.difference)
        due = self.exposure.due()
        if due or abs(offset) > model.floor:
            offset = self._agreed(offset, due)
        if abs(offset) > least // 2:
            self.shift(offset, abs(offset))
            self._dim(offset)
        self._gain -= self._gain >> 6
        model.fire(self.unrest >> 2 if self.unrest >= 8 or abs(offset) > least // 2 else 0)
        count = self._count()
        self._was_lit, self.lit = self.lit, False
        loose = count
        if free is not None and count > self._area // 40:
            np.logical_and(model.fired, free, self._loose)
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

    def _agreed(self, offset: int, due: list[float]) -> int:
        """Ask the cells what happened: the exposure changed as foretold, nothing did, or all changed by the offset.

        Whatever most of them agree with is taken; the median alone is no majority when something large stands before
        the camera, and what is foretold may be wrong. Returns the offset that is left.
        """
        model, light = self._model, self._light
        few, levels = light.samples(model.difference, model.level)
        slack = model.floor // 2

        def agree(change: int | NDArray[np.int16]) -> NDArray[np.bool_]:
            near: NDArray[np.bool_] = np.absolute(few - change) <= slack + (np.absolute(change) >> 3)
            return near

        still = agree(0)
        unmoved = int(np.count_nonzero(still))
        alike = int(np.count_nonzero(agree(offset)))
        most = max(unmoved, alike)
        best: float | None = None
        for octaves in due:
            count = int(np.count_nonzero(agree(self.exposure.table(octaves).take(levels, mode="clip"))))
            if count >= most and count * _MINORITY >= few.size:
                best, most = octaves, count + 1
        if best is not None:
            table = self.exposure.table(best)
            change = table.take(levels, mode="clip")
            near = agree(change)
            middle = int(np.median(change[near]))
            left = int(np.median((few - change)[near]))
            if abs(left) * 2 > slack and alike * 2 > few.size:
                return offset  # it came near by chance, or the camera responds in another way: most know better
            self.exposure.came(best, foretold=middle, seen=middle + left)
            # What was foretold makes the light no more unsteady: only what it is wrong by.
            self.shift(light.spread(table, model.level), abs(middle) >> 3)
            self._dim(middle)
            return left
        if unmoved * _MINORITY >= few.size and unmoved >= most:
            return int(np.median(few[still]))
        return offset

    def _dim(self, amount: int) -> None:
        self._dimmed += amount
        if abs(self._dimmed) > self._model.floor:
            self._model.darken(self._dimmed)
            self._dimmed = 0
        self._gain += amount

    def shift(self, amount: int | NDArray[np.int16], unrest: int) -> None:
        """Add a change of light to everything that was learned; it makes the light so much more unsteady."""
        self._model.shift(amount)
        np.add(self._earlier, amount, self._earlier, casting="unsafe")
        self.unrest = min(self.unrest + unrest, OCTAVE)

    def _take_out(self, now: NDArray[np.int16], field: NDArray[np.int16], count: int) -> int:
        """Look at the frame without a field of light; keep that only if it leaves much less to explain."""
        model = self._model
        np.subtract(now, field, self._without)
        np.subtract(model.difference, field, model.difference)
        slack, steep = self._field.slack(field)
        np.add(slack, self.unrest >> 2, slack)
        model.fire(slack)
        self.lit = self._count() * 10 <= count * 9
        if self.lit:
            # Only now: where it is steep much may be wrong, and that would let leaves pass for light.
            np.add(slack, steep, slack)
            model.fire(slack)
            left = self._count()
        else:
            np.subtract(now, model.level, model.difference)
            model.fire(self.unrest >> 2)
            left = self._count()
        return left

    def _count(self) -> int:
        fired = self._model.fired
        if not self._all_seen:
            np.logical_and(fired, self._seen, fired)
        return int(np.count_nonzero(fired))
