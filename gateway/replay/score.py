"""Whether what the centre received is what happened: episodes against the simulated corner's truth.

Pure: lines of truth and received boxes in, counts out. Not here: reading the file (play.py), messages (centre.py).

An object COUNTS when it moves, uncovered and at least as high as the smallest thing that the gateway is set to see, for
MOVING_SECONDS in all, later than SETTLE_SECONDS after the first frame (a model that was born with the picture cannot
tell a walker from the wall behind him). Nothing else excuses the gateway: not distance, dusk, occlusion or speed.
It is FOUND when a received episode overlaps its visible time and one of the episode's boxes, grown by a tenth, holds
the centre of the object as it was drawn at that box's time. A received episode is FALSE when none of its boxes, grown
by a tenth, holds the centre of anything that was drawn: counting or not, moving or not.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SETTLE_SECONDS = 2.0
MOVING_SECONDS = 1.0
GROWTH = 0.1
"""A box is made wider and higher by this share of its size, half on each side."""
NEAR_SECONDS = 0.25
"""A box is compared with the frame nearest in time, if that is no further away: frames may be lost at high load."""


class Box(NamedTuple):
    """A rectangle in picture units: 0..1 from the top left corner."""

    x: float
    y: float
    w: float
    h: float

    @property
    def centre(self) -> tuple[float, float]:
        """Its middle."""
        return self.x + self.w / 2, self.y + self.h / 2

    def grown(self, share: float) -> Box:
        """Return a box wider and higher by `share` round the same middle."""
        return Box(self.x - self.w * share / 2, self.y - self.h * share / 2, self.w * (1 + share), self.h * (1 + share))

    def holds(self, point: tuple[float, float]) -> bool:
        """Tell whether a point lies in it, its edges included."""
        return self.x <= point[0] <= self.x + self.w and self.y <= point[1] <= self.y + self.h


@dataclass(frozen=True, slots=True)
class Received:
    """An episode as the centre knows it."""

    id: str
    started: float
    """Monotonic time of the gateway in seconds, as everywhere here."""
    ended: float
    """When the thing was seen last."""
    boxes: tuple[tuple[float, Box], ...]
    """Time and place of all boxes that were received."""


@dataclass(slots=True)
class Drawn:
    """One object of the scene."""

    id: int
    kind: str
    first: float
    last: float
    moving: float = 0.0
    """Seconds for which it moved in plain sight, after the gateway had settled."""

    @property
    def counts(self) -> bool:
        """Whether it must be found."""
        return self.moving >= MOVING_SECONDS


@dataclass(frozen=True, slots=True)
class Score:
    """The end of the comparison."""

    true: int
    """Objects that count."""
    found: int
    """Of these, those that an episode shows."""
    false: int
    """Episodes that show nothing."""
    missed: tuple[str, ...] = ()
    """Kind and id of the objects that count and were not found."""


@dataclass(slots=True)
class Truth:
    """What was drawn, frame by frame."""

    smallest: float
    """Height of the smallest thing that must be seen, in picture heights."""
    times: list[float] = field(default_factory=list)
    frames: list[dict[int, Box]] = field(default_factory=list)
    objects: dict[int, Drawn] = field(default_factory=dict)

    def add(self, line: Mapping[str, Any]) -> None:
        """Take one line of the truth file: {"mono", "objects": [{"id", "kind", "box", "moving"}], "state"}."""
        now = float(line["mono"])
        since = min(now - self.times[-1], NEAR_SECONDS) if self.times else 0.0
        self.times.append(now)
        boxes = {int(thing["id"]): Box(*thing["box"]) for thing in line["objects"]}
        self.frames.append(boxes)
        settled = now - self.times[0] >= SETTLE_SECONDS and not line.get("state", {}).get("covered", False)
        for thing in line["objects"]:
            drawn = self.objects.setdefault(thing["id"], Drawn(thing["id"], thing["kind"], now, now))
            drawn.last = now
            if settled and thing["moving"] and boxes[drawn.id].h >= self.smallest:
                drawn.moving += since

    def at(self, time: float) -> dict[int, Box]:
        """Return what was drawn in the frame nearest to `time`; nothing, when there is none near."""
        i = bisect_left(self.times, time)
        near = [k for k in (i - 1, i) if 0 <= k < len(self.times) and abs(self.times[k] - time) <= NEAR_SECONDS]
        return self.frames[min(near, key=lambda k: abs(self.times[k] - time))] if near else {}


def shown(episode: Received, truth: Truth) -> list[Drawn]:
    """Return the objects that an episode shows, those most often held first; empty: the episode is false."""
    held: dict[int, int] = {}
    for time, box in episode.boxes:
        grown = box.grown(GROWTH)
        for id_, where in truth.at(time).items():
            drawn = truth.objects[id_]
            overlaps = drawn.first <= episode.ended and episode.started <= drawn.last
            if overlaps and grown.holds(where.centre):
                held[id_] = held.get(id_, 0) + 1
    return [truth.objects[id_] for id_ in sorted(held, key=lambda id_: -held[id_])]


def score(episodes: Iterable[Received], truth: Truth) -> Score:
    """Compare all that was received with all that was drawn."""
    found: set[int] = set()
    false = 0
    for episode in episodes:
        things = shown(episode, truth)
        found.update(thing.id for thing in things)
        false += not things
    due = [drawn for drawn in truth.objects.values() if drawn.counts]
    missed = tuple(f"{drawn.kind} {drawn.id}" for drawn in due if drawn.id not in found)
    return Score(len(due), len(due) - len(missed), false, missed)


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the nearest-rank percentile (`share` 0..1), or None where there is no value."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]
