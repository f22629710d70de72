"""Backgrounds and cut-outs from clips: medians of what stays, components of what moves.

Not here: what is done with them (stage.py, stress.py).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Plane = NDArray[np.uint8]
    Grey = NDArray[np.float32]

HALVES = ("tune", "held")


class Cut(NamedTuple):
    """Something cut out of a clip."""

    grey: Grey
    """(height, width), 0..255."""
    alpha: Grey
    """(height, width), 0..1; soft at the rim."""


class Stock(NamedTuple):
    """What scenes of one half are composed of."""

    backgrounds: list[Grey]
    """(240, 320) each."""
    people: list[Cut]
    cars: list[Cut]


def read(path: Path) -> Plane:
    """Return the luma of all frames of a clip: (frames, height, width)."""
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        good, picture = capture.read()
        if not good:
            return np.array(frames, np.uint8)
        frames.append(picture[:, :, 0].copy())


def stock(footage: Path, half: str) -> Stock:
    """Cut the stock of a half out of the clips in a folder.

    Raises:
        FileNotFoundError: a clip is missing; the text names it.
    """
    clips: dict[str, Plane] = {}
    for name in ("vtest640", "bgsosd", "bgsroad640", "intelone", "intelcar"):
        path = footage / f"{name}.mkv"
        if not path.exists():
            raise FileNotFoundError(f"no composed scenes: {path} is missing")
        clips[name] = read(path)
    still = {name: _still(frames) for name, frames in clips.items()}
    still["intelone"] = clips["intelone"][:50].mean(axis=0).astype(np.float32)
    first = half == "tune"
    if first:
        backgrounds = [
            still["vtest640"][:240, 320:],
            still["bgsosd"],
            still["vtest640"][220:460, 320:],
            _enlarged(still["intelcar"][:, 80:]),
        ]
    else:
        backgrounds = [
            still["vtest640"][60:300, :320],
            still["bgsroad640"][:240, 300:620],
            _enlarged(still["intelone"][:, 60:300]),
            still["bgsroad640"][110:350, 20:340],
        ]
    people = _spread(_cuts(clips["vtest640"], still["vtest640"], (45, 110), (0.25, 0.62), first=first), 20)
    cars = _spread(_cuts(clips["bgsosd"], still["bgsosd"], (20, 80), (0.7, 2.2), first=first), 6)
    cars += _spread(_cuts(clips["bgsroad640"], still["bgsroad640"], (36, 140), (0.8, 2.4), first=first), 2)
    return Stock([np.ascontiguousarray(b, np.float32) for b in backgrounds], people, cars)


def _enlarged(grey: Grey) -> Grey:
    return np.asarray(cv2.resize(grey[:180, :240], (320, 240), interpolation=cv2.INTER_CUBIC), np.float32)


def _still(frames: Plane) -> Grey:
    few = frames[:: max(1, len(frames) // 90)]
    return np.asarray(np.median(few, axis=0), np.float32)


def _spread(cuts: list[tuple[float, Cut]], count: int) -> list[Cut]:
    """Take the clearest cut of each stretch of time."""
    if len(cuts) <= count:
        return [cut for _, cut in cuts]
    edges = np.linspace(0, len(cuts), count + 1).astype(int)
    return [max(cuts[a:b], key=lambda item: item[0])[1] for a, b in itertools.pairwise(edges)]


def _cuts(
    frames: Plane, still: Grey, heights: tuple[int, int], shapes: tuple[float, float], *, first: bool
) -> list[tuple[float, Cut]]:
    """Cut out what stands clear of the background in one half of the clip, with how clearly it does."""
    middle = len(frames) // 2
    chosen = frames[: middle - 5] if first else frames[middle + 5 :]
    found: list[tuple[float, Cut]] = []
    for frame in chosen[::3]:
        away = np.abs(frame.astype(np.float32) - still)
        mask = np.asarray(cv2.medianBlur((away > 22).astype(np.uint8), 5), np.uint8)
        mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((7, 5), np.uint8)), np.uint8)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
        for label, (x, y, w, h, area) in enumerate(stats.tolist()):
            if label == 0 or not heights[0] <= h <= heights[1] or not shapes[0] <= w / h <= shapes[1]:
                continue
            if x < 6 or y < 6 or x + w > frame.shape[1] - 6 or y + h > frame.shape[0] - 6 or area < 0.45 * w * h:
                continue
            at = (slice(y - 3, y + h + 3), slice(x - 3, x + w + 3))
            body = (labels[at] == label).astype(np.uint8)
            outlines, _ = cv2.findContours(body, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(body, outlines, -1, 1, -1)
            alpha = np.asarray(cv2.GaussianBlur(body.astype(np.float32), (0, 0), 0.7), np.float32)
            clear = float(away[at][body > 0].mean()) * (area / (w * h))
            found.append((clear, Cut(frame[at].astype(np.float32), alpha)))
    return found
