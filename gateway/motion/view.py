"""The view itself: covered, defocused, moved or frozen; suspected within a second or two, declared after a while.

A few hundred of the strongest edges of the picture are remembered, spread over it, each by where it is and how steep.
Noise and light hardly touch them. When most are gone and the picture is flat, the lens is covered; when they went all
at once and the picture is as rich as before, it was moved (a lorry takes its time to fill the picture); when they
are there but the picture lost its fine detail, it is out of focus. A picture whose bytes do not change for
seconds is frozen: a real sensor always has noise.

Not here: what follows from it (the detector holds motion back, the daemon latches "moved"). Runs on the
camera's thread.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.motion.background import Background
    from gateway.motion.result import View

_EVERY = 0.39  # seconds between two looks
_TILE = 8  # cells: each tile gives at most four edges
_STEEP = 700  # units over two cells that make an edge
_FEWEST = 40  # edges without which nothing is said
_CHOOSE = 20.0  # seconds after which the edges are chosen anew
_TILE_ROWS = 2  # rows of tiles whose edges are chosen with one frame
_RICH_EVERY = 8  # looks between two measurements of how rich the picture is
_PROVEN = 3  # looks that must find the chosen edges
_FROZEN = 1.5  # seconds of equal bytes before it is suspected
_ABRUPT = 1.0  # seconds in which a knock is over
_ROWS = 32  # pixels between two rows whose sharpness is measured


class Watch:
    """Judges the view from the cells and a few rows of pixels."""

    def __init__(self, height: int, width: int, *, seen: NDArray[np.bool_], declare_after: float) -> None:
        self._declare_after = declare_after
        self._seen = seen
        self._tiles = (height // _TILE, width // _TILE)
        self._edges: NDArray[np.intp] = np.zeros(0, np.intp)
        self._down: NDArray[np.intp] = np.zeros(0, np.intp)
        """How far the other end of each edge lies: two cells to the right, or two rows down."""
        self._steps = np.zeros(0, np.int32)
        self._former: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.int32]] | None = None
        """The edges before, until those that were chosen last are proven."""
        self._wide = np.zeros((height // 4, width // 4 * 4), np.int32)
        self._other = np.zeros_like(self._wide)
        self._coarse = np.zeros((height // 4, width // 4), np.int32)
        self._few = np.zeros((0, 0), np.uint8)
        self._wide_few, self._next = (np.zeros(0, np.int16) for _ in range(2))
        self._proven = 0
        self._row = -1
        """Row of tiles whose edges are chosen next, while they are chosen anew."""
        self._ends: list[tuple[NDArray[np.intp], NDArray[np.intp]]] = []
        self._chosen = self._looked = self._sound = -1e9
        self._usual = 0.0
        self._rich = 0.0
        self._doubt: View = "ok"
        self._since = 0.0
        self._sum = -1
        self._same_since = 0.0
        self.view: View = "ok"
        """What is declared."""
        self.sharpness = 0.0
        """Mean step from one pixel to the next in grey levels."""

    @property
    def suspect(self) -> bool:
        """Whether something seems to be wrong, or is declared to be moved."""
        return self._doubt != "ok" or self.view == "moved"

    @property
    def holds(self) -> bool:
        """Whether motion cannot be told: the doubt is fresh, or the lens is covered."""
        return self._doubt != "ok"

    def restart(self) -> None:
        """Learn the view anew; what is declared stays.

        Not in doubt: then only the edges that are remembered can say that the view is right again.
        """
        if self._doubt != "ok":
            return
        self._edges, self._former = self._edges[:0], None
        self._chosen = -1e9

    def resume(self) -> None:
        """The camera was opened anew: judge its very next frame, what was declared was of the frames before."""
        self._looked = -1e9

    def confirm(self) -> None:
        """A person says that the view is right as it is now."""
        self.view = self._doubt = "ok"
        self.restart()

    def look(
        self, luma: NDArray[np.uint8], cells: NDArray[np.int16], model: Background, t: float, *,
        changed: bool, sound: bool,
    ) -> None:  # fmt: skip
        """Judge a frame.

        model: the background, from whose level edges are chosen while it is `sound`.
        changed: much of the picture differs from it.
        """
        if self._row >= 0:
            self._choose(model, t, calm=sound and not changed and self._doubt == "ok")
        if t < self._looked + _EVERY and (not changed or self._doubt != "ok"):
            return
        self._looked = t
        self._measure(luma, t)
        now = self._judge(cells, t, changed=changed)
        if now != self._doubt:
            self._doubt, self._since = now, t
        if now == "ok":
            if self.view != "moved":
                self.view = "ok"
            if sound and not changed and t - self._chosen >= _CHOOSE and self._row < 0:
                self._row = 0
        elif t - self._since >= self._declare_after:
            self.view = now
            if now == "moved":  # go on with what is seen now; only a person clears the view
                self._doubt = "ok"
                self.restart()

    def _measure(self, luma: NDArray[np.uint8], t: float) -> None:
        rows = luma[_ROWS // 2 :: _ROWS]
        if self._few.shape != rows.shape:
            self._few = np.zeros(rows.shape, np.uint8)
            self._wide_few, self._next = (np.zeros(rows.size, np.int16) for _ in range(2))
        few, wide, step = self._few, self._wide_few, self._next
        few[...] = rows
        now = zlib.crc32(few.data)
        if now != self._sum:
            self._sum, self._same_since = now, t
        wide[...] = few.reshape(-1)
        np.subtract(wide[1:], wide[:-1], step[:-1])
        step[few.shape[1] - 1 :: few.shape[1]] = 0  # one row's end is not the next one's beginning
        np.absolute(step, step)
        self.sharpness = float(np.add.reduce(step, dtype=np.int32)) / step.size

    def _judge(self, cells: NDArray[np.int16], t: float, *, changed: bool) -> View:  # noqa: PLR0911 - one state a line
        if t - self._same_since >= _FROZEN and self.sharpness > 0:
            return "frozen"
        if self._edges.size < _FEWEST:
            return "ok" if self._doubt == "frozen" else self._doubt
        steps = self._measured(cells)
        kept = float(np.count_nonzero(steps * 4 > self._steps)) / steps.size
        if kept >= 0.55:
            return self._sharp_or_not(cells, steps, t)
        if self._proven < _PROVEN and self._former is not None:  # it may be the view, or what stood there just then
            self._edges, self._down, self._steps = self._former
            self._former, self._proven = None, _PROVEN
            return self._judge(cells, t, changed=changed)
        if self._proven < _PROVEN:  # never seen as they were chosen: something else stood there
            self._edges = self._edges[:0]
            self._chosen = t - _CHOOSE / 2
            return "ok"
        if kept >= 0.47:  # half of the edges of any picture agree by chance, if they are as steep
            return self._doubt
        if self._richness(cells) < 0.4 * self._rich:
            return "covered"
        if self.sharpness < 0.5 * self._usual:
            return "defocused"
        knocked = changed and t - self._sound <= _ABRUPT
        return "moved" if self._doubt != "ok" or knocked else "ok"

    def _sharp_or_not(self, cells: NDArray[np.int16], steps: NDArray[np.int32], t: float) -> View:
        """The edges are where they were: are they as steep?"""
        if self.sharpness < 0.5 * self._usual and int(np.median(steps * 8 // self._steps)) <= 5:
            return "defocused"
        self._sound = t
        self._proven += 1
        self._usual += (self.sharpness - self._usual) * 0.01
        if self._proven % _RICH_EVERY == 0:
            self._rich += (self._richness(cells) - self._rich) * 0.01 * _RICH_EVERY
        return "ok"

    def _measured(self, cells: NDArray[np.int16]) -> NDArray[np.int32]:
        """Return the steps at the remembered edges, positive in the direction that they had."""
        flat = cells.reshape(-1)
        steps: NDArray[np.int32] = np.subtract(flat.take(self._down), flat.take(self._edges), dtype=np.int32)
        return steps

    def _choose(self, model: Background, t: float, *, calm: bool) -> None:
        """Remember the steepest edges of each tile, from the darker to the brighter end: their steps are positive.

        A few rows of tiles at each call, so that no frame takes long; from the beginning when it is not calm.
        """
        if not calm:
            self._row = 0
            self._ends.clear()
            return
        self._ends.append(self._strongest(model.level, model.threshold, self._row))
        self._row += _TILE_ROWS
        if self._row < self._tiles[0]:
            return
        a, b = (np.concatenate(ends) for ends in zip(*self._ends, strict=True))
        flat = model.level.reshape(-1)
        falling = flat[b] < flat[a]
        a[falling], b[falling] = b[falling], a[falling]
        if self._edges.size >= _FEWEST and self._proven >= _PROVEN:
            self._former = self._edges, self._down, self._steps
        self._edges, self._down = a, b
        self._steps = np.maximum(1, self._measured(model.level))
        self._chosen = self._sound = t
        self._proven = 0
        self._usual, self._rich = self.sharpness, self._richness(model.level)
        self._row = -1
        self._ends.clear()

    def _strongest(
        self, cells: NDArray[np.int16], threshold: NDArray[np.int16], row: int
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return both ends of the two steepest steps across and down of each tile, in some rows of tiles."""
        (height, width), across = cells.shape, self._tiles[1]
        down = min(_TILE_ROWS, self._tiles[0] - row)
        top, tiles = row * _TILE, np.arange(down * across)
        corner = top * width + tiles // across * (_TILE * width) + tiles % across * _TILE
        ends: list[NDArray[np.intp]] = []
        others: list[NDArray[np.intp]] = []
        for below, beside in ((0, 2), (2, 0)):
            bottom = min(top + down * _TILE, height - below)
            first = (slice(top, bottom), slice(0, width - beside))
            second = (slice(top + below, bottom + below), slice(beside, width))
            step = cells[second] - cells[first]
            np.absolute(step, step)
            least = np.maximum(threshold[first], threshold[second])
            np.maximum(least, _STEEP // 2, out=least)
            np.multiply(least, 2, least)
            np.copyto(step, 0, where=step < least)
            np.copyto(step, 0, where=~(self._seen[first] & self._seen[second]))
            # Tiles at the right and lower border may be narrower: they get steps of 0.
            band = np.zeros((down * _TILE, across * _TILE), np.int16)
            inside = step[:, : across * _TILE]
            band[: inside.shape[0], : inside.shape[1]] = inside
            each = band.reshape(down, _TILE, across, _TILE).swapaxes(1, 2).reshape(tiles.size, _TILE * _TILE)
            for _ in range(2):
                best = each.argmax(axis=1)
                at = (corner + best // _TILE * width + best % _TILE)[each[tiles, best] > 0]
                each[tiles, best] = 0
                ends.append(at)
                others.append(at + below * width + beside)
        return np.concatenate(ends), np.concatenate(others)

    def _richness(self, cells: NDArray[np.int16]) -> float:
        """Return how much neighbouring patches differ: mean step on a lattice of four cells, blind to grain."""
        coarse, wide, other = self._coarse, self._wide, self._other
        rows = cells[: wide.shape[0] * 4, : wide.shape[1]]
        wide[...] = rows[::4]
        for i in (1, 2, 3):
            other[...] = rows[i::4]  # NumPy would add different types through buffers of its own
            np.add(wide, other, wide)
        np.add(wide[:, ::4], wide[:, 1::4], coarse)
        for i in (2, 3):
            np.add(coarse, wide[:, i::4], coarse)
        return float(np.abs(coarse[:, 1:] - coarse[:, :-1]).mean()) / 16
