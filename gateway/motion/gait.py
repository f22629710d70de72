"""How a track goes: fast for its size, in leaps, down like a drop, to and fro, or steadily for long.

Not here: what follows from it for belief (trust.py). Plain Python numbers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.motion.thing import Thing

GLARE = 1800
"""Units brighter than the background: an insect before the lamp."""

PATIENT = 8
"""Frames that drops and flakes are not followed for."""

SURE = 7.0
"""Evidence that a track needs."""

_PROGRESS = 1.5  # seconds between two measurements of progress
_PLUNGE = 1.5  # of its height in a tenth of a second


def outlasts(thing: Thing) -> bool:
    """Say whether it was followed for longer than drops and flakes can be, and went more slowly than they fall."""
    return thing.hits >= PATIENT and thing.evidence >= 3 * SURE and thing.own > 0.4 and not flits(thing, least=0.35)


def flits(thing: Thing, *, least: float = 0.7) -> bool:
    """Say whether it is so fast for its size that it is near the lens, or a cyclist: `least` of its size in .1 s.

    What glares may be an insect before the lamp; then little more than half of that is fast.
    """
    # Who comes in at the border is narrow at first, so a glaring one is measured by the larger side.
    glares = thing.contrast > GLARE
    size = max(thing.w, thing.h) if glares else math.sqrt(thing.w * thing.h)
    least = min(least, 0.4) if glares else least
    return (abs(thing.vx) + abs(thing.vy)) * 0.1 > least * size


def measure_progress(thing: Thing, t: float) -> None:
    """Count how often in a row it walked to and fro and got nowhere."""
    x, y, path, since = thing.milestone
    if t - since < _PROGRESS:
        return
    walked = thing.path - path
    got = abs(thing.x - x) + abs(thing.y - y)
    thing.idle = thing.idle + 1 if walked > 2.0 and got < 0.35 * walked else 0
    thing.milestone = (thing.x, thing.y, thing.path, t)


def plunges(thing: Thing) -> bool:
    """Say whether it goes up or down by more than its own height in a tenth of a second: a flake, drop or insect.

    On the ground nobody does: seen from above it would be a hundred kilometres an hour for who is on foot.
    """
    return abs(thing.vy) * 0.1 > _PLUNGE * thing.h


def leaps(thing: Thing) -> bool:
    """Say whether it is so fast that it hardly touches where it was a tenth of a second ago."""
    return abs(thing.vx) * 0.1 > 0.6 * thing.w or abs(thing.vy) * 0.1 > 0.6 * thing.h


def came_in(thing: Thing, width: int, height: int) -> bool:
    """Say whether it was seen first within a leap of the picture's border: insects appear from nowhere."""
    left, top, right, bottom = thing.start
    near_x, near_y = abs(thing.vx) * 0.1 + 2, abs(thing.vy) * 0.1 + 2
    return left < near_x or top < near_y or right > width - near_x or bottom > height - near_y
