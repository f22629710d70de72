"""The arrays that a background consists of, as those see them who fill them and those who teach them.

Not here: what is asked of a background and when (background.py), how it learns (lesson.py). No thread of its own.
"""

from __future__ import annotations

import numpy as np

QUIET = 24
"""Noise of a new cell, in units."""


class Model:
    """One view; all arrays are (height, width) int16 in units of 1/4096 octave unless said otherwise."""

    def __init__(self, shape: tuple[int, int], *, floor: int) -> None:
        self.floor = floor
        self.level = np.zeros(shape, np.int16)
        self.noise = np.full(shape, QUIET, np.int16)
        self.threshold = np.full(shape, floor, np.int16)
        self.difference = np.zeros(shape, np.int16)
        self.magnitude = np.zeros(shape, np.int16)
        self.fired = np.zeros(shape, np.bool_)
        self.edges = np.zeros(shape, np.int16)
        """Steps of the level over two cells, the larger of across and down."""
        self.restless = np.zeros(shape, np.uint8)
        """How often a cell came and went of late without being believed: eight for each time, fading."""
        self.base = np.full(shape, floor, np.int16)
        # The same in one dimension.
        self.flat_fired, self.flat_threshold = self.fired.reshape(-1), self.threshold.reshape(-1)
        # What whoever is at work notes for a moment.
        self.often = np.zeros(shape, np.uint8)
        self.step = np.zeros(shape, np.int16)
        self.sign = np.zeros(shape, np.int16)
