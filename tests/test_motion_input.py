"""What the motion core is given that it should not be: a clear error that costs nothing, or a clean relearn."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from gateway.motion.cells import Cells
from gateway.motion.detector import Detector
from gateway.motion.result import Motion
from tests.golden import Street, plain

Plane = NDArray[np.uint8]
STREET = Street(160, 120, 5)
FRAMES = [plain(STREET, number) for number in range(110)]
"""Two people cross, the first from 4 s on; ten frames a second."""


def run(detector: Detector, frames: list[Plane], start: float = 0.0, **said: float) -> list[Motion]:
    """Show frames at ten a second."""
    return [detector.step(frame, start + n / 10, **said) for n, frame in enumerate(frames)]


def backwards(frame: Plane) -> Plane:
    """The same picture whose rows lie in memory from the last to the first."""
    return frame[::-1].copy()[::-1]


def mirrored(frame: Plane) -> Plane:
    """The same picture whose pixels lie in memory from right to left."""
    return frame[:, ::-1].copy()[:, ::-1]


def columns_first(frame: Plane) -> Plane:
    """The same picture with its columns one after the other, as a transposed array has them."""
    return np.asfortranarray(frame)


def every_other(frame: Plane) -> Plane:
    """The same picture between the bytes of another, as luma lies in packed YUYV."""
    packed = np.full((frame.shape[0], frame.shape[1] * 2), 128, np.uint8)
    packed[:, ::2] = frame
    return packed[:, ::2]


def read_only(frame: Plane) -> Plane:
    """The same picture in memory that must not be written."""
    kept = frame.copy()
    kept.setflags(write=False)
    return kept


@pytest.mark.parametrize("layout", [backwards, mirrored, columns_first, every_other, read_only])
def test_the_layout_in_memory_changes_nothing(layout: Callable[[Plane], Plane]) -> None:
    """Whatever the strides, the result is that of a plain copy, and the frame is as it was."""
    one, other = Detector(160, 120), Detector(160, 120)
    found = 0
    for number, frame in enumerate(FRAMES[:70]):
        odd = layout(frame)
        motion = other.step(odd, number / 10)
        assert motion == one.step(frame, number / 10)
        assert np.array_equal(odd, frame)
        found += motion.moving
    assert found > 10, "somebody walks: equal results of nothing would say nothing"


def test_control_a_core_that_ignores_strides_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A core that takes every frame for a plain block of bytes says something else of a padded one."""
    reduce = Cells.reduce

    def careless(self: Cells, luma: Plane, out: NDArray[np.int16]) -> None:
        reduce(self, np.lib.stride_tricks.as_strided(luma, strides=(luma.shape[1], 1)), out)

    monkeypatch.setattr(Cells, "reduce", careless)
    one, other = Detector(160, 120), Detector(160, 120)
    packed = run(other, [every_other(frame) for frame in FRAMES[:70]])
    assert packed != run(one, FRAMES[:70])


@settings(max_examples=12, deadline=None)
@given(
    width=st.integers(160, 260),
    height=st.integers(120, 200),
    left=st.integers(0, 17),
    right=st.integers(0, 17),
    above=st.integers(0, 3),
    fill=st.integers(0, 255),
)
def test_a_padded_view_equals_a_copy_at_any_size(
    width: int, height: int, left: int, right: int, above: int, fill: int
) -> None:
    """For any size and padding the whole detector says of a view what it says of a copy of it."""
    street = Street(width, height, 3)
    one, other = Detector(width, height), Detector(width, height)
    wide = np.full((above + height + 2, left + width + right), fill, np.uint8)
    view = wide[above : above + height, left : left + width]
    for number in range(0, 66, 3):
        view[...] = plain(street, number)
        assert other.step(view, number / 10) == one.step(view.copy(), number / 10)


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (np.zeros((120, 161), np.uint8), r"\(120, 160\), found uint8 \(120, 161\)"),
        (np.zeros((160, 120), np.uint8), r"found uint8 \(160, 120\)"),
        (np.zeros((240, 320), np.uint8), r"found uint8 \(240, 320\)"),
        (np.zeros(160 * 120, np.uint8), r"found uint8 \(19200,\)"),
        (np.zeros((120, 160, 1), np.uint8), r"found uint8 \(120, 160, 1\)"),
        (np.zeros((0, 0), np.uint8), r"found uint8 \(0, 0\)"),
        (np.zeros((120, 160), np.int8), "found int8"),
        (np.zeros((120, 160), np.uint16), "found uint16"),
        (np.zeros((120, 160), np.float64), "found float64"),
        (np.zeros((120, 160), np.bool_), "found bool"),
        ([[0] * 160] * 120, "found list"),
        (None, "found NoneType"),
    ],
)
def test_a_refused_frame_leaves_no_trace(frame: Any, says: str) -> None:
    """A frame that cannot be used, say of another size, is refused in words; what follows is as if it never came."""
    one, other = Detector(160, 120), Detector(160, 120)
    assert run(one, FRAMES[:50])[-1] == run(other, FRAMES[:50])[-1]
    with pytest.raises(ValueError, match=says):
        other.step(frame, 5.0)
    assert run(one, FRAMES[50:80], 5.0) == run(other, FRAMES[50:80], 5.0)


@pytest.mark.parametrize("t", [math.nan, math.inf, -math.inf])
def test_a_time_that_is_no_number_leaves_no_trace(t: float) -> None:
    """A time that is not finite is refused, and the frames that follow are judged as if it never came."""
    one, other = Detector(160, 120), Detector(160, 120)
    run(one, FRAMES[:50])
    run(other, FRAMES[:50])
    with pytest.raises(ValueError, match="t must be a finite number of seconds, found"):
        other.step(FRAMES[50], t)
    assert run(one, FRAMES[50:80], 5.0) == run(other, FRAMES[50:80], 5.0)


@pytest.mark.parametrize("jump", [-0.2, -10.0, -1e6, 3600.0, 86_400.0, 1e9])
def test_after_a_leap_in_time_it_learns_anew(jump: float) -> None:
    """Backwards, or ahead by an hour or more: all tracks end, the model settles, and people are found again."""
    detector = Detector(160, 120)
    before = run(detector, FRAMES[:65])
    known = {track.id for track in before[-1].tracks}
    assert known
    start = 6.4 + jump
    first = detector.step(FRAMES[65], start)
    assert first.suppressed == "settling"
    assert known <= set(first.ended)
    assert first.tracks == ()
    quiet = run(detector, [plain(STREET, number % 35) for number in range(40)], start + 0.1)
    assert quiet[-1].suppressed is None
    again = run(detector, FRAMES[40:75], start + 4.1)
    new = {track.id for motion in again for track in motion.tracks}
    assert new
    assert not new & known, "an id is never used again"


@pytest.mark.parametrize("pause", [0.0, 5.0, 900.0, 3599.0])
def test_a_pause_of_less_than_an_hour_is_survived(pause: float) -> None:
    """The same time twice, or a pause: no error, and the street is still known (control of the leap)."""
    detector = Detector(160, 120)
    run(detector, FRAMES[:40])
    after = detector.step(FRAMES[5], 3.9 + pause)
    assert after.suppressed != "settling"
    assert not after.moving


@pytest.mark.parametrize("grey", [0, 255])
@pytest.mark.parametrize("first", [True, False])
def test_black_and_white_are_no_motion_and_are_got_over(grey: int, first: bool) -> None:
    """A plane of nothing but black or white, from the start or in between, shows no motion; afterwards people do."""
    flat = np.full((120, 160), grey, np.uint8)
    detector, start = Detector(160, 120, declare_after=3.0), 0.0
    if not first:
        run(detector, FRAMES[:39])
        start = 3.9
    assert not any(motion.moving for motion in run(detector, [flat] * 60, start))
    quiet = run(detector, [plain(STREET, number % 38) for number in range(100)], start + 6)
    assert not any(motion.moving for motion in quiet[20:])
    detector.confirm_view()
    people = run(detector, FRAMES[40:100], start + 16)
    assert sum(motion.moving for motion in people) > 20


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, -1.0, 0.0])
@pytest.mark.parametrize("name", ["exposure_us", "gain", "lux"])
def test_an_exposure_that_is_no_number_says_nothing(name: str, bad: float) -> None:
    """Among good exposures a bad one is as if that field had not been told; the next good one counts again."""
    good = {"exposure_us": 8000.0, "gain": 2.0, "lux": 300.0}
    one, other = Detector(160, 120), Detector(160, 120)
    for number, frame in enumerate(FRAMES[:70]):
        said = dict(good)
        missing: dict[str, float | None] = dict(good)
        if number % 3 == 1:
            said[name], missing[name] = bad, None
        assert other.step(frame, number / 10, **said) == one.step(frame, number / 10, **missing)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"width": 159}, "160x120 to 1280x720 pixels, found 159x120"),
        ({"height": 721}, "found 160x721"),
        ({"smallest": 1.0}, "smallest must be 2 to 120 pixels, found 1"),
        ({"smallest": math.nan}, "smallest"),
        ({"sensitivity": "extreme"}, "low, normal or high, found 'extreme'"),
        ({"ignore": np.zeros((160, 120), np.bool_)}, r"\(120, 160\), found bool \(160, 120\)"),
        ({"ignore": np.zeros((120, 160), np.uint8)}, "found uint8"),
        ({"declare_after": -1.0}, "declare_after must be 0 or more seconds, found -1"),
        ({"declare_after": math.nan}, "declare_after"),
    ],
)
def test_a_detector_that_cannot_be_made_says_why(arguments: dict[str, Any], says: str) -> None:
    """A wrong argument is named, with what was found and what is allowed."""
    with pytest.raises(ValueError, match=says):
        Detector(**({"width": 160, "height": 120} | arguments))


def test_a_mask_over_everything_sees_nothing() -> None:
    """Where all is hidden nothing moves, and nothing divides by nothing."""
    detector = Detector(160, 120, ignore=np.ones((120, 160), np.bool_))
    motions = run(detector, FRAMES)
    assert not any(motion.moving or motion.tracks for motion in motions)
    assert all(0 <= motion.score <= 1 for motion in motions)
