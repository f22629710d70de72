"""Counts over lines, from nothing but what the centre gets: the paths of episodes.

    scripts/bench lines [--footage DIR] [--size WxH]

Each clip goes through `gateway replay`; of every ended episode the feet (middle of the lower edge of each box of its
path, six points at most) are followed from point to point, and an episode counts over a line once, in the direction in
which it crossed it. Lines and true counts were written down by eye from the clips. Exit code 1 when one is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from gateway.replay.replay import Outputs, replay  # noqa: E402

Point = tuple[float, float]


class Line(NamedTuple):
    """A line across a lane, in picture units, and who crosses it in the clip: to its left and to its right."""

    name: str
    start: Point
    end: Point
    left: int
    """Seen from its start towards its end, with y pointing down."""
    right: int


ROAD = (
    Line("upper lane", (0.72, 0.25), (0.72, 0.56), 3, 0),
    Line("lower lane", (0.72, 0.56), (0.72, 0.95), 2, 0),
)
LINES: dict[str, tuple[Line, ...]] = {
    "bgsroad": ROAD,
    "bgsroad640": ROAD,
    "intelcar": (Line("whole road", (0.0, 0.5), (1.0, 0.5), 2, 2),),
}


def side(point: Point, line: Line) -> float:
    """Return on which side of a line a point lies: positive to its left."""
    (x0, y0), (x1, y1) = line.start, line.end
    return (x1 - x0) * (y0 - point[1]) - (y1 - y0) * (x0 - point[0])


def crossing(feet: list[Point], line: Line) -> int:
    """Return 1 for a way that crosses the line to its left, -1 to its right, 0 for one that does not, or goes back."""
    net = 0
    for a, b in pairwise(feet):
        before, after = side(a, line) > 0, side(b, line) > 0
        way = Line("", a, b, 0, 0)
        if before != after and (side(line.start, way) > 0) != (side(line.end, way) > 0):
            net += 1 if after else -1
    return max(-1, min(1, net))


def count(clip: Path, size: tuple[int, int] | None) -> list[tuple[Line, list[int], int]]:
    """Return for each line of a clip who crossed it (1 left, -1 right), and how many episodes there were."""
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events"
        replay(str(clip), Outputs(events=events), size=size)
        ends = [json.loads(line)["data"] for line in events.read_text(encoding="utf-8").splitlines()]
    ends = [data for data in ends if data.get("phase") == "end"]
    ways = [[(x + w / 2, y + h) for _, x, y, w, h in data["path"]] for data in ends]
    return [(line, [found for way in ways if (found := crossing(way, line))], len(ends)) for line in LINES[clip.stem]]


def main() -> int:
    """Count and print."""
    parser = argparse.ArgumentParser(description="Counts over lines from the paths of episodes.")
    parser.add_argument("--footage", type=Path, default=ROOT.parent / "shared" / "footage", help="folder of clips")
    parser.add_argument("--size", help="analysis size, WxH (the clip's own)")
    arguments = parser.parse_args()
    size = tuple(int(part) for part in arguments.size.split("x")) if arguments.size else None
    clips = [arguments.footage / f"{name}.mkv" for name in LINES]
    missing = [clip for clip in clips if not clip.is_file()]
    if missing:
        print(f"{missing[0]}: there is no such clip; name the folder with --footage", file=sys.stderr)
        return 2
    wrong = False
    print("| clip | line | to its left | to its right | episodes in all |\n|---|---|---|---|---|")
    for clip in clips:
        for line, found, episodes in count(clip, size):
            left, right = found.count(1), found.count(-1)
            wrong |= (left, right) != (line.left, line.right)
            print(f"| {clip.stem} | {line.name} | {left} of {line.left} | {right} of {line.right} | {episodes} |")
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
