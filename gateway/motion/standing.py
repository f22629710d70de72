"""What stands: held out of the model while it is followed, given to the model when it came to stay or left a trace.

Not here: whether something moves (tracks.py), what the model does with it (background.py). Runs on the camera's thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gateway.motion.trust import wobbles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.motion.background import Background
    from gateway.motion.regions import Region, Regions
    from gateway.motion.thing import Thing
    from gateway.motion.tracks import Tracks

_TRACE = 0.6  # seconds after which the trace of something that left is background
_FAINT = 0.8  # seconds after which something without edges of its own is background
_CAME_FROM_NOWHERE = 2.0  # seconds after which something is background that appeared where it stands
_STORMY = 8.0  # regions a frame that belong to nothing
_LARGE = 60  # cells
_STRANGE = 3.0  # seconds after which something that never moved is background
_ABSORB = 60.0  # seconds after which it is background


class Standing:
    """Where things are followed that must not become background yet, over one grid of cells."""

    def __init__(self, height: int, width: int) -> None:
        self._free = np.ones((height, width), np.bool_)
        self._holding = False

    @property
    def free(self) -> NDArray[np.bool_] | None:
        """False where something stands that must not become background, True elsewhere; or None."""
        return self._free if self._holding else None

    def settle(
        self, tracks: Tracks, model: Background, regions: Regions, now: NDArray[np.int16], t: float
    ) -> list[int]:
        """Hold what is followed out of the model; give it what came to stay, and the traces of what left.

        Returns the ids of confirmed tracks that ended so.
        """
        self.release()
        ended: list[int] = []
        stormy = tracks.loose() > _STORMY
        for thing in list(tracks.things):
            region = thing.region
            if region is None:
                continue
            if not thing.confirmed and tracks.promising(thing, t):
                self._keep_out(region)
            elif wobbles(thing, t, stormy=stormy):
                ended += tracks.forget(thing)
            elif _belongs(thing, t):
                for part in (region, *thing.parts):
                    model.absorb(part.at, regions.mask(part), now)
                ended += tracks.forget(thing)
            elif thing.confirmed:
                self._keep_out(region)
        return ended

    def _keep_out(self, region: Region) -> None:
        _, x, y, w, h, *_ = region
        self._free[max(0, y - 2) : y + h + 2, max(0, x - 2) : x + w + 2] = False
        self._holding = True

    def release(self) -> None:
        """Hold nothing any more."""
        if self._holding:
            self._free.fill(1)
            self._holding = False


def _belongs(thing: Thing, t: float) -> bool:
    """Say whether it is background from now on."""
    stood = t - thing.stepped
    if stood <= _TRACE:  # most things walk on
        return False
    if stood > _CAME_FROM_NOWHERE and thing.far < 0.5 * max(thing.w, thing.h) and thing.moving < 0.25:
        return True
    if stood > _ABSORB or (not thing.confirmed and stood > _STRANGE):
        return True
    if thing.area >= _LARGE and thing.far > max(thing.w, thing.h):
        # It was seen to come here, so it is no trace, though it may look like what is behind it.
        # But an even darkness with hardly an edge of its own is what its shadow, or the exposure, left behind.
        shadow = thing.own < 0.22 and thing.shade > 0.8
        return stood > _FAINT and (thing.own < -0.1 or shadow) and thing.moving < 0.25
    return (stood > _TRACE and thing.own < -0.1 and thing.moving < 0.25) or (stood > _FAINT and thing.own < 0.22)
