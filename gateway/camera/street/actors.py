"""Who comes by: people, cyclists and cars as shapes that walk, pedal and roll.

Each is built from joints in metres, projected, and handed on as a list of painted shapes with its shadow. How they look
is drawn from a seed; nothing is tuned to any detector. Not here: their ways (paths.py), their lighting (render.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from gateway.camera.street.light import Colour, colour
from gateway.camera.street.shapes import Capsule, Ellipse, Shape

if TYPE_CHECKING:
    from gateway.camera.street.paths import Path, Stand
    from gateway.camera.street.view import View

Kind = Literal["person", "cyclist", "car", "van", "lorry"]
Spot = tuple[float, float, float]
"""View units across and down, and view units per metre there; or metres in the world."""
SKINS = (colour(0.48, 0.33, 0.25), colour(0.36, 0.22, 0.15), colour(0.15, 0.09, 0.06))
TYRE, LAMP = Colour(0.025), Colour(0.35)


class Part(NamedTuple):
    """A shape and how it answers to light."""

    shape: Shape
    colour: Colour
    sun: float = 0.6
    """Cosine towards the sun; the whole is shaded where the ground is."""
    sky: float = 0.85
    """Share of the sky that it sees."""
    glow: float = 0.0
    """Lux of its own."""


class Shadow(NamedTuple):
    """A shape on the ground from which light is taken."""

    shape: Shape
    sun: float
    """Share of the sun that is kept off."""
    sky: float
    """Share of the sky that is kept off: the dark under a car."""


class Pool(NamedTuple):
    """A pool of light: an ellipse in which it falls off from the middle."""

    centre: tuple[float, float]
    u: tuple[float, float]
    v: tuple[float, float]
    lux: float


class Look(NamedTuple):
    """One actor in one frame."""

    depth: float
    """Metres before the lens: the order of painting."""
    foot: tuple[float, float]
    """Where it touches the ground, view units: its light is sampled there."""
    parts: list[Part]
    shadows: list[Shadow]
    pools: list[Pool]


class Body3(NamedTuple):
    """A body's own axes: forward, left and up from a point on the ground."""

    stand: Stand
    scale: float

    def at(self, forward: float, left: float, up: float) -> tuple[float, float, float]:
        """Return a world point."""
        s, k = self.stand, self.scale
        return (
            s.x + k * (forward * s.hx - left * s.hy),
            s.y + k * (forward * s.hy + left * s.hx),
            k * up,
        )


def cast(point: tuple[float, float, float], sun: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return where the sun throws the shadow of a world point on the ground."""
    x, y, z = point
    return x - z / sun[2] * sun[0], y - z / sun[2] * sun[1], 0.0


@dataclass
class Actor:
    """Something that comes by: its way, and how it looks."""

    id: int
    kind: Kind
    path: Path
    seed: int
    rng: np.random.Generator = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng([self.seed, self.id, 3])
        self.dress()

    def dress(self) -> None:
        """Draw what stays the same over its life."""

    def bulk(self, t: float, view: View) -> tuple[float, float, float, float, float] | None:  # noqa: ARG002
        """Return x0, y0, x1, y1 (view units) and reflectance if it is large enough to sway an exposure meter."""
        return None

    def near(self, t: float, view: View) -> bool:
        """Whether it, its shadow or its light can be in the picture."""
        s = self.path.at(t)
        x, _, scale = view.spot(s.x, s.y, 1.0)
        return -22 * scale < x < 640 + 22 * scale

    def look(self, t: float, view: View, sun: tuple[float, float, float], dark: float) -> Look:
        """Return its shapes at second `t`; `dark` (0..1) switches its lamps on."""
        raise NotImplementedError

    def cloth(self) -> Colour:
        """Draw the colour of a garment: from black to nearly white, some of them strong."""
        strength = self.rng.choice([0.1, 0.35, 0.8])
        base = self.rng.uniform(0.03, 0.55)
        return colour(*np.clip(base * (1 + strength * self.rng.uniform(-1, 1, 3)), 0.015, 0.8))


class Person(Actor):
    """Someone who walks, or stands."""

    def dress(self) -> None:
        """Height, clothes, hair, perhaps a bag."""
        rng = self.rng
        self.height = rng.uniform(1.55, 1.92)
        self.skin = SKINS[rng.integers(3)]
        self.top, self.legs, self.hair = self.cloth(), self.cloth(), Colour(rng.uniform(0.02, 0.2), -0.03, 0.03)
        self.coat = rng.random() < 0.4
        self.bag = self.cloth() if rng.random() < 0.4 else None
        self.stride = rng.uniform(1.25, 1.5)
        self.girth = rng.uniform(0.9, 1.25)

    def look(self, t: float, view: View, sun: tuple[float, float, float], dark: float) -> Look:  # noqa: ARG002 - one signature for all
        """A walk cycle of two steps; arms against legs."""
        s = self.path.at(t)
        f = Body3(s, self.height / 1.75)
        phase = 2 * math.pi * s.way / self.stride
        swing = min(1.0, s.speed / 0.7)
        sway = 0.03 * math.sin(phase) if swing else 0.015 * math.sin(1.3 * t + self.id)
        joints = [f.at(sway, 0, 0.92), f.at(0.05 + sway, 0, 1.42), f.at(0.09 + sway, 0, 1.63)]
        for side in (1.0, -1.0):
            a = 0.4 * swing * math.sin(phase) * side
            bend = 0.85 * swing * max(0.0, math.sin(phase + 1.9 * side + (1.57 if side < 0 else 0.0))) + 0.05
            knee = (0.45 * math.sin(a), 0.92 - 0.45 * math.cos(a))
            foot = (knee[0] + 0.45 * math.sin(a - bend), max(knee[1] - 0.45 * math.cos(a - bend), 0.04))
            joints += [f.at(0, 0.09 * side, 0.9), f.at(knee[0], 0.1 * side, knee[1])]
            joints += [f.at(foot[0], 0.1 * side, foot[1]), f.at(foot[0] + 0.17, 0.11 * side, foot[1])]
            b = -0.5 * swing * math.sin(phase) * side
            elbow = (0.28 * math.sin(b), 1.38 - 0.28 * math.cos(b))
            hand = (elbow[0] + 0.26 * math.sin(b + 0.3), elbow[1] - 0.26 * math.cos(b + 0.3))
            joints += [f.at(0.03, 0.2 * side, 1.38), f.at(elbow[0], 0.25 * side, elbow[1])]
            joints += [f.at(hand[0], 0.24 * side, hand[1])]
        p = [view.spot(*joint) for joint in joints]
        k = f.scale

        def limb(i: int, j: int, r0: float, r1: float, c: Colour, lit: float = 0.6) -> Part:
            return Part(Capsule(p[i][:2], p[j][:2], r0 * k * p[i][2], r1 * k * p[j][2]), c, lit)

        def side_parts(o: int, lit: float) -> tuple[list[Part], list[Part]]:
            leg = [limb(o + 2, o + 3, 0.05, 0.05, TYRE, lit), limb(o + 1, o + 2, 0.075, 0.055, self.legs, lit)]
            leg.append(limb(o, o + 1, 0.1, 0.075, self.legs, lit))
            arm = [limb(o + 5, o + 6, 0.05, 0.045, self.skin, lit), limb(o + 4, o + 5, 0.065, 0.05, self.top, lit)]
            return leg, arm

        near = 3 if joints[7][1] < joints[14][1] else 10
        far = 13 - near
        far_leg, far_arm = side_parts(far, 0.35)
        near_leg, near_arm = side_parts(near, 0.65)
        g = self.girth
        parts = [*far_arm, *far_leg, *near_leg, limb(0, 1, 0.15 * g, 0.19 * g, self.top)]
        if self.coat:
            low = view.spot(*f.at(0.0, 0.0, 0.6))
            parts.append(Part(Capsule(p[0][:2], low[:2], 0.17 * g * k * p[0][2], 0.19 * g * k * low[2]), self.top))
        parts.append(limb(2, 2, 0.115, 0.115, self.skin, 0.7))
        x, y, size = view.spot(*f.at(0.06 + sway, 0.0, 1.68))
        parts.append(Part(Ellipse((x, y), (0.12 * k * size, 0), (0, 0.085 * k * size)), self.hair, 0.7))
        parts += near_arm
        if self.bag is not None:
            x, y, size = p[near + 6]
            size *= 0.15 * k
            parts.append(Part(Ellipse((x, y + size), (size * 0.8, 0), (0, size)), self.bag))
        return Look(view.depth(s.x, s.y), self.foot(view, s), parts, self.shadows(joints, view, sun), [])

    def foot(self, view: View, s: Stand) -> tuple[float, float]:
        """Return where it stands, in view units."""
        return view.spot(s.x, s.y, 0.0)[:2]

    def shadows(self, joints: list[Spot], view: View, sun: tuple[float, float, float]) -> list[Shadow]:
        """Body and legs thrown on the ground, and the dark about the feet."""
        q = {i: view.spot(*cast(joints[i], sun)) for i in (0, 1, 2, 5, 12)}
        pairs = ((0, 1, 0.2), (1, 2, 0.12), (0, 5, 0.09), (0, 12, 0.09))
        shadows = [shade(q[i], q[j], r, 0.92, 0.0) for i, j, r in pairs]
        a, b = (view.spot(joints[i][0], joints[i][1], 0.0) for i in (5, 12))
        shadows.append(shade(a, b, 0.2, 0.0, 0.35))
        return shadows


def shade(a: Spot, b: Spot, radius: float, sun: float, sky: float) -> Shadow:
    """Return a shadow between two projected points, `radius` in metres.

    Flattened about as much as a pavement that is seen from a pole.
    """
    return Shadow(Capsule(a[:2], b[:2], radius * a[2], radius * b[2], 0.45), sun, sky)


class Cyclist(Person):
    """Someone on a bicycle."""

    def dress(self) -> None:
        """As a person, and the bicycle's colour."""
        super().dress()
        self.frame = self.cloth()

    def look(self, t: float, view: View, sun: tuple[float, float, float], dark: float) -> Look:
        """Two wheels, a frame and a rider whose knees go up and down."""
        s = self.path.at(t)
        f = Body3(s, 1.0)
        crank = s.way / 0.34 / 2.6
        joints = [f.at(-0.22, 0, 0.96), f.at(0.16, 0, 1.42), f.at(0.3, 0, 1.62), f.at(0.45, 0.0, 1.02)]
        joints += [f.at(-0.52, 0, 0.34), f.at(0.52, 0, 0.34), f.at(-0.05, 0, 0.3), f.at(0.4, 0, 0.88)]
        for side in (1.0, -1.0):
            a = crank + (0 if side > 0 else math.pi)
            pedal = (-0.05 + 0.17 * math.cos(a), 0.3 - 0.17 * math.sin(a))
            knee = ((pedal[0] - 0.22) / 2 + 0.24, (pedal[1] + 0.96) / 2 + 0.1)
            joints += [f.at(knee[0], 0.11 * side, knee[1]), f.at(pedal[0], 0.12 * side, pedal[1])]
            joints += [f.at(0.45, 0.25 * side, 1.02), f.at(0.16, 0.18 * side, 1.38)]
        p = [view.spot(*joint) for joint in joints]
        (x0, y0, _), (x1, y1, _) = (view.spot(*f.at(x, 0, 0.34)) for x in (-0.2, 0.86))
        along = (0.34 * (x1 - x0) / 1.06, 0.34 * (y1 - y0) / 1.06)

        def line(i: int, j: int, r: float, c: Colour, lit: float = 0.6) -> Part:
            return Part(Capsule(p[i][:2], p[j][:2], r * p[i][2], r * p[j][2]), c, lit)

        parts: list[Part] = []
        wheels = [Ellipse(p[i][:2], along, (0.0, 0.34 * p[i][2]), 0.84) for i in (4, 5)]
        far, near = (8, 12) if joints[8][1] > joints[12][1] else (12, 8)
        parts += [line(0, far, 0.08, self.legs, 0.3), line(far, far + 1, 0.06, self.legs, 0.3)]
        parts += [Part(wheel, TYRE) for wheel in wheels]
        parts += [line(4, 6, 0.025, self.frame), line(6, 7, 0.025, self.frame), line(0, 6, 0.02, self.frame)]
        parts += [line(0, 7, 0.025, self.frame), line(7, 5, 0.025, self.frame), line(7, 3, 0.02, self.frame)]
        parts += [line(far + 3, far + 2, 0.05, self.top, 0.3), line(0, 1, 0.16, self.top, 0.65)]
        parts += [line(0, near, 0.085, self.legs), line(near, near + 1, 0.06, self.legs)]
        parts += [line(near + 3, near + 2, 0.05, self.top), line(1, 2, 0.06, self.skin), line(2, 2, 0.115, self.skin)]
        x, y, size = p[2]
        parts.append(Part(Ellipse((x, y - 0.05 * size), (0.13 * size, 0), (0, 0.09 * size)), self.hair))
        if dark > 0.3:
            x, y, size = p[7]
            parts.append(Part(Ellipse((x, y), (0.05 * size, 0), (0, 0.05 * size)), LAMP, glow=400))
        q = [view.spot(*cast(joint, sun)) for joint in joints[:8]]
        pairs = ((0, 1, 0.18), (2, 2, 0.12), (0, 6, 0.1), (4, 6, 0.05), (6, 5, 0.05), (7, 3, 0.05))
        shadows = [shade(q[i], q[j], r, 0.92, 0.0) for i, j, r in pairs]
        rear, front = (view.spot(joints[i][0], joints[i][1], 0.0) for i in (4, 5))
        shadows.append(shade(rear, front, 0.1, 0.6, 0.25))
        return Look(view.depth(s.x, s.y), self.foot(view, s), parts, shadows, [])
