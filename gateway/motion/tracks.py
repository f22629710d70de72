"""Things followed from frame to frame: where each is, how fast it goes, and when it ends.

A frame's regions are joined to the tracks (joining.py). A track is confirmed when it was seen often enough, went
somewhere, and looks like a thing (trust.py).

Not here: pixels. Plain Python numbers; runs on the camera's thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.motion.clutter import Clutter
from gateway.motion.company import escorts, measure_pace, near
from gateway.motion.gait import measure_progress, outlasts
from gateway.motion.joining import gather, join
from gateway.motion.thing import Thing
from gateway.motion.trust import HARD, OWN, earned, promising, shaded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.motion.regions import Region

_BEAT = 0.075  # seconds from which on a step says something of the way: boxes jump by a cell in any frame
_MISSED = 3.0  # evidence that a frame without it takes away
_KNOWN = 5  # hits after which the slow sides are known
_SLOW = 0.7  # seconds over which they are a mean
_ASTRAY = 2.5  # cells that it may go without getting anywhere before this is measured anew
_STEP = 0.75  # cells that their middle must go before it counts
_LATE = 1.5  # seconds within which who walks across is believed
_HOPE = 30.0  # seconds that something may take until it is believed
_PLAIN = 20  # cells that are left of a pool of light that goes out of the picture, before nobody can tell
_ANY_SHAPE = 2  # cells of which nobody can tell whether they look like a shadow
_UNPROVEN = 0.45  # seconds that a track lives on unseen before it was confirmed
_PROVEN = 2.5  # the same afterwards: a pole, a parked van

_Sides = tuple[float, float, float, float]  # left, top, right, bottom
_Cut = tuple[bool, bool, bool, bool]  # which of them lie at the picture's border
_WHOLE = (False, False, False, False)


class Tracks:
    """Follows things over one grid of cells."""

    def __init__(self, width: int, height: int, *, smallest: float) -> None:
        """Smallest: height of the smallest thing in cells."""
        self._width, self._height = width, height
        self._smallest = smallest
        self._next = 1
        self.wary = False
        """The light changes: what is small must wait for belief until it is steady."""
        self.lit = False
        """A field of light lies on the picture."""
        self.flaring = False
        """It does since a moment ago."""
        self._clutter = Clutter(width, height)
        self.things: list[Thing] = []

    def clear(self) -> list[int]:
        """Forget everything; return the ids of the confirmed tracks that ended so."""
        ended = [thing.id for thing in self.things if thing.confirmed]
        self.things.clear()
        return ended

    def update(self, regions: Sequence[Region], t: float, dt: float) -> list[int]:
        """Join the regions of a frame to the tracks; return the ids of confirmed tracks that ended."""
        born = join(self.things, regions, dt, self._width)
        for thing in self.things:
            if thing.region is not None:
                self._follow(thing, t, dt)
            else:
                thing.x += thing.vx * dt
                thing.y += thing.vy * dt
                thing.beat = (thing.x, thing.y, thing.vx, thing.vy, t)
                thing.evidence -= _MISSED * min(1.0, dt / _BEAT)
        for piece in gather(self.things):
            self.things.remove(piece)
        for thing in self.things:
            if not thing.confirmed and thing.seen == t and thing.hits > 1 and self._believable(thing, t):
                thing.confirmed = True
        self._clutter.count(self.things, born, dt)
        for region in born:
            x, y = region.x + region.w / 2, region.y + region.h / 2
            self.things.append(
                Thing(
                    self._next, x, y, region.w, region.h, t, t, region.area,
                    edge=region.edge, own=region.own, contrast=region.contrast, moving=region.moving,
                    flared=self.flaring, start=_sides(region), origin=(x, y), milestone=(x, y, 0.0, t),
                    anchor=(x, y), stepped=t, region=region, slow=_sides(region), lively=region.moving,
                    ends=region.ends, beat=(x, y, 0.0, 0.0, t), shade=shaded(region, self._width),
                )
            )  # fmt: skip
            self._next += 1
        self._clutter.fade(dt)
        return self._bury(t)

    def _follow(self, thing: Thing, t: float, dt: float) -> None:
        region = thing.region
        assert region is not None
        _, x0, y0, w, h, area, moving, edge, own, contrast, *_ = region
        thing.seen = t
        thing.hits += 1
        if thing.shared:
            thing.x = min(max(thing.x + thing.vx * dt, x0), x0 + w)
            thing.y = min(max(thing.y + thing.vy * dt, y0), y0 + h)
            thing.beat = (thing.x, thing.y, thing.vx, thing.vy, t)
        else:
            left, top, right, bottom = x0, y0, x0 + w, y0 + h
            for part in thing.parts:
                left, top = min(left, part.x), min(top, part.y)
                right, bottom = max(right, part.x + part.w), max(bottom, part.y + part.h)
            x, y = (left + right) / 2, (top + bottom) / 2
            step_x, step_y = thing.vx * dt, thing.vy * dt
            px, py = thing.x + step_x, thing.y + step_y
            away_x, away_y = x - px, y - py
            # Soon after the frame before, it is no great surprise to see it again.
            thing.evidence += self._clutter.surprise(thing, region, away_x, away_y) * min(1.0, dt / _BEAT)
            if dt > 0:
                # Boxes go by whole cells: in a short time that would be much speed.
                gain = 1.0 if thing.hits == 2 else 0.35 if dt >= _BEAT else max(1 / (thing.hits - 1), 3.5 * dt)
                thing.vx += gain * away_x / dt
                thing.vy += gain * away_y / dt
                measure_pace(thing, dt)
            follow = 1.0 if thing.hits <= 3 else 0.7
            new_x, new_y = px + follow * away_x, py + follow * away_y
            thing.x, thing.y = new_x, new_y
            if thing.hits <= _KNOWN or t - thing.beat[4] >= _BEAT:
                _measure_way(thing, x, y, t)
            thing.w += 0.5 * (right - left - thing.w)
            thing.h += 0.5 * (bottom - top - thing.h)
            thing.area += 0.5 * (area - thing.area)
            sides = (left, top, right, bottom)
            # A side at the picture's border does not count: nobody knows how far beyond it reaches.
            width, height = self._width, self._height
            inside = left > 0 and top > 0 and right < width and bottom < height
            cut = _WHOLE if inside else (left <= 0, top <= 0, right >= width, bottom >= height)
            thing.went = _went(thing.start, sides, cut, width, height)
            self._drift(thing, sides, cut, dt)
            thing.far = max(thing.far, abs(x - thing.origin[0]) + abs(y - thing.origin[1]))
        thing.edge += 0.3 * (edge - thing.edge)
        thing.contrast += 0.3 * (contrast - thing.contrast)
        if area > _ANY_SHAPE:
            thing.shade += max(0.3, 1 / thing.hits) * (shaded(region, self._width) - thing.shade)
        thing.own += 0.3 * (own - thing.own)
        self._judge_ends(thing, region)
        thing.moving += 0.3 * (moving - thing.moving)
        thing.lively += 0.08 * (moving - thing.lively)
        anchor_x, anchor_y = thing.anchor
        if abs(thing.x - anchor_x) + abs(thing.y - anchor_y) > max(1.5, 0.15 * (thing.w + thing.h)):
            thing.anchor, thing.stepped = (thing.x, thing.y), t
        measure_progress(thing, t)

    def _judge_ends(self, thing: Thing, region: Region) -> None:
        """Take in how hard the ends of the region are; one that the picture's border cuts off must be plain."""
        ends = region.ends
        if thing.ends is None:
            thing.ends = ends
            return
        cut = region.x <= 0 or region.x + region.w >= self._width
        if ends is None:
            thing.ends += 0.0 if cut else 0.1 * (1.0 - thing.ends)  # what is left of light may be small for a moment
        elif not cut or ends < thing.ends or (ends > HARD and region.w >= _PLAIN):
            thing.ends += (0.3 if thing.hits > _KNOWN else 0.5) * (ends - thing.ends)

    def _drift(self, thing: Thing, sides: _Sides, cut: _Cut, dt: float) -> None:
        """Measure where it goes in the long run: a box whose parts come and go jumps more than a far walker steps."""
        known = thing.hits > _KNOWN
        share = min(1.0, dt / _SLOW) if known else 0.5
        left, top, right, bottom = thing.slow
        x0, y0, x1, y1 = sides
        left, top = left + share * (x0 - left), top + share * (y0 - top)
        right, bottom = right + share * (x1 - right), bottom + share * (y1 - bottom)
        thing.slow = slow = (left, top, right, bottom)
        x, y = (left + right) / 2, (top + bottom) / 2
        astray = thing.slow_path > _ASTRAY and not thing.confirmed and thing.drift < 0.5 * thing.slow_path
        if not known or astray:  # what was seen first may have been a leg, or the trace of somebody else
            thing.slow_start, thing.slow_at = slow, (x, y)
            thing.slow_path = thing.drift = 0.0
            thing.slow_hits = 0
            return
        thing.slow_hits += 1
        at_x, at_y = thing.slow_at
        step = abs(x - at_x) + abs(y - at_y)
        if step >= _STEP:
            thing.slow_path += step
            thing.slow_at = (x, y)
        thing.drift = _translation(thing.slow_start, slow, cut)

    def _believable(self, thing: Thing, t: float) -> bool:
        size = self._width, self._height
        return earned(
            thing, t, self._clutter, smallest=self._smallest, wary=self.wary, lit=self.wary or self.lit, size=size
        ) and not escorts(self.things, thing, *size)

    def weathered(self, thing: Thing) -> bool:
        """Say whether things of half its size appear all the time (drops, flakes, leaves) and it is no better."""
        return self._clutter.weathers(thing) and not outlasts(thing)

    def loose(self) -> float:
        """Return how many regions a frame belong to nothing believed, of late."""
        return self._clutter.loose()

    def likely(self) -> list[Thing]:
        """Return the tracks of this frame that will soon be believed, where hardly anything of their size moves."""
        return [
            thing
            for thing in self.things
            if not thing.confirmed
            and thing.region is not None
            and thing.edge > 0.4
            and thing.own > OWN
            and thing.moving > 0.5
            and thing.area >= 4
            and self._clutter.rare(thing)
        ]

    def promising(self, thing: Thing, t: float) -> bool:
        """Say whether it may be who walks straight at the camera: it lives, alone, and gets nowhere for seconds."""
        age = t - thing.born
        return not self.wary and _LATE < age < _HOPE and promising(thing) and self._clutter.alone(thing)

    def forget(self, thing: Thing) -> list[int]:
        """Drop a track; return its id when it was confirmed."""
        self._clutter.remember(thing)
        self.things.remove(thing)
        return [thing.id] if thing.confirmed else []

    def _bury(self, t: float) -> list[int]:
        ended: list[int] = []
        alive: list[Thing] = []
        for thing in self.things:
            if thing.seen == t:
                alive.append(thing)
                continue
            patience = _PROVEN if thing.confirmed else _UNPROVEN
            margin = 1.0
            outside = not (-margin < thing.x < self._width + margin and -margin < thing.y < self._height + margin)
            if t - thing.seen > patience or outside:
                if thing.confirmed:
                    ended.append(thing.id)
                elif thing.hits > 2 and not near(self.things, thing):
                    self._clutter.remember(thing)
            else:
                alive.append(thing)
        self.things[:] = alive
        return ended


def _measure_way(thing: Thing, x: float, y: float, t: float) -> None:
    """Take in how far it went since the last beat, and how far it is from where it was expected then."""
    at_x, at_y, vx, vy, since = thing.beat
    if thing.hits > 2:
        step_x, step_y = vx * (t - since), vy * (t - since)
        away = abs(x - at_x - step_x) + abs(y - at_y - step_y)
        thing.swerve += 0.35 * (min(1.0, away / max(abs(step_x) + abs(step_y), 0.5)) - thing.swerve)
    thing.path += abs(thing.x - at_x) + abs(thing.y - at_y)
    thing.beat = (thing.x, thing.y, thing.vx, thing.vy, t)


def _sides(region: Region) -> _Sides:
    return (region.x, region.y, region.x + region.w, region.y + region.h)


def _translation(first: _Sides, sides: _Sides, cut: _Cut) -> float:
    """Return how far opposite sides moved the same way, across and down; where one is cut off, the other alone."""
    left, top, right, bottom = sides
    first_left, first_top, first_right, first_bottom = first
    left, top, right, bottom = left - first_left, top - first_top, right - first_right, bottom - first_bottom
    if cut == _WHOLE:
        across = min(abs(left), abs(right)) if left * right > 0 else 0.0
        return across + (min(abs(top), abs(bottom)) if top * bottom > 0 else 0.0)
    return _together(left, right, cut[0], cut[2]) + _together(top, bottom, cut[1], cut[3])


def _went(first: _Sides, sides: _Sides, cut: _Cut, width: int, height: int) -> float:
    """Return how far the sides went together since they were seen first."""
    left, top, right, bottom = first
    if left > 0 and top > 0 and right < width and bottom < height:
        return _translation(first, sides, cut)
    across = _together(sides[0] - left, sides[2] - right, cut[0], cut[2])
    down = _together(sides[1] - top, sides[3] - bottom, cut[1], cut[3])
    # What was cut off from the beginning, and shrinks towards that border, may only fade.
    if (left <= 0 and sides[2] < right) or (right >= width and sides[0] > left):
        across = 0.0
    if (top <= 0 and sides[3] < bottom) or (bottom >= height and sides[1] > top):
        down = 0.0
    return across + down


def _together(low: float, high: float, low_cut: bool, high_cut: bool) -> float:  # noqa: FBT001 - two sides, two cuts
    """Return how far two opposite sides moved the same way; where one is cut off, the other alone."""
    if low_cut and high_cut:
        return 0.0
    if low_cut or high_cut:
        return abs(high if low_cut else low)
    return min(abs(low), abs(high)) if low * high > 0 else 0.0
