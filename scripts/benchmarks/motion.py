"""The motion core beside other methods: what each finds, what it invents, what it costs.

    scripts/bench motion [--footage DIR] [--size WxH] [--seed N] [--frames N] [--json FILE] [--picture FILE] [SCENE...]

Scenes come from the simulated corner with truth for every pixel; clips come from a folder of footage, with labelled
ranges of frames beside some. The same frames go to all methods, the order of the methods is shuffled in every frame,
OpenCV has one thread, and the first 50 frames are not scored. MOG2 and KNN run at OpenCV's defaults. "difference" is
the difference of two frames, "frigate" and "motion" follow the published behaviour of those programs (a running
average at 100 rows with contrast stretching; a reference frame with noise tuning and despeckling), written anew with
OpenCV. Methods that give a mask all get the same last step: median of 5, at least 24 pixels at 240 rows, and seen
near there in one of two frames before. Cost is measured without painting a mask, and only ratios to MOG2 mean anything.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

import cv2  # noqa: E402
import numpy as np  # noqa: E402

from gateway.motion.detector import Detector  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Plane = NDArray[np.uint8]
    Boxes = list[tuple[float, float, float, float]]

WARM_UP = 50
FPS = 10.0
SCENES = (
    "noise", "ramp", "switch", "hunting", "cloud", "headlights", "flicker", "irswitch", "shadow", "rain", "snow",
    "insects", "web", "foliage", "water", "sway", "small", "cyclist", "stand", "parked", "crossing",
)  # fmt: skip
RATES = {"intelcar": 12.5, "bgsosd": 12.5}
MARGINS = {"intelcar": 4, "intelone": 10, "bgsroad": 2}


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


class Score:
    """Counts for one method and one scene."""

    def __init__(self) -> None:
        self.right = self.wrong = self.missed = self.frames = self.false = 0
        self.seen: dict[int, int] = {}
        self.hit: dict[int, int] = {}
        self.latency: dict[int, int] = {}

    def count(self, mask: Plane, boxes: Boxes, labels: NDArray[np.uint16], ignore: NDArray[np.bool_]) -> None:
        """Score one frame against the truth of every pixel; a box is false when no actor or doubtful pixel is in it."""
        found, true, sure = mask > 0, labels > 0, ~ignore
        self.right += int(np.count_nonzero(found & true & sure))
        self.wrong += int(np.count_nonzero(found & ~true & sure))
        self.missed += int(np.count_nonzero(~found & true & sure))
        self.frames += 1
        about = np.asarray(cv2.dilate((true | ignore).astype(np.uint8), np.ones((5, 5), np.uint8)))
        self.false += any(not about[int(y) : int(y + h) + 1, int(x) : int(x + w) + 1].any() for x, y, w, h in boxes)
        for label in np.unique(labels[true]).tolist():
            rows, columns = np.nonzero(labels == label)
            if rows.size < 4:
                continue
            self.seen[label] = self.seen.get(label, 0) + 1
            truth = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
            if any(_fits(box, truth) for box in boxes):
                self.hit[label] = self.hit.get(label, 0) + 1
                self.latency.setdefault(label, self.seen[label])

    def summary(self) -> dict[str, Any]:
        """Return the figures; an actor counts when it shows for three frames, is found in 15 % of its frames."""
        shown = {label: count for label, count in self.seen.items() if count >= 3}
        return {
            "f": 2 * self.right / max(1, 2 * self.right + self.wrong + self.missed),
            "objects": sum(self.hit.get(label, 0) >= 0.15 * count for label, count in shown.items()),
            "objects_true": len(shown),
            "false_frames": self.false / max(1, self.frames),
            "latency": float(np.median(list(self.latency.values()))) if self.latency else None,
        }


def _fits(box: tuple[float, ...], truth: tuple[float, ...]) -> bool:
    across = min(box[0] + box[2], truth[0] + truth[2]) - max(box[0], truth[0])
    down = min(box[1] + box[3], truth[1] + truth[3]) - max(box[1], truth[1])
    area = truth[2] * truth[3]
    return across > 0 and down > 0 and across * down >= 0.3 * area and box[2] * box[3] <= 6 * area + 64


def corner(name: str, size: tuple[int, int], seed: int, frames: int) -> Iterator[tuple[Plane, Any, Any]]:
    """Frames of a scene of the simulated corner, with labels and what is not scored."""
    from gateway.camera.street import Street

    street = Street(size, FPS, seed, scene=name, pace=False)
    try:
        for _ in range(frames):
            yield street.read(1).luma.copy(), street.labels.copy(), street.ignore.copy()
    finally:
        street.close()


def show(methods: dict[str, Any], frame: Plane, t: float, order: random.Random) -> None:
    """Show a frame to all methods in a random order."""
    names = list(methods)
    order.shuffle(names)
    for name in names:
        methods[name].see(frame, t)


def costs(methods: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return the time of each method against MOG2: median, mean; and its worst frames against its median."""
    kept = {name: np.array(method.seconds[WARM_UP:]) for name, method in methods.items()}
    base = kept["MOG2"]
    return {
        name: {
            "ratio_median": float(np.median(s) / np.median(base)),
            "ratio_mean": float(s.mean() / base.mean()),
            "worst": float(np.percentile(s, 99) / np.median(s)),
            "microseconds": float(np.median(s) * 1e6),
        }
        for name, s in kept.items()
    }


def run_scene(name: str, size: tuple[int, int], seed: int, frames: int) -> dict[str, Any]:
    """Run all methods over one scene."""
    order = random.Random(seed)
    methods = {key: kind(*size) for key, kind in METHODS.items()}
    scores = {key: Score() for key in METHODS}
    for number, (frame, labels, ignore) in enumerate(corner(name, size, seed, frames)):
        show(methods, frame, number / FPS, order)
        for key, method in methods.items():
            mask, boxes = method.result()
            if number >= WARM_UP:
                scores[key].count(mask, boxes, labels, ignore)
    cost = costs(methods)
    return {key: scores[key].summary() | cost[key] for key in METHODS}


def run_clip(path: Path) -> dict[str, Any]:
    """Run all methods over a recording; where ranges of motion are labelled, count what lies outside them."""
    capture = cv2.VideoCapture(str(path))
    frames: list[Plane] = []
    while True:
        good, picture = capture.read()
        if not good:
            break
        frames.append(np.ascontiguousarray(picture[:, :, 0]))
    stem = path.stem.removesuffix("640")
    truth = path.with_name(f"{stem}_motion.csv")
    ranges: list[tuple[int, int]] = []
    if truth.exists():
        with truth.open(encoding="utf-8") as file:
            ranges = [(int(row["start"]), int(row["end"])) for row in csv.DictReader(file)]
    margin = MARGINS.get(stem, 0)
    order = random.Random(0)
    height, width = frames[0].shape
    methods = {key: kind(width, height) for key, kind in METHODS.items()}
    moving: dict[str, list[bool]] = {key: [] for key in METHODS}
    for number, frame in enumerate(frames):
        show(methods, frame, number / RATES.get(stem, FPS), order)
        for key, method in methods.items():
            moving[key].append(bool(method.result()[1]))
    near = {number for a, b in ranges for number in range(a - margin, b + margin + 1)}
    quiet = [number for number in range(WARM_UP, len(frames)) if number not in near]
    cost = costs(methods)
    result: dict[str, Any] = {}
    for key in METHODS:
        result[key] = cost[key] | {"frames": len(frames), "moving": sum(moving[key])}
        if ranges:
            result[key] |= {
                "quiet": len(quiet),
                "false": sum(moving[key][number] for number in quiet),
                "events": sum(any(moving[key][a : b + 1]) for a, b in ranges),
                "events_true": len(ranges),
            }
    return result


def print_results(scenes: dict[str, Any], clips: dict[str, Any]) -> None:
    """Print a table for people; rows are scenes, a cell is F, objects, share of frames with a false box."""
    names = list(METHODS)
    print("| scene | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    for scene, result in scenes.items():
        cells = [
            f"{r['f']:.2f} {r['objects']}/{r['objects_true']} {r['false_frames']:.1%}"
            for r in (result[name] for name in names)
        ]
        print(f"| {scene} | " + " | ".join(cells) + " |")
    if scenes:
        for title, key in (("mean F", "f"), ("mean false frames", "false_frames"), ("time / MOG2", "ratio_mean")):
            means = [float(np.mean([result[name][key] for result in scenes.values()])) for name in names]
            print(f"| **{title}** | " + " | ".join(f"{mean:.3f}" for mean in means) + " |")
    for clip, result in clips.items():
        cells = [
            f"{r['false']}/{r['quiet']} false, {r['events']}/{r['events_true']}" if "quiet" in r else f"{r['moving']}"
            for r in (result[name] for name in names)
        ]
        print(f"| {clip} | " + " | ".join(cells) + " |")


def draw(scenes: dict[str, Any], path: Path) -> None:
    """Draw accuracy against cost, a point a method; cost is on a logarithmic scale."""
    picture = np.full((420, 640, 3), 255, np.uint8)
    cv2.rectangle(picture, (60, 30), (610, 370), (0, 0, 0), 1)
    cv2.putText(picture, "time of a frame, MOG2 = 1", (230, 405), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1)
    cv2.putText(picture, "mean F", (5, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1)
    for tick in (0.1, 0.2, 0.5, 1.0, 2.0):
        x = int(60 + 550 * (np.log10(tick) + 1.3) / 1.9)
        cv2.putText(picture, f"{tick:g}", (x - 8, 387), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1)
        cv2.line(picture, (x, 366), (x, 370), (0, 0, 0), 1)
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = int(370 - 340 * tick)
        cv2.putText(picture, f"{tick:.2f}", (20, y + 4), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1)
    for name in METHODS:
        f = float(np.mean([result[name]["f"] for result in scenes.values()]))
        ratio = float(np.mean([result[name]["ratio_mean"] for result in scenes.values()]))
        place = (int(60 + 550 * (np.log10(max(0.05, ratio)) + 1.3) / 1.9), int(370 - 340 * f))
        cv2.circle(picture, place, 6, (0, 0, 200) if name == "gateway" else (120, 120, 120), -1, cv2.LINE_AA)
        cv2.putText(picture, name, (place[0] + 9, place[1] + 4), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1)
    cv2.imwrite(str(path), picture)


def main() -> int:
    """Run what was asked for and print it."""
    parser = argparse.ArgumentParser(description="The motion core beside other methods.")
    parser.add_argument("scenes", nargs="*", help="scenes of the simulated corner; none: all of them")
    parser.add_argument("--footage", type=Path, default=ROOT.parent / "shared" / "footage", help="folder of clips")
    parser.add_argument("--size", default="320x240")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    width, height = (int(part) for part in arguments.size.split("x"))
    scenes: dict[str, Any] = {}
    for name in arguments.scenes or SCENES:
        print(f"scene {name} ...", file=sys.stderr, flush=True)
        scenes[name] = run_scene(name, (width, height), arguments.seed, arguments.frames)
    clips: dict[str, Any] = {}
    found = sorted(arguments.footage.glob("*.mkv")) if arguments.footage.is_dir() and not arguments.scenes else []
    if not found:
        print(f"no clips: {arguments.footage} holds none, or scenes were named", file=sys.stderr)
    for path in found:
        print(f"clip {path.stem} ...", file=sys.stderr, flush=True)
        clips[path.stem] = run_clip(path)
    print_results(scenes, clips)
    if arguments.json:
        arguments.json.write_text(json.dumps({"scenes": scenes, "clips": clips}, indent=1), encoding="utf-8")
    if arguments.picture and scenes:
        draw(scenes, arguments.picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
