"""Privacy masks: nothing that is hidden survives in any stream, and what cannot be burnt stops the pictures."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings, strategies as st

from gateway.camera.frame import Frame
from gateway.camera.mask import LUMA_BLOCK, MAIN_BLOCK, Mask
from gateway.errors import MaskError
from tests.masked import SQUARE, chroma, make_frame, oracle, survivors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.camera.frame import MainFormat

    Polygon = Sequence[tuple[float, float]]


unit = st.floats(0, 1, allow_nan=False, width=32)
polygons = st.lists(st.lists(st.tuples(unit, unit), min_size=3, max_size=7), min_size=1, max_size=3)
formats = st.sampled_from(["none", "bgr", "yuv420", "nv12"])
NEEDLE = [[(0.0, 0.5), (1.0, 0.5), (1.0, 0.501)]]


@given(polygons, formats, st.integers(9, 90), st.integers(9, 90), st.integers(0, 40))
@example([[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]], "yuv420", 33, 33, 6)
@example(NEEDLE, "nv12", 64, 48, 0)
@example(NEEDLE, "bgr", 63, 47, 0)
@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_hidden_survives(
    hidden: list[Polygon], form: MainFormat, width: int, height: int, padding: int
) -> None:
    """For every polygon, format, size, odd ones too, and stride: no sample that touches the polygon is left."""
    main_size = (width * 2 + 1, height * 2 + 1) if form == "bgr" else (width * 2, height * 2)
    frame = make_frame((width, height), form, main_size, padding // 2 * 2)
    try:
        mask = Mask(hidden)
    except MaskError:
        assume(False)  # without area, or crossing itself evenly: refused, so nothing is shown at all
    mask.burn(frame)
    assert survivors(frame, oracle(hidden, frame)) == 0


def test_edges_that_graze_a_block_hide_it() -> None:
    """A polygon that reaches into a block by a fifth of a pixel hides the block (a grid that is not grown fails)."""
    rng = np.random.default_rng(0)
    size = (2048, 128)
    refused = 0
    for _ in range(60):
        corners = (16 * rng.integers(1, 100, 3) + rng.uniform(-0.2, 0.2, 3)) / size[0]
        triangle = [(float(x), float(y)) for x, y in zip(corners, rng.uniform(size=3), strict=True)]
        frame = make_frame((32, 32), "yuv420", size)
        try:
            Mask([triangle]).burn(frame)
        except MaskError:
            refused += 1
            continue
        assert survivors(frame, oracle([triangle], frame)) == 0, triangle
    assert refused < 5


def broken_burns() -> dict[str, Any]:
    """Return burns that forget something, as one might write them."""

    def only_luma(mask: Mask, frame: Frame) -> None:
        mask.burn(Frame(0, 0.0, frame.luma))

    def no_chroma(mask: Mask, frame: Frame) -> None:
        assert frame.main is not None
        kept = frame.main[frame.main_size[1] :].copy()
        mask.burn(frame)
        frame.main[frame.main_size[1] :] = kept

    def no_growth(mask: Mask, frame: Frame) -> None:
        (width, height), main = frame.main_size, frame.main
        assert main is not None
        mask.burn(Frame(0, 0.0, frame.luma))
        main[height // 4 : height // 2, width // 4 : width // 2] = 0

    def a_copy(mask: Mask, frame: Frame) -> None:
        assert frame.main is not None
        mask.burn(Frame(0, 0.0, frame.luma, frame.main.copy(), frame.main_format, frame.main_size))

    return {"only luma": only_luma, "no chroma": no_chroma, "no growth": no_growth, "a copy": a_copy}


@pytest.mark.parametrize("name", broken_burns())
@pytest.mark.parametrize("form", ["yuv420", "nv12"])
def test_the_check_finds_what_is_forgotten(name: str, form: MainFormat) -> None:
    """The control: each way to forget a part of a picture is found by the check that the property uses."""
    frame = make_frame((80, 60), form, (160, 120), 8)
    broken_burns()[name](Mask([SQUARE]), frame)
    assert survivors(frame, oracle([SQUARE], frame)) > 0


@pytest.mark.parametrize("form", ["none", "bgr", "yuv420", "nv12"])
def test_hides_little_more_than_asked(form: MainFormat) -> None:
    """What is further away than one block is untouched, in every plane."""
    frame, before = (make_frame((320, 180), form, (640, 360), 64) for _ in range(2))
    Mask([SQUARE]).burn(frame)
    far = {}
    for name, (width, height), block in (("luma", (320, 180), LUMA_BLOCK), ("main", (640, 360), MAIN_BLOCK)):
        near = np.zeros((height, width), np.bool_)
        margin = block + 2
        near[height // 4 - margin : height // 2 + margin, width // 4 - margin : width // 2 + margin] = True
        far[name] = ~near
    assert np.array_equal(frame.luma[far["luma"]], before.luma[far["luma"]])
    if frame.main is None or before.main is None:
        return
    if form == "bgr":
        assert np.array_equal(frame.main[far["main"]], before.main[far["main"]])
        return
    assert np.array_equal(frame.main[:360, :640][far["main"]], before.main[:360, :640][far["main"]])
    for plane, old in zip(chroma(frame), chroma(before), strict=True):
        assert np.array_equal(plane[far["main"][::2, ::2]], old[far["main"][::2, ::2]])


def test_hides_whole_blocks() -> None:
    """The main picture loses whole blocks of 16 pixels, with them 8 of each chroma plane."""
    frame = make_frame((320, 180), "yuv420", (640, 360))
    Mask([((0.5, 0.5), (0.51, 0.5), (0.5, 0.51))]).burn(frame)
    assert frame.main is not None
    black = frame.main[:360] == 0
    rows, columns = np.flatnonzero(black.any(axis=1)), np.flatnonzero(black.any(axis=0))
    for edges in (rows, columns):
        assert edges[0] % MAIN_BLOCK == 0
        assert (edges[-1] + 1) % MAIN_BLOCK == 0 or edges[-1] + 1 == 360
    assert black[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()


def test_a_polygon_that_crosses_itself_has_no_holes() -> None:
    """The middle of a five-pointed star drawn in one stroke is hidden as well."""
    points = [(0.5 + 0.4 * np.sin(a), 0.5 - 0.4 * np.cos(a)) for a in np.arange(5) * 4 * np.pi / 5]
    frame = make_frame((160, 160), "bgr", (320, 320))
    Mask([points]).burn(frame)
    assert frame.main is not None
    assert frame.main[150:170, 150:170].max() == 0


def test_ignores_exactly_what_is_black() -> None:
    """The motion core is told of exactly the pixels that were blackened."""
    mask = Mask([SQUARE, ((0.8, 0.1), (0.9, 0.1), (0.85, 0.3))])
    frame = make_frame((321, 181), "none", (0, 0))
    mask.burn(frame)
    ignored = mask.ignore((321, 181))
    assert ignored.shape == (181, 321)
    assert ignored.dtype == np.bool_
    assert np.array_equal(ignored, frame.luma == 0)


def test_no_mask_hides_nothing() -> None:
    """Without polygons and picture a frame stays as it is, nothing is ignored, and the hash is empty."""
    mask = Mask()
    frame, before = (make_frame((64, 48), "bgr", (128, 96)) for _ in range(2))
    mask.burn(frame)
    assert np.array_equal(frame.luma, before.luma)
    assert not mask.ignore((64, 48)).any()
    assert mask.hash == ""


def test_hash_names_what_is_hidden() -> None:
    """The same mask has the same hash on every machine and every size; another mask has another."""
    assert Mask([SQUARE]).hash == Mask([tuple(reversed(SQUARE))]).hash == "4c2b6cc2"
    moved = [(x + 0.01, y) for x, y in SQUARE]
    assert Mask([moved]).hash != Mask([SQUARE]).hash


def test_burning_allocates_no_pixels() -> None:
    """After the first frame of a size, burning takes only a few small objects, whatever the picture's size."""
    mask = Mask([SQUARE, ((0.6, 0.1), (0.9, 0.2), (0.7, 0.9))])
    frame = make_frame((640, 360), "yuv420", (1280, 720))
    mask.burn(frame)
    tracemalloc.start()
    try:
        for _ in range(3):
            mask.burn(frame)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8192
