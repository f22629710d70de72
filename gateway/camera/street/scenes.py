"""What happens on the corner: how the light goes, who comes when, what weather there is, what befalls the camera. Data.

Not here: ways and the timetable (timetable.py), how anything is drawn. Pure functions of time and seed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gateway.camera.street.actors import Kind
from gateway.camera.street.layers import FOREVER, Clouds, Flicker, Layer, Sweeps
from gateway.camera.street.light import Light, daylight
from gateway.camera.street.nature import Foliage, Water
from gateway.camera.street.weather import Insects, Rain, Snow, Web

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.camera.street.plan import Plan

Entry = tuple[float, Kind, str]
"""Second, kind and the name of a way."""
Spans = tuple[tuple[float, float], ...]
"""(from, to) in seconds."""


def no_layers(plan: Plan, seed: int) -> list[Layer]:  # noqa: ARG001 - one signature for all
    """Return nothing."""
    return []


@dataclass(frozen=True)
class Scene:
    """One stress, or an ordinary day."""

    light: Callable[[float], Light]
    """Second -> light."""
    cast: tuple[Entry, ...] = ()
    """Who comes for certain."""
    every: float = 0.0
    """Mean seconds between those who come by chance; 0: nobody does."""
    chance_from: float = 0.0
    layers: Callable[[Plan, int], list[Layer]] = no_layers
    lie: str = ""
    """What is special about the corner itself: see `plan.plan`."""
    covered: Spans = ()
    defocused: Spans = ()
    frozen: Spans = ()
    hung: Spans = ()
    """When the sensor gives no frame at all."""
    empty: Spans = ()
    """When its buffers are handed over unfilled."""
    static: Spans = ()
    """When the link to it has lost its synchronisation."""
    knocked: float = math.inf
    """Second at which somebody turns the camera for good."""
    sway: float = 0.0
    """View units by which the pole sways."""
    hunting: float = 0.0
    """Stops by which the exposure swings."""
    locked: bool = False
    """Whether the exposure stays as it is set at the beginning."""


def noon(_: float) -> Light:
    """A clear day."""
    return daylight(24.0)


def night(_: float) -> Light:
    """Street lamps."""
    return daylight(-9.0)


def infrared(_: float) -> Light:
    """No lamp but the camera's own."""
    return Light(sky=0.02, glow=0.05, infrared=30.0)


def dusk_once(t: float) -> Light:
    """Four minutes from an afternoon through dusk and evening to the next morning, over and over."""
    altitude = np.interp(t % 240, (0, 22, 58, 110, 150, 240), (24.0, 22.0, -6.0, -6.0, 22.0, 24.0))
    return daylight(float(altitude))


def ramp(t: float) -> Light:
    """Overcast thickens and thins: a factor of three within ten seconds."""
    return Light(sky=2500.0 * 2.0 ** (0.8 * math.sin(2 * math.pi * t / 20.0)), glow=5.0)


def switched(t: float) -> Light:
    """Late dusk; the street lamps go off and on."""
    on = t % 18 < 9
    return Light(sky=3.0, lamp=30.0 if on else 0.0, glow=14.0 if on else 3.0)


def infrared_switch(t: float) -> Light:
    """Dusk with lamps far away; the filter goes out at 20 s, in again at 55 s, each time with two frames between."""
    dim = Light(sky=2.5, lamp=3.0, glow=5.0)
    if 20 <= t < 55:
        return replace(dim, infrared=30.0, sky=0.4, lamp=1.0)
    return dim


def whole_day(length: float) -> Callable[[float], Light]:
    """Return the light of 24 hours from noon to noon in `length` seconds; the lamps are off from one to four."""

    def at(t: float) -> Light:
        hour = (12 + 24 * t / length) % 24
        light = daylight(4.0 - 36.0 * math.cos(2 * math.pi * hour / 24), overcast=0.0)
        if 1 <= hour < 4:
            return replace(light, lamp=0.0, glow=0.1, infrared=30.0, sky=0.02)
        return light

    return at


def whole_weather(length: float) -> Callable[[Plan, int], list[Layer]]:
    """Return the weather of that day: wind, clouds, a shower, beams of cars round the corner, insects, a web, flurries.

    Sun and weather pass quickly; drops, flakes, insects, beams, people and cars move at their own pace.
    """

    def at(hour: float) -> float:
        return ((hour - 12) % 24) / 24 * length

    def make(_: Plan, seed: int) -> list[Layer]:
        return [
            Foliage(seed, (at(14), at(19)), 2.0),
            Clouds(seed, (at(13), at(16))),
            Rain(seed, (at(17), at(18.5)), 200),
            Sweeps(seed, (at(19.5), at(23.5)), 12.0),
            Insects(seed, (at(1), at(2.5)), 2.5),
            Web(seed, (at(1), at(4))),
            Snow(seed, (at(5), at(6.5)), 200),
            Clouds(seed + 1, (at(9), at(11.5))),
        ]

    return make


OPENING: tuple[Entry, ...] = (
    (0.5, "person", "near"), (4.0, "car", "road"), (7.0, "person", "far"), (9.0, "cyclist", "cycle"),
    (12.0, "car", "stopping"), (14.0, "person", "zebra"), (20.0, "person", "distant"), (26.0, "car", "back"),
    (30.0, "person", "near"), (34.0, "cyclist", "cycle"), (38.0, "car", "turning"), (42.0, "person", "far"),
    (47.0, "car", "road"),
)  # fmt: skip
USUAL: tuple[Entry, ...] = (
    (8.0, "person", "near"), (18.0, "person", "far"), (26.0, "car", "road"), (33.0, "cyclist", "cycle"),
    (40.0, "person", "near"), (50.0, "car", "back"), (58.0, "person", "zebra"),
)  # fmt: skip
WALKERS: tuple[Entry, ...] = ((8.0, "person", "near"), (24.0, "person", "far"), (42.0, "person", "near"))
PARKED: tuple[Entry, ...] = (
    (-120.0, "car", "leaving"), (12.0, "person", "near"), (36.0, "car", "parking"), (52.0, "person", "near"),
)  # fmt: skip
LORRY: tuple[Entry, ...] = ((6.0, "lorry", "red light"), (55.0, "person", "far"), (75.0, "car", "road"))
VIEW: tuple[Entry, ...] = ((4.0, "person", "near"), (70.0, "person", "near"), (84.0, "person", "far"))
"""Nobody while the view is broken."""
BROKEN: Spans = ((20.0, 65.0),)
FAILED: Spans = ((4.0, math.inf),)

SCENES: dict[str, Scene] = {
    "corner": Scene(dusk_once, OPENING, every=7.0, chance_from=48.0, covered=((53.0, 56.0),)),
    "empty": Scene(noon),
    # light
    "noise": Scene(lambda _: Light(sky=0.5, lamp=1.6, glow=2.0), USUAL),
    "ramp": Scene(ramp, USUAL, locked=True),
    "switch": Scene(switched, USUAL),
    "hunting": Scene(noon, USUAL, hunting=0.5),
    "cloud": Scene(noon, USUAL, layers=lambda _, s: [Clouds(s)]),
    "headlights": Scene(lambda _: daylight(-9.0), USUAL, layers=lambda _, s: [Sweeps(s)]),
    "flicker": Scene(night, USUAL, layers=lambda _, s: [Flicker(s), Flicker(s, mains=60.0, depth=0.15)]),
    "irswitch": Scene(infrared_switch, USUAL),
    "shadow": Scene(noon, (*USUAL, (14.0, "person", "unseen"), (46.0, "car", "unseen")), lie="low sun"),
    # weather and nature
    "rain": Scene(lambda _: Light(sky=4000.0, glow=5.0), USUAL, layers=lambda _, s: [Rain(s)]),
    "snow": Scene(lambda _: Light(sky=4000.0, glow=5.0), USUAL, layers=lambda _, s: [Snow(s)]),
    "insects": Scene(infrared, WALKERS, layers=lambda _, s: [Insects(s)]),
    "web": Scene(infrared, WALKERS, layers=lambda _, s: [Web(s)]),
    "foliage": Scene(noon, USUAL, layers=lambda _, s: [Foliage(s)], lie="trees"),
    "water": Scene(noon, USUAL, layers=lambda p, s: [Water(s, FOREVER, p)], lie="water"),
    "sway": Scene(noon, USUAL, sway=2.0),
    # people and cars
    "small": Scene(noon, tuple((3.0 + 9.0 * i, "person", "distant") for i in range(7)), lie="open"),
    "cyclist": Scene(noon, tuple((6.0 + 8.0 * i, "cyclist", "glimpse") for i in range(8))),
    "stand": Scene(noon, ((4.0, "person", "standing"), (60.0, "person", "far"))),
    "parked": Scene(noon, PARKED),
    "crossing": Scene(noon, tuple((4.0 + 22.0 * (i // 2), "person", ("there", "back again")[i % 2]) for i in range(6))),
    "lorry": Scene(noon, LORRY, lie="near road"),
    # the view
    "covered": Scene(noon, VIEW, covered=BROKEN),
    "defocused": Scene(noon, VIEW, defocused=BROKEN),
    "moved": Scene(noon, VIEW, knocked=20.0),
    "frozen": Scene(noon, (*VIEW, (17.0, "person", "near")), frozen=BROKEN),
    # the camera; opened anew it works for four seconds
    "hung": Scene(noon, USUAL, hung=FAILED),
    "unfilled": Scene(noon, USUAL, empty=FAILED),
    "static": Scene(noon, USUAL, static=FAILED),
    "stuck": Scene(noon, USUAL, frozen=FAILED),
}  # fmt: skip

DAY = 1440.0
"""Seconds of the scene "day" when it is given no length: a minute an hour."""


def scene(name: str, length: float | None = None) -> Scene:
    """Return a scene; "day" lasts `length` seconds (DAY when None).

    Raises:
        KeyError: there is none of this name.
    """
    if name == "day":
        seconds = length or DAY
        return Scene(whole_day(seconds), every=12.0, layers=whole_weather(seconds))
    return SCENES[name]


NAMES = (*SCENES, "day")
