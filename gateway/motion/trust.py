"""Whether a track is believed: what it did so far against what clutter does, shadows do, and trees do.

Not here: how a track is followed (tracks.py), how much clutter there is (clutter.py). Plain Python numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.motion.gait import GLARE, PATIENT, SURE, came_in, flits, leaps, outlasts, plunges

if TYPE_CHECKING:
    from gateway.motion.clutter import Clutter
    from gateway.motion.regions import Region
    from gateway.motion.thing import Thing

OWN = 0.25
"""Less of its edges are its own: the background's edges in another light."""

SHADY = 0.6
"""Of the frames in which what is a shadow looks like one."""

HARD = 0.45
"""Ends that are harder are those of a car."""

_SEETHES = 3.0  # seconds
_STEADY = 0.25
_JERKY = 0.7  # swerve of what must be followed for longer
_JERKY_SURE = 6.5 * SURE  # evidence that it needs
_SMALL = 12  # cells
_SMALL_SURE = 3.3 * SURE  # the same of what is small and goes steadily
_LIT_SURE = 1.6 * SURE  # the same of what is not large while a field of light lies on the picture
_BENT, _ERRATIC = 0.45, 0.6  # swerve of what cannot be a cyclist any more
_LARGE = 60  # cells
_HUGE = 200
_LONG = 16  # frames
_PASSING = 4.0  # seconds in which who casts a shadow is in the picture too, or it has left
_COVERED = -0.25  # less of its edges are its own: the background's, where something left
_OWN_LIT = 0.45  # the same as OWN while a field of light lies on the picture: its rim has edges too
_SOFT = 0.28  # ends that are softer are those of light on the ground
_SOFT_GLOW = 0.5  # the same of what is brighter and leaves visible what it falls on
_SOFT_YOUNG = 0.38  # the same in the first frames, and while a field of light lies on the picture
_LOOKED = 5  # frames after which the ends are known
_FILLED = 0.4  # of its box: threads of a web do not
_SPARSE = 0.25  # of its box: no body fills so little
_EVEN = 0.5  # spread of a change of light, as a share of its depth: things have light and dark sides
_DEEPEST, _FAINTEST = -4600, -500  # how much darker a shadow makes, in units of 1/4096 octave


def earned(
    thing: Thing, t: float, clutter: Clutter, *, smallest: float, wary: bool, lit: bool, size: tuple[int, int]
) -> bool:
    """Say whether a track was seen often enough, went somewhere, and looks like a thing.

    smallest: height of the smallest thing in cells. wary: the light changes. lit: a field of
    light lies on the picture. size: width and height of the picture.
    """
    if (
        thing.hits < 3
        or thing.edge < 0.3
        or (
            thing.own < (OWN if thing.moving < 0.5 else 0.4 * OWN if not _hard(thing) else -0.4 * OWN)
            and not _passes(thing)
        )
        or thing.moving < 0.25
        or thing.h < smallest
        or soft(thing, _SOFT if thing.hits >= _LOOKED else _SOFT_YOUNG)
        or _glows(thing)
        or plunges(thing)
        or thing.area < _SPARSE * thing.w * thing.h
        or (_is_shadow(thing) and t - thing.born < _PASSING)
    ):
        return False
    if lit and (
        (thing.own < (_OWN_LIT if thing.moving < 0.5 else OWN) and not _passes(thing))
        or soft(thing, _SOFT_YOUNG)
        or (thing.flared and thing.hits < PATIENT)
        or _comes_as_light(thing, *size)
    ):
        return False
    if (
        (wary and thing.area < 30 and not _crossed(thing))
        or (clutter.weathers(thing) and not outlasts(thing))
        or _darts(thing, *size)
    ):
        return False
    small = thing.area < _SMALL
    if thing.evidence < _needed(thing, lit=lit) or t - thing.born < 0.19:
        return False
    approaches = not wary and promising(thing) and clutter.alone(thing) and _approaches(thing, clutter)
    if approaches or (not lit and _towers(thing, clutter)):
        return True
    straight = thing.went >= (0.7 if small or thing.hits < 10 else 0.4) * thing.path
    return straight and thing.went >= max(1.5, 0.2 * min(thing.w, thing.h), 1.3 * clutter.reach_at(thing))


def _needed(thing: Thing, *, lit: bool) -> float:
    """Return how much evidence it needs: the more, the more often chance and light make what looks like it."""
    small = thing.area < _SMALL
    if thing.swerve >= _JERKY and (small or thing.contrast > 0):  # dark and large is no insect, thread or light
        return _JERKY_SURE
    return _SMALL_SURE if small else _LIT_SURE if lit and thing.area < _LARGE else SURE


def promising(thing: Thing) -> bool:
    """Say whether it is as sharp and lively as a person, however little it moved so far."""
    sharp = thing.edge > 0.4 and thing.own > OWN
    return sharp and thing.lively > 0.3 and thing.hits >= 5 and thing.area >= 4 and thing.w < 1.5 * thing.h


def _towers(thing: Thing, clutter: Clutter) -> bool:
    """Say whether it is far larger than what sways here, and has sharp edges of its own: somebody near the camera.

    Before leaves its box jumps about with theirs, so how far it went says little; but no leaf is as large.
    """
    large = thing.area >= _HUGE and thing.hits >= _LOOKED
    return large and thing.edge > 0.45 and thing.own > _OWN_LIT and thing.moving > 0.7 and clutter.dwarfs(thing)


def _approaches(thing: Thing, clutter: Clutter) -> bool:
    """Say whether it went somewhere in the long run, though its box jumps about more than that.

    Who comes straight at the camera moves by less than a cell a second while far away, and grows. The mean of the
    sides shows it; what pulsates or sways has both sides where they were.
    """
    return (
        thing.slow_hits >= _LONG
        and thing.evidence >= 6 * SURE
        and _drifts(thing)
        and thing.drift >= clutter.reach_at(thing)
    )


def _drifts(thing: Thing) -> bool:
    """Say whether the mean of its sides went somewhere, and mostly straight there."""
    return thing.drift >= max(1.2, 0.15 * (thing.w + thing.h), 0.5 * thing.slow_path)


def _passes(thing: Thing) -> bool:
    """Say whether it is upright and went at a walk, alive and straight, for seconds: somebody before a bright window.

    Whose edges he covers and his own weigh the same there. No light is as narrow and as slow.
    """
    speed = abs(thing.mean_vx) + abs(thing.mean_vy)
    return (
        thing.w < 0.8 * thing.h
        and thing.own > _COVERED
        and thing.lively > 0.5
        and thing.evidence >= 12 * SURE
        and 0.3 * thing.h < speed < 2.0 * thing.h
        and thing.went > max(1.5 * thing.h, 0.5 * thing.path)
    )


def _crossed(thing: Thing) -> bool:
    """Say whether it left the place where it began far behind: no change of light does that for so long."""
    far = 1.5 * max(thing.w, thing.h, 6.0)
    return outlasts(thing) and thing.went > far and thing.went > 0.5 * thing.path


def wobbles(thing: Thing, t: float, *, stormy: bool) -> bool:
    """Say whether a track only moves to and fro, or within itself, or darts: a tree or an insect that was believed.

    stormy: much moves that belongs to nothing.
    """
    if thing.swerve > _ERRATIC and flits(thing):
        return True
    if thing.idle >= 2 and thing.moving > 0.3 and thing.far < 1.25 * (thing.w + thing.h):
        return True  # to and fro
    if thing.moving <= 0.5:
        return False
    aimless = stormy and thing.hits >= 20 and thing.far < 0.6 * (thing.w + thing.h) and thing.went < 0.35 * thing.path
    return aimless or (t - thing.stepped > _SEETHES and not (promising(thing) and _drifts(thing)))


def shaded(region: Region, width: int) -> float:
    """Return 1 for a region that looks like a cast shadow (after Prati et al., PAMI 25(7), 2003), else 0.

    A shadow keeps what it falls on visible: it darkens by about the same ratio everywhere, and by less than half. It
    lies; but of one that comes in at the border of a picture of `width` cells nobody sees how long it is.
    """
    even = region.spread < 0.55 * -region.contrast
    lies = region.w >= 1.2 * region.h or region.x <= 0 or region.x + region.w >= width
    return float(even and _DEEPEST < region.contrast < _FAINTEST and lies)


def _is_shadow(thing: Thing) -> bool:
    """Say whether it looks as somebody's shadow does; who casts it is believed himself, once he is in the picture.

    So does a small dark car far away, on plain asphalt: what looks so for long is believed in the end. What is large is
    believed whatever it looks like.
    """
    return thing.shade >= SHADY and thing.area < _LARGE


def _comes_as_light(thing: Thing, width: int, height: int) -> bool:
    """Say whether it may be a cloud of which only the front is in the picture: evenly dark or bright, at the border."""
    region = thing.region
    if region is None or region.spread > _EVEN * abs(region.contrast):
        return False
    return region.x <= 0 or region.y <= 0 or region.x + region.w >= width or region.y + region.h >= height


def _darts(thing: Thing, width: int, height: int) -> bool:
    """Say whether it is faster than who walks or drives, and not as straight as a cyclist: an insect."""
    if leaps(thing) and not came_in(thing, width, height) and thing.swerve > _STEADY:
        return True
    # Nothing on the ground is so small, so bright and so fast; but what goes on straight may be a lamp on a bicycle.
    patience = 0.65 if thing.area < _LARGE else 0.25
    return flits(thing) and (thing.swerve > _BENT or (thing.contrast > GLARE and thing.seen - thing.born < patience))


def soft(thing: Thing, limit: float = _SOFT) -> bool:
    """Say whether it is broad and fades out at its ends: light on the ground, or its rim."""
    return thing.ends is not None and thing.ends < limit


def _glows(thing: Thing) -> bool:
    """Say whether it is light whose ends are not quite soft: it leaves visible what it falls on, or its rim jumps.

    Where a slope of light passes the threshold shifts by more than the light goes; a thing's rim goes as the thing.
    """
    bright, jerky = thing.contrast > 0, thing.swerve > _JERKY
    if soft(thing, _SOFT_GLOW) and (jerky or (bright and thing.own < _OWN_LIT)):
        return True
    return bright and jerky and thing.own < OWN and thing.area >= _LARGE


def _hard(thing: Thing) -> bool:
    """Say whether it is broad, fills its box and ends at a step: a car, though most edges be the background's."""
    return thing.ends is not None and thing.ends > HARD and thing.area > _FILLED * thing.w * thing.h
