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
    region = thing.region
    if region is None or thing.shared:
        half_w, half_h = thing.w / 2, thing.h / 2
        x, y = thing.x - half_w, thing.y - half_h
        box = _within(x, y, x + thing.w, y + thing.h, across, down)
    else:
        left, top = region.x, region.y
        right, bottom = left + region.w, top + region.h
        for part in thing.parts:
            right, bottom = max(right, part.x + part.w), max(bottom, part.y + part.h)
            left, top = min(left, part.x), min(top, part.y)
        box = _within(left, top, right, bottom, across, down)
    return Track(
        thing.id, box, (thing.vx * across, thing.vy * down), t - thing.born, region is not None,
        thing.state(t, _STAYS), thing.first,
    )  # fmt: skip


def _within(x0: float, y0: float, x1: float, y1: float, across: float, down: float) -> Box:
    left, top = max(0.0, x0 * across), max(0.0, y0 * down)
    return Box(left, top, min(1.0, x1 * across) - left, min(1.0, y1 * down) - top)
