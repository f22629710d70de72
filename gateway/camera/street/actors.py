"""Who comes by: people, cyclists and cars as shapes that walk, pedal and roll.

Each is built from joints in metres, projected, and handed on as a list of painted shapes with its shadow. How they look
is drawn from a seed; nothing is tuned to any detector. Not here: their ways (paths.py), their lighting (render.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.camera.street.light import Colour, colour
from gateway.camera.street.shapes import Capsule, Ellipse, Polygon, Shape, hull

if TYPE_CHECKING:
    from gateway.camera.street.paths import Path, Stand
    from gateway.camera.street.view import View

Kind = Literal["person", "cyclist", "car", "van", "lorry"]
Vector = NDArray[np.float64]
SKINS = (colour(0.48, 0.33, 0.25), colour(0.36, 0.22, 0.15), colour(0.15, 0.09, 0.06))
TYRE, GLASS, CHROME = Colour(0.025), Colour(0.05, 0.02, -0.01), Colour(0.35)


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


class Look(NamedTuple):
    """One actor in one frame."""

    depth: float
    """Metres before the lens: the order of painting."""
    foot: tuple[float, float]
    """Where it touches the ground, view units: its light is sampled there."""
    parts: list[Part]
    shadows: list[Shadow]


class Frame3(NamedTuple):
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


def cast(points: Vector, sun: tuple[float, float, float]) -> Vector:
    """Return where the sun throws the shadows of world points on the ground."""
    out = points - points[:, 2:3] / sun[2] * np.array(sun)
    return np.asarray(out)


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
        f = Frame3(s, self.height / 1.75)
        phase = 2 * math.pi * s.way / self.stride
        swing = min(1.0, s.speed / 0.7)
        sway = 0.03 * math.sin(phase) if swing else 0.015 * math.sin(1.3 * t + self.id)
        joints = [f.at(sway, 0, 0.92), f.at(0.05 + sway, 0, 1.42), f.at(0.09 + sway, 0, 1.63)]
        for side in (1.0, -1.0):
            a = 0.48 * swing * math.sin(phase) * side
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
        world = np.array(joints)
        p = view.project(world)
        k = f.scale

        def limb(i: int, j: int, r0: float, r1: float, c: Colour, lit: float = 0.6) -> Part:
            return Part(Capsule((p[i, 0], p[i, 1]), (p[j, 0], p[j, 1]), r0 * k * p[i, 2], r1 * k * p[j, 2]), c, lit)

        def side_parts(o: int, lit: float) -> tuple[list[Part], list[Part]]:
            leg = [limb(o + 2, o + 3, 0.05, 0.05, TYRE, lit), limb(o + 1, o + 2, 0.075, 0.055, self.legs, lit)]
            leg.append(limb(o, o + 1, 0.1, 0.075, self.legs, lit))
            arm = [limb(o + 6, o + 6, 0.05, 0.05, self.skin, lit), limb(o + 5, o + 6, 0.05, 0.04, self.top, lit)]
            arm.append(limb(o + 4, o + 5, 0.065, 0.05, self.top, lit))
            return leg, arm

        near = 3 if world[7, 1] < world[14, 1] else 10
        far = 13 - near
        far_leg, far_arm = side_parts(far, 0.35)
        near_leg, near_arm = side_parts(near, 0.65)
        g = self.girth
        parts = [*far_arm, *far_leg, *near_leg, limb(0, 1, 0.15 * g, 0.19 * g, self.top)]
        if self.coat:
            parts.append(limb(0, 0, 0.17 * g, 0.17 * g, self.top))
            low = view.project(np.array([f.at(0.0, 0.0, 0.6)]))[0]
            hip = (p[0, 0], p[0, 1])
            parts.append(Part(Capsule(hip, (low[0], low[1]), 0.16 * g * k * p[0, 2], 0.2 * g * k * low[2]), self.top))
        parts += [limb(1, 2, 0.06, 0.06, self.skin), limb(2, 2, 0.115, 0.115, self.skin, 0.7)]
        top = view.project(np.array([f.at(0.06 + sway, 0.0, 1.68)]))[0]
        parts.append(Part(Ellipse((top[0], top[1]), (0.12 * k * top[2], 0), (0, 0.085 * k * top[2])), self.hair, 0.7))
        parts += near_arm
        if self.bag is not None:
            h = p[near + 6]
            size = 0.15 * k * h[2]
            parts.append(Part(Ellipse((h[0], h[1] + size), (size * 0.8, 0), (0, size)), self.bag))
        return Look(view.depth(s.x, s.y), self.foot(view, s), parts, self.shadows(world, view, sun))

    def foot(self, view: View, s: Stand) -> tuple[float, float]:
        """Return where it stands, in view units."""
        at = view.project(np.array([[s.x, s.y, 0.0]]))[0]
        return float(at[0]), float(at[1])

    def shadows(self, world: Vector, view: View, sun: tuple[float, float, float]) -> list[Shadow]:
        """Body, head and legs, thrown on the ground."""
        q = view.project(cast(world, sun))
        flat = 0.45  # a pavement seen from a pole is foreshortened about so much
        pairs = ((0, 1, 0.19), (1, 2, 0.1), (2, 2, 0.12), (3, 4, 0.09), (4, 5, 0.07), (10, 11, 0.09), (11, 12, 0.07))
        shadows = [
            Shadow(Capsule((q[i, 0], q[i, 1]), (q[j, 0], q[j, 1]), r * q[i, 2], r * q[j, 2], flat), 0.92, 0.0)
            for i, j, r in pairs
        ]
        feet = view.project(world[[5, 12]] * (1, 1, 0))
        shadows += [Shadow(Ellipse((x, y), (0.22 * s, 0), (0, 0.1 * s)), 0.0, 0.35) for x, y, s in feet]
        return shadows


class Cyclist(Person):
    """Someone on a bicycle."""

    def dress(self) -> None:
        """As a person, and the bicycle's colour."""
        super().dress()
        self.frame = self.cloth()

    def look(self, t: float, view: View, sun: tuple[float, float, float], dark: float) -> Look:
        """Two wheels, a frame and a rider whose knees go up and down."""
        s = self.path.at(t)
        f = Frame3(s, 1.0)
        crank = s.way / 0.34 / 2.6
        joints = [f.at(-0.22, 0, 0.96), f.at(0.16, 0, 1.42), f.at(0.3, 0, 1.62), f.at(0.45, 0.0, 1.02)]
        joints += [f.at(-0.52, 0, 0.34), f.at(0.52, 0, 0.34), f.at(-0.05, 0, 0.3), f.at(0.4, 0, 0.88)]
        for side in (1.0, -1.0):
            a = crank + (0 if side > 0 else math.pi)
            pedal = (-0.05 + 0.17 * math.cos(a), 0.3 - 0.17 * math.sin(a))
            knee = ((pedal[0] - 0.22) / 2 + 0.24, (pedal[1] + 0.96) / 2 + 0.1)
            joints += [f.at(knee[0], 0.11 * side, knee[1]), f.at(pedal[0], 0.12 * side, pedal[1])]
            joints += [f.at(0.45, 0.25 * side, 1.02), f.at(0.16, 0.18 * side, 1.38)]
        world = np.array(joints)
        p = view.project(world)
        along = view.project(np.array([f.at(-0.2, 0, 0.34), f.at(0.86, 0, 0.34)]))

        def line(i: int, j: int, r: float, c: Colour, lit: float = 0.6) -> Part:
            return Part(Capsule((p[i, 0], p[i, 1]), (p[j, 0], p[j, 1]), r * p[i, 2], r * p[j, 2]), c, lit)

        parts: list[Part] = []
        wheels: list[Ellipse] = []
        for i in (4, 5):
            u = (0.34 * (along[1, 0] - along[0, 0]) / 1.06, 0.34 * (along[1, 1] - along[0, 1]) / 1.06)
            wheels.append(Ellipse((p[i, 0], p[i, 1]), u, (0.0, 0.34 * p[i, 2]), 0.84))
        far, near = (8, 12) if world[8, 1] > world[12, 1] else (12, 8)
        parts += [line(0, far, 0.08, self.legs, 0.3), line(far, far + 1, 0.06, self.legs, 0.3)]
        parts += [Part(wheel, TYRE) for wheel in wheels]
        parts += [line(4, 6, 0.025, self.frame), line(6, 7, 0.025, self.frame), line(0, 6, 0.02, self.frame)]
        parts += [line(0, 7, 0.025, self.frame), line(7, 5, 0.025, self.frame), line(7, 3, 0.02, self.frame)]
        parts += [line(far + 3, far + 2, 0.05, self.top, 0.3), line(0, 1, 0.16, self.top, 0.65)]
        parts += [line(0, near, 0.085, self.legs), line(near, near + 1, 0.06, self.legs)]
        parts += [line(near + 3, near + 2, 0.05, self.top), line(1, 2, 0.06, self.skin), line(2, 2, 0.115, self.skin)]
        cap = p[2]
        parts.append(Part(Ellipse((cap[0], cap[1] - 0.05 * cap[2]), (0.13 * cap[2], 0), (0, 0.09 * cap[2])), self.hair))
        if dark > 0.3:
            lamp = p[7]
            parts.append(Part(Ellipse((lamp[0], lamp[1]), (0.05 * lamp[2], 0), (0, 0.05 * lamp[2])), CHROME, glow=400))
        q = view.project(cast(world, sun))
        flat = 0.45
        shadows = [
            Shadow(Capsule((q[i, 0], q[i, 1]), (q[j, 0], q[j, 1]), r * q[i, 2], r * q[j, 2], flat), 0.92, 0.0)
            for i, j, r in (
                (0, 1, 0.18),
                (1, 2, 0.11),
                (2, 2, 0.12),
                (0, 6, 0.1),
                (4, 6, 0.05),
                (6, 5, 0.05),
                (7, 3, 0.05),
            )
        ]
        tread = view.project(world[4:6] * (1, 1, 0))
        a, b = tread
        shadows.append(Shadow(Capsule((a[0], a[1]), (b[0], b[1]), 0.1 * a[2], 0.1 * b[2], flat), 0.6, 0.25))
        return Look(view.depth(s.x, s.y), self.foot(view, s), parts, shadows)


@dataclass(frozen=True)
class Body:
    """The outline of a vehicle: metres; the ends of its cabin and roof as shares of its length."""

    length: float
    width: float
    sill: float
    belt: float
    roof: float
    cabin: tuple[float, float]
    top: tuple[float, float]
    wheel: float
    glass: bool = True


BODIES = {
    "car": Body(4.2, 1.75, 0.22, 0.84, 1.43, (-0.42, 0.2), (-0.3, 0.04), 0.31),
    "van": Body(5.2, 1.95, 0.25, 1.15, 2.2, (-0.5, 0.42), (-0.495, 0.26), 0.34),
    "lorry": Body(9.0, 2.5, 0.6, 1.2, 3.7, (-0.5, 0.5), (-0.5, 0.495), 0.5, glass=False),
}


class Car(Actor):
    """A car, a van or a lorry."""

    def dress(self) -> None:
        """Size and paint: mostly grey, white or black, as cars are."""
        rng, base = self.rng, BODIES[self.kind]
        k = rng.uniform(0.94, 1.08)
        self.body = Body(
            base.length * k,
            base.width,
            base.sill,
            base.belt,
            base.roof * rng.uniform(0.97, 1.04),
            base.cabin,
            base.top,
            base.wheel,
            base.glass,
        )
        grey = rng.choice([0.03, 0.12, 0.3, 0.62])
        tint = rng.uniform(-0.7, 0.7, 3) if rng.random() < 0.4 else np.zeros(3)
        self.paint = colour(*np.clip(grey * (1 + tint), 0.02, 0.75))

    def look(self, t: float, view: View, sun: tuple[float, float, float], dark: float) -> Look:
        """Faces of a box with a cabin; those turned away are left out."""
        s, b = self.path.at(t), self.body
        f = Frame3(s, 1.0)
        half, wide = b.length / 2, b.width / 2
        parts: list[Part] = []

        def face(corners: list[tuple[float, float, float]], c: Colour, gloss: float = 1.0) -> bool:
            world = np.array([f.at(*corner) for corner in corners])
            normal = np.cross(world[1] - world[0], world[2] - world[0])
            normal /= max(float(np.linalg.norm(normal)), 1e-9)
            if float(normal @ (world[0] - (0, 0, view.height))) >= 0:
                return False
            lit = max(float(normal @ np.array(sun)), 0.0)
            parts.append(Part(Polygon(view.project(world)[:, :2]), c, lit * gloss, 0.55 + 0.45 * float(normal[2])))
            return True

        def box(
            x0: float, x1: float, w: float, z0: float, z1: float, top: tuple[float, float], tw: float, c: Colour
        ) -> None:
            t0, t1 = top
            for k in (1.0, -1.0):
                ring = [(x0, k * w, z0), (x1, k * w, z0), (t1, k * tw, z1), (t0, k * tw, z1)]
                face(ring[::-1] if k > 0 else ring, c)
            face([(x1, -w, z0), (x1, w, z0), (t1, tw, z1), (t1, -tw, z1)], c)
            face([(x0, w, z0), (x0, -w, z0), (t0, -tw, z1), (t0, tw, z1)], c)
            face([(t0, -tw, z1), (t1, -tw, z1), (t1, tw, z1), (t0, tw, z1)], c)

        box(-half, half, wide, b.sill, b.belt, (-half * 0.98, half * 0.97), wide, self.paint)
        c0, c1 = b.cabin[0] * b.length, b.cabin[1] * b.length
        r0, r1 = b.top[0] * b.length, b.top[1] * b.length
        w = wide * 0.95
        box(c0, c1, w, b.belt, b.roof, (r0, r1), w * (0.86 if b.glass else 1.0), self.paint)
        self.windows(face, c0, c1, r0, r1, w)
        self.wheels(parts, f, view, half, wide)
        self.lights(parts, f, view, half, wide, dark)
        foot = view.project(np.array([f.at(0, 0, 0)]))[0]
        depth = min(view.depth(*f.at(x, y, 0)) for x in (-half, half) for y in (-wide, wide))
        return Look(depth + 0.3, (float(foot[0]), float(foot[1])), parts, self.shadow(f, view, sun, half, wide))

    def windows(self, face: object, c0: float, c1: float, r0: float, r1: float, w: float) -> None:
        """Glass on the cabin's faces, a little inside their rims."""
        b = self.body
        assert callable(face)
        low, high = b.belt + 0.06, b.roof - 0.1
        share = (high - b.belt) / (b.roof - b.belt)
        tw = w * 0.86 if b.glass else w
        if not b.glass:  # a lorry: a cab window in front only
            z0, z1 = 1.9, 2.7
            face([(c1 + 0.02, -w * 0.9, z0), (c1 + 0.02, w * 0.9, z0), (c1, w * 0.85, z1), (c1, -w * 0.85, z1)], GLASS)
            return
        u0, u1 = c0 + (r0 - c0) * share, c1 + (r1 - c1) * share
        yw = w + (tw - w) * share
        mid = (c0 + c1) / 2
        for k in (1.0, -1.0):
            panes = [
                ((c0 + 0.22, mid - 0.04), (u0 + 0.14, mid - 0.04)),
                ((mid + 0.04, c1 - 0.2), (mid + 0.04, u1 - 0.1)),
            ]
            if self.kind == "van":
                panes = panes[1:]
            for (a0, a1), (d0, d1) in panes:
                if a1 - a0 < 0.2 or d1 - d0 < 0.1:
                    continue
                ring = [(a0, k * w, low), (a1, k * w, low), (d1, k * yw, high), (d0, k * yw, high)]
                face(ring[::-1] if k > 0 else ring, GLASS, 0.3)
        e = 0.03
        face(
            [(c1 + e, -w * 0.9, low), (c1 + e, w * 0.9, low), (u1 + e, yw * 0.88, high), (u1 + e, -yw * 0.88, high)],
            GLASS,
        )
        face(
            [(c0 - e, w * 0.85, low), (c0 - e, -w * 0.85, low), (u0 - e, -yw * 0.8, high), (u0 - e, yw * 0.8, high)],
            GLASS,
        )

    def wheels(self, parts: list[Part], f: Frame3, view: View, half: float, wide: float) -> None:
        """The wheels of the side that is seen."""
        side = 1.0 if f.at(0, 1, 0)[1] < f.at(0, -1, 0)[1] else -1.0
        r = self.body.wheel
        for x in (-0.62 * half, 0.64 * half):
            c, a, u = view.project(
                np.array([f.at(x, side * wide, r), f.at(x + r, side * wide, r), f.at(x, side * wide, 2 * r)])
            )
            ua, ub = (a[0] - c[0], a[1] - c[1]), (u[0] - c[0], u[1] - c[1])
            parts.append(Part(Ellipse((c[0], c[1]), ua, ub), TYRE, 0.2, 0.6))
            inner = ((ua[0] * 0.58, ua[1] * 0.58), (ub[0] * 0.58, ub[1] * 0.58))
            parts.append(Part(Ellipse((c[0], c[1]), *inner), CHROME, 0.4, 0.6))

    def lights(self, parts: list[Part], f: Frame3, view: View, half: float, wide: float, dark: float) -> None:
        """Head and tail lamps on the ends that are seen."""
        facing = view.axes[2] @ np.array([f.stand.hx, f.stand.hy, 0.0])
        for end, shade, glow in ((1.0, Colour(0.55), 4000.0), (-1.0, colour(0.35, 0.03, 0.03), 60.0)):
            if facing * end > 0.25:
                continue
            near = 1.0 if f.at(0, 1, 0)[1] < f.at(0, -1, 0)[1] else -1.0
            # Seen from the side, the car itself hides the lamp on its far side.
            for k in (near, -near) if facing * end < -0.25 else (near,):
                x, y, s = view.project(np.array([f.at(end * half * 1.0, k * wide * 0.75, 0.66)]))[0]
                shape = Ellipse((x, y), (0.13 * s, 0.0), (0.0, 0.09 * s))
                parts.append(Part(shape, shade, 0.4, 0.6, glow * dark))

    def shadow(self, f: Frame3, view: View, sun: tuple[float, float, float], half: float, wide: float) -> list[Shadow]:
        """The box's shadow, and the dark under it."""
        b = self.body
        corners = [f.at(x, y, b.sill) for x in (-half, half) for y in (-wide, wide)]
        corners += [f.at(x, y, b.belt) for x in (-half, half) for y in (-wide, wide)]
        corners += [f.at(x * b.length, y, b.roof) for x in b.top for y in (-wide * 0.85, wide * 0.85)]
        thrown = hull(view.project(cast(np.array(corners), sun))[:, :2])
        under = view.project(
            np.array([f.at(x, y, 0) for x, y in ((-half, -wide), (half, -wide), (half, wide), (-half, wide))])
        )
        return [Shadow(Polygon(thrown), 0.95, 0.0), Shadow(Polygon(under[:, :2]), 0.9, 0.75)]


def actor(number: int, kind: Kind, path: Path, seed: int) -> Actor:
    """Return who comes by."""
    made = {"person": Person, "cyclist": Cyclist}.get(kind, Car)
    return made(number, kind, path, seed)
