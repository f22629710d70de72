"""The motion core's cost: time against bare MOG2, NumPy calls and bytes for each stage, memory of the model.

    scripts/bench core [--masks] [--footage DIR] [--frames N] [--repeats N] [--json FILE]

Busy is the simulated corner with people and cars and, where there is footage, two recorded streets; quiet is the same
corner with nobody, and the recorded street's still background under grain. Whole detector (`Detector.step`) and bare
`MOG2.apply` take turns in every frame in random order, OpenCV has one thread, the first 50 frames do not count. All is
run several times and of each frame the least time is kept, on both sides: what is left is the frame's own cost, not
the machine's other business. Calls and bytes are counted in a run of its own, in which every array of the detector is
is of a class that notes what is done with it (counting/); that run must return what the plain detector returns.
The detector is the daemon's, which learns no outlines as no event needs them; with --masks it is made to, as for
`scripts/bench motion` and `gateway replay --masks`. Painting a mask is not in it either way.

Tried for a cheaper frame and left out: the sums of pixels from words of two instead of a copy that widens (a third
slower), in two to eight strips through small buffers (no gain with two, slower with more), all that a region is
judged by in one block so that one `take` gathers it (7 to 16 % of that step with cold caches, nothing with warm ones,
for a block that all rooms would have to share).
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
ROOT = Path(__file__).parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts" / "benchmarks")]

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from counting import TALLY, arrays_of, count_in, counted, plain  # noqa: E402

from gateway.motion.detector import Detector  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Planes = list[NDArray[np.uint8]]

WARM_UP = 50
FPS = 10.0
SIZES = ((640, 360), (320, 240))
AIMS = {(640, 360): (0.18, 0.10), (320, 240): (0.40, 0.20)}
CLIPS = ("vtest", "bgsroad")


def scenes(size: tuple[int, int], footage: Path, frames: int) -> Iterator[tuple[str, str, Planes]]:
    """Yield name, kind (busy or quiet) and planes of everything that is shown."""
    from gateway.camera.street import Street

    for name, kind in (("corner", "busy"), ("empty", "quiet")):
        street = Street(size, FPS, 1, scene=name, pace=False)
        yield name, kind, [street.read(5).luma.copy() for _ in range(frames)]
        street.close()
    for name in CLIPS:
        planes = clip(footage, name, size, frames)
        if not planes:
            print(f"no clip {name} in {footage}", file=sys.stderr)
            continue
        yield name, "busy", planes
        if name == CLIPS[0]:
            still = np.median(np.array(planes[:100]), axis=0)
            grain = np.random.default_rng(1)
            noisy = [still + grain.normal(0, 2.0, still.shape) for _ in range(frames)]
            yield f"{name} without anybody", "quiet", [np.clip(np.rint(p), 0, 255).astype(np.uint8) for p in noisy]


def clip(footage: Path, name: str, size: tuple[int, int], frames: int) -> Planes:
    """Read a recording, scaled to the size; the larger version of it where there is one and it is needed."""
    large = footage / f"{name}{size[0]}.mkv"
    capture = cv2.VideoCapture(str(large if large.exists() else footage / f"{name}.mkv"))
    planes: Planes = []
    while len(planes) < frames:
        good, picture = capture.read()
        if not good:
            break
        luma = np.ascontiguousarray(picture[:, :, 0])
        if luma.shape != size[::-1]:
            luma = np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8)
        planes.append(luma)
    return planes


def speed(planes: Planes, repeats: int, *, masks: bool) -> dict[str, float]:
    """Time the detector and MOG2 by turns; ratios, and the worst frame against the median."""
    height, width = planes[0].shape
    ours, theirs = [], []
    for repeat in range(repeats):
        order, model = random.Random(repeat), cv2.createBackgroundSubtractorMOG2()
        detector = Detector(width, height, outlines=masks)
        spent: tuple[list[float], list[float]] = [], []
        for number, plane in enumerate(planes):
            sides = [functools.partial(detector.step, plane, number / FPS), functools.partial(model.apply, plane)]
            for side in order.sample((0, 1), 2):
                start = time.perf_counter()
                sides[side]()
                spent[side].append(time.perf_counter() - start)
        ours.append(spent[0][WARM_UP:])
        theirs.append(spent[1][WARM_UP:])
    least, base = np.min(ours, axis=0), np.min(theirs, axis=0)
    return {
        "ratio_median": float(np.median(least) / np.median(base)),
        "ratio_mean": float(least.mean() / base.mean()),
        "ratio_mean_first_run": float(np.mean(ours[0]) / np.mean(theirs[0])),
        "worst_to_median": float(least.max() / np.median(least)),
        "microseconds": float(np.median(least) * 1e6),
        "microseconds_mog2": float(np.median(base) * 1e6),
    }


def calls(planes: Planes, *, masks: bool) -> dict[str, Any]:
    """Count what the detector asks of NumPy and OpenCV in each frame, and check that counting changes nothing."""
    height, width = planes[0].shape
    watched, detector = (Detector(width, height, outlines=masks) for _ in range(2))
    originals = {name: getattr(cv2, name) for name in dir(cv2) if name.startswith("connectedComponents")}
    for name, function in originals.items():
        setattr(cv2, name, functools.partial(_noted, function))
    frames: list[dict[str, tuple[int, int, int]]] = []
    passes: list[float] = []
    try:
        for number, plane in enumerate(planes):
            if number == WARM_UP:
                count_in(watched)
            TALLY.clear()
            TALLY.plane = plane
            seen = watched.step(counted(plane), number / FPS)
            if seen != detector.step(plane, number / FPS):
                raise SystemExit(f"frame {number}: the counted detector says something else than the plain one")
            if number >= WARM_UP:
                names = TALLY.calls.keys() | TALLY.views.keys()
                passes.append(TALLY.of_plane / plane.size)
                frames.append({n: (TALLY.calls[n], TALLY.bytes[n], TALLY.views[n]) for n in names})
    finally:
        for name, function in originals.items():
            setattr(cv2, name, function)
    totals = np.array([np.sum(list(frame.values()), axis=0) for frame in frames])
    plane_bytes = width * height
    stages: dict[str, list[float]] = {}
    for frame in frames:
        for name, values in frame.items():
            stages[name] = [a + b / len(frames) for a, b in zip(stages.get(name, [0.0] * 3), values, strict=True)]
    return {
        "calls": float(np.median(totals[:, 0])),
        "calls_most": int(totals[:, 0].max()),
        "views": float(np.median(totals[:, 2])),
        "bytes": float(np.median(totals[:, 1])),
        "planes": float(np.median(totals[:, 1]) / plane_bytes),
        "luma_passes": float(np.median(passes)),
        "stages": {name: {"calls": c, "bytes": b, "views": v} for name, (c, b, v) in sorted(stages.items())},
    }


def _noted(function: Any, *args: Any, **more: Any) -> Any:
    given = [plain(one) for one in args]
    result = function(*given, **more)
    TALLY.note(*given, *result)
    return tuple(counted(one) for one in result)


def model_bytes(size: tuple[int, int], planes: Planes, *, masks: bool) -> int:
    """Return the bytes of all arrays that a detector holds after it saw the planes."""
    detector = Detector(*size, outlines=masks)
    for number, plane in enumerate(planes):
        detector.step(plane, number / FPS)
    return sum(array.nbytes for array in arrays_of(detector))


def show(results: list[dict[str, Any]]) -> None:
    """Print tables for people, and for the README."""
    print("| size, scene | time / MOG2: median, mean | aim | worst / median | calls (views) | luma is read | bytes |")
    print("|---|---|---|---|---|---|---|")
    for r in results:
        print(
            f"| {r['size']} {r['kind']}: {r['scene']} | {r['ratio_median']:.3f}, {r['ratio_mean']:.3f} "
            f"| {r['aim']:.2f} | {r['worst_to_median']:.1f} | {r['calls']:.0f} ({r['views']:.0f}) "
            f"| {r['luma_passes']:.2f} times | {r['planes']:.1f} planes |"
        )
    for r in results:
        print(f"\n{r['size']} {r['kind']} {r['scene']}: calls, views and bytes a frame (mean) of each function")
        for name, stage in sorted(r["stages"].items(), key=lambda item: -item[1]["bytes"]):
            print(f"    {name:40s} {stage['calls']:7.1f} {stage['views']:7.1f} {stage['bytes']:10.0f}")
    for size in sorted({r["size"] for r in results}):
        most = max(r["model_bytes"] for r in results if r["size"] == size)
        print(f"\nmodel at {size}: {most / 1e6:.2f} MB in arrays")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The motion core's cost.")
    parser.add_argument("--footage", type=Path, default=ROOT.parent / "shared" / "footage", help="folder of clips")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--masks", action="store_true", help="with what painting masks of pixels needs")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    results: list[dict[str, Any]] = []
    for size in SIZES:
        for name, kind, planes in scenes(size, arguments.footage, arguments.frames):
            print(f"{size[0]}x{size[1]} {name} ...", file=sys.stderr, flush=True)
            aim = AIMS[size][kind == "quiet"]
            first = {"size": f"{size[0]}x{size[1]}", "scene": name, "kind": kind, "aim": aim}
            masks = arguments.masks
            memory = {"masks": masks, "model_bytes": model_bytes(size, planes, masks=masks)}
            results.append(first | speed(planes, arguments.repeats, masks=masks) | calls(planes, masks=masks) | memory)
    show(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
