"""Tells a picture from garbage: what a camera or its cable gives when it is broken, and no street ever looks like.

    another size   the luma plane is not the one that was agreed on
    an empty buffer   every luma value is the same and every chroma value is, and the colour is not grey: a buffer that
                   nobody filled (all zero, which is green). What is dark, white or covered has neutral chroma.
    snow           neighbours differ as much as any two pixels do, and by more than any sensor's noise: a link that lost
                   its synchronisation. Nothing that a lens has drawn is so sharp.

A picture that has no colour and is flat may be a covered lens, and one that repeats for ever is frozen: both are the
view's matter (motion/view.py). What cannot be decoded is no frame: the source says so (footage.py).
Not here: what is done about it. Runs on the thread that reads; allocates nothing per
frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.camera.frame import Frame

ROWS = 24
"""Rows that are looked at, spread over the picture."""
UNRELATED = 0.8
"""Mean squared step between neighbours by that between any two pixels: 1 in white noise, below 0.5 in a picture."""
CONTRAST = 40.0
"""Standard deviation in grey levels: a covered or dark sensor's noise stays below 25 even at its highest gain."""
NEUTRAL = 128
GREYISH = 24
"""Chroma so near to neutral may be a wall in any light."""


class Soundness:
    """Judges the frames of one camera."""

    def __init__(self, size: tuple[int, int]) -> None:
        """Take the width and height of the luma plane in pixels."""
        width, height = size
        self._shape = (height, width)
        self._rows = np.linspace(0, height - 1, min(ROWS, height)).astype(np.intp)
        self._few: NDArray[np.int32] = np.zeros((self._rows.size, width), np.int32)
        self._steps: NDArray[np.int32] = np.zeros((self._rows.size, max(1, width - 1)), np.int32)
        self._bytes: NDArray[np.uint8] = np.zeros((self._rows.size, width), np.uint8)

    def judge(self, frame: Frame) -> str:
        """Return in words what is wrong with a frame; empty: it may be a picture."""
        if frame.luma.shape != self._shape or frame.luma.dtype != np.uint8:
            height, width = frame.luma.shape[:2]
            return f"one of another size: {width}x{height} {frame.luma.dtype}, agreed were {self._shape[::-1]}"
        np.take(frame.luma, self._rows, axis=0, out=self._bytes, mode="clip")  # other modes copy once more
        np.copyto(self._few, self._bytes)
        low, high = int(self._few.min()), int(self._few.max())
        if low == high:
            return "an empty buffer" if _coloured(frame) else ""
        if (high - low) / 2 < CONTRAST:  # no standard deviation is larger
            return ""
        mean = float(np.add.reduce(self._few, axis=None, dtype=np.int64)) / self._few.size
        square = float(np.einsum("ij,ij->", self._few, self._few, dtype=np.int64)) / self._few.size
        variance = square - mean * mean
        if variance < CONTRAST * CONTRAST:
            return ""
        np.subtract(self._few[:, 1:], self._few[:, :-1], out=self._steps)
        step = float(np.einsum("ij,ij->", self._steps, self._steps, dtype=np.int64)) / self._steps.size
        return "snow" if step > UNRELATED * 2.0 * variance else ""


def _coloured(frame: Frame) -> bool:
    """Tell whether the main picture is one single colour that is not grey; False where there is none."""
    main = frame.main
    if main is None:
        return False
    if frame.main_format == "bgr":
        first = main[0, 0]
        grey = int(first.max()) - int(first.min()) <= GREYISH
        return not grey and bool((main == first).all())
    height = frame.main_size[1]
    chroma = main[height : height * 3 // 2, : frame.main_size[0]]
    low, high = int(chroma.min()), int(chroma.max())
    return low == high and abs(low - NEUTRAL) > GREYISH
