"""Pictures of any size into the two that a frame has: luma and main, in buffers made once.

Not here: when which buffer is free (video.py). Called on the thread that reads the recording.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(slots=True)
class Slot:
    """Buffers of one frame, made once."""

    luma: NDArray[np.uint8]
    main: NDArray[np.uint8] | None
    number: int = 0
    mono: float = 0.0


class Scaler:
    """Scales pictures of one size, which is that of the first."""

    def __init__(self, first: NDArray[np.uint8], box: tuple[int, int], main_box: tuple[int, int], slots: int) -> None:
        """Decide all sizes and make the buffers.

        Args:
            first: (h, w) grey or (h, w, 3) BGR; decides whether there is a main picture.
            box: largest width and height of the luma picture, in pixels.
            main_box: the same for the main picture.
            slots: how many frames there are buffers for.
        """
        height, width = first.shape[:2]
        self.source_size = (width, height)
        """Width and height of the pictures as they come, in pixels."""
        self.size = fit(self.source_size, box)
        """Width and height of the luma picture."""
        main_width, main_height = fit(self.source_size, main_box)
        colour = first.ndim == 3
        self.slots: list[Slot] = []
        for _ in range(slots):
            main = np.empty((main_height, main_width, 3), np.uint8) if colour else None
            self.slots.append(Slot(np.empty(self.size[::-1], np.uint8), main))
        self._grey = np.empty((main_height, main_width) if colour else (height, width), np.uint8)

    def fill(self, slot: Slot, picture: NDArray[np.uint8]) -> None:
        """Scale a picture, grey or BGR, into a slot."""
        if slot.main is None:
            if picture.ndim == 3:
                picture = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY, dst=self._grey)  # type: ignore[assignment]
            _resize(picture, slot.luma)
            return
        if picture.ndim == 2:
            picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)  # type: ignore[assignment]
        _resize(picture, slot.main)
        if slot.main.shape[:2] == slot.luma.shape:
            cv2.cvtColor(slot.main, cv2.COLOR_BGR2GRAY, dst=slot.luma)
        else:
            cv2.cvtColor(slot.main, cv2.COLOR_BGR2GRAY, dst=self._grey)
            _resize(self._grey, slot.luma)


def fit(size: tuple[int, int], box: tuple[int, int]) -> tuple[int, int]:
    """Return (width, height) scaled down into the box with its aspect kept; never up."""
    scale = min(1.0, box[0] / size[0], box[1] / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _resize(source: NDArray[np.uint8], target: NDArray[np.uint8]) -> None:
    """Fill `target` with `source`, every pixel the mean of what it covers."""
    if source.shape == target.shape:
        np.copyto(target, source)
    else:
        cv2.resize(source, target.shape[1::-1], dst=target, interpolation=cv2.INTER_AREA)
