"""The simulated street corner: a camera with exact truth that ships with the gateway.

    view.py      where a point of the world stands in the picture        shapes.py   anti-aliased shapes on a raster
    plan.py      the lie of one corner                                   maps.py     how its pixels answer to light
    backdrop.py  painting what stands still                              light.py    sun, sky, lamps; the auto-exposure
    paths.py     ways over the ground                                    timetable.py  who takes which way when
    actors.py    people and cyclists                                     vehicles.py   cars, vans, lorries
    layers.py    weather, nature, lamps                                  scenes.py   what happens, as data
    render.py    light on the sensor                                     sensor.py   noise and grey levels
    world.py     the corner at frame n                                   truth.py    what is really there
    corner.py    the camera

Not here: any real camera. NumPy only.
"""

from gateway.camera.street.corner import Street
from gateway.camera.street.truth import Seen

__all__ = ["Seen", "Street"]
