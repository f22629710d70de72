"""A lesson: how level, noise and threshold of the background learn from what was seen.

All rows learn at once, in one frame of four: a quarter of the rows in every frame would be the same work in four times
as many calls, and on arrays as small as these a call costs more than the numbers. Views are made once. Limits are rows
of equal numbers: NumPy takes the lesser of two arrays eight times as fast as of an array and one number.

Not here: when there is a lesson (background.py). Runs on the camera's thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.motion.model import Model

_DRIFT = 40  # the most that a level follows something unexplained at one turn, in units
_SWAY = 3  # an edge may move by a quarter of a cell: its slope over two cells, divided by 2 ** 3
_RARE = 16  # two onsets are nothing
_LULL = 64  # lessons in which little restlessness falls by one: four onsets are nothing after six minutes
_LEAST_NOISE = 4  # units
_MOST_NOISE = 300  # units that a threshold follows: leaves are told by their looks, and no person may be as leaves


class Lesson:
    """Teaches one model; all arrays are the model's, or views of them."""

    def __init__(self, model: Model, *, factor: int) -> None:
        """Take a model; factor: how many times the noise the threshold is, in sixteenths."""
        self._factor = factor
        self._difference, self._magnitude = model.difference, model.magnitude
        self._fired, self._restless = model.fired, model.restless
        self._level, self._noise = model.level, model.noise
        self._base, self._threshold = model.base, model.threshold
        self._step, self._sign, self._often = model.step, model.sign, model.often
        height, width = self._level.shape
        level, edges, down = self._level.reshape(-1), model.edges, self._sign
        steps, other = edges.reshape(-1), down.reshape(-1)
        self._edges = edges
        self._hold = np.zeros((height, width), np.int16)
        self._across = level[2:], level[:-2], steps[1:-1]
        self._down = level[2 * width :], level[: -2 * width], other[width:-width]
        self._sides, self._ends = edges[:, :: width - 1], down[:: height - 1]
        self._most, self._least = _row(width, _DRIFT), _row(width, -_DRIFT)
        self._floor, self._least_noise = _row(width, model.floor), _row(width, _LEAST_NOISE)
        self._most_noise = _row(width, _MOST_NOISE)
        self._lessons = 0
        self._one = _row(width, 1).astype(np.uint8)
        self._rare = _row(width, _RARE).astype(np.uint8)

    def learn(self, free: NDArray[np.bool_] | None, shift: int, *, steady: bool, slow: bool) -> None:
        """Follow what was seen by its 2 ** shift-th part.

        free: (height, width), False where nothing may be learned; or None.
        steady: what differs is grain, so learn the noise too. slow: some cells fired and are followed slowly.
        """
        step, sign, noise = self._step, self._sign, self._noise
        np.add(self._difference, 1 << (shift - 1), step)
        np.right_shift(step, shift, step)
        if slow:
            # What fires and was not recalled is followed slowly: it may be a thing that is not yet believed.
            np.minimum(step, self._most, out=sign)
            np.maximum(sign, self._least, out=sign)
            # A copy under a mask would take four times as long. The base is made anew below.
            np.subtract(sign, step, sign)
            self._base[...] = self._fired
            np.multiply(sign, self._base, sign)
            np.add(step, sign, step)
        hold = self._hold
        if free is not None:
            hold[...] = free
            np.negative(hold, hold)  # all bits of a step, or none
            np.bitwise_and(step, hold, step)
        np.add(self._level, step, self._level)
        if steady:
            # The noise climbs by three steps or falls by one: it settles where a quarter of the magnitudes is larger.
            np.subtract(self._magnitude, noise, sign)
            np.right_shift(sign, 15, sign)
            np.bitwise_or(sign, 3, sign)
            np.right_shift(noise, 4, step)
            np.add(step, 1, step)
            np.multiply(step, sign, step)
            if free is not None:
                np.bitwise_and(step, hold, step)
            np.add(noise, step, noise)
            np.maximum(noise, self._least_noise, out=noise)
        self.compile()

    def compile(self) -> None:
        """Make the thresholds from the noise, the edges and what comes and goes."""
        base = self._base
        np.minimum(self._noise, self._most_noise, out=base)
        np.multiply(base, self._factor, base)
        np.right_shift(base, 4, base)
        np.maximum(base, self._floor, out=base)
        self._allow_for_edges()
        restless, often, more = self._restless, self._often, self._step
        most = int(np.maximum.reduce(restless, axis=None))
        self._lessons += 1
        if most and self._lessons % _LULL == 0:
            # A share of little is nothing: what moved once would be restless for ever. But leaves rest between gusts.
            np.minimum(restless, self._one, out=often)
            np.subtract(restless, often, restless)
        if most <= _RARE:
            self._threshold[...] = base
            return
        np.right_shift(restless, 5, often)
        np.subtract(restless, often, restless)
        np.maximum(restless, self._rare, out=often)
        np.subtract(often, _RARE, often)
        more[...] = often
        np.multiply(more, 8, more)
        np.add(base, more, self._threshold)

    def _allow_for_edges(self) -> None:
        """Raise the threshold where the background itself has an edge: a pole sways, a lens breathes."""
        edges, down = self._edges, self._sign
        after, before, steps = self._across
        np.subtract(after, before, steps)
        self._sides.fill(0)  # one row's end is not the next one's beginning
        np.absolute(edges, edges)
        after, before, steps = self._down
        np.subtract(after, before, steps)
        self._ends.fill(0)
        np.absolute(down, down)
        np.maximum(edges, down, out=edges)
        np.right_shift(edges, _SWAY, down)
        np.maximum(down, self._base, out=self._base)


def _row(width: int, value: int) -> NDArray[np.int16]:
    return np.full((1, width), value, np.int16)
