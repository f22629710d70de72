"""The ground and the houses of a corner, and the sky above them, pixel by pixel.

Every pixel's ray is cut with the ground and the walls; what it meets there has a texture in metres, so that perspective
comes by itself. Not here: what stands before them (furniture.py), what becomes of it (backdrop.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gateway.camera.street.light import Colour, colour

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.camera.street.plan import Plan
    from gateway.camera.street.shapes import Grid
    from gateway.camera.street.view import Floats


CROSS = 8.0
"""Width of the street that crosses the side street at its end; metres."""
ASPHALT, SLAB, KERB, PAINT = Colour(0.10), colour(0.33, 0.31, 0.28), Colour(0.45), Colour(0.62)


class Surfaces:
    """What each pixel of one raster shows, and how that answers to light; all arrays are (height, width)."""

    def __init__(self, corner: Plan, g: Grid, seed: int) -> None:
        self.plan, self.grid = corner, g
        self.rng = np.random.default_rng([seed, 2])
        shape = (len(g.ys), len(g.xs))
        self.y, self.cb, self.cr = (np.zeros(shape, np.float32) for _ in range(3))
        self.sunlit, self.lamp, self.glow, self.ground = (np.zeros(shape, np.float32) for _ in range(4))
        self.distance = np.full(shape, 300.0, np.float32)
        self.walls = np.zeros(shape, np.bool_)
        self.table = self.rng.random(1 << 16).astype(np.float32)

    def noise(self, u: Floats, v: Floats) -> Floats:
        """Return white noise 0..1 per unit square of (u, v)."""
        i, j = np.floor(u).astype(np.int32), np.floor(v).astype(np.int32)
        return np.asarray(self.table[(i * 7919 + j * 104_729) & 0xFFFF])

    def paint(self, where: NDArray[np.bool_], c: Colour) -> None:
        """Give a surface its colour."""
        self.y[where], self.cb[where], self.cr[where] = c

    def lay_ground(self, x: Floats, y: Floats, where: NDArray[np.intp]) -> None:
        """Road, pavement, kerbs and paint at the world points (x, y) of the pixels `where` (flat)."""
        p = self.plan
        mx = x * p.mirror
        main = (y > p.kerb) & (y < p.far_kerb)
        side = (mx > p.side[0]) & (mx < p.side[1]) & (y >= p.far_kerb)
        street = main | side | (y > p.end - CROSS)
        grain = self.noise(x * 9, y * 9) + self.noise(x * 2.3, y * 2.3 + 500) + self.noise(x * 0.6, y * 0.6 + 900)
        refl = np.where(street, np.float32(ASPHALT.luma), np.float32(SLAB.luma)) * (0.72 + 0.19 * grain)
        joints = ((x * 1.6) % 1 < 0.05) | ((y * 1.6) % 1 < 0.05)
        refl[~street & joints] *= 0.72
        slab = self.noise(x * 1.6, y * 1.6 + 3000)
        refl[~street] *= (0.9 + 0.2 * slab)[~street]
        edge = (np.abs(y - p.kerb) < 0.1) | ((np.abs(y - p.far_kerb) < 0.1) & ~side)
        edge |= ((np.abs(mx - p.side[0]) < 0.1) | (np.abs(mx - p.side[1]) < 0.1)) & (y > p.far_kerb)
        refl[edge] = KERB.luma * (0.8 + 0.4 * slab[edge])
        middle = p.kerb + p.road / 2
        lines = (np.abs(y - middle) < 0.07) & (x % 6 < 3) & main
        zebra_x = (p.side[0] + p.side[1]) / 2 - 6.5
        lines |= main & (np.abs(mx - zebra_x) < 1.5) & ((y - p.kerb) % 1.1 < 0.55)
        lines |= side & (y > p.far_kerb + 0.6) & (y < p.far_kerb + 1.0)
        lines |= side & (np.abs(mx - sum(p.side) / 2) < 0.06) & (y % 5 < 2.5)
        refl[lines] = PAINT.luma * (0.65 + 0.25 * grain[lines] / 1.5)
        hole = (mx - 4.6) ** 2 + (y - p.kerb - 1.9) ** 2
        refl[hole < 0.14] = 0.05
        patch = (np.abs(mx + 1.0) < 1.6) & (np.abs(y - p.kerb - 1.5) < 0.6)
        refl[patch & main] *= 0.6
        if p.water:
            x0, x1, y0, y1 = p.water
            rim = (x > x0 - 0.3) & (x < x1 + 0.3) & (y > y0 - 0.3) & (y < y1 + 0.3)
            refl[rim] = KERB.luma * (0.7 + 0.2 * grain[rim])
            refl[(x > x0) & (x < x1) & (y > y0) & (y < y1)] = 0.045
        self.y.reshape(-1)[where] = refl
        warm = np.where(street, np.float32(0.004), np.float32(SLAB.cr))
        self.cr.reshape(-1)[where] = warm
        self.cb.reshape(-1)[where] = np.where(street, np.float32(0.008), np.float32(SLAB.cb))
        self.sunlit.reshape(-1)[where] = self.sun_reaches(x, y) * p.sun[2]
        self.ground.reshape(-1)[where] = 1.0
        pool = np.zeros_like(x)
        for lx, ly in p.lamps:
            pool += 1 / (1 + ((x - lx) ** 2 + (y - ly) ** 2) / 16.0) ** 2
        self.lamp.reshape(-1)[where] = pool + 0.03

    def sun_reaches(self, x: Floats, y: Floats) -> Floats:
        """Return 0 where a block of houses stands between the ground at (x, y) and the sun, else 1."""
        p = self.plan
        sx, sy, sz = (s if abs(s) > 1e-3 else 1e-3 for s in p.sun)
        far = 80.0
        blocks = [(-far, p.walls[0], p.facade, far, p.heights[0]), (p.walls[1], far, p.facade, far, p.heights[1])]
        blocks.append((-14.0, 9.0, -30.0, -6.5, p.behind))  # behind the camera
        lit = np.ones(x.shape, np.float32)
        for x0, x1, y0, y1, high in blocks:
            a, b = (x0, x1) if p.mirror > 0 else (-x1, -x0)
            ta, tb, tc, td = (a - x) / sx, (b - x) / sx, (y0 - y) / sy, (y1 - y) / sy
            enter = np.maximum(np.minimum(ta, tb), np.minimum(tc, td))
            leave = np.minimum(np.minimum(np.maximum(ta, tb), np.maximum(tc, td)), high / sz)
            shade = np.clip((leave - np.maximum(enter, 0)) * 3.0, 0, 1)  # a soft rim
            lit *= 1 - shade
        return lit

    def wall(self, u: Floats, z: Floats, where: NDArray[np.intp], facing: float, block: int, depth: Floats) -> None:
        """One front: houses of different colour side by side, windows, shops; `u` along it, `z` up, flat arrays."""
        rng = np.random.default_rng([int(self.table[7] * 1e6), block])
        n = 40
        widths = rng.uniform(6.0, 11.0, n)
        starts = np.cumsum(widths) - rng.uniform(0, 6) - 120.0
        house = np.clip(np.searchsorted(starts, u), 0, n - 1).astype(np.intp)
        tones = [
            colour(*(np.array(base) * rng.uniform(0.6, 1.25)))
            for base in rng.permutation(
                [(0.34, 0.16, 0.11), (0.46, 0.42, 0.34), (0.38, 0.32, 0.22), (0.30, 0.32, 0.34), (0.5, 0.48, 0.44)] * 8
            )
        ]
        tone = np.array(tones, np.float32)
        x = (u - starts[house]).astype(np.float32)
        grain = self.noise(u * 4.0, z * 13.0 + 100) * 0.5 + self.noise(u * 0.7, z * 0.5 + 700) * 0.5
        refl = tone[house, 0] * (0.78 + 0.4 * grain)
        cb, cr = tone[house, 1], tone[house, 2]
        pitch_u = np.array([2.2, 2.6, 3.0, 2.4], np.float32)[house % 4]
        floor = 3.2
        wx, wz = x % pitch_u, (z - 4.0) % floor
        cell = self.noise(np.floor(x / pitch_u) + house * 50, np.floor((z - 4.0) / floor) + 4000 * (block + 1))
        frame = (np.abs(wx - pitch_u / 2) < 0.68) & (wz > 0.75) & (wz < 2.55) & (z > 4.0)
        glass = (np.abs(wx - pitch_u / 2) < 0.56) & (wz > 0.86) & (wz < 2.44) & (z > 4.0)
        glass &= np.abs(wx - pitch_u / 2) > 0.05
        refl = np.where(frame, np.float32(0.55), refl)
        refl = np.where(glass, 0.03 + 0.09 * cell, refl)
        shop = (z > 0.5) & (z < 2.9) & (np.abs(x % 4.5 - 2.2) < 1.75) & (house % 3 != 1)
        door = (z < 2.3) & (np.abs(x % 7.0 - 5.0) < 0.5) & ~shop
        sign = (z > 3.05) & (z < 3.75) & (house % 3 != 1)
        inside = self.noise(u * 2.0, z * 2.0 + 8000)
        refl = np.where(shop, 0.04 + 0.16 * inside, np.where(door, 0.05, refl))
        hue = rng.uniform(-0.22, 0.22, (n, 2)).astype(np.float32)
        letters = sign & (np.abs(z - 3.4) < 0.18) & (self.noise(u * 3.5, z * 0 + 9000 + block) > 0.45)
        refl = np.where(sign, 0.10 + 0.25 * (house * 7 % 5) / 5, refl)
        refl = np.where(letters, 0.7, refl)
        tinted = sign & ~letters
        cb, cr = np.where(tinted, hue[house, 0], cb), np.where(tinted, hue[house, 1], cr)
        neutral = frame | glass | shop | letters
        cb, cr = np.where(neutral, np.float32(0.01), cb), np.where(neutral, np.float32(0), cr)
        refl = refl * np.clip(0.6 + 0.5 * z, 0.6, 1.0)  # darker near the ground, where less of the sky is seen
        flat = {"y": refl, "cb": cb, "cr": cr, "distance": depth}
        for name, value in flat.items():
            getattr(self, name).reshape(-1)[where] = value
        self.sunlit.reshape(-1)[where] = max(facing, 0.0)
        self.ground.reshape(-1)[where] = 0.0
        self.walls.reshape(-1)[where] = True
        lit = np.where(glass & (cell > 0.72), 0.5 + 0.5 * cell, 0.0) + np.where(shop, 0.35 + 0.5 * inside, 0.0)
        lit = lit + np.where(letters, 0.6, 0.0)
        self.glow.reshape(-1)[where] = lit
        self.lamp.reshape(-1)[where] = 0.35 * np.exp(-np.abs(z - 2.5) / 3.0)

    def houses_and_ground(self) -> None:
        """Paint the sky, and before it what each ray meets first: a band of rows at a time, to spare memory."""
        g = self.grid
        self.y[:] = np.clip(1.5 + 0.7 * (g.ys[:, None] / 120.0), 1.4, 2.4)  # the sky shines: most at the horizon
        self.cb[:], self.cr[:] = 0.045, -0.03
        for top in range(0, len(g.ys), 64):
            self.band(top, g.ys[top : top + 64])

    def band(self, top: int, ys: Floats) -> None:
        """Cut the rays of some rows with the ground and the walls and paint what they meet first."""
        p, g = self.plan, self.grid
        first, h = top * len(g.xs), p.view.height
        dx, dy, dz = (d.reshape(-1) for d in p.view.rays(g.xs, ys))
        near = np.full(dx.shape, 250.0, np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):
            down = np.where(dz < -1e-4, -h / dz, 1e9)
            hit = (down * dy < 240) & (down < 1e8)
            where = np.flatnonzero(hit)
            near[where] = down[where]
            self.lay_ground(dx[where] * near[where], dy[where] * near[where], where + first)
            self.distance.reshape(-1)[where + first] = near[where]
            m = p.mirror
            fronts = (
                (0, p.facade, -1e3, p.walls[0], p.heights[0]),
                (1, p.facade, p.walls[1], 1e3, p.heights[1]),
            )
            sides = ((2, p.walls[0], p.heights[0], 1.0), (3, p.walls[1], p.heights[1], -1.0))
            for block, at_y, x0, x1, high in (*fronts, (4, p.end, -1e3, 1e3, 8.0)):
                t = at_y / dy
                x, z = t * dx, h + t * dz
                where = np.flatnonzero((t > 0) & (t < near) & (x * m > x0) & (x * m < x1) & (z < high) & (z > 0))
                near[where] = t[where]
                self.wall(x[where], z[where], where + first, -p.sun[1], block, t[where])
            for block, at_x, high, normal in sides:
                t = at_x * m / dx
                y, z = t * dy, h + t * dz
                where = np.flatnonzero(
                    (t > 0) & (t < near) & (y > p.facade) & (y < p.end - CROSS) & (z < high) & (z > 0)
                )
                near[where] = t[where]
                self.wall(y[where], z[where], where + first, normal * m * p.sun[0], block, t[where])
