"""The simulated street corner: a camera with exact truth that ships with the gateway.

    view.py      where a point of the world stands in the picture
    shapes.py    anti-aliased shapes on a raster
    plan.py      the lie of one corner; maps.py: how it answers to light; backdrop.py paints that
    surfaces.py  the ground and the houses; furniture.py: trees, lamps and small things
    light.py     sun, sky, lamps; the auto-exposure
    paths.py     ways over the ground; timetable.py says who takes which when
    actors.py    people and cyclists; vehicles.py: cars, vans, lorries
    layers.py    clouds, beams, flicker; weather.py, nature.py
    scenes.py    what happens, as data
    render.py    light on the sensor; picture.py: what stands before it; sensor.py: noise and grey levels
    truth.py     what is really there
    world.py     the corner at frame n
    corner.py    the camera

Not here: any real camera. NumPy only.
"""

from gateway.camera.street.corner import Street
from gateway.camera.street.truth import Seen

__all__ = ["Seen", "Street"]
