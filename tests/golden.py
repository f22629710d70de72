"""Golden results of the motion core: short scenes made of whole numbers, and what the core says of them.

    scripts/golden            compare with tests/data/golden.json; exit code 0 when all is equal, 1 when not
    scripts/golden --write    record anew, and print what changed, so that somebody looks at it
    scripts/golden small rain these scenes alone: under emulation all of them take minutes
    python3 tests/golden.py   the same where there is nothing but NumPy and OpenCV (another NumPy, an arm64 tree)

The frames are the same on every machine: no random generator, no floating point, nothing but 32-bit whole numbers.
The core's own state is whole numbers, too, and compared as such; what it says in floating point to six decimals. A
digest tells that something changed, the story beside it what. Not here: whether the results are good (scripts/bench).
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

import cv2
import numpy as np

from gateway.motion.cells import OCTAVE, PEDESTAL
from gateway.motion.detector import Detector

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from gateway.motion import Motion
    from gateway.motion.detector import Belief

    Plane = NDArray[np.uint8]
    Whole = NDArray[np.int32]

FILE = Path(__file__).parent / "data" / "golden.json"
FPS = 10


def hashed(count: int, key: int) -> NDArray[np.uint32]:
    """Return `count` well mixed 32-bit numbers (the finalizer of MurmurHash3, Appleby 2011, public domain)."""
    x = np.arange(count, dtype=np.uint32)
    x ^= np.uint32((key * 2654435761 + 97) & 0xFFFFFFFF)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x85EBCA6B)
    x ^= x >> np.uint32(13)
    x *= np.uint32(0xC2B2AE35)
    x ^= x >> np.uint32(16)
    return x


class Street:
    """A textured ground with grain; all in grey levels times 16."""

    def __init__(self, width: int, height: int, seed: int) -> None:
        self.width, self.height, self.seed = width, height, seed
        rows, columns = -(-height // 12), -(-width // 16)
        stones = 60 + (hashed(rows * columns, seed) >> np.uint32(16)).astype(np.int32) % 110
        wide = stones.reshape(rows, columns).repeat(12, axis=0).repeat(16, axis=1)[:height, :width]
        fine = (hashed(width * height, seed + 1) >> np.uint32(28)).astype(np.int32).reshape(height, width)
        self.ground: Whole = (wide * 16 + fine * 8).astype(np.int32)
        self.y, self.x = np.mgrid[:height, :width].astype(np.int32)

    def grain(self, picture: Whole, number: int, strength: int = 3) -> Plane:
        """Add the grain of frame `number` (a triangle, `strength` grey levels at most) and make grey levels of it."""
        mixed = hashed(self.width * self.height, 1000 + number * 7 + self.seed)
        both = (mixed & np.uint32(0xFFFF)).astype(np.int32) - (mixed >> np.uint32(16)).astype(np.int32)
        picture = picture + ((both * strength) >> 12).reshape(picture.shape)
        return np.asarray(np.clip(picture >> 4, 0, 255), np.uint8)

    def thing(self, picture: Whole, left: int, top: int, size: tuple[int, int], grey: int) -> None:
        """Paint a thing with a lighter head, cut by the picture's edges."""
        width, height = size
        body = slice(max(top, 0), max(top + height, 0)), slice(max(left, 0), max(left + width, 0))
        picture[body] = grey * 16
        picture[body[0].start : max(top + height // 4, 0), body[1]] = (grey + 90) * 16


def walker(street: Street, number: int, picture: Whole) -> None:
    """Somebody walks from left to right from 4 s on, and another comes the other way from 7 s on."""
    scale = street.height // 30
    if number >= 40:
        street.thing(picture, (number - 40) * street.width // 110 - 8, street.height // 2, (2 * scale, 6 * scale), 30)
    if number >= 70:
        left = street.width - (number - 70) * street.width // 90
        street.thing(picture, left, street.height // 2 + scale, (2 * scale, 6 * scale), 150)


def plain(street: Street, number: int) -> Plane:
    """Two people cross and hide each other for a moment."""
    picture = street.ground.copy()
    walker(street, number, picture)
    return street.grain(picture, number)


def light(street: Street, number: int) -> Plane:
    """They do so while a lamp is switched at 5 s and the light fades from 8 s on."""
    picture = street.ground.copy()
    walker(street, number, picture)
    share = 256 if number < 50 else 330 if number < 80 else max(170, 330 - (number - 80) * 3)
    return street.grain((picture * share) >> 8, number)


def beam(street: Street, number: int) -> Plane:
    """A dark street over which a beam sweeps, while somebody walks."""
    picture = street.ground >> 2
    walker(street, number, picture)
    away = (
        (street.x - (number % 60 - 10) * street.width // 40) ** 2 * 4 + (street.y - street.height * 2 // 3) ** 2
    ) >> 4
    picture = picture + (picture * np.maximum(0, 400 - away)) // 256
    return street.grain(picture, number, 5)


def rain(street: Street, number: int) -> Plane:
    """Streaks of rain before two people."""
    picture = street.ground.copy()
    walker(street, number, picture)
    for drop in (hashed(40, 5000 + number) >> np.uint32(8)).tolist():
        x, y = drop % street.width, (drop // street.width) % street.height
        picture[y : y + street.height // 12, x] += 640
    return street.grain(picture, number)


def parked(street: Street, number: int) -> Plane:
    """A car comes at 4 s and stays; one that stood there from the beginning leaves at 8 s."""
    picture = street.ground.copy()
    size = street.width // 5, street.height // 6
    street.thing(picture, min((number - 40) * street.width // 50 - size[0], street.width // 2), street.height * 2 // 3,
                 size, 40) if number >= 40 else None  # fmt: skip
    gone = max(0, number - 80) * street.width // 40
    street.thing(picture, street.width // 8 - gone, street.height // 3, size, 120)
    return street.grain(picture, number)


def view(street: Street, number: int) -> Plane:
    """Something hangs before the lens from 5 to 10 s; from 14 s on the camera looks elsewhere."""
    if 50 <= number < 100:
        return street.grain(np.full_like(street.ground, 18 * 16), number)
    picture = (
        np.roll(street.ground, (street.height // 5, street.width // 7), (0, 1)) if number >= 140 else street.ground
    )
    return street.grain(picture.copy(), number)


SCENES: dict[str, tuple[Callable[[Street, int], Plane], tuple[int, int], int]] = {
    "plain": (plain, (320, 240), 160),
    "small": (plain, (160, 120), 160),
    "odd": (plain, (333, 201), 120),
    "large": (plain, (640, 360), 100),
    "light": (light, (320, 180), 160),
    "beam": (beam, (320, 180), 160),
    "rain": (rain, (320, 180), 160),
    "parked": (parked, (320, 180), 200),
    "view": (view, (320, 180), 220),
}
"""Name: frames, size, how many. Ten frames a second."""


def exact(motion: Motion) -> str:
    """Return all that the core says, floating point to six decimals."""

    def text(value: Any) -> str:
        if isinstance(value, float):
            return f"{value:.6f}"
        if isinstance(value, tuple):
            return "(" + ",".join(text(each) for each in value) + ")"
        if hasattr(value, "__dataclass_fields__"):
            return text(tuple(getattr(value, name) for name in value.__dataclass_fields__))
        return str(value)

    return text(motion)


def state(belief: Belief) -> bytes:
    """Return the whole numbers of which a belief was made: rounded where they must be whole, so that no last bit of a
    logarithm matters."""
    lit = belief.background.astype(np.float64) + PEDESTAL
    slope = lit * math.log(2.0) / OCTAVE
    whole = [np.log2(lit / PEDESTAL) * OCTAVE, belief.noise / slope, belief.threshold / slope]
    return b"".join(np.rint(each).astype(np.int32).tobytes() for each in whole) + np.packbits(belief.fired).tobytes()


class Narrator:
    """Tells in words what changed since the last frame."""

    def __init__(self) -> None:
        self.held: str | None = None
        self.view = "ok"
        self.suspect = False
        self.tracks: dict[int, str] = {}

    def tell(self, motion: Motion) -> list[str]:
        """Return a line for each thing that began or ended."""
        said = []
        if motion.suppressed != self.held:
            said.append(f"held back: {motion.suppressed or 'nothing'}")
        if (motion.view, motion.suspect) != (self.view, self.suspect):
            said.append(f"view {motion.view}{', suspect' if motion.suspect else ''}")
        self.held, self.view, self.suspect = motion.suppressed, motion.view, motion.suspect
        for track in motion.tracks:
            if self.tracks.get(track.id) != track.state:
                place = ", ".join(f"{value:.2f}" for value in track.box)
                said.append(f"track {track.id} {track.state} at {place}")
                self.tracks[track.id] = track.state
        said += [f"track {gone} ends" for gone in motion.ended if self.tracks.pop(gone, None)]
        return [f"{motion.t:.1f} s: {text}" for text in said]


def play(name: str) -> dict[str, Any]:
    """Return what the core says of a scene: digest of the frames, digest of the results, the story."""
    draw, (width, height), count = SCENES[name]
    street = Street(width, height, len(name) * 31 + width)
    detector, narrator = Detector(width, height, declare_after=3.0), Narrator()
    frames, results = hashlib.sha256(), hashlib.sha256()
    mask = np.zeros((height, width), np.uint8)
    story: list[str] = []
    padded = np.zeros((height, width + 13), np.uint8)  # as cameras pad their rows
    for number in range(count):
        padded[:, 5 : 5 + width] = draw(street, number)
        luma = padded[:, 5 : 5 + width]
        frames.update(luma.tobytes())
        motion = detector.step(luma, number / FPS)
        results.update(exact(motion).encode())
        story += narrator.tell(motion)
        if number % 10 == 9:
            detector.foreground(mask)
            results.update(np.packbits(mask > 0).tobytes())
            results.update(state(detector.belief()))
    return {"frames": frames.hexdigest()[:16], "results": results.hexdigest()[:16], "story": story}


def digest(found: dict[str, Any]) -> str:
    """Return one digest of all results."""
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]


def differences(recorded: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Return in words what is not as it was recorded; empty: all is equal."""
    lines = []
    for name in sorted({*recorded, *found}):
        old, new = recorded.get(name, {"story": []}), found.get(name, {"story": []})
        if old == new:
            continue
        if old.get("frames") != new.get("frames"):
            lines.append(f"{name}: the frames are others ({old.get('frames')} -> {new.get('frames')})")
        lines.append(f"{name}: the results are others ({old.get('results')} -> {new.get('results')})")
        story = list(difflib.unified_diff(old["story"], new["story"], "recorded", "now", lineterm="", n=0))[2:]
        lines += story or ["    the story is the same: only numbers changed"]
    return lines


def main() -> int:
    """Compare, or record."""
    parser = argparse.ArgumentParser(description="Golden results of the motion core.")
    parser.add_argument("--write", action="store_true", help="record anew and say what changed")
    parser.add_argument("scenes", nargs="*", help=f"these alone: {', '.join(SCENES)}")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.scenes if name not in SCENES]:
        parser.error(f"there is no scene {unknown[0]!r}: one of {', '.join(SCENES)}")
    if arguments.write and arguments.scenes:
        parser.error("all scenes are recorded together: leave out the names")
    chosen = arguments.scenes or list(SCENES)
    found = {name: play(name) for name in chosen}
    recorded = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    recorded = {name: recorded[name] for name in recorded if name in chosen or not arguments.scenes}
    changed = differences(recorded, found)
    print("\n".join(changed))
    print(f"{digest(found)}  NumPy {np.__version__}, OpenCV {cv2.__version__}: "
          f"{'as recorded' if not changed else 'not as recorded'}")  # fmt: skip
    if arguments.write:
        FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(f"recorded in {FILE.name}: look at what changed before you commit it")
        return 0
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
