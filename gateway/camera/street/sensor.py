"""What a sensor makes of light: shot noise, read noise, a full well, and the square root as its gamma curve.

Under a square root shot noise is equally strong everywhere, as in a real gamma-coded picture; read noise shows in the
dark. Not here: which light arrives (render.py). Work arrays are made once. Called on the thread that reads the camera.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.camera.street.view import Floats

SHOT = 9.0e-5
"""Variance of the signal per unit of signal and of gain, for a pixel of the luma plane."""
READ = 2.2e-4
"""Standard deviation of the signal per unit of gain in the dark."""
BLACK = 0.004
"""The sensor's offset as a signal: black is not 0."""


class NoisePool:
    """Standard normal numbers, made once; a frame's noise is a stretch of it that its number chooses."""

    def __init__(self, seed: int, size: int = 1 << 19) -> None:
        self.values = np.random.default_rng([seed, 4]).standard_normal(size, np.float32)

    def at(self, key: int, count: int) -> Floats:
        """Return `count` numbers for a key; `count` is well below the pool's size."""
        mixed = (key * 0x9E3779B97F4A7C15 + 0x7F4A7C15) & 0xFFFFFFFFFFFFFFFF
        mixed = ((mixed ^ (mixed >> 29)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        start = (mixed >> 24) % (len(self.values) - count)
        return self.values[start : start + count]


class Sensor:
    """Makes grey levels of one raster; `pixels` is its luma plane, with two chroma planes below it if in colour."""

    def __init__(self, width: int, height: int, pool: NoisePool, *, colour: bool, noise: float = 1.0) -> None:
        self.width, self.height, self.pool = width, height, pool
        self.noise = noise
        rows = height * 3 // 2 if colour else height
        self.pixels: NDArray[np.uint8] = np.zeros((rows, width), np.uint8)
        self.band = max(2, min(height, 65_536 // width) & ~1)  # what stays in the processor's cache
        self.work = [np.zeros((self.band, width), np.float32) for _ in range(2)]

    def expose(self, light: Floats, exposure: float, gain: float, key: int) -> None:
        """Turn lux x reflectance into grey levels; `exposure`: signal per lux; `gain`, `key`: how much noise, which."""
        shot, read = np.float32(SHOT * gain * self.noise), np.float32((READ * gain) ** 2 * self.noise)
        for n, top in enumerate(range(0, self.height, self.band)):
            rows = slice(top, min(top + self.band, self.height))
            high = rows.stop - top
            s, w = self.work[0][:high], self.work[1][:high]
            np.multiply(light[rows], np.float32(exposure), out=s)
            np.clip(s, 0.0, 1.5, out=s)  # a full well holds no more
            np.multiply(s, shot, out=w)
            w += read
            np.sqrt(w, out=w)
            w *= self.pool.at(key * 64 + n, high * self.width).reshape(w.shape)
            s += w
            s += np.float32(BLACK)
            np.clip(s, 0.0, 0.9999, out=s)
            np.sqrt(s, out=s)
            s *= np.float32(255.99)
            self.pixels[rows] = s

    def colour_in(self, tint: Floats | None) -> None:
        """Fill the chroma planes (I420) from chroma relative to luma, (2, h / 2, w / 2), overwritten; None: grey."""
        h, w = self.height, self.width
        planes = self.pixels[h:].reshape(2, h // 2, w // 2)
        if tint is None:
            planes[:] = 128
            return
        luma = self.pixels[:h:2, ::2].astype(np.float32)
        for plane, value in zip(planes, tint, strict=True):
            np.multiply(value, luma, out=value)
            np.add(value, np.float32(128.5), out=value)
            plane[:] = np.clip(value, 0, 255, out=value)
