"""What is left of the cells that fired: without those that are alone, and those that look as they did before.

Not here: which cells fire (background.py), which belong together (regions.py). Runs on the camera's thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.motion.background import Background
    from gateway.motion.regions import Regions

_MANY = 50  # where one cell in so many fires, some have company


def sift(model: Background, regions: Regions, clean: NDArray[np.int16], count: int, area: int) -> int:
    """Take cells that look as they did before out of `model.fired`; keep what is in company; return how many fire.

    Grain alone stays as it fired, and 0 is returned. Most quiet frames end after one look at who has a neighbour.
    clean: the frame without fields of light. count: how many cells fire. area: cells that are not masked.
    """
    if count < 2:
        return 0
    few = count * _MANY < area
    at = model.flat_fired.nonzero()[0]
    if few and not regions.touch(model.flat_fired, at):
        return 0
    regions.weigh(model.restless)
    left = model.recall(clean, at)
    regions.keep(model.fired)
    if few and not np.count_nonzero(regions.kept):
        # No company is left: was there any?
        model.flat_fired[at] = True
        regions.keep(model.fired)
        if not np.count_nonzero(regions.kept):
            return 0
        model.recall(clean, at)
        regions.keep(model.fired)
    return left
