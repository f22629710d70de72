"""A day of the simulated corner, compressed: how often the gateway cries wolf, and what it misses, hour by hour.

    scripts/bench day [--minutes N] [--seed N ...] [--fps N] [--size WxH] [--from H] [--to H] [--json FILE]
                      [--pictures DIR]

24 hours from noon to noon pass in N minutes (30): sun, weather, lamps and the infra-red filter pass quickly; people,
cars, drops and insects move at their own pace. The production pipeline at its defaults sees every frame; its episodes
are judged by replay/score.py: false is an episode none of whose boxes holds the middle of anything that was drawn;
missed is a thing that moved in plain sight for a second. Of the false ones it says which show a piece of somebody (half
of a box of theirs, or more, lies on him: a head, a pair of legs) and which nothing at all; both count. Of every false
episode a picture is kept, with what was going on then. At minutes=30 dusk is 48 times as quick as a real one: what is
found here is no easier than a real day.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

import cv2  # noqa: E402

from gateway.camera.street import Street  # noqa: E402
from gateway.configuration.settings import CameraSettings  # noqa: E402
from gateway.errors import CameraEnded  # noqa: E402
from gateway.eye.pipeline import Pipeline  # noqa: E402
from gateway.replay.film import draw, encode, picture_of  # noqa: E402
from gateway.replay.score import Truth  # noqa: E402
from gateway.replay.story import Story, Told  # noqa: E402
from gateway.wire.draft import uuid7  # noqa: E402

if TYPE_CHECKING:
    from gateway.camera.frame import Frame
    from gateway.motion import Motion
    from gateway.wire.draft import Draft

NOON = 12


@dataclass
class Hour:
    """What happened in one hour of the day."""

    true: int = 0
    found: int = 0
    episodes: int = 0
    false: int = 0
    frames: int = 0
    held: Counter[str] = field(default_factory=Counter)
    """Frames in which motion was held back, by cause."""
    causes: Counter[str] = field(default_factory=Counter)
    """What was going on during false episodes."""
    missed: list[str] = field(default_factory=list)


class Day:
    """One day of one corner."""

    def __init__(self, seconds: float, seed: int, fps: float, size: tuple[int, int], keep: Path) -> None:
        self.seconds, self.seed, self.keep = seconds, seed, keep
        self.street = Street(size, fps, seed, scene="day", main_size=(0, 0), pace=False, seconds=seconds)
        camera = CameraSettings().model_dump(mode="json")
        self.story = Story(Truth(float(camera["smallest_px"]) / size[1]))
        self.drafts: list[Draft] = []
        counter = itertools.count(1)
        self.pipeline = Pipeline(
            camera,
            size,
            self.drafts.append,
            lambda t: uuid7(int(t * 1000), hashlib.sha256(b"%d" % next(counter)).digest()),
            simulated=True,
        )
        self.going: dict[str, Counter[str]] = {}
        """What was going on during each episode."""
        self.lit = self.street.world.scene.light(0.0)
        self.changed: dict[str, float] = {}
        self.frames: Counter[int] = Counter()
        self.held: dict[int, Counter[str]] = {}

    def hour(self, t: float) -> int:
        """Return the hour of the day (0..23) at second `t`."""
        return int((NOON + 24 * t / self.seconds) % 24)

    def run(self, first: float, last: float) -> None:
        """Watch the hours from `first` to `last`, counted from noon (0..24)."""
        begun = time.monotonic()
        start, end = first / 24 * self.seconds, last / 24 * self.seconds
        if start:
            self.street.world.advance(int(start * self.street.fps) - 1)
        t = start
        try:
            while t < end:
                frame = self.street.read(1)
                t = frame.mono
                self.pipeline.step(frame, self.look)
                self.pipeline.stills.work()
                self.hear()
                if frame.number % 3000 == 0:
                    rate = (frame.number - start * self.street.fps) / max(time.monotonic() - begun, 1e-9)
                    told = len(self.story.episodes)
                    print(f"seed {self.seed}: {self.hour(t):02d} h, {rate:.0f} frames/s, {told} episodes",
                          file=sys.stderr, flush=True)  # fmt: skip
        except CameraEnded:
            pass
        self.pipeline.interrupt(t)
        self.pipeline.stills.work()
        self.hear()
        self.street.close()

    def look(self, frame: Frame, motion: Motion) -> None:
        """Note what is there, what is said, and what is going on."""
        t, street = motion.t, self.street
        self.story.see(motion, {track: episode.id for track, episode in self.pipeline.episodes.open.items()})
        assert self.story.truth is not None
        seen = [{"id": s.id, "kind": s.kind, "box": s.box, "moving": s.moving} for s in street.truth]
        self.story.truth.add({"mono": t, "objects": seen, "state": street.state})
        hour = self.hour(t)
        self.frames[hour] += 1
        if motion.suppressed:
            self.held.setdefault(hour, Counter())[motion.suppressed] += 1
        if not self.pipeline.episodes.open:
            self.watch_light(t)
            return
        now = self.watch_light(t)
        fresh = [e.id for e in self.pipeline.episodes.open.values() if e.id not in self.going]
        for episode in self.pipeline.episodes.open.values():
            self.going.setdefault(episode.id, Counter()).update(now)
        if fresh:
            picture = picture_of(frame, street.size)
            draw(picture, motion, street.truth, " ".join(sorted(now)))
            jpeg = encode(picture, 80)
            for episode_id in fresh:
                (self.keep / f"{episode_id}.jpg").write_bytes(jpeg)

    def watch_light(self, t: float) -> set[str]:
        """Return what is going on: weather, what is switched, whether it is night, whose lamps are near."""
        world = self.street.world
        now = {type(layer).__name__.lower() for layer in world.layers if layer.strength(t) > 0.05}
        light = world.scene.light(t)
        if (light.infrared > 0) != (self.lit.infrared > 0):
            self.changed["infra-red switch"] = t
        if abs(light.lamp - self.lit.lamp) > 0.01:
            self.changed["lamps warm up"] = t
        self.lit = light
        now |= {name for name, when in self.changed.items() if t - when < 8}
        now.add(
            "infra-red" if light.infrared > 0 else "night" if light.lux < 50 else "dusk" if light.lux < 800 else "day"
        )
        if light.lux < 300 and any(who.kind in {"car", "van", "lorry"} for who in world.here):
            now.add("a car with lamps")
        return now

    def hear(self) -> None:
        """Take in what is said."""
        for draft in self.drafts:
            if draft.picture is None:
                self.story.hear(draft)
        self.drafts.clear()

    def hours(self) -> tuple[dict[int, Hour], list[dict[str, Any]]]:
        """Return the score of each hour, and the false episodes."""
        truth, verdict = self.story.truth, self.story.verdict()
        assert truth is not None
        assert verdict is not None
        hours = {hour: Hour(frames=count, held=self.held.get(hour, Counter())) for hour, count in self.frames.items()}
        missed = set(verdict.missed)
        for thing in self.story.things():
            if thing.counts:
                hour = hours[self.hour(thing.first)]
                hour.true += 1
                hour.found += f"{thing.kind} {thing.id}" not in missed
                if f"{thing.kind} {thing.id}" in missed:
                    high = max(box.h for at in truth.frames if (box := at.get(thing.id))) * self.street.size[1]
                    hour.missed.append(f"{thing.kind} {thing.id} at {thing.first:.0f} s, {high:.0f} px at most, "
                                       f"{thing.moving:.1f} s in plain sight")  # fmt: skip
        false = []
        for told in self.story.in_order():
            hour = hours[self.hour(told.started)]
            hour.episodes += 1
            if self.story.shows(told):
                continue
            hour.false += 1
            going = self.going.get(told.id, Counter())
            hour.causes.update(list(going))
            false.append(self.describe(told, sorted(going)))
        return hours, false

    def describe(self, told: Told, going: list[str]) -> dict[str, Any]:
        """Return a false episode in words and numbers."""
        height = max((point[4] for point in told.path), default=0.0) * self.street.size[1]
        return {
            "id": told.id,
            "seed": self.seed,
            "second": round(told.started, 1),
            "hour": round((NOON + 24 * told.started / self.seconds) % 24, 2),
            "lasted": round(told.last - told.started, 1),
            "height_px": round(height, 1),
            "piece_of": self.piece_of(told),
            "going_on": going,
        }

    def piece_of(self, told: Told) -> str:
        """Return whom a false episode shows a piece of: on whom half of one of its boxes lies, or more; or nothing."""
        truth = self.story.truth
        assert truth is not None
        for t, box in sorted(told.boxes.items()):
            for id_, where in truth.at(t).items():
                across = min(box.x + box.w, where.x + where.w) - max(box.x, where.x)
                down = min(box.y + box.h, where.y + where.h) - max(box.y, where.y)
                if across > 0 and down > 0 and across * down >= 0.5 * box.w * box.h:
                    return f"{truth.objects[id_].kind} {id_}"
        return ""


def show(seed: int, hours: dict[int, Hour], false: list[dict[str, Any]]) -> None:
    """Print a day for people."""
    print(
        f"\nseed {seed}\n| hour | things found | episodes | false | going on | held back |\n|---|---|---|---|---|---|"
    )
    for number in [*range(NOON, 24), *range(NOON)]:
        if (hour := hours.get(number)) is None:
            continue
        causes = ", ".join(f"{name} {count}" for name, count in hour.causes.most_common(4))
        held = ", ".join(f"{name} {count / hour.frames:.0%}" for name, count in hour.held.most_common())
        print(f"| {number:02d} | {hour.found}/{hour.true} | {hour.episodes} | {hour.false} | {causes} | {held} |")
    found, true = sum(h.found for h in hours.values()), sum(h.true for h in hours.values())
    episodes = sum(h.episodes for h in hours.values())
    print(f"| **all** | **{found}/{true}** | **{episodes}** | **{len(false)}** (must 5, aim 1) | | |")
    pieces = sum(bool(each["piece_of"]) for each in false)
    print(
        f"\nOf the {len(false)} false episodes {pieces} show a piece of somebody, {len(false) - pieces} nothing at all."
    )
    for hour in hours.values():
        for text in hour.missed:
            print(f"missed: {text}")
    for each in false:
        piece = f"; a piece of {each['piece_of']}" if each["piece_of"] else ""
        print("false: {hour:05.2f} h, second {second}, lasted {lasted} s, {height_px} px high, {name}: {what}".format(
            **each, name=f"{each['id']}.jpg", what=", ".join(each["going_on"]) + piece))  # fmt: skip


def main() -> int:
    """Run what was asked for and print it."""
    parser = argparse.ArgumentParser(description="A day of the simulated corner, compressed.")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, nargs="+", default=[0])
    parser.add_argument("--fps", type=float, default=10.0)
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--from", dest="first", type=float, default=0.0, help="hours after noon at which to begin")
    parser.add_argument("--to", dest="last", type=float, default=24.0, help="hours after noon at which to end")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--pictures", type=Path, help="where pictures of false episodes go (a new folder)")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    width, height = (int(part) for part in arguments.size.split("x"))
    keep = arguments.pictures or Path(tempfile.mkdtemp(prefix="gateway-day-"))
    keep.mkdir(parents=True, exist_ok=True)
    results: dict[int, Any] = {}
    for seed in arguments.seed:
        day = Day(arguments.minutes * 60, seed, arguments.fps, (width, height), keep)
        day.run(arguments.first, arguments.last)
        hours, false = day.hours()
        kept = {each["id"] for each in false}
        for picture in keep.glob("*.jpg"):
            if picture.stem not in kept and picture.stem in day.going:
                picture.unlink()
        show(seed, hours, false)
        results[seed] = {
            "hours": {n: {"true": h.true, "found": h.found, "episodes": h.episodes, "false": h.false,
                          "missed": h.missed} for n, h in hours.items()},
            "false": false,
        }  # fmt: skip
    print(f"\npictures of false episodes are in {keep}")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
