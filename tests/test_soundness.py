"""Pictures are told from garbage: by what a broken camera or cable gives, and never by what a street may look like."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gateway.camera.frame import Frame
from gateway.camera.soundness import Soundness
from gateway.camera.street import Street
from gateway.camera.street.scenes import NAMES

SIZE = (320, 180)
RNG = np.random.default_rng(7)


def judge(luma: Any, main: Any = None, form: Any = "none") -> str:
    """Judge one frame; `main` is as large as the luma plane."""
    return Soundness(SIZE).judge(Frame(0, 0.0, luma, main, form, SIZE))


def flat(level: int) -> Any:
    """A luma plane of one level."""
    return np.full((SIZE[1], SIZE[0]), level, np.uint8)


def planes(luma: int, chroma: int) -> Any:
    """A YUV picture of one colour."""
    return np.vstack([flat(luma), np.full((SIZE[1] // 2, SIZE[0]), chroma, np.uint8)])


def test_another_size_is_no_picture() -> None:
    """A plane that is not the one agreed on is refused before anything is computed from it."""
    assert "another size" in judge(np.zeros((SIZE[1], SIZE[0] + 1), np.uint8))
    assert "another size" in judge(np.zeros((SIZE[1], SIZE[0]), np.uint16))


def test_an_unfilled_buffer_is_no_picture() -> None:
    """All zero in all planes is green, which no lens draws; in BGR the same is one green all over."""
    assert judge(flat(0), planes(0, 0), "yuv420") == "an empty buffer"
    assert judge(flat(0), planes(0, 0), "nv12") == "an empty buffer"
    green = np.broadcast_to(np.array([0, 135, 0], np.uint8), (SIZE[1], SIZE[0], 3))
    assert judge(flat(77), green, "bgr") == "an empty buffer"


@pytest.mark.parametrize("level", [0, 16, 255])
def test_darkness_and_glare_may_be_pictures(level: int) -> None:
    """A covered lens and a blinded one give flat planes, too, but of no colour: that is the view's matter."""
    assert judge(flat(level)) == ""
    assert judge(flat(level), planes(level, 128), "yuv420") == ""
    grey = np.full((SIZE[1], SIZE[0], 3), level, np.uint8)
    assert judge(flat(level), grey, "bgr") == ""


@pytest.mark.parametrize("of", [2, 256])
def test_snow_is_no_picture(of: int) -> None:
    """White noise over the whole range is refused, in grey levels as in black and white."""
    snow = RNG.integers(0, of, (SIZE[1], SIZE[0])).astype(np.uint8) * (255 // (of - 1))
    assert judge(snow) == "snow"


def test_noise_of_a_sensor_may_be_a_picture() -> None:
    """A dark sensor at its highest gain is nothing but noise, and still a sensor's picture: weak."""
    dark = np.clip(RNG.normal(30, 25, (SIZE[1], SIZE[0])), 0, 255).astype(np.uint8)
    assert judge(dark) == ""


@pytest.mark.parametrize("scene", [name for name in NAMES if name not in {"hung", "unfilled", "static"}])
def test_every_scene_is_made_of_pictures(scene: str) -> None:
    """No weather, no light and no fault of the view on the corner is taken for garbage."""
    street = Street(SIZE, 5, 3, scene=scene, main_size=(320, 180), pace=False)
    soundness = Soundness(street.size)
    for _ in range(45):
        assert soundness.judge(street.read(1.0)) == ""


@pytest.mark.parametrize(("scene", "wrong"), [("unfilled", "an empty buffer"), ("static", "snow")])
def test_the_corner_can_break_its_camera(scene: str, wrong: str) -> None:
    """The corner's camera that breaks after four seconds gives pictures before and garbage after (control)."""
    street = Street(SIZE, 5, 3, scene=scene, main_size=(320, 180), pace=False)
    soundness = Soundness(street.size)
    assert [soundness.judge(street.read(1.0)) for _ in range(45)] == [""] * 20 + [wrong] * 25
    street.garble("")
    assert soundness.judge(street.read(1.0)) == ""
