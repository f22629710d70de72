"""What each cell looks like when nothing is there: level, noise, threshold, and a few looks it had before.

A cell has a running level and a running noise, from which follows the threshold that most cells pass with one
subtraction and one comparison. Cells that fail are compared with a bank of earlier looks (the samples of Barnich and
Van Droogenbroeck, "ViBe", 2011, kept here on a lattice that moves on with time, so that no random numbers are
needed): a leaf that comes and goes has been seen before, a person has not.

Not here: changes of light (light.py), which cells belong together (regions.py). Runs on the camera's thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gateway.motion.lesson import Lesson
from gateway.motion.model import QUIET, Model

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

LOOKS = 8
"""Looks that are remembered of each cell."""

_TURNS = 4  # ticks between two lessons
_LATTICE = 4  # one cell in 4 x 4 puts its look into the bank at each tick
_FEW = 6  # below a sixth of the cells it is cheaper to gather those that fired
_AGREE = 2  # looks that must agree before a cell is said to be known
_ONSET = 8  # how much more restless a cell is that begins to differ
_SHORT = 24  # ticks in which a quiet view is learned
_MOST_NOISE_EVER = 4000  # units
_MOST_NOISE = 80  # units that the first seconds may claim
_MOST_SWAY = 250  # the same where much moved in them


class Background(Model):
    """The model of one view, as it is filled, asked and taught."""

    def __init__(self, height: int, width: int, *, floor: int, factor: float) -> None:
        shape = (height, width)
        super().__init__(shape, floor=floor)
        self._on = np.zeros(shape, np.bool_)
        self._was_on = np.zeros(shape, np.bool_)
        self._bank = np.zeros((LOOKS, *shape), np.int16)
        self._looks = self._bank.reshape(LOOKS, -1)
        self._near = np.zeros(shape, np.bool_)
        self._agree = np.zeros(shape, np.uint8)
        self._tick = 0
        self._any_on = False
        self._most_restless = np.full(shape, 255 - _ONSET, np.uint8)
        sixteenths = round(factor * 16)
        self._lesson = Lesson(self, factor=sixteenths)

    def start(self, cells: NDArray[np.int16], *, anew: bool) -> None:
        """Believe that nothing but background is seen; remember half of the looks from before unless `anew`."""
        self.level[...] = cells
        self._bank[:: 1 if anew else 2] = cells
        self.noise.fill(QUIET)
        if anew:
            self.restless.fill(0)
        self._lesson.compile()
        self._tick = 0

    def compare(self, cells: NDArray[np.int16]) -> None:
        """Set `difference`; `fire` does the rest once the light is known."""
        np.subtract(cells, self.level, self.difference)

    def fire(self, unrest: int | NDArray[np.int16] = 0) -> None:
        """Set `magnitude`, and `fired` where it passes the threshold, to which `unrest` is added."""
        np.absolute(self.difference, self.magnitude)
        if isinstance(unrest, np.ndarray) or unrest:
            np.add(self.threshold, unrest, self.step)
            np.greater(self.magnitude, self.step, self.fired)
        else:
            np.greater(self.magnitude, self.threshold, self.fired)

    def shift(self, amount: int | NDArray[np.int16]) -> None:
        """Follow a change of light: add an offset, or a field of offsets, to everything that was learned."""
        np.add(self.level, amount, self.level, casting="unsafe")
        np.add(self._bank, amount, self._bank, casting="unsafe")
        np.subtract(self.difference, amount, self.difference, casting="unsafe")

    def blur(self, average: Callable[[NDArray[np.int16]], None]) -> None:
        """Go over to averaged cells: average all that was learned; the noise falls by itself to what is left of it.

        average: averages cells, (height, width) and none negative, in place.
        """
        for look in (self.level, *self._bank):
            np.maximum(look, 0, out=look)
            average(look)
        self._lesson.compile()

    def sharpen(self, detail: NDArray[np.int16]) -> None:
        """Go back to single cells: add what they differ by from averaged ones; the noise falls to what it is."""
        self.shift(detail)
        np.minimum(self.noise, _MOST_NOISE_EVER >> 2, out=self.noise)
        np.left_shift(self.noise, 2, self.noise)
        self._lesson.compile()

    def darken(self, amount: int) -> None:
        """Follow a change of light by an offset also in the noise: grain weighs more when there is less light."""
        percent = round(100 * 2.0 ** (-max(-8192, min(8192, amount)) / 4096))
        noise = np.clip(self.noise.astype(np.int32) * percent // 100, 4, _MOST_NOISE_EVER)
        self.noise[...] = noise
        self._lesson.compile()

    def recall(self, cells: NDArray[np.int16], at: NDArray[np.intp]) -> int:
        """Clear `fired` where the cells look as they did before: two remembered looks are within the threshold.

        at: the places of all cells that fired, in one dimension. Returns how many still fire.
        """
        fired = self.flat_fired
        if at.size * _FEW < fired.size:
            looks = self._looks.take(at, axis=1)
            np.subtract(looks, cells.reshape(-1).take(at), looks)
            np.absolute(looks, looks)
            near = np.less_equal(looks, self.flat_threshold.take(at))
            strange = np.add.reduce(near.view(np.uint8), axis=0, dtype=np.uint8) < _AGREE
            fired[at] = strange
            return int(np.count_nonzero(strange))
        # Look by look: a buffer for all of them at once would be a sixth of the model.
        apart, near = self.step, self._near
        self._agree.fill(0)
        for look in self._bank:
            np.subtract(look, cells, apart)
            np.absolute(apart, apart)
            np.less_equal(apart, self.threshold, near)
            np.add(self._agree, near.view(np.uint8), self._agree)
        np.less(self._agree, _AGREE, near)
        np.logical_and(self.fired, near, self.fired)
        return int(np.count_nonzero(fired))

    def learn(
        self,
        cells: NDArray[np.int16],
        free: NDArray[np.bool_] | None,
        *,
        fast: bool,
        slow: bool,
        stirred: bool,
        steady: bool,
        eager: bool,
    ) -> None:
        """Learn from what `compare` saw: level and noise at one tick in four, and the bank on a lattice.

        free: False where something stands that must not become background, True elsewhere; or None.
        fast: the model is young, so learn at every tick and follow at once.
        slow: some cells fired, and are followed slowly.
        stirred: some of them in company.
        steady: what differs is grain, so learn the noise too.
        eager: remember looks at twice the pace: there is much that comes and goes.
        """
        self._tick += 1
        if fast:
            self._lesson.learn(free, 2, steady=steady, slow=False)
            self._bank[self._tick // (2 if self._tick <= _SHORT else 4) % LOOKS] = cells
        elif self._tick % _TURNS == 1:
            self._lesson.learn(free, 3, steady=steady, slow=slow)
        if stirred or self._any_on:
            self._any_on = stirred
            self._count_onsets(free)
        self._remember(cells, free, self._tick)
        if eager:
            self._remember(cells, free, self._tick + _LATTICE * _LATTICE * LOOKS // 2 + 8)

    def settle(self) -> None:
        """End the first seconds: the middle of the looks is the level, and their spread the noise.

        When it took longer than usual, leaves swing or water glitters: then the spread may be large.
        """
        looks = np.sort(self._bank, axis=0)
        self.level[...] = (looks[LOOKS // 2 - 1] >> 1) + (looks[LOOKS // 2] >> 1)
        spread = (looks[LOOKS - 3] - looks[2]) >> 1
        self.noise[...] = np.clip(spread, 4, _MOST_NOISE if self._tick <= _SHORT else _MOST_SWAY)
        self._lesson.compile()

    def _count_onsets(self, free: NDArray[np.bool_] | None) -> None:
        """Count for each cell how often it begins to differ, against a threshold that does not depend on the count."""
        on, was_on, restless = self._on, self._was_on, self.restless
        np.greater(self.magnitude, self.base, on)
        if free is not None:
            np.logical_and(on, free, on)
        np.greater(on, was_on, was_on)
        np.multiply(was_on.view(np.uint8), _ONSET, self.often)
        np.minimum(restless, self._most_restless, out=restless)
        np.add(restless, self.often, restless)
        self._on, self._was_on = was_on, on

    def _remember(self, cells: NDArray[np.int16], free: NDArray[np.bool_] | None, tick: int) -> None:
        """Put the look of one cell in sixteen into its bank, each time into the next place."""
        turn = tick % (_LATTICE * _LATTICE)
        # 5 and 16 share no factor, so all cells of the lattice have their turn, neighbours far apart in time.
        turn = turn * 5 % (_LATTICE * _LATTICE)
        place = tick // (_LATTICE * _LATTICE) % LOOKS
        at = (slice(turn // _LATTICE, None, _LATTICE), slice(turn % _LATTICE, None, _LATTICE))
        if free is None:
            self._bank[place, *at] = cells[at]
        else:
            np.copyto(self._bank[place, *at], cells[at], where=free[at])

    def absorb(self, at: tuple[slice, slice], mask: NDArray[np.bool_], cells: NDArray[np.int16]) -> None:
        """Take what is seen under `mask` within the window `at` as background from now on."""
        np.copyto(self.level[at], cells[at], where=mask)
        for look in self._bank[: LOOKS // 2]:
            np.copyto(look[at], cells[at], where=mask)
