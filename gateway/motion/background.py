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

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOOKS = 8
"""Looks that are remembered of each cell."""

_BANDS = 4  # rows learn in turn, a quarter at each tick
_LATTICE = 4  # one cell in 4 x 4 puts its look into the bank at each tick
_FEW = 6  # below a sixth of the cells it is cheaper to gather those that fired
_AGREE = 2  # looks that must agree before a cell is said to be known
_DRIFT = 40  # the most that a level follows something unexplained at one turn, in units
_SWAY = 3  # an edge may move by a quarter of a cell: its slope over two cells, divided by 2 ** 3
_RARE = 16  # two onsets are nothing
_MOST_NOISE = 80  # units that the first seconds may claim
_QUIET = 24  # noise of a new cell, in units


class Background:
    """The model of one view; all arrays are (height, width) int16 in units of 1/4096 octave unless said otherwise."""

    def __init__(self, height: int, width: int, *, floor: int, factor: float) -> None:
        shape = (height, width)
        self.floor = floor
        self._factor = round(factor * 16)
        self.level = np.zeros(shape, np.int16)
        self.noise = np.full(shape, _QUIET, np.int16)
        self.threshold = np.full(shape, floor, np.int16)
        self.difference = np.zeros(shape, np.int16)
        self.magnitude = np.zeros(shape, np.int16)
        self.fired = np.zeros(shape, np.bool_)
        self.edges = np.zeros(shape, np.int16)
        """Steps of the level over two cells, the larger of across and down."""
        self.restless = np.zeros(shape, np.uint8)
        """How often a cell came and went of late without being believed: eight for each time, fading."""
        self._base = np.full(shape, floor, np.int16)
        self._on = np.zeros(shape, np.bool_)
        self._was_on = np.zeros(shape, np.bool_)
        self._often = np.zeros(shape, np.uint8)
        self._bank = np.zeros((LOOKS, *shape), np.int16)
        self._apart = np.zeros((LOOKS, *shape), np.int16)
        self._near = np.zeros((LOOKS, *shape), np.bool_)
        self._agree = np.zeros(shape, np.uint8)
        self._known = np.zeros(shape, np.bool_)
        self._step = np.zeros(shape, np.int16)
        self._sign = np.zeros(shape, np.int16)
        self._tick = 0
        self._any_on = False

    def start(self, cells: NDArray[np.int16], *, anew: bool) -> None:
        """Believe that nothing but background is seen; remember half of the looks from before unless `anew`."""
        np.copyto(self.level, cells)
        np.copyto(self._bank if anew else self._bank[::2], cells)
        self.noise.fill(_QUIET)
        if anew:
            self.restless.fill(0)
        self._compile(slice(None))
        self._tick = 0

    def compare(self, cells: NDArray[np.int16]) -> None:
        """Set `difference`, `magnitude` and `fired` (where the magnitude passes the threshold)."""
        np.subtract(cells, self.level, out=self.difference)
        self.fire()

    def fire(self, unrest: int | NDArray[np.int16] = 0) -> None:
        """Set `magnitude` and `fired` anew after `difference` was changed; `unrest` is added to the thresholds."""
        np.absolute(self.difference, out=self.magnitude)
        if isinstance(unrest, np.ndarray) or unrest:
            np.add(self.threshold, unrest, out=self._step)
            np.greater(self.magnitude, self._step, out=self.fired)
        else:
            np.greater(self.magnitude, self.threshold, out=self.fired)

    def shift(self, amount: int | NDArray[np.int16]) -> None:
        """Follow a change of light: add an offset, or a field of offsets, to everything that was learned."""
        np.add(self.level, amount, out=self.level, casting="unsafe")
        np.add(self._bank, amount, out=self._bank, casting="unsafe")
        np.subtract(self.difference, amount, out=self.difference, casting="unsafe")

    def darken(self, amount: int) -> None:
        """Follow a change of light by an offset also in the noise: grain weighs more when there is less light."""
        percent = round(100 * 2.0 ** (-max(-8192, min(8192, amount)) / 4096))
        noise = np.clip(self.noise.astype(np.int32) * percent // 100, 4, 4000)
        np.copyto(self.noise, noise, casting="unsafe")
        self._compile(slice(None))

    def recall(self, cells: NDArray[np.int16]) -> None:
        """Clear `fired` where the cells look as they did before: two remembered looks are within the threshold."""
        fired = self.fired.reshape(-1)
        at = np.flatnonzero(fired)
        if at.size * _FEW < fired.size:
            looks = self._bank.reshape(LOOKS, -1).take(at, axis=1)
            np.subtract(looks, cells.reshape(-1).take(at), out=looks)
            np.absolute(looks, out=looks)
            near = np.less_equal(looks, self.threshold.reshape(-1).take(at))
            known = np.add.reduce(near.view(np.uint8), axis=0, dtype=np.uint8) >= _AGREE
            fired[at[known]] = False
            return
        np.subtract(self._bank, cells, out=self._apart)
        np.absolute(self._apart, out=self._apart)
        np.less_equal(self._apart, self.threshold, out=self._near)
        np.add.reduce(self._near.view(np.uint8), axis=0, dtype=np.uint8, out=self._agree)
        np.less(self._agree, _AGREE, out=self._known)
        np.logical_and(self.fired, self._known, out=self.fired)

    def learn(
        self,
        cells: NDArray[np.int16],
        hold: NDArray[np.int16] | None,
        *,
        fast: bool,
        stirred: bool,
        steady: bool,
        eager: bool,
    ) -> None:
        """Learn from what `compare` saw: a band of rows, and the bank on a lattice.

        hold: 0 where something stands that must not become background, -1 elsewhere; or None.
        fast: the model is young, so learn from all rows and follow at once.
        stirred: some cells fired.
        steady: what differs is grain, so learn the noise too.
        eager: remember looks at twice the pace: there is much that comes and goes.
        """
        self._tick += 1
        if fast:
            self._learn_rows(slice(None), hold, 2, steady=steady)
            np.copyto(self._bank[self._tick // 2 % LOOKS], cells)
        else:
            height = self.level.shape[0]
            band = self._tick % _BANDS
            self._learn_rows(slice(band * height // _BANDS, (band + 1) * height // _BANDS), hold, 3, steady=steady)
        if stirred or self._any_on:
            self._any_on = stirred
            self._count_onsets(hold)
        self._remember(cells, hold, self._tick)
        if eager:
            self._remember(cells, hold, self._tick + _LATTICE * _LATTICE * LOOKS // 2 + 8)

    def settle(self) -> None:
        """End the first seconds: the middle of the looks is the level, and their spread the noise."""
        looks = np.sort(self._bank, axis=0)
        np.copyto(self.level, (looks[LOOKS // 2 - 1] >> 1) + (looks[LOOKS // 2] >> 1))
        spread = (looks[LOOKS - 3] - looks[2]) >> 1
        np.copyto(self.noise, np.clip(spread, 4, _MOST_NOISE))
        self._compile(slice(None))

    def _count_onsets(self, hold: NDArray[np.int16] | None) -> None:
        """Count for each cell how often it begins to differ, against a threshold that does not depend on the count."""
        on, often = self._on, self._often
        np.greater(self.magnitude, self._base, out=on)
        if hold is not None:
            np.logical_and(on, hold, out=on)
        np.greater(on, self._was_on, out=self._was_on)
        np.left_shift(self._was_on.view(np.uint8), 3, out=often)
        np.minimum(self.restless, 255 - 8, out=self.restless)
        np.add(self.restless, often, out=self.restless)
        np.copyto(self._was_on, on)

    def _learn_rows(self, rows: slice, hold: NDArray[np.int16] | None, shift: int, *, steady: bool) -> None:
        step, sign = self._step[rows], self._sign[rows]
        magnitude, noise = self.magnitude[rows], self.noise[rows]
        np.add(self.difference[rows], 1 << (shift - 1), out=step)
        np.right_shift(step, shift, out=step)
        if shift == 3:
            # What fires and was not recalled is followed slowly: it may be a thing that is not yet believed.
            np.minimum(step, _DRIFT, out=sign)
            np.maximum(sign, -_DRIFT, out=sign)
            np.copyto(step, sign, where=self.fired[rows])
        if hold is not None:
            np.bitwise_and(step, hold[rows], out=step)
        np.add(self.level[rows], step, out=self.level[rows])
        if not steady:
            self._compile(rows)
            return
        # The noise climbs by three steps or falls by one: it settles where a quarter of the magnitudes is larger.
        np.subtract(magnitude, noise, out=sign)
        np.right_shift(sign, 15, out=sign)
        np.left_shift(sign, 2, out=sign)
        np.add(sign, 3, out=sign)
        np.right_shift(noise, 4, out=step)
        np.add(step, 1, out=step)
        np.multiply(step, sign, out=step)
        if hold is not None:
            np.bitwise_and(step, hold[rows], out=step)
        np.add(noise, step, out=noise)
        np.maximum(noise, 4, out=noise)
        self._compile(rows)

    def _compile(self, rows: slice) -> None:
        """Make the thresholds from the noise, the edges and what comes and goes."""
        noise, base = self.noise[rows], self._base[rows]
        np.multiply(noise, self._factor, out=base)
        np.right_shift(base, 4, out=base)
        np.maximum(base, self.floor, out=base)
        self._allow_for_edges(rows)
        restless, often, more = self.restless[rows], self._often[rows], self._step[rows]
        np.right_shift(restless, 5, out=often)
        np.subtract(restless, often, out=restless)
        np.maximum(restless, _RARE, out=often)
        np.subtract(often, _RARE, out=often)
        np.copyto(more, often)
        np.left_shift(more, 3, out=more)
        np.add(base, more, out=self.threshold[rows])

    def _allow_for_edges(self, rows: slice) -> None:
        """Raise the threshold where the background itself has an edge: a pole sways, a lens breathes."""
        level, base, edges = self.level[rows], self._base[rows], self.edges[rows]
        down = self._sign[rows]
        row = level.shape[1]
        flat, steps, other = level.reshape(-1), edges.reshape(-1), down.reshape(-1)
        np.subtract(flat[2:], flat[:-2], out=steps[1:-1])
        edges[:, 0] = edges[:, -1] = 0  # one row's end is not the next one's beginning
        np.absolute(steps, out=steps)
        down[0] = down[-1] = 0
        np.subtract(flat[2 * row :], flat[: -2 * row], out=other[row:-row])
        np.absolute(other, out=other)
        np.maximum(steps, other, out=steps)
        np.right_shift(edges, _SWAY, out=down)
        np.maximum(down, base, out=base)

    def _remember(self, cells: NDArray[np.int16], hold: NDArray[np.int16] | None, tick: int) -> None:
        """Put the look of one cell in sixteen into its bank, each time into the next place."""
        turn = tick % (_LATTICE * _LATTICE)
        # 5 and 16 share no factor, so all cells of the lattice have their turn, neighbours far apart in time.
        turn = turn * 5 % (_LATTICE * _LATTICE)
        place = tick // (_LATTICE * _LATTICE) % LOOKS
        at = (slice(turn // _LATTICE, None, _LATTICE), slice(turn % _LATTICE, None, _LATTICE))
        if hold is None:
            self._bank[place][at] = cells[at]
        else:
            np.copyto(self._bank[place][at], cells[at], where=hold[at].astype(np.bool_))

    def absorb(self, at: tuple[slice, slice], mask: NDArray[np.bool_], cells: NDArray[np.int16]) -> None:
        """Take what is seen under `mask` within the window `at` as background from now on."""
        np.copyto(self.level[at], cells[at], where=mask)
        for look in self._bank[: LOOKS // 2]:
            np.copyto(look[at], cells[at], where=mask)
