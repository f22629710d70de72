"""What a thing covers, pixel by pixel: cells are found first, then their rims are looked at again in the luma plane.

Each pixel is remembered as its share of its cell's grey level, in a byte. A change of light scales pixel and cell
alike, so the model's present level and that share give the grey level expected of the pixel in the present light.
The shares are learned a band of rows at a time and used only when somebody asks for a mask: neither costs much.

Not here: what is a thing (regions.py, tracks.py). Runs on the camera's thread.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from gateway.motion.cells import OCTAVE, PEDESTAL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.motion.background import Background
    from gateway.motion.cells import Cells

_BANDS = 16  # bands of rows, learned in turn
_REST = 4  # ticks between two bands once all are known
_WHOLE = 80  # a pixel that is as bright as its cell
_SMALL = 16  # cells: too little to let a majority of neighbours decide
_BITS = 20  # of a fraction
_FINE = 4  # the grey table has a value for every 16 units of level


_Kind = TypeVar("_Kind", np.int32, np.bool_)


class Outline:
    """Pixels within their cells, for one size of plane; owns the buffers that this needs."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        size, rows, width = cells.size, cells.height, cells.width * cells.size
        self._share = np.full((rows, size, width), _WHOLE, np.uint8)
        self._luma = np.zeros((rows, size, width), np.uint8)
        self._column = np.arange(width) // size
        ends = [band * rows // _BANDS for band in range(_BANDS + 1)]
        self._bands = [slice(a, b) for a, b in itertools.pairwise(ends)]
        most = max(b - a for a, b in itertools.pairwise(ends))
        self._seen = np.zeros((most, size, width), np.int32)
        self._product = np.zeros((most, size, width), np.int32)
        self._new, self._old = (np.zeros((most, size, width), np.int16) for _ in range(2))
        self._open = np.zeros((most, width), np.int16)
        self._open_cells = np.zeros((most, cells.width), np.int16)
        self._scale = np.zeros((most, cells.width), np.int32)
        self._index = np.zeros((most, cells.width), np.intp)
        self._wide = np.zeros((most, width), np.int32)
        self._still = np.zeros((most, cells.width), np.bool_)
        # Units of 1/16 grey level, pedestal included.
        steps = np.arange((1 << 15 >> _FINE) + 1)
        grey = 16 * PEDESTAL * np.exp2((steps << _FINE) / OCTAVE)
        self._grey = np.minimum(np.rint(grey), 1 << 14).astype(np.int32)
        # Shares for each grey level of a pixel: a product is five times as fast as a quotient.
        self._per_grey = np.ceil((16 * _WHOLE << _BITS) / self._grey).astype(np.int32)
        self._tick = 0
        self._fresh = 2 * _BANDS

    @property
    def known(self) -> bool:
        """Whether every band was learned."""
        return self._fresh <= _BANDS

    def restart(self) -> None:
        """Learn all bands anew."""
        self._fresh = 2 * _BANDS

    def learn(self, luma: NDArray[np.uint8], model: Background, free: NDArray[np.bool_] | None) -> None:
        """Learn a band of rows where nothing fires and nothing stands; free: False where something does, or None."""
        self._tick += 1
        if self._fresh:
            self._fresh -= 1
        elif self._tick % _REST != _REST - 1:  # other things are done in other frames
            return
        band = self._bands[(self._tick if self._fresh else self._tick // _REST) % _BANDS]
        n = band.stop - band.start
        seen, product, still = self._seen[:n], self._product[:n], self._still[:n]
        new, old, open_ = self._new[:n], self._old[:n], self._open[:n]
        size, width = self._share.shape[1:]
        seen[...] = luma[band.start * size : band.stop * size, :width].reshape(n, size, width)
        level = self._scale[:n]
        at = self._index[:n]
        at[...] = model.level[band]
        np.right_shift(at, _FINE, at)
        self._per_grey.take(at, out=level, mode="clip")
        level.take(self._column, axis=1, out=self._wide[:n], mode="clip")
        np.add(seen, int(PEDESTAL), seen)
        # Not in place: NumPy would work on a copy.
        np.multiply(seen, self._wide[:n, None, :], product)
        np.right_shift(product, _BITS, product)
        new[...] = product  # less than 2 ** 11: the darkest cell has the pedestal
        np.minimum(new, 255, out=new)
        old[...] = self._share[band]
        np.subtract(new, old, new)
        if self._fresh < _BANDS:
            np.add(new, 2, new)
            np.right_shift(new, 2, new)
        np.logical_not(model.fired[band], still)
        if free is not None:
            np.logical_and(still, free[band], still)
        # Times 0 or 1: a copy under a mask takes longer than three whole passes.
        self._open_cells[:n] = still
        self._open_cells[:n].take(self._column, axis=1, out=open_, mode="clip")
        np.multiply(new, open_[:, None, :], new)
        np.add(new, old, new)
        self._share[band] = new

    def keep(self, luma: NDArray[np.uint8], rows: slice) -> None:
        """Keep these rows of cells of a frame, so that they can be painted after its owner took it back."""
        _, size, width = self._luma.shape
        self._luma[rows] = luma[rows.start * size : rows.stop * size, :width].reshape(-1, size, width)

    def paint(
        self, out: NDArray[np.bool_], at: tuple[slice, slice], cells: NDArray[np.bool_], model: Background, unrest: int
    ) -> None:
        """Set the pixels of one thing in `out`, (cell rows, size, columns of pixels).

        at: the window of the thing in cells. cells: which cells of that window it covers. unrest: how much more than
        its threshold a cell may differ, because the light is unsteady.
        """
        rows, size, width = self._luma.shape
        columns = width // size
        top, bottom = max(0, at[0].start - 1), min(rows, at[0].stop + 1)
        left, right = max(0, at[1].start - 1), min(columns, at[1].stop + 1)
        window = (slice(top, bottom), slice(left, right))
        core = np.zeros((bottom - top, right - left), np.bool_)
        core[at[0].start - top : at[0].stop - top, at[1].start - left : at[1].stop - left] = cells
        pixels = (slice(top, bottom), slice(None), slice(left * size, right * size))
        grey = np.take(self._grey, model.level[window] >> _FINE, mode="clip")
        slack = (
            _spread((model.threshold[window].astype(np.int32) + unrest) * grey >> 12, size) * 45 >> 6
        )  # ln 2 = 45/64
        share = self._share[pixels].reshape(slack.shape).astype(np.int32)
        seen = self._luma[pixels].reshape(slack.shape).astype(np.int32)
        away = (seen + int(PEDESTAL) << 4) - _spread(grey, size) * share // _WHOLE
        # A mean of neighbours sees through grain, but it is blurred: a pixel beside the rim must differ by itself.
        mean, alone = np.abs(_means(away, size)), np.abs(away)
        fired = (mean > slack) & (alone * 2 > mean) | (alone > 4 * slack)
        near = _spread(_grown(core), size)
        fired &= near
        count = _neighbours(fired)
        few = np.count_nonzero(cells) < _SMALL
        fired = (fired & (count >= 3)) | (count >= 6) if few else count >= 5
        # What is closed in on four sides belongs to it: a coat may be as grey as the wall behind.
        fired |= _closed_in(fired) | _spread(_shrunk(core), size)
        fired &= near
        target = out[pixels]
        target |= fired.reshape(target.shape)


def _spread(part: NDArray[_Kind], size: int) -> NDArray[_Kind]:
    return part.repeat(size, axis=0).repeat(size, axis=1)


def _means(values: NDArray[np.int32], size: int) -> NDArray[np.int32]:
    """Return the mean of 3 by 3 pixels; of 5 by 5 for cells of 4 and more."""
    reach = 1 if size <= 2 else 2
    sides = 2 * reach + 1
    padded = np.pad(values, reach, mode="edge")
    across = padded[:, : values.shape[1]].copy()
    for i in range(1, sides):
        across += padded[:, i : i + values.shape[1]]
    total = across[: values.shape[0]].copy()
    for i in range(1, sides):
        total += across[i : i + values.shape[0]]
    return total // (sides * sides)


def _neighbours(fired: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Count the pixels that fired among 3 by 3."""
    padded = np.pad(fired.view(np.uint8), 1)
    across = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    count: NDArray[np.uint8] = across[:-2] + across[1:-1] + across[2:]
    return count


def _closed_in(fired: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels that have fired ones to the left and right, above and below."""
    reach = np.maximum.accumulate
    closed: NDArray[np.bool_] = reach(fired, axis=0) & reach(fired[::-1], axis=0)[::-1]
    closed &= reach(fired, axis=1)
    closed &= reach(fired[:, ::-1], axis=1)[:, ::-1]
    return closed


def _grown(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    grown = cells.copy()
    grown[1:] |= cells[:-1]
    grown[:-1] |= cells[1:]
    wide = grown.copy()
    wide[:, 1:] |= grown[:, :-1]
    wide[:, :-1] |= grown[:, 1:]
    return wide


def _shrunk(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return ~_grown(~cells)
