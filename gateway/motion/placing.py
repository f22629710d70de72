"""From cells to picture units: what a track looks like to the rest of the gateway.

Not here: how it is followed (tracks.py). Plain numbers; runs on the camera's thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.motion.result import Box, Track

if TYPE_CHECKING:
    from gateway.motion.thing import Thing

_STAYS = 45.0  # seconds after which what stands came to stay


def placed(thing: Thing, t: float, across: float, down: float) -> Track:
    """Return a track in picture units; across, down: size of a cell in picture widths and heights."""
    if thing.first is None:
        thing.first = _within(*thing.start, across, down)
    return Track(
        id=thing.id,
        box=_box(thing, across, down),
        velocity=(thing.vx * across, thing.vy * down),
        age=t - thing.born,
        seen=thing.region is not None,
        state=thing.state(t, _STAYS),
        first=thing.first,
    )


def _box(thing: Thing, across: float, down: float) -> Box:
    region = thing.region
    if region is None or thing.shared:
        x, y, w, h = thing.x - thing.w / 2, thing.y - thing.h / 2, thing.w, thing.h
    else:
        x, y, w, h = region.x, region.y, region.w, region.h
        for part in thing.parts:
            right, bottom = max(x + w, part.x + part.w), max(y + h, part.y + part.h)
            x, y = min(x, part.x), min(y, part.y)
            w, h = right - x, bottom - y
    return _within(x, y, x + w, y + h, across, down)


def _within(x0: float, y0: float, x1: float, y1: float, across: float, down: float) -> Box:
    left, top = max(0.0, x0 * across), max(0.0, y0 * down)
    return Box(left, top, min(1.0, x1 * across) - left, min(1.0, y1 * down) - top)
