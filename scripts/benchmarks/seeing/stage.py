"""A stage: one background, cut-outs on known paths with soft shadows, and a sensor; exact labels for every frame.

All light is linear: grey levels are undone by a power of 2.2, things are put in, light falls on everything, the
exposure scales it, and the camera's curve, its grain and 8 bits come last. Labels hold who covers a pixel; soft rims
and cast shadows are not scored.

Not here: what falls on it and when (stress.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .cuts import Cut, Grey, Stock

WIDTH, HEIGHT, FPS = 320, 240, 10.0
GAMMA = 2.2


class Shot(NamedTuple):
    """One frame with its truth."""

    luma: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    """Number of the thing that covers the pixel, 0 = none."""
    ignore: NDArray[np.bool_]
    """What is not scored: soft rims, cast shadows."""


@dataclass
class Actor:
    """A cut-out on a path."""

    cut: Cut
    where: Callable[[int], tuple[float, float] | None]
    """Middle of its feet at a frame, or None while it is not there."""
    label: int
    shadow: float = 0.75
    """Light that is left in its shadow."""
    doubtful: Callable[[int], bool] = field(default=lambda _: False)
    """Frames in which it is neither background nor foreground: who parked a while ago."""


def linear(grey: Grey) -> Grey:
    """Undo the camera's curve: 0..255 to 0..1."""
    return np.power(np.maximum(grey, 0) / 255, GAMMA, dtype=np.float32)


def camera(light: Grey, random: np.random.Generator, noise: float, curve: float = GAMMA) -> NDArray[np.uint8]:
    """Return what the sensor makes of linear light; noise: standard deviation in grey levels at a middling grey."""
    grey = 255 * np.power(np.clip(light, 0, 1), 1 / curve, dtype=np.float32)
    # Shot noise is the square root of light; the curve lifts it in the dark about as much as light lowers it.
    grey += random.standard_normal(grey.shape, np.float32) * noise
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def scaled(cut: Cut, height: float, gain: float, *, mirror: bool) -> Cut:
    """Resize a cut-out to a height in pixels, in other light (a factor on its linear light)."""
    from .cuts import Cut as Made

    factor = height / cut.grey.shape[0]
    size = (max(2, round(cut.grey.shape[1] * factor)), max(3, round(height)))
    grey, alpha = (np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA)) for part in cut)
    lit = np.clip((linear(grey) + 0.01) * gain, 0, 1).astype(np.float32)
    if mirror:
        lit, alpha = lit[:, ::-1], alpha[:, ::-1]
    return Made(np.ascontiguousarray(lit), np.ascontiguousarray(alpha))


def compose(scene: Grey, actors: list[Actor], number: int) -> tuple[Grey, NDArray[np.uint8], NDArray[np.bool_]]:
    """Put the actors of a frame into a copy of a scene (linear light); return it with labels and what is in doubt."""
    light = scene.copy()
    labels = np.zeros(scene.shape, np.uint8)
    doubt = np.zeros(scene.shape, np.bool_)
    there = [(place[1], place[0], actor) for actor in actors if (place := actor.where(number)) is not None]
    for y, x, actor in sorted(there, key=lambda item: item[0]):
        if actor.shadow < 1:
            _cast(light, doubt, actor, x, y)
    for y, x, actor in sorted(there, key=lambda item: item[0]):
        h, w = actor.cut.alpha.shape
        left, top = x - w / 2, y - h
        alpha, at = _placed(actor.cut.alpha, left, top)
        if alpha is None:
            continue
        grey, _ = _placed(actor.cut.grey, left, top, edge=True)
        assert grey is not None
        light[at] += alpha * (grey - light[at])
        body, rim = alpha > 0.7, (alpha > 0.1) & (alpha <= 0.7)
        labels[at][alpha > 0.1] = 0
        labels[at][body] = actor.label
        doubt[at][body] = actor.doubtful(number)
        doubt[at] |= rim
    return light, labels, doubt


def _placed(part: Grey, left: float, top: float, *, edge: bool = False) -> tuple[Grey | None, tuple[slice, slice]]:
    """Shift a part by a fraction of a pixel; return it with its window, cut off at the border."""
    x0, y0 = int(np.floor(left)), int(np.floor(top))
    h, w = part.shape
    shift = np.array([[1, 0, left - x0], [0, 1, top - y0]], np.float32)
    border = cv2.BORDER_REPLICATE if edge else cv2.BORDER_CONSTANT
    moved = np.asarray(cv2.warpAffine(part, shift, (w + 1, h + 1), flags=cv2.INTER_LINEAR, borderMode=border))
    x1, y1 = min(WIDTH, x0 + w + 1), min(HEIGHT, y0 + h + 1)
    a, b = max(0, x0), max(0, y0)
    if a >= x1 or b >= y1:
        return None, (slice(0, 0), slice(0, 0))
    return moved[b - y0 : y1 - y0, a - x0 : x1 - x0], (slice(b, y1), slice(a, x1))


def _cast(light: Grey, doubt: NDArray[np.bool_], actor: Actor, x: float, y: float) -> None:
    """Darken the ground beside an actor: its outline lies down to the right."""
    h, w = actor.cut.alpha.shape
    flat = np.float32([[1, -0.9, x - w / 2 + 0.9 * h], [0, 0.35, y - 0.35 * h]])
    fallen = np.asarray(cv2.warpAffine(actor.cut.alpha, flat, (WIDTH, HEIGHT)))
    fallen = np.asarray(cv2.GaussianBlur(fallen, (0, 0), max(0.8, 0.03 * h)))
    light *= 1 - (1 - actor.shadow) * fallen
    doubt |= fallen > 0.08


class Cast:
    """Chooses actors and their ways, by a seed."""

    def __init__(self, stock: Stock, random: np.random.Generator) -> None:
        self._stock, self._random = stock, random
        self.actors: list[Actor] = []

    def _cut(self, cuts: list[Cut], height: float) -> Cut:
        random = self._random
        chosen = cuts[int(random.integers(len(cuts)))]
        return scaled(chosen, height, float(np.exp(random.uniform(-0.3, 1.0))), mirror=bool(random.integers(2)))

    def walk(
        self, first: int, *, height: tuple[float, float] = (22, 60), speed: float = 1.0, shadow: float = 0.75
    ) -> None:
        """Add somebody who crosses, sometimes stops for a while, or comes from a door and turns back."""
        random = self._random
        tall = float(random.uniform(*height))
        cut = self._cut(self._stock.people, tall)
        pace = speed * tall * float(random.uniform(0.05, 0.09))  # pixels a frame: people cross their height in 1.5 s
        y0, y1 = random.uniform(0.3, 0.98, 2) * HEIGHT
        y1 = float(np.clip(y1, y0 - 60, y0 + 60))
        back = bool(random.integers(2))
        rest = int(random.integers(10, 60)) if random.uniform() < 0.3 else 0
        stop = float(random.uniform(0.3, 0.7)) * WIDTH

        def where(number: int) -> tuple[float, float] | None:
            time = number - first
            if time < 0:
                return None
            s = pace * time
            if rest:
                s = s if s < stop else max(stop, s - pace * rest)
            s -= 12
            if s > WIDTH + 12:
                return None
            bob = 0.02 * tall * np.sin(0.9 * time)
            return (WIDTH - s if back else s), y0 + (y1 - y0) * s / WIDTH + bob

        self.actors.append(Actor(cut, where, len(self.actors) + 1, shadow))

    def drive(self, first: int, *, shadow: float = 0.6, speed: float = 1.0) -> None:
        """Add a car that crosses."""
        random = self._random
        tall = float(random.uniform(26, 48))
        cut = self._cut(self._stock.cars, tall)
        pace, y = speed * float(random.uniform(3.0, 9.0)), float(random.uniform(0.45, 0.98)) * HEIGHT
        back = bool(random.integers(2))

        def where(number: int) -> tuple[float, float] | None:
            s = pace * (number - first) - 45
            if number < first or s > WIDTH + 45:
                return None
            return (WIDTH - s if back else s), y

        self.actors.append(Actor(cut, where, len(self.actors) + 1, shadow))

    def dash(self, first: int) -> None:
        """Add a cyclist who crosses in half a second."""
        random = self._random
        tall = float(random.uniform(34, 58))
        person = self._cut(self._stock.people, tall)
        wide = (
            np.asarray(cv2.resize(person.grey, None, fx=1.8, fy=1)),
            np.asarray(cv2.resize(person.alpha, None, fx=1.8, fy=1)),
        )
        pace, y = WIDTH / float(random.uniform(4.5, 7.0)), float(random.uniform(0.4, 0.98)) * HEIGHT
        back = bool(random.integers(2))

        def where(number: int) -> tuple[float, float] | None:
            s = pace * (number - first) + 8
            if number < first or s > WIDTH:
                return None
            return (WIDTH - s if back else s), y

        self.actors.append(Actor(type(person)(*wide), where, len(self.actors) + 1, 0.75))

    def park(self, arrives: int, x: float, y: float) -> None:
        """Add a car that drives in from the left and parks; from five seconds later it is in doubt."""
        cut = self._cut(self._stock.cars, 44.0)

        def where(number: int) -> tuple[float, float] | None:
            return None if number < arrives else (min(x, -40 + 5.0 * (number - arrives)), y)

        end = arrives + int((x + 40) / 5) + 50
        self.actors.append(Actor(cut, where, len(self.actors) + 1, 0.6, lambda number: number > end))

    def leave(self, departs: int, x: float, y: float) -> None:
        """Add a car that stands there from the start and drives away."""
        cut = self._cut(self._stock.cars, 44.0)

        def where(number: int) -> tuple[float, float] | None:
            place = x + max(0, number - departs) * min(5.0, 0.5 * max(0, number - departs))
            return None if place > WIDTH + 60 else (place, y)

        self.actors.append(Actor(cut, where, len(self.actors) + 1, 0.6, lambda number: number <= departs))
