"""What is between the lens and the street, or grows beside it: rain, snow, insects, leaves, a pole in the wind.

Not here: light, exposure and the sensor (stress.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import cv2
import numpy as np

from .stage import HEIGHT, WIDTH

if TYPE_CHECKING:
    from .cuts import Grey

Step = Callable[["Grey", int, float], tuple["Grey", float, float]]
"""Light of a frame, its number, and usual grain; returns light, grain and the camera's curve."""

ROWS, COLUMNS = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)


def clouds(random: np.random.Generator, size: float, shape: tuple[int, int] = (HEIGHT, WIDTH)) -> Grey:
    """Smooth noise of mean 0 and deviation 1 with structures of a size in pixels."""
    rough = random.standard_normal(shape).astype(np.float32)
    smooth = np.asarray(cv2.GaussianBlur(rough, (0, 0), size, borderType=cv2.BORDER_REFLECT))
    return np.asarray((smooth - smooth.mean()) / smooth.std(), np.float32)


def rain(random: np.random.Generator, scene: Grey, frames: int) -> Step:  # noqa: ARG001
    count = int(random.integers(25, 110))

    def step(light: Grey, _: int, noise: float) -> tuple[Grey, float, float]:
        drops = np.zeros((HEIGHT, WIDTH), np.float32)
        for _ in range(count):
            x, y, near = random.uniform(0, WIDTH), random.uniform(-20, HEIGHT), random.uniform()
            end = (int(x + 2 + 3 * near), int(y + 6 + 22 * near))
            cv2.line(
                drops, (int(x), int(y)), end, 0.12 + 0.28 * float(random.uniform()), 1 + int(near > 0.85), cv2.LINE_AA
            )
        drops = np.asarray(cv2.GaussianBlur(drops, (0, 0), 0.6))
        return light * 0.6 + drops * (0.55 - light * 0.6), noise, 2.2

    return step


def snow(random: np.random.Generator, scene: Grey, frames: int) -> Step:  # noqa: ARG001
    count = int(random.integers(60, 200))
    near = random.uniform(0, 1, count) ** 2
    x, y, phase = random.uniform(0, WIDTH, count), random.uniform(0, HEIGHT, count), random.uniform(0, 6.3, count)

    def step(light: Grey, number: int, noise: float) -> tuple[Grey, float, float]:
        flakes = np.zeros((HEIGHT, WIDTH), np.float32)
        for i in range(count):
            px = (x[i] + number * (1 + 2.5 * near[i]) + 4 * np.sin(phase[i] + 0.3 * number)) % WIDTH
            py = (y[i] + number * (4 + 12 * near[i])) % HEIGHT
            radius = 0.8 + 3.2 * near[i]
            centre = (int(px * 16), int(py * 16))
            cv2.circle(flakes, centre, int(radius * 16), float(0.9 - 0.4 * near[i]), -1, cv2.LINE_AA, 4)
        flakes = np.asarray(cv2.GaussianBlur(flakes, (0, 0), 0.8))
        return light * 0.7 + flakes * (0.85 - light * 0.7), noise, 2.2

    return step


def bugs(random: np.random.Generator, scene: Grey, frames: int) -> Step:  # noqa: ARG001
    flights = []
    for first in np.sort(random.uniform(20, frames - 10, frames // 9)).astype(int):
        length = int(random.integers(4, 30))
        x, y = random.uniform(0, WIDTH), random.uniform(0, HEIGHT)
        vx, vy = random.normal(0, 16, 2)
        way = []
        for _ in range(length):
            vx, vy = vx + random.normal(0, 5), vy + random.normal(0, 5)
            x, y = x + vx, y + vy
            way.append((x, y))
        flights.append((int(first), way, float(random.uniform(1.5, 7)), float(random.uniform(0.15, 0.6))))

    def step(light: Grey, number: int, noise: float) -> tuple[Grey, float, float]:
        glow = np.zeros((HEIGHT, WIDTH), np.float32)
        for first, way, radius, bright in flights:
            i = number - first
            if 0 < i < len(way):
                spot = np.zeros_like(glow)
                (ax, ay), (bx, by) = way[i - 1], way[i]
                middle = ((ax + bx) / 2, (ay + by) / 2)
                start, end = (int(middle[0] * 16), int(middle[1] * 16)), (int(bx * 16), int(by * 16))
                cv2.line(spot, start, end, bright, max(1, round(radius)), cv2.LINE_AA, 4)
                glow += np.asarray(cv2.GaussianBlur(spot, (0, 0), radius / 2))
        return light + glow, noise, 2.2

    return step


def sway(random: np.random.Generator, name: str) -> Callable[[Grey, int], Grey] | None:
    """Leaves on a part of the background that swing by a smooth field of displacements."""
    if name not in ("foliage", "trees"):
        return None
    leaves = np.exp(0.75 * clouds(random, 1.6) + 0.5 * clouds(random, 6)).astype(np.float32) * 0.07
    where = clouds(random, 22 if name == "foliage" else 40) + 0.012 * (HEIGHT / 2 - ROWS)
    cover = np.asarray(cv2.GaussianBlur((where > (1.0 if name == "foliage" else 0.1)).astype(np.float32), (0, 0), 1.0))
    fields = [clouds(random, 18) for _ in range(4)]
    speeds = random.uniform(0.35, 1.1, 4)
    reach = 3.2 if name == "foliage" else 5.0

    def swing(scene: Grey, number: int) -> Grey:
        gust = 0.6 + 0.4 * np.sin(number / 35)
        angles = 2 * np.pi * speeds * number / 10
        dx = reach * gust * (fields[0] * np.sin(angles[0]) + fields[1] * np.sin(angles[1])) * 0.7
        dy = reach * 0.5 * gust * (fields[2] * np.sin(angles[2]) + fields[3] * np.sin(angles[3])) * 0.7
        at = (COLUMNS + dx).astype(np.float32), (ROWS + dy).astype(np.float32)
        leaf = np.asarray(cv2.remap(leaves, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))
        alpha = np.asarray(cv2.remap(cover, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))
        return np.asarray(scene + alpha * (leaf - scene), np.float32)

    return swing


def shaken(light: Grey, labels: np.ndarray, doubt: np.ndarray, number: int, seed: int) -> tuple:
    """Move the whole picture by parts of a pixel: a pole in the wind, and now and then a lorry."""
    burst = 1.0 + 1.4 * (number % 150 > 120)
    x = burst * (0.5 * np.sin(number * 1.9 + seed) + 0.35 * np.sin(number * 0.83))
    y = burst * (0.35 * np.sin(number * 2.3 + 1) + 0.2 * np.sin(number * 1.1))
    shift = np.float32([[1, 0, x], [0, 1, y]])
    size = (WIDTH, HEIGHT)
    light = np.asarray(cv2.warpAffine(light, shift, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))
    labels = np.asarray(cv2.warpAffine(labels, shift, size, flags=cv2.INTER_NEAREST))
    soft = np.asarray(cv2.warpAffine(doubt.astype(np.uint8), shift, size, flags=cv2.INTER_NEAREST)) > 0
    return light, labels, soft
