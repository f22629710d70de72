"""The simulated street corner: a camera with exact truth that ships with the gateway.

    view.py      where a point of the world stands in the picture        shapes.py   anti-aliased shapes on a raster
    backdrop.py  what stands still, and how it answers to light          light.py    sun, sky, lamps; the auto-exposure
    paths.py     ways over the ground                                    actors.py   who walks, pedals and rolls there
    scenes.py    what happens, as data                                   render.py   linear light, sensor, grey levels
    corner.py    the camera

Not here: any real camera. NumPy only.
"""

from gateway.camera.street.corner import Seen, Street

__all__ = ["Seen", "Street"]
