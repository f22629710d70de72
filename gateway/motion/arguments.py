"""What the detector can be asked for: which arguments and frames are refused, and in which words.

Not here: what follows from them (detector.py).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LUMA = np.dtype(np.uint8)

Sensitivity = Literal["low", "normal", "high"]

# Smallest difference in hundredths of light, and how many times the noise.
SENSITIVITY: dict[str, tuple[float, float]] = {"low": (0.05, 5.0), "normal": (0.03, 3.5), "high": (0.02, 3.0)}


def check_arguments(
    width: int, height: int, smallest: float, sensitivity: str, ignore: NDArray[np.bool_] | None, declare_after: float
) -> None:
    """Raise a ValueError that says which argument is out of its range, what was found and what is allowed."""
    if not (160 <= width <= 1280 and 120 <= height <= 720):
        raise ValueError(f"the plane must be 160x120 to 1280x720 pixels, found {width}x{height}")
    if not 2 <= smallest <= height:
        raise ValueError(f"smallest must be 2 to {height} pixels, found {smallest}")
    if sensitivity not in SENSITIVITY:
        raise ValueError(f"sensitivity must be low, normal or high, found {sensitivity!r}")
    if ignore is not None and (ignore.dtype != np.bool_ or ignore.shape != (height, width)):
        raise ValueError(f"ignore must be a bool array of shape {(height, width)}, found {ignore.dtype} {ignore.shape}")
    if not (math.isfinite(declare_after) and declare_after >= 0):
        raise ValueError(f"declare_after must be 0 or more seconds, found {declare_after}")


def check_frame(luma: NDArray[np.uint8], t: float, width: int, height: int) -> None:
    """Raise a ValueError that says what cannot be used of a frame, what was found and what is allowed."""
    if not isinstance(luma, np.ndarray) or luma.dtype != _LUMA or luma.shape != (height, width):
        found = f"{luma.dtype} {luma.shape}" if isinstance(luma, np.ndarray) else type(luma).__name__
        raise ValueError(f"luma must be a uint8 array of shape {(height, width)}, found {found}")
    if not math.isfinite(t):
        raise ValueError(f"t must be a finite number of seconds, found {t}")
