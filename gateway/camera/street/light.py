"""Light on the corner and the camera's answer to it: sun, sky, lamps in lux; an auto-exposure that steps.

A pixel's signal is reflectance x illuminance x exposure time x gain; the picture is its square root (gamma 2), as
`render.py` makes it. Not here: where the light falls (backdrop.py). Called on the thread that reads the camera.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from gateway.camera.frame import Exposure

FULL_SCALE = 1 / (1.0e4 * 300)
"""Signal (1.0 = white) of a white surface under one lux exposed for one microsecond at gain 1."""
SHORTEST_US = 30.0
HIGHEST_GAIN = 16.0
TARGET = 0.17
"""Mean signal that the exposure aims at: grey level 105."""


class Colour(NamedTuple):
    """Reflectance (linear luma, 0..1) and chroma relative to the gamma-coded luma (BT.601, full range)."""

    luma: float
    cb: float = 0.0
    cr: float = 0.0


def colour(red: float, green: float, blue: float) -> Colour:
    """Return the colour of a surface that reflects these shares (linear, 0..1) of red, green and blue light."""
    r, g, b = math.sqrt(red), math.sqrt(green), math.sqrt(blue)
    y = 0.299 * r + 0.587 * g + 0.114 * b
    return Colour(y * y, 0.564 * (b - y) / y, 0.713 * (r - y) / y)


@dataclass(frozen=True, slots=True)
class Light:
    """Illuminance in lux by where it comes from."""

    sun: float = 0.0
    """Directly, where no building stands before it."""
    sky: float = 0.0
    """From everywhere."""
    lamp: float = 0.0
    """Under the street lamps."""
    glow: float = 0.0
    """Windows, signs and the lamps themselves, as they are seen."""
    infrared: float = 0.0
    """From the camera's own infra-red lamp."""

    def rounded(self) -> Light:
        """Return the light with each part rounded to a hundredth of itself."""

        def near(lux: float) -> float:
            return math.exp(round(math.log(lux) * 100) / 100) if lux > 0 else 0.0

        return Light(near(self.sun), near(self.sky), near(self.lamp), near(self.glow), near(self.infrared))

    @property
    def lux(self) -> float:
        """What a light meter on the road would say."""
        return self.sun + self.sky + 0.4 * self.lamp


def daylight(altitude: float, overcast: float = 0.0) -> Light:
    """Return the light when the sun stands `altitude` degrees above the horizon (below: negative).

    Follows the usual figures: 400 lux of sky at sunset, 3 at the end of civil twilight, 60,000 of sun at noon.
    """
    sky = 12_000 * math.sin(math.radians(altitude)) + 400 if altitude > 0 else 400 * 10 ** (altitude / 2.8)
    sun = 60_000 * math.sin(math.radians(altitude)) ** 1.3 * (1 - overcast) if altitude > 0 else 0.0
    night = min(max((1.0 - altitude) / 5.0, 0.0), 1.0)  # lamps are switched by a twilight sensor and warm up
    return Light(sun=sun, sky=sky * (1 + 0.4 * overcast) + 0.3, lamp=30.0 * night, glow=14.0 * night + 0.002 * sky)


@dataclass(slots=True)
class AutoExposure:
    """Chooses time and gain from the picture's brightness: every few frames, in steps of a sixteenth of a stop."""

    longest_us: float
    every: int = 4
    """Frames from one look to the next: what a step takes to show."""
    bias: float = 0.0
    """Stops that somebody added."""
    hunting: float = 0.0
    """Amplitude in stops of a badly tuned loop that swings round its aim."""
    stops: float = 0.0
    """log2 of time x gain in microseconds."""

    def settle(self, signal: float) -> None:
        """Jump to the right exposure: `signal` is the mean signal per microsecond."""
        self.stops = math.log2(TARGET / max(signal, 1e-12))

    def step(self, mean: float, t: float) -> None:
        """Look at the mean signal (0..1, clipped as the sensor clips) at second `t`, and react."""
        wanted = math.log2(TARGET / max(mean, 1e-6))
        wanted += self.hunting * math.sin(2 * math.pi * t / 1.7)
        if abs(wanted) > 0.09 + 0.02 * self.hunting:
            eager = 1.0 if abs(wanted) > 1.5 else 0.4  # far off, or clipped: who knows how far
            change = round(max(-3.0, min(3.0, wanted * eager)) * 16)
            self.stops += (change or math.copysign(1, wanted)) / 16
        top = math.log2(self.longest_us * HIGHEST_GAIN)
        self.stops = min(max(self.stops, math.log2(SHORTEST_US)), top)

    def reported(self, light: Light) -> Exposure:
        """Return what the camera says of the exposure in force: first the time grows, then the gain."""
        total = 2.0 ** min(self.stops + self.bias, math.log2(self.longest_us * HIGHEST_GAIN * 4))
        time = min(max(total, SHORTEST_US), self.longest_us)
        warm = min(1.0, light.lamp / (light.lux + 1e-9))
        return Exposure(
            time_us=time, gain=max(total / time, 1.0), lux=light.lux, colour_gains=(1.9 - 0.5 * warm, 1.6 + 0.7 * warm)
        )
