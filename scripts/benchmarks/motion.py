"""The motion core beside other methods: what each finds, what it invents, what it costs.

    scripts/bench motion [--footage DIR] [--size WxH] [--seed N] [--frames N] [--half tune|held] [--json FILE]
                         [--picture FILE] [SCENE...]

Scenes come from the simulated corner with truth for every pixel. Others are composed at run time of backgrounds and
cut-outs from a folder of footage (`filmed-NAME`, `seeing/`): 320x240, in two halves that share neither background nor
cut-out; what is improved on "tune" is checked on "held". Clips come from the same folder, with labelled ranges of
frames beside some. The same frames go to all methods, the order of the methods is shuffled in every frame,
OpenCV has one thread, and the first 50 frames are not scored. MOG2 and KNN run at OpenCV's defaults. "difference" is
the difference of two frames, "frigate" and "motion" follow the published behaviour of those programs (a running
average at 100 rows with contrast stretching; a reference frame with noise tuning and despeckling), written anew with
OpenCV. Methods that give a mask all get the same last step: median of 5, at least 24 pixels at 240 rows, and seen
near there in one of two frames before. Cost is measured without painting a mask, and only ratios to MOG2 mean anything.

Tried in the core and left out for what this showed: one remembered look instead of two where cells come and go (no gain
on leaves), painting two cells around a thing (no gain), tracks that get nowhere forgotten also in calm weather (loses
parked cars).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from seeing.composed import composed  # noqa: E402
from seeing.cuts import HALVES  # noqa: E402
from seeing.methods import FPS, METHODS  # noqa: E402
from seeing.score import Score  # noqa: E402
from seeing.stress import SCENES as STRESSES  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Plane = NDArray[np.uint8]

WARM_UP = 50
SCENES = (
    "noise", "ramp", "switch", "hunting", "cloud", "headlights", "flicker", "irswitch", "shadow", "rain", "snow",
    "insects", "web", "foliage", "water", "sway", "small", "cyclist", "stand", "parked", "crossing",
)  # fmt: skip
FILMED = "filmed-"
RATES = {"intelcar": 12.5, "bgsosd": 12.5}
MARGINS = {"intelcar": 4, "intelone": 10, "bgsroad": 2}


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


def run_scene(shots: Iterator[tuple[Plane, Any, Any]], seed: int) -> dict[str, Any]:
    """Run all methods over one scene: frames with labels and what is not scored."""
    order = random.Random(seed)
    methods: dict[str, Any] = {}
    scores = {key: Score() for key in METHODS}
    for number, (frame, labels, ignore) in enumerate(shots):
        if not methods:
            methods = {key: kind(frame.shape[1], frame.shape[0]) for key, kind in METHODS.items()}
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
    parser.add_argument("scenes", nargs="*", help="scenes of the corner, or filmed-NAME; none: all of them")
    parser.add_argument("--footage", type=Path, default=ROOT.parent / "shared" / "footage", help="folder of clips")
    parser.add_argument("--size", default="320x240")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--half", choices=HALVES, default="held", help="whose backgrounds and cut-outs")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    width, height = (int(part) for part in arguments.size.split("x"))
    wanted = arguments.scenes or [*SCENES, *(FILMED + name for name in STRESSES)]
    scenes: dict[str, Any] = {}
    filmed: dict[str, Any] = {}
    for name in wanted:
        print(f"scene {name} ...", file=sys.stderr, flush=True)
        if not name.startswith(FILMED):
            scenes[name] = run_scene(corner(name, (width, height), arguments.seed, arguments.frames), arguments.seed)
            continue
        stress = name.removeprefix(FILMED)
        shots = composed(arguments.footage, arguments.half, stress, arguments.seed, arguments.frames)
        try:
            filmed[name] = run_scene(shots, arguments.seed)
        except FileNotFoundError as error:
            print(error, file=sys.stderr)
            break
    clips: dict[str, Any] = {}
    found = sorted(arguments.footage.glob("*.mkv")) if arguments.footage.is_dir() and not arguments.scenes else []
    if not found:
        print(f"no clips: {arguments.footage} holds none, or scenes were named", file=sys.stderr)
    for path in found:
        print(f"clip {path.stem} ...", file=sys.stderr, flush=True)
        clips[path.stem] = run_clip(path)
    print_results(scenes, clips)
    if filmed:
        print(f"\nComposed of the {arguments.half} half of the footage:\n")
        print_results(filmed, {})
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"scenes": scenes, "filmed": filmed, "clips": clips}, indent=1), encoding="utf-8"
        )
    if arguments.picture and scenes:
        draw(scenes, arguments.picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
