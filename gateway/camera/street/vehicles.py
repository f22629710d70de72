"""Cars, vans and lorries: boxes with a cabin, seen in perspective.

Not here: people and bicycles, and what all actors share (actors.py). Pure functions of time and seed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gateway.camera.street.actors import Actor, Body3, Look, Part, Pool, Shadow, cast
from gateway.camera.street.light import Colour, colour
from gateway.camera.street.shapes import Ellipse, Polygon, hull

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.camera.street.view import View

TYRE, GLASS, CHROME = Colour(0.025), Colour(0.05, 0.02, -0.01), Colour(0.35)


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
        f = Body3(s, 1.0)
        half, wide = b.length / 2, b.width / 2
        parts: list[Part] = []

        def face(corners: list[tuple[float, float, float]], c: Colour, gloss: float = 1.0) -> bool:
            (x0, y0, z0), (x1, y1, z1), (x2, y2, z2), _ = world = [f.at(*corner) for corner in corners]
            ax, ay, az, bx, by, bz = x1 - x0, y1 - y0, z1 - z0, x2 - x0, y2 - y0, z2 - z0
            nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
            size = max(math.sqrt(nx * nx + ny * ny + nz * nz), 1e-9)
            if nx * x0 + ny * y0 + nz * (z0 - view.height) >= 0:
                return False
            lit = max((nx * sun[0] + ny * sun[1] + nz * sun[2]) / size, 0.0)
            outline = tuple(view.spot(*p)[:2] for p in world)
            parts.append(Part(Polygon(outline), c, lit * gloss, 0.55 + 0.45 * nz / size))
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
        foot = view.spot(*f.at(0, 0, 0))
        depth = min(view.depth(*f.at(x, y, 0)) for x in (-half, half) for y in (-wide, wide))
        return Look(
            depth + 0.3,
            foot[:2],
            parts,
            self.shadow(f, view, sun, half, wide),
            self.beam(f, view, half, dark),
        )

    def bulk(self, t: float, view: View) -> tuple[float, float, float, float, float] | None:
        """Return the rectangle round its box, and its paint."""
        f, b = Body3(self.path.at(t), 1.0), self.body
        corners = [
            f.at(x, y, z)
            for x in (-b.length / 2, b.length / 2)
            for y in (-b.width / 2, b.width / 2)
            for z in (b.sill, b.roof)
        ]
        box = Polygon(tuple(view.spot(*p)[:2] for p in corners)).bounds()
        return *box, self.paint.luma

    def windows(self, face: Callable[..., bool], c0: float, c1: float, r0: float, r1: float, w: float) -> None:
        """Glass on the cabin's faces, a little inside their rims."""
        b = self.body
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

    def wheels(self, parts: list[Part], f: Body3, view: View, half: float, wide: float) -> None:
        """The wheels of the side that is seen."""
        side = 1.0 if f.at(0, 1, 0)[1] < f.at(0, -1, 0)[1] else -1.0
        r = self.body.wheel
        for x in (-0.62 * half, 0.64 * half):
            hub, rim, top = (x, side * wide, r), (x + r, side * wide, r), (x, side * wide, 2 * r)
            c, a, u = (view.spot(*f.at(*p)) for p in (hub, rim, top))
            ua, ub = (a[0] - c[0], a[1] - c[1]), (u[0] - c[0], u[1] - c[1])
            parts.append(Part(Ellipse((c[0], c[1]), ua, ub), TYRE, 0.2, 0.6))
            inner = ((ua[0] * 0.58, ua[1] * 0.58), (ub[0] * 0.58, ub[1] * 0.58))
            parts.append(Part(Ellipse((c[0], c[1]), *inner), CHROME, 0.4, 0.6))

    def lights(self, parts: list[Part], f: Body3, view: View, half: float, wide: float, dark: float) -> None:
        """Head and tail lamps on the ends that are seen."""
        facing = view.axes[2] @ np.array([f.stand.hx, f.stand.hy, 0.0])
        for end, shade, glow in ((1.0, Colour(0.55), 4000.0), (-1.0, colour(0.35, 0.03, 0.03), 60.0)):
            if facing * end > 0.25:
                continue
            near = 1.0 if f.at(0, 1, 0)[1] < f.at(0, -1, 0)[1] else -1.0
            # Seen from the side, the car itself hides the lamp on its far side.
            for k in (near, -near) if facing * end < -0.25 else (near,):
                x, y, s = view.spot(*f.at(end * half, k * wide * 0.75, 0.66))
                shape = Ellipse((x, y), (0.13 * s, 0.0), (0.0, 0.09 * s))
                parts.append(Part(shape, shade, 0.4, 0.6, glow * dark))

    def shadow(self, f: Body3, view: View, sun: tuple[float, float, float], half: float, wide: float) -> list[Shadow]:
        """The box's shadow, and the dark under it."""
        b = self.body
        corners = [f.at(x, y, b.sill) for x in (-half, half) for y in (-wide, wide)]
        corners += [f.at(x, y, b.belt) for x in (-half, half) for y in (-wide, wide)]
        corners += [f.at(x * b.length, y, b.roof) for x in b.top for y in (-wide * 0.85, wide * 0.85)]
        thrown = hull(view.spot(*thrown)[:2] for thrown in (cast(p, sun) for p in corners))
        ring = ((-half, -wide), (half, -wide), (half, wide), (-half, wide))
        under = tuple(view.spot(*f.at(x, y, 0))[:2] for x, y in ring)
        return [Shadow(Polygon(thrown), 0.95, 0.0), Shadow(Polygon(under), 0.9, 0.75)]

    def beam(self, f: Body3, view: View, half: float, dark: float) -> list[Pool]:
        """The light of its headlamps on the road before it."""
        if dark < 0.2:
            return []
        ahead, tip, edge = (
            view.spot(*f.at(*p)) for p in ((half + 8.0, 0, 0), (half + 15.5, 0, 0), (half + 8.0, 2.6, 0))
        )
        u, v = (tip[0] - ahead[0], tip[1] - ahead[1]), (edge[0] - ahead[0], edge[1] - ahead[1])
        return [Pool((ahead[0], ahead[1]), u, v, 45.0 * dark)]
