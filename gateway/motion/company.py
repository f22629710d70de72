"""Whether a track is only what goes with another: its shadow, or a piece of it that is seen apart.

Who is as grey as the wall behind is seen in pieces, and each of them, and the shadow, looks like a thing. What tells
them is that they go together (the law of common fate): small beside the other, near it, and as fast.

Not here: pieces one above the other that become one track (joining.py). Plain Python numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.motion.trust import SHADY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.motion.thing import Thing

_SMALL = 0.5  # of the other's area and height
_TOUCHES = 2.0  # cells between what broke off and what it broke from
_APART = 12  # frames after which that is no piece which goes another way
_ALIKE = 2.0  # cells a second that the speeds of two pieces may differ by


def escorts(things: Sequence[Thing], thing: Thing, width: int, height: int) -> bool:
    """Say whether it is the shadow or a piece of something beside it.

    width, height: of the picture, in cells. Two who walk side by side are believed, as they are of about the same
    size. A small shadow alone is believed late (trust.py), a large one at once: it may be a dark car.
    """
    return any(other is not thing and _of(thing, other, width, height) for other in things)


def _of(thing: Thing, other: Thing, width: int, height: int) -> bool:
    reach = 0.9 * max(thing.w, thing.h, other.w, other.h)
    apart_x = abs(thing.x - other.x) - (thing.w + other.w) / 2
    apart_y = abs(thing.y - other.y) - (thing.h + other.h) / 2
    if apart_x > reach or apart_y > reach:
        return False
    return _cast(thing, other, width, height) or _piece(thing, other, apart_x, apart_y)


def _cast(thing: Thing, other: Thing, width: int, height: int) -> bool:
    """Say whether it is evenly darker and wider than high, and goes beside something that is not."""
    owner = other.shade < 1 - SHADY and other.hits >= 3
    if thing.shade < SHADY or thing.region is None or not (owner or (other.confirmed and other.area > 2 * thing.area)):
        return False
    x, y, w, h = thing.region[1:5]
    # While it comes in only its front is seen to move, so its speed says nothing yet.
    entering = x <= 0 or y <= 0 or x + w >= width or y + h >= height
    return entering or _together(thing, other, 0.5)


def _piece(thing: Thing, other: Thing, apart_x: float, apart_y: float) -> bool:
    """Say whether it is small beside something believed and goes as that does, or broke off from it a moment ago."""
    if not (other.confirmed and thing.area <= _SMALL * other.area and thing.h <= _SMALL * other.h + 1.0):
        return False
    if thing.hits < _APART and max(apart_x, apart_y) <= _TOUCHES:
        return True
    return apart_y < _TOUCHES and _together(thing, other, 0.35)


def _together(thing: Thing, other: Thing, share: float) -> bool:
    """Say whether their speeds over the last second differ by less than `share` of the greater one.

    Up and down counts half: heights change when legs and shadows melt in.
    """
    apart = abs(thing.mean_vx - other.mean_vx) + 0.5 * abs(thing.mean_vy - other.mean_vy)
    speed = max(abs(thing.mean_vx) + abs(thing.mean_vy), abs(other.mean_vx) + abs(other.mean_vy))
    return apart < max(_ALIKE, share * speed)


def measure_pace(thing: Thing, dt: float) -> None:
    """Take the speed of this frame, `dt` seconds after the last one, into the mean."""
    share = max(1 / (thing.hits - 1), min(1.0, dt))
    thing.mean_vx += share * (thing.vx - thing.mean_vx)
    thing.mean_vy += share * (thing.vy - thing.mean_vy)


def near(things: Sequence[Thing], thing: Thing) -> bool:
    """Say whether it touches something larger that is believed."""
    return any(
        other.confirmed
        and other is not thing
        and thing.area <= _SMALL * other.area
        and abs(thing.x - other.x) <= (thing.w + other.w) / 2 + _TOUCHES
        and abs(thing.y - other.y) <= (thing.h + other.h) / 2 + _TOUCHES
        for other in things
    )
