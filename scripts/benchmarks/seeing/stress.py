"""Eighteen stresses (and insects and waving trees) upon a stage: light, weather, nature, the lens, the sensor.

Each is physics, not taste: light multiplies, exposure scales, drops and flakes are between the lens and the street.
None of it knows a detector. The numbers are those of the field: a cloud's edge is soft over half a metre to metres
and goes with the wind, exposure control hunts at a fraction of a hertz, headlights are four times the street's light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from .nature import COLUMNS, ROWS, Step, bugs, clouds, rain, shaken, snow, sway
from .stage import HEIGHT, WIDTH, Cast, Shot, camera, compose, linear

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .cuts import Grey, Stock

SCENES = (
    "control", "noise", "ramp", "switch", "aeosc", "cloud", "headlight", "rain", "snow", "shake", "foliage", "parked",
    "small", "cyclist", "irswitch", "tamper", "flicker", "shadow", "insects", "trees",
)  # fmt: skip


def shots(name: str, stock: Stock, seed: int, frames: int) -> Iterator[Shot]:
    """Yield the frames of a scene; the same arguments give the same frames."""
    random = np.random.default_rng([seed, SCENES.index(name)])
    scene = linear(stock.backgrounds[(SCENES.index(name) + seed) % len(stock.backgrounds)])
    cast = Cast(stock, random)
    _people(name, cast, frames, random)
    dark = {"noise": 0.25, "headlight": 0.10, "small": 0.6, "insects": 0.22}.get(name, 1.0)
    noise = {"noise": 6.5, "headlight": 4.0, "small": 4.0, "insects": 4.5}.get(name, 2.4)
    step = _STEPS.get(name, _nothing)(random, scene, frames)
    swing = sway(random, name)
    for number in range(frames):
        behind = swing(scene, number) if swing else scene
        light, labels, doubt = compose(behind, cast.actors, number)
        light, grain, curve = step(light * dark, number, noise)
        if name == "shake":
            light, labels, doubt = shaken(light, labels, doubt, number, seed)
        luma = camera(light, random, grain, curve)
        if name == "trees":
            small = np.asarray(cv2.resize(luma, (160, 120), interpolation=cv2.INTER_AREA), np.uint8)
            yield Shot(small, labels[::2, ::2].copy(), doubt[::2, ::2].copy())
        else:
            yield Shot(luma, labels, doubt)


def _people(name: str, cast: Cast, frames: int, random: np.random.Generator) -> None:
    """Choose who comes when."""
    start, last = 60, frames - 60
    crowds: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
        "small": (
            tuple(np.linspace(start, last - 200, 6).astype(int)),
            {"height": (6.0, 10.4), "speed": 2.0, "shadow": 1.0},
        ),
        "tamper": ((55, 80), {"height": (45, 60), "speed": 1.6}),
        "insects": ((120, 300, 450), {"shadow": 1.0}),
        "trees": ((240, 420), {"height": (110, 150), "speed": 0.7, "shadow": 1.0}),
    }
    if name in crowds:
        for first in crowds[name][0]:
            cast.walk(int(first), **crowds[name][1])
        return
    if name == "cyclist":
        for first in np.linspace(start, last, 7).astype(int):
            cast.dash(int(first) + int(random.integers(10)))
        return
    low = 0.45 if name == "shadow" else 1.0 if name in ("noise", "headlight") else 0.75
    for first in np.linspace(start, last, 6).astype(int):
        cast.walk(int(first) + int(random.integers(20)), shadow=low)
    for first in np.linspace(start + 60, last - 80, 2).astype(int):
        cast.drive(int(first), shadow=low)
    if name == "parked":
        cast.leave(180, 110, 150)
        cast.park(260, 220, 200)


def _nothing(random: np.random.Generator, scene: Grey, frames: int) -> Step:  # noqa: ARG001
    return lambda light, _, noise: (light, noise, 2.2)


def _ramp(random: np.random.Generator, scene: Grey, frames: int) -> Step:  # noqa: ARG001
    at = np.array([0, 80, 200, 260, 380, 450, frames])
    low, high = random.uniform(0.25, 0.55), random.uniform(1.1, 2.2)
    amount = np.array([1.0, 1.0, low, low, high, 0.7, 0.9])
    return lambda light, number, noise: (light * np.float32(np.interp(number, at, amount)), noise, 2.2)


def _switch(random: np.random.Generator, scene: Grey, frames: int) -> Step:  # noqa: ARG001
    x, y = random.uniform(0.2, 0.8) * WIDTH, random.uniform(0.1, 0.5) * HEIGHT
    lamp = np.exp(-((COLUMNS - x) ** 2 + (ROWS - y) ** 2) / (2 * random.uniform(50, 130) ** 2)).astype(np.float32)
    base, everywhere, there = random.uniform(0.35, 0.6), random.uniform(0, 0.5), random.uniform(0.6, 2.0)

    def step(light: Grey, number: int, noise: float) -> tuple[Grey, float, float]:
        on = number % 240 >= 130
        return light * np.float32(base) * (1 + (everywhere + there * lamp if on else 0)), noise, 2.2

    return step


def _hunting(random: np.random.Generator, scene: Grey, frames: int) -> Step:  # noqa: ARG001
    deep, period = random.uniform(0.2, 0.45), random.uniform(12, 40)

    def step(light: Grey, number: int, noise: float) -> tuple[Grey, float, float]:
        swing = deep * np.sin(2 * np.pi * number / period) * (number % 200 > 60) * np.exp(-(number % 200 - 60) / 90)
        return light * np.float32(0.8 * (1 + swing)), noise, 2.2

    return step


def _cloudy(random: np.random.Generator, scene: Grey, frames: int) -> Step:  # noqa: ARG001
    wide = clouds(random, float(random.uniform(30, 70)), (HEIGHT, 2048))
    shade = 1 / (1 + np.exp(-wide * np.float32(random.uniform(8, 25))))
    pace, deep = float(random.uniform(1.0, 4.0)), np.float32(random.uniform(0.35, 0.65))

    def step(light: Grey, number: int, noise: float) -> tuple[Grey, float, float]:
        left = pace * number % (2048 - WIDTH - 1)
        part = np.asarray(cv2.getRectSubPix(shade, (WIDTH, HEIGHT), (left + WIDTH / 2, HEIGHT / 2 - 0.5)))
        return light * (1 - deep * part), noise, 2.2

    return step


def _beams(random: np.random.Generator, scene: Grey, frames: int) -> Step:  # noqa: ARG001
    passes = [
        (int(first), float(random.uniform(0.35, 0.9)) * HEIGHT, float(random.uniform(4, 9)), int(random.integers(2)))
        for first in np.linspace(60, 540, 9)
    ]
    bright, wide = np.float32(random.uniform(2, 5)), random.uniform(7, 14)

    def step(light: Grey, number: int, noise: float) -> tuple[Grey, float, float]:
        field = np.ones_like(light)
        for first, y, pace, back in passes:
            s = pace * (number - first) - 40
            if number >= first and s < WIDTH + 80:
                x, turn = (WIDTH - s, -1) if back else (s, 1)
                along, across = (COLUMNS - x) * turn, ROWS - y - 0.1 * (COLUMNS - x) * turn
                spread = wide + 0.18 * np.maximum(along, 0)
                cone = (
                    np.exp(-((across / spread) ** 2))
                    / (1 + np.exp(np.clip(-along / 4, -40, 40)))
                    * np.exp(-np.maximum(along, 0) / 45)
                )
                field += bright * cone.astype(np.float32)
        return light * field, noise, 2.2

    return step


def _infrared(random: np.random.Generator, scene: Grey, frames: int) -> Step:
    reflect = np.exp(0.12 * clouds(random, 12) + random.uniform(-0.6, 0.6) * (scene < 0.12)).astype(np.float32)
    lamp = np.exp(-((COLUMNS - WIDTH / 2) ** 2 + (ROWS - HEIGHT * 0.6) ** 2) / (2 * 130.0**2)).astype(np.float32)

    def step(light: Grey, number: int, noise: float) -> tuple[Grey, float, float]:
        if frames // 3 <= number < frames * 2 // 3:
            return light * reflect * (0.15 + 0.75 * lamp), 2 * noise, 1.8
        return light * np.float32(0.5 if number < frames // 3 else 0.8), noise, 2.2

    return step


def _tamper(random: np.random.Generator, scene: Grey, frames: int) -> Step:  # noqa: ARG001
    glow = np.asarray(0.004 + 0.02 * (COLUMNS / WIDTH) ** 3, np.float32)

    def step(light: Grey, number: int, noise: float) -> tuple[Grey, float, float]:
        if 200 <= number < 300:
            return glow, noise, 2.2
        if 350 <= number < 450:
            return np.asarray(cv2.GaussianBlur(light, (0, 0), 7)), noise, 2.2
        if number >= 500:
            shift = np.float32([[1, 0, -47], [0, 1, 31]])
            return np.asarray(cv2.warpAffine(light, shift, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)), noise, 2.2
        return light, noise, 2.2

    return step


def _flicker(random: np.random.Generator, scene: Grey, frames: int) -> Step:  # noqa: ARG001
    def step(light: Grey, number: int, noise: float) -> tuple[Grey, float, float]:
        hertz = 100.0 if number < frames // 2 else 120.0
        lines = 2 * np.pi * hertz * (number * 0.10003 + np.arange(HEIGHT, dtype=np.float32)[:, None] * 6.5e-5)
        return light * (0.85 + 0.08 * np.sin(lines).astype(np.float32)), noise, 2.2

    return step


_STEPS = {
    "ramp": _ramp, "switch": _switch, "aeosc": _hunting, "cloud": _cloudy, "headlight": _beams, "rain": rain,
    "snow": snow, "irswitch": _infrared, "tamper": _tamper, "flicker": _flicker, "insects": bugs,
}  # fmt: skip
