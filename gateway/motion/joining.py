"""Which region is which thing: the regions of a frame are joined to the tracks there are.

A region that is near a track's predicted place continues it; the best pairs first. A thing that is seen once or twice
only may have leapt (a cyclist crosses the picture in half a second), so young tracks may reach far for a region of
their own size. Two things that become one region are both carried on by their own speed until they part. Pieces of
one thing, one above the other, become one again.

Not here: what a track makes of its region (tracks.py). Plain Python numbers; runs on the camera's thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.motion.trust import soft

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.motion.regions import Region
    from gateway.motion.thing import Thing


_KNOWN = 3  # frames after which it is known how a thing goes
_GAP = 1.5  # cells between two pieces, over and above the width of the wider one
_LARGE = 60  # cells
_WIDE = 1.1  # of the height
_ALIKE = 4.0  # cells a second that two pieces may differ by


def gather(things: Sequence[Thing]) -> list[Thing]:
    """Give what is a piece of another thing to that one; return those pieces.

    Head and legs are often all that is seen of who is as grey as what is behind: pieces one above the other that go
    the same way are one. What is believed already is nobody's piece.
    """
    known = [thing for thing in things if thing.region is not None and thing.hits >= _KNOWN and not thing.shared]
    pieces: list[Thing] = []
    for piece in known:
        if piece.confirmed or piece.edge < 0.3 or piece.own < 0.0:
            continue
        for other in known:
            if other is piece or other in pieces:
                continue
            greater = (other.area, -other.id) > (piece.area, -piece.id) and _solid(other)
            if (other.confirmed or greater) and _stacked(piece, other) and not (_flat(piece) and _flat(other)):
                assert piece.region is not None
                other.parts += (piece.region, *piece.parts)
                pieces.append(piece)
                break
    return pieces


def _solid(thing: Thing) -> bool:
    """Say whether it looks like a thing rather than like light or shadow, whose pieces nobody should become."""
    return thing.edge > 0.4 and thing.own > 0.25 and thing.shade < 0.4 and not soft(thing)


def _flat(thing: Thing) -> bool:
    """Say whether it is large and wider than high: a car, and another one behind it is no piece of that."""
    return thing.area >= _LARGE and thing.w > _WIDE * thing.h


def _stacked(one: Thing, other: Thing) -> bool:
    """Say whether one stands above the other, no further away than a body is wide, and they go the same way."""
    wide = max(one.w, other.w)
    if abs(one.x - other.x) > 0.5 * wide + 1.0:
        return False
    if abs(one.y - other.y) - (one.h + other.h) / 2 > wide + _GAP:
        return False
    apart = abs(one.vx - other.vx) + 0.5 * abs(one.vy - other.vy)
    speed = max(abs(one.vx) + abs(one.vy), abs(other.vx) + abs(other.vy))
    return apart < max(_ALIKE, 0.6 * speed)


def join(things: Sequence[Thing], regions: Sequence[Region], dt: float, width: int) -> list[Region]:
    """Set `region`, `shared` and `parts` of every thing; return the regions that belong to none.

    dt: seconds since the frame before. width: of the picture, in cells.
    """
    for thing in things:
        thing.region, thing.shared = None, False
        thing.parts.clear()
    free = dict(enumerate(regions))
    _join_near(things, free, dt)
    _join_far(things, free, dt, width)
    _share(things, regions, free, dt)
    return list(free.values())


def _join_near(things: Sequence[Thing], free: dict[int, Region], dt: float) -> None:
    pairs: list[tuple[float, int, int]] = []
    places: list[tuple[int, float, float, float, float]] = []
    for j, (_, left, top, width, height, *_) in free.items():
        w, h = width / 2, height / 2
        places.append((j, left + w, top + h, w, h))
    for i, thing in enumerate(things):
        px, py = thing.x + thing.vx * dt, thing.y + thing.vy * dt
        half_w, half_h = thing.w / 2, thing.h / 2
        slack = 2.0 + 0.5 * min(half_w, half_h)
        reach_x, reach_y = half_w + slack, half_h + slack
        for j, x, y, w, h in places:
            dx = abs(x - px)
            if dx > w + reach_x:
                continue
            dy = abs(y - py)
            if dy <= h + reach_y:
                known = min(thing.hits, 8) * 0.25
                pairs.append((dx + dy + abs(w - half_w) + abs(h - half_h) - known, i, j))
    pairs.sort()
    for _, i, j in pairs:
        if things[i].region is None and j in free:
            things[i].region = free.pop(j)


def _join_far(things: Sequence[Thing], free: dict[int, Region], dt: float, width: int) -> None:
    """Let a track seen once or twice reach for a region of its size that moves."""
    reach = 2.5 * width * min(dt, 0.2)
    pairs: list[tuple[float, int, int]] = []
    for i, thing in enumerate(things):
        if thing.region is not None or thing.hits > 2 or thing.moving < 0.5:
            continue
        px, py = thing.x + thing.vx * dt, thing.y + thing.vy * dt
        far = reach if thing.hits == 1 else 0.35 * (abs(thing.vx) + abs(thing.vy)) * dt
        for j, region in free.items():
            away = abs(region.x + region.w / 2 - px) + 2 * abs(region.y + region.h / 2 - py)
            ratio = region.area / max(thing.area, 1.0)
            if away <= far and 0.4 < ratio < 2.5 and region.moving >= 0.5:
                pairs.append((away, i, j))
    pairs.sort()
    for _, i, j in pairs:
        if things[i].region is None and j in free:
            things[i].region = free.pop(j)


def _share(things: Sequence[Thing], regions: Sequence[Region], free: dict[int, Region], dt: float) -> None:
    """Carry on tracks that melted into another's region; give fragments to the track they broke from."""
    for thing in things:
        if thing.region is None and thing.confirmed:
            _hide(things, thing, regions, dt)
    for j, region in list(free.items()):
        x, y = region.x + region.w / 2, region.y + region.h / 2
        for thing in things:
            if thing.region is None or thing.shared:
                continue
            px, py = thing.x + thing.vx * dt, thing.y + thing.vy * dt
            if abs(x - px) <= thing.w / 2 + 1 and abs(y - py) <= thing.h / 2 + 1 and region.area < thing.area:
                thing.parts.append(free.pop(j))
                break


def _hide(things: Sequence[Thing], thing: Thing, regions: Sequence[Region], dt: float) -> None:
    px, py = thing.x + thing.vx * dt, thing.y + thing.vy * dt
    for region in regions:
        if region.x <= px <= region.x + region.w and region.y <= py <= region.y + region.h:
            thing.region, thing.shared = region, True
            for other in things:
                # A fragment beside a large thing does not make the large one lose its place.
                if other is not thing and other.region is region and other.area < 3 * thing.area:
                    other.shared = True
            return
