"""Scenes of light: night and its noise, switches, clouds, beams, flicker, infra-red, a whole day."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.camera.street import Street
from tests.street_corner import FPS, SIZE, at, corner, grey, run


def test_noise_is_night_gain() -> None:
    """The noisy night shows several grey levels of noise at full gain; the day shows one."""

    def deviation(scene: str) -> float:
        frames = [grey(f) for f in run(corner(scene), 2.0, 4.0)]
        return float(np.median(np.std(frames, axis=0)))

    assert deviation("noise") > 3.5
    assert deviation("empty") < 1.6


@pytest.mark.parametrize(("scene", "factor"), [("ramp", 2.0), ("switch", 1.8), ("hunting", 1.15), ("irswitch", 1.4)])
def test_light_changes(scene: str, factor: float) -> None:
    """The whole picture's signal moves by this factor or more; the empty corner's does not."""

    def swing(name: str) -> float:
        signal = [float(np.median((grey(f) / 256) ** 2)) for f in run(corner(name, size=(160, 90)), 17.0, 29.0)]
        return max(signal) / min(signal)

    assert swing(scene) > factor
    assert swing("empty") < 1.05


def test_cloud_edge_crosses() -> None:
    """A cloud darkens one side of the ground before the other."""
    ratios = []
    for frame in run(corner("cloud"), 10.0, 26.0):
        ground = grey(frame)[130:170]
        ratios.append(float(ground[:, :100].mean() / ground[:, 220:].mean()))
    assert max(ratios) / min(ratios) > 1.25


def test_headlights_sweep() -> None:
    """Somewhere on the dark street it becomes much brighter for a moment, though nobody is there."""
    street = corner("headlights")
    frames = [grey(f) for f in run(street, 1.0, 6.0)]
    usual = np.median(frames, axis=0)
    signal = [((f / 256) ** 2 + 0.002) / ((usual / 256) ** 2 + 0.002) for f in frames]
    assert max(np.percentile(s[60:], 99) for s in signal) > 2
    assert not street.truth


def test_flicker_wanders_in_bands() -> None:
    """Rows under the lamps brighten and darken from frame to frame, neighbours alike and distant ones not."""
    frames = np.stack([grey(f) for f in run(corner("flicker"), 1.0, 4.0)])
    rows = frames[:, 120:, 60:].mean(2) / frames[:, 120:, 60:].mean((0, 2))
    assert rows.std() > 0.02
    still = np.stack([grey(f) for f in run(corner("empty"), 1.0, 4.0)])[:, 120:, 60:].mean(2)
    assert (still / still.mean(0)).std() < 0.01


def test_infra_red_takes_the_colour_away() -> None:
    """When the filter is out the large picture is grey; before, it is not."""
    street = Street(SIZE, FPS, 1, scene="irswitch", main_size=(640, 360), pace=False)
    colours = []
    for t in (10.0, 30.0, 60.0):
        main = at(street, t).main
        assert main is not None
        colours.append(float(np.abs(main[360:].astype(np.int16) - 128).mean()))
    assert colours[1] < 0.5
    assert min(colours[0], colours[2]) > 2


def test_day_passes_night_and_weather() -> None:
    """A day compressed to six minutes has noon, dusk, lamps, infra-red and dawn, and people at all hours."""
    street = Street((160, 90), 5, 1, scene="day", main_size=(0, 0), pace=False, seconds=360)
    lux, people, dark = [], set(), 0
    for t in range(0, 360, 3):
        frame = at(street, float(t))
        assert frame.exposure is not None
        lux.append(frame.exposure.lux or 0.0)
        people |= {s.id for s in street.truth}
        moment = street.world.moment
        assert moment is not None
        dark += int(moment.light.infrared > 0)
    assert lux[0] > 10_000
    assert min(lux) < 1
    assert lux[-1] > 10_000
    assert dark > 5
    assert len(people) > 15


def test_day_has_beams_in_the_evening_and_none_by_day() -> None:
    """In the evening beams of cars that are not there sweep over the street; at noon and in the small hours none do."""

    def swept(hour: float) -> float:
        street = Street((160, 90), 5, 1, scene="day", main_size=(0, 0), pace=False, seconds=1440)
        start = (hour - 12) % 24 * 60
        shown, empty = [], []
        for n in range(30):
            shown.append(at(street, start + n).luma.astype(int))
            empty.append((street.labels == 0) & ~street.ignore)
        usual = np.median(shown, axis=0)
        return max(float(np.percentile((now - usual)[free], 97)) for now, free in zip(shown, empty, strict=True))

    assert swept(21.0) > 40
    assert swept(12.2) < 20
