"""Which region is which thing: regions are joined to tracks from frame to frame, and a track must earn belief.

A region that is near a track's predicted place continues it; the best pairs first. A thing that is seen once or twice
only may have leapt (a cyclist crosses the picture in half a second), so young tracks may reach far for a region of
their own size. A track is confirmed when it was seen often enough, went somewhere, and looks like a thing. Two things
that become one region are both carried on by their own speed until they part.

Not here: pixels. Plain Python numbers; runs on the camera's thread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from gateway.motion.regions import Region

State = Literal["moving", "still", "stationary"]

_STILL_AFTER = 1.5  # seconds without a step
_TILE = 8  # cells
_OCTAVES = 12
_CALM = 2.0  # regions a frame that belong to nothing
_MEMORY = 3.0  # seconds
_SEETHES = 3.0  # seconds
_STORM = 4.0  # regions a second
_OWN = 0.25  # less of its edges are its own: the background's edges in another light
_STEADY = 0.25
_SURE = 7.0  # evidence that a track needs
_MISSED = 3.0  # evidence that a frame without it takes away
_PROGRESS = 1.5  # seconds between two measurements of progress
_CAP = 4.0  # evidence that one region can give
_SHADY = 0.6  # of the frames in which it must look like a shadow
_DEEPEST, _FAINTEST = -4600, -500  # how much darker a shadow makes, in units of 1/4096 octave
_UNPROVEN = 0.45  # seconds that a track lives on unseen before it was confirmed
_PROVEN = 2.5  # the same afterwards: a pole, a parked van


@dataclass(slots=True)
class Thing:
    """One thing that is followed; positions are centres in cells, speeds in cells a second."""

    id: int
    x: float
    y: float
    w: float
    h: float
    born: float
    seen: float
    area: float
    vx: float = 0.0
    vy: float = 0.0
    hits: int = 1
    edge: float = 0.0
    own: float = 1.0
    moving: float = 0.0
    start: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """Left, top, right and bottom when it was first seen."""
    went: float = 0.0
    """How far both its sides went the same way from where it began, in cells: flickering goes nowhere."""
    origin: tuple[float, float] = (0.0, 0.0)
    """Centre when it was first seen."""
    far: float = 0.0
    """The farthest that its centre was from there."""
    milestone: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """Place, path and time at which its progress was measured last."""
    idle: int = 0
    """Measurements in a row in which it moved to and fro and got nowhere."""
    swerve: float = 0.5
    """How far it is from where it was expected, as a share of its step: things keep their way, insects do not."""
    evidence: float = 0.0
    """How unlikely it is that chance put its regions where they were expected, as a negative natural logarithm."""
    path: float = 0.0
    """Length of the way, in cells: leaves go far and get nowhere."""
    anchor: tuple[float, float] = (0.0, 0.0)
    """Where it stood when it last took a step."""
    stepped: float = 0.0
    """When that was."""
    shade: float = 0.0
    """How much it looks like a shadow on the ground, 0..1: evenly darker, and wider than high."""
    confirmed: bool = False
    shared: bool = False
    """It hides in a region together with another."""
    region: Region | None = None
    """The region of this frame that shows it, or None."""
    parts: list[Region] = field(default_factory=list)
    """Further regions of this frame that belong to it."""

    def state(self, t: float, stationary_after: float) -> State:
        """Return whether it moves, stands for now, or came to stay."""
        stood = t - self.stepped
        if stood < _STILL_AFTER:
            return "moving"
        return "still" if stood < stationary_after else "stationary"


class Tracks:
    """Follows things over one grid of cells."""

    def __init__(self, width: int, height: int, *, smallest: float) -> None:
        """Smallest: height of the smallest thing in cells."""
        self._width, self._height = width, height
        self._smallest = smallest
        self._next = 1
        self.wary = False
        """The light changes: what is small must wait for belief until it is steady."""
        self._since = 0.0
        self._loose = [0.0] * _OCTAVES
        """Regions a frame that belong to nothing believed, of at least 2 ** i cells; a mean over some seconds."""
        self._births = [0.0] * _OCTAVES
        """Regions a second that begin, of at least 2 ** i cells; a mean over some seconds."""
        self._reach = [[0.0] * (width // _TILE + 1) for _ in range(height // _TILE + 1)]
        """How far things went that were born in this tile and never believed: leaves, webs, water."""
        self.things: list[Thing] = []

    def clear(self) -> list[int]:
        """Forget everything; return the ids of the confirmed tracks that ended so."""
        ended = [thing.id for thing in self.things if thing.confirmed]
        self.things.clear()
        return ended

    def update(self, regions: Sequence[Region], t: float, dt: float) -> list[int]:
        """Join the regions of a frame to the tracks; return the ids of confirmed tracks that ended."""
        for thing in self.things:
            thing.region, thing.shared = None, False
            thing.parts.clear()
        free = dict(enumerate(regions))
        self._join_near(free, dt)
        self._join_far(free, dt)
        self._share(regions, free, dt)
        for thing in self.things:
            if thing.region is not None:
                self._follow(thing, t, dt)
            else:
                thing.x += thing.vx * dt
                thing.y += thing.vy * dt
                thing.evidence -= _MISSED
        self._count_loose(free.values(), dt)
        for region in free.values():
            x, y = region.x + region.w / 2, region.y + region.h / 2
            self.things.append(
                Thing(
                    self._next, x, y, region.w, region.h, t, t, region.area,
                    edge=region.edge, own=region.own, moving=region.moving,
                    start=_sides(region), origin=(x, y), milestone=(x, y, 0.0, t),
                    anchor=(x, y), stepped=t, region=region,
                )
            )  # fmt: skip
            self._next += 1
        self._fade(dt)
        return self._bury(t)

    def _fade(self, dt: float) -> None:
        """Forget half of the reaches in twenty seconds, a row at a time."""
        self._since += dt
        if self._since >= 1.0:
            self._since = 0.0
            self._reach = [[value * 0.966 for value in line] for line in self._reach]

    def _count_loose(self, born: Collection[Region], dt: float) -> None:
        """Keep the mean number of regions that belong to nothing believed, by size."""
        fresh = [0] * _OCTAVES
        for region in born:
            for i in range(min(_OCTAVES, region.area.bit_length())):
                fresh[i] += 1
        counts = list(fresh)
        young = [thing.region for thing in self.things if thing.region is not None and not thing.confirmed]
        for region in young:
            for i in range(min(_OCTAVES, region.area.bit_length())):
                counts[i] += 1
        weight = min(1.0, dt / _MEMORY)
        for i, count in enumerate(counts):
            self._loose[i] += weight * (count - self._loose[i])
            self._births[i] += weight * (fresh[i] / max(dt, 0.02) - self._births[i])

    def _surprise(self, thing: Thing, region: Region, away_x: float, away_y: float) -> float:
        """Return the evidence of a region that lies so far from where it was expected."""
        octave = max(0, min(_OCTAVES, min(region.area, int(thing.area)).bit_length()) - 2)
        density = max(0.3, self._loose[octave]) / (self._width * self._height)
        chance = density * (2 * abs(away_x) + 1.5) * (2 * abs(away_y) + 1.5)
        return min(_CAP, max(0.0, -math.log(chance)))

    def _join_near(self, free: dict[int, Region], dt: float) -> None:
        pairs: list[tuple[float, int, int]] = []
        places = [(j, r.x + r.w / 2, r.y + r.h / 2, r.w, r.h) for j, r in free.items()]
        for i, thing in enumerate(self.things):
            px, py = thing.x + thing.vx * dt, thing.y + thing.vy * dt
            slack = 2.0 + 0.25 * min(thing.w, thing.h)
            reach_x, reach_y = thing.w / 2 + slack, thing.h / 2 + slack
            for j, x, y, w, h in places:
                dx = abs(x - px)
                if dx > w / 2 + reach_x:
                    continue
                dy = abs(y - py)
                if dy > h / 2 + reach_y:
                    continue
                size = abs(w - thing.w) + abs(h - thing.h)
                pairs.append((dx + dy + 0.5 * size - min(thing.hits, 8) * 0.25, i, j))
        pairs.sort()
        for _, i, j in pairs:
            if self.things[i].region is None and j in free:
                self.things[i].region = free.pop(j)

    def _join_far(self, free: dict[int, Region], dt: float) -> None:
        """Let a track seen once or twice reach for a region of its size that moves."""
        reach = 2.5 * self._width * min(dt, 0.2)
        pairs: list[tuple[float, int, int]] = []
        for i, thing in enumerate(self.things):
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
            if self.things[i].region is None and j in free:
                self.things[i].region = free.pop(j)

    def _share(self, regions: Sequence[Region], free: dict[int, Region], dt: float) -> None:
        """Carry on tracks that melted into another's region; give fragments to the track they broke from."""
        for thing in self.things:
            if thing.region is None and thing.confirmed:
                self._hide(thing, regions, dt)
        for j, region in list(free.items()):
            x, y = region.x + region.w / 2, region.y + region.h / 2
            for thing in self.things:
                if thing.region is None or thing.shared:
                    continue
                px, py = thing.x + thing.vx * dt, thing.y + thing.vy * dt
                if abs(x - px) <= thing.w / 2 + 1 and abs(y - py) <= thing.h / 2 + 1 and region.area < thing.area:
                    thing.parts.append(free.pop(j))
                    break

    def _hide(self, thing: Thing, regions: Sequence[Region], dt: float) -> None:
        px, py = thing.x + thing.vx * dt, thing.y + thing.vy * dt
        for region in regions:
            if region.x <= px <= region.x + region.w and region.y <= py <= region.y + region.h:
                thing.region, thing.shared = region, True
                for other in self.things:
                    # A fragment beside a large thing does not make the large one lose its place.
                    if other is not thing and other.region is region and other.area < 3 * thing.area:
                        other.shared = True
                return

    def _follow(self, thing: Thing, t: float, dt: float) -> None:
        region = thing.region
        assert region is not None
        thing.seen = t
        thing.hits += 1
        if thing.shared:
            thing.x = min(max(thing.x + thing.vx * dt, region.x), region.x + region.w)
            thing.y = min(max(thing.y + thing.vy * dt, region.y), region.y + region.h)
        else:
            left, top, right, bottom = region.x, region.y, region.x + region.w, region.y + region.h
            for part in thing.parts:
                left, top = min(left, part.x), min(top, part.y)
                right, bottom = max(right, part.x + part.w), max(bottom, part.y + part.h)
            x, y = (left + right) / 2, (top + bottom) / 2
            px, py = thing.x + thing.vx * dt, thing.y + thing.vy * dt
            thing.evidence += self._surprise(thing, region, x - px, y - py)
            step = abs(thing.vx * dt) + abs(thing.vy * dt)
            if thing.hits > 2:
                off = abs(x - px) + abs(y - py)
                thing.swerve += 0.35 * (min(1.0, off / max(step, 0.5)) - thing.swerve)
            if dt > 0:
                gain = 1.0 if thing.hits == 2 else 0.35
                thing.vx += gain * (x - px) / dt
                thing.vy += gain * (y - py) / dt
            old_x, old_y = thing.x, thing.y
            follow = 1.0 if thing.hits <= 3 else 0.7
            thing.x, thing.y = px + follow * (x - px), py + follow * (y - py)
            thing.path += abs(thing.x - old_x) + abs(thing.y - old_y)
            thing.w += 0.5 * (right - left - thing.w)
            thing.h += 0.5 * (bottom - top - thing.h)
            thing.area += 0.5 * (region.area - thing.area)
            thing.went = self._translation(thing, left, top, right, bottom)
            thing.far = max(thing.far, abs(x - thing.origin[0]) + abs(y - thing.origin[1]))
        thing.edge += 0.3 * (region.edge - thing.edge)
        thing.shade += 0.3 * (_shaded(region) - thing.shade)
        thing.own += 0.3 * (region.own - thing.own)
        thing.moving += 0.3 * (region.moving - thing.moving)
        step = abs(thing.x - thing.anchor[0]) + abs(thing.y - thing.anchor[1])
        if step > max(1.5, 0.15 * (thing.w + thing.h)):
            thing.anchor, thing.stepped = (thing.x, thing.y), t
        self._measure_progress(thing, t)
        if not thing.confirmed and self._earned(thing, t) and not self._cast(thing):
            thing.confirmed = True

    @staticmethod
    def _measure_progress(thing: Thing, t: float) -> None:
        x, y, path, since = thing.milestone
        if t - since < _PROGRESS:
            return
        walked = thing.path - path
        got = abs(thing.x - x) + abs(thing.y - y)
        thing.idle = thing.idle + 1 if walked > 2.0 and got < 0.35 * walked else 0
        thing.milestone = (thing.x, thing.y, thing.path, t)

    def _translation(self, thing: Thing, left: float, top: float, right: float, bottom: float) -> float:
        """Return how far the sides went together; a side at the picture's border does not count."""
        first_left, first_top, first_right, first_bottom = thing.start
        across = _together(left - first_left, right - first_right, left <= 0, right >= self._width)
        down = _together(top - first_top, bottom - first_bottom, top <= 0, bottom >= self._height)
        return across + down

    def _earned(self, thing: Thing, t: float) -> bool:
        if (
            thing.hits < 3
            or thing.edge < 0.3
            or thing.own < (_OWN if thing.moving < 0.5 else 0.4 * _OWN)
            or thing.moving < 0.25
            or thing.h < self._smallest
        ):
            return False
        small = thing.area < 12
        if self.wary and thing.area < 30:
            return False
        if self.weathered(thing) or (self._leaps(thing) and not self._came_in(thing) and thing.swerve > _STEADY):
            return False
        if thing.evidence < (_SURE * 2 if small else _SURE) or t - thing.born < 0.19:
            return False
        if thing.went < (0.7 if small or thing.hits < 10 else 0.4) * thing.path:
            return False
        return thing.went >= max(1.5, 0.2 * min(thing.w, thing.h), 1.3 * self._reach_at(thing))

    def _cast(self, thing: Thing) -> bool:
        """Say whether it is the shadow of something beside it that goes the same way, or a piece of such a shadow.

        A shadow alone is believed: who casts it may be about to come into the picture.
        """
        if thing.shade < _SHADY or thing.region is None:
            return False
        x, y, w, h = thing.region[1:5]
        entering = x <= 0 or y <= 0 or x + w >= self._width or y + h >= self._height
        for other in self.things:
            owner = other.shade < 1 - _SHADY and other.hits >= 3
            if other is thing or not (owner or (other.confirmed and other.area > 2 * thing.area)):
                continue
            reach = 0.9 * max(thing.w, thing.h, other.w, other.h)
            apart_x = abs(thing.x - other.x) - (thing.w + other.w) / 2
            apart_y = abs(thing.y - other.y) - (thing.h + other.h) / 2
            speed = max(abs(other.vx) + abs(other.vy), 2.0)
            along = abs(thing.vx - other.vx) + abs(thing.vy - other.vy)
            # While it comes in only its front is seen to move, so its speed says nothing yet.
            if apart_x < reach and apart_y < reach and (entering or along < 0.5 * speed):
                return True
        return False

    def weathered(self, thing: Thing) -> bool:
        """Say whether things of half its size appear all the time: drops, flakes, leaves."""
        octave = max(0, min(_OCTAVES, int(thing.area).bit_length()) - 2)
        return self._births[octave] > _STORM

    @staticmethod
    def _leaps(thing: Thing) -> bool:
        """Say whether it is so fast that it hardly touches where it was a tenth of a second ago."""
        return abs(thing.vx) * 0.1 > 0.6 * thing.w or abs(thing.vy) * 0.1 > 0.6 * thing.h

    def _came_in(self, thing: Thing) -> bool:
        """Say whether it was seen first within a leap of the picture's border: insects appear from nowhere."""
        left, top, right, bottom = thing.start
        near_x, near_y = abs(thing.vx) * 0.1 + 2, abs(thing.vy) * 0.1 + 2
        return left < near_x or top < near_y or right > self._width - near_x or bottom > self._height - near_y

    def _reach_at(self, thing: Thing) -> float:
        column = int((thing.start[0] + thing.start[2]) / 2) // _TILE
        row = int((thing.start[1] + thing.start[3]) / 2) // _TILE
        rows = self._reach[max(0, row - 1) : row + 2]
        return max(max(line[max(0, column - 1) : column + 2]) for line in rows)

    def _remember_reach(self, thing: Thing) -> None:
        column = int((thing.start[0] + thing.start[2]) / 2) // _TILE
        row = int((thing.start[1] + thing.start[3]) / 2) // _TILE
        self._reach[row][column] = max(self._reach[row][column], min(thing.far, 20.0))

    def wobbles(self, thing: Thing, t: float) -> bool:
        """Say whether a track only moves to and fro, or within itself: a tree that was believed to be a thing."""
        seething = t - thing.stepped > _SEETHES and thing.moving > 0.5
        to_and_fro = thing.idle >= 2 and thing.moving > 0.3 and thing.far < 1.25 * (thing.w + thing.h)
        return seething or to_and_fro

    def loose(self) -> float:
        """Return how many regions a frame belong to nothing believed, of late."""
        return self._loose[0]

    def likely(self) -> list[Thing]:
        """Return the tracks of this frame that will soon be believed, while hardly anything else moves."""
        if self._loose[0] > _CALM:
            return []
        return [
            thing for thing in self.things
            if not thing.confirmed and thing.region is not None and thing.edge > 0.4 and thing.own > _OWN
            and thing.moving > 0.5 and thing.area >= 4
        ]  # fmt: skip

    def forget(self, thing: Thing) -> list[int]:
        """Drop a track; return its id when it was confirmed."""
        self._remember_reach(thing)
        self.things.remove(thing)
        return [thing.id] if thing.confirmed else []

    def _bury(self, t: float) -> list[int]:
        ended: list[int] = []
        alive: list[Thing] = []
        for thing in self.things:
            patience = _PROVEN if thing.confirmed else _UNPROVEN
            margin = 1.0
            outside = not (-margin < thing.x < self._width + margin and -margin < thing.y < self._height + margin)
            if t - thing.seen > patience or (outside and thing.seen < t):
                if thing.confirmed:
                    ended.append(thing.id)
                elif thing.hits > 2:
                    self._remember_reach(thing)
            else:
                alive.append(thing)
        self.things[:] = alive
        return ended


def _shaded(region: Region) -> float:
    """Return 1 for a region that looks like a cast shadow (after Prati et al., PAMI 25(7), 2003), else 0.

    A shadow keeps what it falls on visible: it darkens by about the same ratio everywhere, and by less than half.
    """
    even = region.spread < 0.55 * -region.contrast
    return float(even and _DEEPEST < region.contrast < _FAINTEST and region.w >= 1.2 * region.h)


def _sides(region: Region) -> tuple[float, float, float, float]:
    return (region.x, region.y, region.x + region.w, region.y + region.h)


def _together(low: float, high: float, low_cut: bool, high_cut: bool) -> float:  # noqa: FBT001 - two sides, two cuts
    """Return how far two opposite sides moved the same way; where one is cut off, the other alone."""
    if low_cut and high_cut:
        return 0.0
    if low_cut or high_cut:
        return abs(high if low_cut else low)
    return min(abs(low), abs(high)) if low * high > 0 else 0.0
