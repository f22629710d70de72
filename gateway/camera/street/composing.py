"""The order in which a picture of the corner comes about: what stands, behind it layers, then shadows, actors, layers.

Not here: how each of them is drawn (render.py, layers.py). Called on the thread that reads the camera.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.camera.street.actors import Look
    from gateway.camera.street.layers import Layer
    from gateway.camera.street.light import Light
    from gateway.camera.street.render import Drawn, Raster


def compose(
    raster: Raster, light: Light, looks: Sequence[Look], layers: Sequence[Layer], t: float
) -> list[Drawn | None]:
    """Draw second `t` into the raster's signal; `looks` are in painting order. Return where each came to stand."""
    light = light.rounded()  # by less than half a grey level; so it need not be laid afresh for every frame
    raster.begin(light)
    for layer in layers:
        layer.behind(raster, light, t)
    shares = [math.prod(layer.sun_share(*look.foot, t) for layer in layers) for look in looks]
    for look, share in zip(looks, shares, strict=True):
        raster.cast(look, light.sun * share, light.sky)
        for pool in look.pools:
            raster.pour(pool)
    drawn = [raster.put(look, raster.falls_on(look, light, share)) for look, share in zip(looks, shares, strict=True)]
    for layer in layers:
        layer.before(raster, light, t)
    return drawn
