"""Light that crosses the picture is no thing, and a thing under it is: clouds, what comes at the border, refocus."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.motion import patches, trust
from gateway.motion.detector import Detector
from gateway.motion.field import Field
from gateway.motion.regions import Region
from gateway.motion.tracks import Tracks

Plane = NDArray[np.uint8]
HEIGHT, WIDTH = 240, 320


def sky(hardness: float, seed: int) -> NDArray[np.float64]:
    """Return how much sun is let through by clouds that are much wider than the picture: 0.4 to 1."""
    random = np.random.default_rng(seed)
    wide = cv2.GaussianBlur(random.normal(0, 1, (HEIGHT, 1200)), (0, 0), 30.0)
    wide = wide / wide.std()
    return np.asarray(1 - 0.6 / (1 + np.exp(-hardness * wide)), np.float64)


def street(kind: str) -> NDArray[np.float64]:
    """Return bare asphalt, or paving in several greys, as linear light."""
    random = np.random.default_rng(7)
    if kind == "asphalt":
        return 0.25 + 0.004 * random.normal(0, 1, (HEIGHT, WIDTH))
    return np.asarray(np.kron(random.uniform(0.15, 0.4, (20, 20)), np.ones((12, 16))), np.float64)


def shot(light: NDArray[np.float64], random: np.random.Generator) -> Plane:
    """Return what a camera makes of linear light (0 to 1 and a little more): its tones, and grain."""
    grey = 255 * np.clip(light, 0, 1) ** (1 / 2.2) + random.normal(0, 2, light.shape)
    return np.clip(grey, 0, 255).astype(np.uint8)


def boxes(kind: str, hardness: float, *, lorry: bool = False, seed: int = 1) -> tuple[int, int]:
    """Let clouds pass; return in how many of the frames something else than the lorry was boxed, and the lorry."""
    random = np.random.default_rng(seed)
    ground, clouds = street(kind), sky(hardness, seed)
    detector = Detector(WIDTH, HEIGHT)
    wrong = right = 0
    for i in range(160):
        light = ground.copy()
        x = 5 * (i - 80)
        if lorry and i >= 80:
            light[100:160, max(0, x - 90) : max(0, x)] = 0.05
            for window in range(x - 85, x - 5, 20):
                light[108:136, max(0, window) : max(0, window + 12)] = 0.7
        light *= clouds[:, 3 * i : 3 * i + WIDTH]
        motion = detector.step(shot(light, random), i / 10)
        its = [b for b in motion.boxes if lorry and i >= 80 and x / WIDTH - 0.35 < b.x + b.w / 2 < x / WIDTH + 0.07]
        wrong += len(its) < len(motion.boxes)
        right += bool(its)
    return wrong, right


def test_the_edge_of_a_cloud_is_not_motion() -> None:
    """On bare asphalt nothing is boxed while clouds pass with edges of some pixels."""
    assert [boxes("asphalt", 7.0, seed=seed)[0] for seed in (1, 2, 4)] == [0, 0, 0]


def test_control_a_core_that_takes_the_field_of_light_as_exact_boxes_the_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: without an allowance where the light is steep the same clouds are boxed."""

    def exact(_: Field, field: NDArray[np.int16]) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        return np.right_shift(np.absolute(field), 4), np.zeros_like(field)

    monkeypatch.setattr(Field, "slack", exact)
    assert min(boxes("asphalt", 7.0, seed=seed)[0] for seed in (2, 4)) > 10


def test_a_shadow_as_sharp_as_a_thing_is_told_by_what_it_leaves_visible() -> None:
    """Shadows with edges of a pixel or two are light where the paving shows through them, and a lorry is none."""
    wrong, right = boxes("paving", 40.0, lorry=True)
    assert wrong <= 6
    assert right > 40


def test_control_without_a_look_at_the_paving_sharp_shadows_are_boxed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: judged by their rims alone the same shadows are things."""
    monkeypatch.setattr(patches, "_KEPT", 2.0)
    assert boxes("paving", 40.0, lorry=True)[0] > 60


def enters(*, who_from: int) -> tuple[int, int]:
    """Let a long shadow come in from the left, and who casts it from a frame on; return frames with boxes until then,
    and after."""
    random, ground, detector = np.random.default_rng(3), street("paving"), Detector(WIDTH, HEIGHT)
    before = after = 0
    for i in range(150):
        light = ground.copy()
        front = 4 * (i - 60)
        if front > 0:
            light[186:194, max(0, front - 28) : front] *= 0.5
        if i >= who_from:
            walked = 4 * (i - who_from)
            light[140:192, max(0, walked - 16) : walked] = 0.02
            light[152:172, max(0, walked - 12) : max(0, walked - 4)] = 0.5
        found = bool(detector.step(shot(light, random), i / 10).boxes)
        before, after = before + (found and i <= who_from), after + (found and i > who_from)
    return before, after


def test_a_shadow_that_comes_in_before_who_casts_it_is_not_motion(monkeypatch: pytest.MonkeyPatch) -> None:
    """A low sun sends somebody's shadow ahead: nothing is boxed until he is there himself, and he is found.

    Control: a core that takes no shadow for one boxes it.
    """
    before, after = enters(who_from=98)
    assert before == 0
    assert after > 30
    monkeypatch.setattr(trust, "SHADY", 2.0)
    assert enters(who_from=98)[0] > 10


def test_a_small_dark_car_is_believed_late_but_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is far away, dark and even all over may be a shadow for some seconds, but not for ever; control: a core
    that waits for ever loses it."""

    def found() -> list[int]:
        random, detector = np.random.default_rng(5), Detector(WIDTH, HEIGHT)
        ground = street("asphalt") * random.uniform(0.9, 1.1, (HEIGHT, WIDTH))
        seen = []
        for i in range(150):
            light = ground.copy()
            front = 3 * (i - 60)
            if front > 0:
                light[100:108, max(0, front - 18) : front] = 0.09
            if detector.step(shot(light, random), i / 10).boxes:
                seen.append(i)
        return seen

    seen = found()
    assert seen
    assert 100 <= seen[0] <= 110
    assert len(seen) > 30
    monkeypatch.setattr(trust, "_PASSING", 1e9)
    assert not found()


def region(x: int, y: int, w: int, h: int, *, contrast: int = -900, spread: int = 700) -> Region:
    """Return what a lively dark thing at this place looks like."""
    return Region(1, x, y, w, h, w * h, 1.0, 0.9, 1.0, contrast, spread)


def followed(places: list[tuple[int, int, int, int]], *, lit: bool = False, spread: int = 700) -> bool:
    """Say whether a thing is believed that is seen at these places, a tenth of a second apart."""
    tracks = Tracks(160, 120, smallest=2)
    tracks.lit = lit
    for i, place in enumerate(places):
        tracks.update([region(*place, spread=spread)], i / 10, 0.1)
    return any(thing.confirmed for thing in tracks.things)


COMES_IN = [(160 - 2 * i, 60, 2 * i, 20) for i in range(1, 9)]
FADES = [(144 + 2 * i, 60, 16 - 2 * i, 20) for i in range(7)]


def test_what_fades_at_the_border_went_nowhere() -> None:
    """A thing cut off by the border that grows from there is believed; one that only shrinks towards it is not."""
    assert followed(COMES_IN)
    assert not followed(FADES)


def test_a_cloud_of_which_only_the_front_shows_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """While light lies on the picture, what comes in at the border as even as light waits; what is uneven does not."""
    assert not followed(COMES_IN, lit=True, spread=300)
    assert followed(COMES_IN, lit=True, spread=700)
    monkeypatch.setattr(trust, "_EVEN", 0.0)
    assert followed(COMES_IN, lit=True, spread=300), "control: without the rule it is believed"


def lit_by_leaves() -> int:
    """Return in how many frames a field of light is seen on leaves that begin to swing after five seconds."""
    random = np.random.default_rng(2)
    leaves = cv2.GaussianBlur(random.normal(0, 1, (120, 160)), (0, 0), 2.0)
    leaves = 110 + 45 * leaves / leaves.std()
    rows, columns = np.arange(120)[:, None], np.arange(160)
    detector = Detector(160, 120)
    lit = 0
    for i in range(100):
        turn, wide = 2 * np.pi * max(0, i - 50) / 15, 4 * min(1.0, max(0, i - 50) / 10)
        y = rows + 0.6 * wide * np.sin(1.3 * turn + columns / 40)
        x = columns + wide * np.sin(turn + rows / 30)
        swung = leaves[np.clip(y, 0, 119).astype(int), np.clip(x, 0, 159).astype(int)]
        detector.step(np.clip(swung + random.normal(0, 2, swung.shape), 0, 255).astype(np.uint8), i / 10)
        lit += detector._light.lit
    return lit


def test_leaves_are_no_field_of_light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a field is steep much is allowed for only once it is known to be light; control: from the start."""
    assert lit_by_leaves() == 0
    slack = Field.slack

    def at_once(self: Field, field: NDArray[np.int16]) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        strong, steep = slack(self, field)
        return strong + steep, steep

    monkeypatch.setattr(Field, "slack", at_once)
    assert lit_by_leaves() > 20
