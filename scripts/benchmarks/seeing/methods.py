"""The gateway's core, OpenCV's two models, and three methods written anew from their descriptions.

Not here: what is shown to them, and the score.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from gateway.motion.detector import Detector

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Plane = NDArray[np.uint8]
    Boxes = list[tuple[float, float, float, float]]

FPS = 10.0


class Method(Protocol):
    """One way to find what moves."""

    seconds: list[float]

    def see(self, frame: Plane, t: float) -> None:
        """Take a frame in; the time it took is noted."""

    def result(self) -> tuple[Plane, Boxes]:
        """Return the mask (0 or 255) and the boxes in pixels of the frame seen last; not timed."""


class Ours:
    """The gateway's own core."""

    def __init__(self, width: int, height: int) -> None:
        self.detector = Detector(width, height)
        self.mask = np.zeros((height, width), np.uint8)
        self.seconds: list[float] = []

    def see(self, frame: Plane, t: float) -> None:
        start = time.perf_counter()
        self.motion = self.detector.step(frame, t)
        self.seconds.append(time.perf_counter() - start)

    def result(self) -> tuple[Plane, Boxes]:
        self.detector.foreground(self.mask)
        height, width = self.mask.shape
        return self.mask, [(b.x * width, b.y * height, b.w * width, b.h * height) for b in self.motion.boxes]


class Masked:
    """A method that gives a mask, and the step from masks to boxes that all of them share."""

    def __init__(self, width: int, height: int) -> None:
        self.least = max(1.0, 24.0 * (height / 240) ** 2)
        self.before: list[Boxes] = [[], []]
        self.mask = np.zeros((height, width), np.uint8)
        self.seconds: list[float] = []

    def see(self, frame: Plane, t: float) -> None:  # noqa: ARG002 - these methods know no time
        start = time.perf_counter()
        self.mask = self.find(frame)
        self.seconds.append(time.perf_counter() - start)

    def find(self, frame: Plane) -> Plane:
        raise NotImplementedError

    def result(self) -> tuple[Plane, Boxes]:
        clean = np.asarray(cv2.medianBlur(self.mask, 5), np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(clean)
        boxes: Boxes = [(x, y, w, h) for x, y, w, h, area in stats[1:].tolist() if area >= self.least]
        kept = [box for box in boxes if any(_near(box, old) for frame in self.before for old in frame)]
        self.before = [self.before[1], boxes]
        return clean, kept


class Mog2(Masked):
    """OpenCV's mixture of Gaussians; shadows do not count."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__(width, height)
        self.model = cv2.createBackgroundSubtractorMOG2()

    def find(self, frame: Plane) -> Plane:
        return (np.asarray(self.model.apply(frame)) == 255).astype(np.uint8) * np.uint8(255)


class Knn(Masked):
    """OpenCV's nearest neighbours; shadows do not count."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__(width, height)
        self.model = cv2.createBackgroundSubtractorKNN()

    def find(self, frame: Plane) -> Plane:
        return (np.asarray(self.model.apply(frame)) == 255).astype(np.uint8) * np.uint8(255)


class Difference(Masked):
    """The difference to the frame before."""

    last: Plane | None = None

    def find(self, frame: Plane) -> Plane:
        last = frame if self.last is None else self.last
        self.last = frame.copy()
        return np.asarray(cv2.threshold(cv2.absdiff(frame, last), 18, 255, cv2.THRESH_BINARY)[1], np.uint8)


class Average(Masked):
    """A running average at 100 rows after stretching the contrast (Frigate's description, its defaults)."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__(width, height)
        self.small = (round(100 * width / height), 100)
        self.average = np.zeros((self.small[1], self.small[0]), np.float32)
        self.limits = np.tile(np.array([0.0, 255.0]), (50, 1))
        self.count = self.moving = 0
        self.calibrating = True

    def find(self, frame: Plane) -> Plane:
        small = np.asarray(cv2.resize(frame, self.small, interpolation=cv2.INTER_NEAREST), np.uint8)
        low, high = np.percentile(small, (4, 96)).astype(np.uint8)
        if low < high:
            self.limits[self.count % 50] = low, high
            self.count += 1
            a, b = self.limits.mean(axis=0)
            small = ((np.clip(small, a, b) - a) / (b - a) * 255).astype(np.uint8)
        small = np.asarray(cv2.GaussianBlur(small, (3, 3), 1, borderType=cv2.BORDER_REFLECT), np.uint8)
        delta = cv2.absdiff(small, np.asarray(cv2.convertScaleAbs(self.average)))
        mask = cv2.dilate(cv2.threshold(delta, 30, 255, cv2.THRESH_BINARY)[1], np.ones((3, 3), np.uint8))
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        areas = [cv2.contourArea(contour) for contour in contours]
        boxes = sum(area > 10 for area in areas)
        share = sum(areas) / mask.size
        if share < 0.05 and boxes <= 4:
            self.calibrating = False
        self.calibrating |= share > 0.8
        self.moving = self.moving + 1 if boxes else 0
        if not boxes or self.moving >= 10:
            cv2.accumulateWeighted(small, self.average, 0.2 if self.calibrating else 0.01)
        size = (self.mask.shape[1], self.mask.shape[0])
        return np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST), np.uint8)


class Reference(Masked):
    """A reference frame that follows where nothing moves, with a tuned noise level (Motion's description)."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__(width, height)
        self.reference: NDArray[np.int16] | None = None
        self.moving = np.zeros((height, width), np.int16)
        self.noise = 32.0
        self.frames = 0
        self.enough = 1500 * width * height / (640 * 480)

    def find(self, frame: Plane) -> Plane:
        now = frame.astype(np.int16)
        if self.reference is None:
            self.reference = now.copy()
        away = np.absolute(now - self.reference)
        mask = (away > self.noise).astype(np.uint8)
        square, cross = np.ones((3, 3), np.uint8), np.asarray(cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
        mask = np.asarray(cv2.erode(cv2.erode(mask, square), cross), np.uint8)
        mask = np.asarray(cv2.dilate(cv2.dilate(mask, cross), square), np.uint8)
        changed = int(np.count_nonzero(mask))
        self.frames += 1
        if self.frames % int(FPS) == 0 and changed <= self.enough:
            self.noise = 4 + (self.noise + 3 * (float(away.mean()) + 1)) / 2
        same = away <= self.noise * 0.2
        settled = self.moving > 10 * FPS
        fresh = ~same & (self.moving > 0) & ~settled & (mask == 0)
        self.reference = np.where(same | settled, now, np.where(fresh, (self.reference + now) // 2, self.reference))
        self.moving = np.where(same | settled | fresh, 0, self.moving + 1).astype(np.int16)
        return mask * np.uint8(255 if changed > self.enough else 0)


METHODS: dict[str, type[Ours | Masked]] = {
    "gateway": Ours, "MOG2": Mog2, "KNN": Knn, "difference": Difference, "frigate": Average, "motion": Reference,
}  # fmt: skip


def _near(a: tuple[float, ...], b: tuple[float, ...], slack: float = 24) -> bool:
    return (
        a[0] < b[0] + b[2] + slack and b[0] < a[0] + a[2] + slack
        and a[1] < b[1] + b[3] + slack and b[1] < a[1] + a[3] + slack
    )  # fmt: skip
