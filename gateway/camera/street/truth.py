"""What is really in a frame: which pixels show whom, which of them nobody can tell, and the line written about it.

Not here: the drawing (render.py). Called on the thread that reads the camera.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gateway.camera.street.actors import Actor
    from gateway.camera.street.render import Drawn, Raster
    from gateway.camera.street.shapes import Area

SOLID, FAINT = 0.5, 0.02
"""A pixel shows an actor that covers half of it; between FAINT and 1 - FAINT nobody can tell."""


class Seen(NamedTuple):
    """The truth about one actor in one frame."""

    id: int
    kind: str
    box: tuple[float, float, float, float]
    """x, y, w, h in 0..1 round its visible pixels, without its shadow."""
    centre: tuple[float, float]
    """The middle of the box, 0..1."""
    pixels: int
    """Visible pixels of the luma plane."""
    moving: bool
    still: float
    """Seconds for which it has stood; 0 while it moves."""


def mark(
    raster: Raster, actors: Sequence[Actor], drawn: Sequence[Drawn | None], labels: NDArray[np.uint16]
) -> NDArray[np.bool_]:
    """Write each pixel's actor into `labels` (0: none); return where nobody can tell: soft rims and shadows.

    `actors` and `drawn` are in painting order: near ones overwrite far ones.
    """
    labels[:] = 0
    assert raster.unsure is not None
    unsure = raster.unsure
    for who, where in zip(actors, drawn, strict=True):
        if where is None:
            continue
        solid = where.alpha >= SOLID
        labels[where.at.slices][solid] = who.id
        rim = unsure[where.at.slices]
        rim[where.alpha >= 1 - FAINT] = False
        rim |= (where.alpha > FAINT) & (where.alpha < 1 - FAINT)
    return unsure


def look_up(
    labels: NDArray[np.uint16], found: Sequence[tuple[Actor, Area]], t: float, *, standing: bool = False
) -> list[Seen]:
    """Return who is seen in `labels` (height, width) at second `t`.

    `found` says within which pixels of `labels` to look for whom; `standing`: the picture stands still, so all do.
    """
    high, wide = labels.shape
    seen = []
    for who, at in found:
        mine = labels[at.slices] == who.id
        pixels = int(np.count_nonzero(mine))
        if not pixels:
            continue
        rows, cols = np.flatnonzero(mine.any(1)), np.flatnonzero(mine.any(0))
        x, y = float(at.x0 + cols[0]) / wide, float(at.y0 + rows[0]) / high
        w, h = float(cols[-1] + 1 - cols[0]) / wide, float(rows[-1] + 1 - rows[0]) / high
        still = who.path.still_since(t)
        moving = still == 0.0 and not standing
        seen.append(Seen(who.id, who.kind, (x, y, w, h), (x + w / 2, y + h / 2), pixels, moving, still))
    return seen


def line(number: int, mono: float, seen: Sequence[Seen], state: dict[str, object]) -> str:
    """Return a frame's truth as one line of JSON."""
    objects = [
        {
            "id": s.id,
            "kind": s.kind,
            "box": [round(v, 5) for v in s.box],
            "moving": s.moving,
            "still": round(s.still, 2),
        }
        for s in seen
    ]
    whole = {"frame": number, "mono": mono, "objects": objects, "state": state}
    return json.dumps(whole, separators=(",", ":")) + "\n"
