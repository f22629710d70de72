"""What tests of the simulated corner's scenes share: a corner at a second, and what a picture looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gateway.camera.street import Street

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from gateway.camera.frame import Frame

FPS = 10.0
SIZE = (320, 180)
NO_MAIN = (0, 0)
SMALL = (160, 90)


def corner(scene: str, seed: int = 1, size: tuple[int, int] = SIZE, fps: float = FPS) -> Street:
    """Return a scene without pace and without a large picture."""
    return Street(size, fps, seed, scene=scene, main_size=(0, 0), pace=False)


def at(street: Street, t: float) -> Frame:
    """Return the first frame not before second `t`, skipping the others."""
    street.world.advance(int(t * street.fps) - 1)
    return street.read(1)


def grey(frame: Frame) -> NDArray[np.float32]:
    """Return a copy of the luma plane as floats."""
    return frame.luma.astype(np.float32)


def run(street: Street, begin: float, end: float) -> Iterator[Frame]:
    """Yield the frames from second `begin` to `end`."""
    frame = at(street, begin)
    while frame.number < end * street.fps:
        yield frame
        frame = street.read(1)


def sharpness(luma: NDArray[np.float32]) -> float:
    """Return the mean absolute gradient."""
    return float(np.abs(np.diff(luma, axis=1)).mean())
