"""What the motion core promises of itself: no allocation, the same result anywhere, states of the view, bad input."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from gateway.motion.cells import Cells
from gateway.motion.detector import Detector
from gateway.motion.result import Motion

Plane = NDArray[np.uint8]


def street(count: int, *, walker: bool, seed: int = 0, size: tuple[int, int] = (320, 240)) -> list[Plane]:
    """Draw a textured scene with grain, and somebody who crosses it."""
    width, height = size
    random = np.random.default_rng(seed)
    scene = np.kron(random.uniform(60, 170, (height // 20 + 1, width // 20 + 1)), np.ones((20, 20)))[:height, :width]
    frames = []
    for i in range(count):
        picture = scene + random.normal(0, 2, scene.shape)
        if walker:
            x = 4 * i % width
            picture[height // 2 : height // 2 + 40, x : x + 14] = 20
        frames.append(np.clip(picture, 0, 255).astype(np.uint8))
    return frames


def peak_of_steps(detector: Detector, frames: list[Plane], start: int) -> int:
    """Return the most memory, in bytes, that one step held beyond what was there before it."""
    most = 0
    tracemalloc.start()
    try:
        for i, frame in enumerate(frames):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            detector.step(frame, (start + i) / 10)
            most = max(most, tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    return most


def test_steady_state_allocates_nothing_of_the_size_of_a_frame() -> None:
    """On a quiet street no step holds as much new memory as one array of cells has bytes, rare work included."""
    detector, frames = Detector(320, 240), street(120, walker=False)
    for i, frame in enumerate(frames[:80]):
        detector.step(frame, i / 10)
    # Every twenty seconds the edges of the view are chosen anew: 24 seconds hold one such time.
    assert peak_of_steps(detector, frames[80:] * 6, 80) < 160 * 120 * 2


def test_the_allocation_test_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: one line that makes a new array of cells is noticed."""
    reduce = Cells.reduce

    def wasteful(self: Cells, luma: Plane, out: NDArray[np.int16]) -> None:
        reduce(self, luma, out)
        out[...] = out + np.int16(0)

    detector, frames = Detector(320, 240), street(120, walker=False)
    for i, frame in enumerate(frames[:80]):
        detector.step(frame, i / 10)
    monkeypatch.setattr(Cells, "reduce", wasteful)
    assert peak_of_steps(detector, frames[80:], 80) >= 160 * 120 * 2


def test_same_input_gives_the_same_output() -> None:
    """Two detectors that saw the same frames say the same of each, ids and speeds included."""
    frames = street(80, walker=True)
    one, other = Detector(320, 240), Detector(320, 240)
    for i, frame in enumerate(frames):
        assert one.step(frame, i / 10) == other.step(frame, i / 10)


@settings(max_examples=25, deadline=None)
@given(
    width=st.integers(160, 400),
    height=st.integers(120, 300),
    left=st.integers(0, 9),
    right=st.integers(0, 9),
    seed=st.integers(0, 99),
)
def test_cells_do_not_depend_on_the_stride(width: int, height: int, left: int, right: int, seed: int) -> None:
    """For any size and padding, a view into wider rows gives the same cells as a copy of it."""
    wide = np.random.default_rng(seed).integers(0, 256, (height, left + width + right)).astype(np.uint8)
    view = wide[:, left : left + width]
    cells = Cells(width, height)
    first, second = (np.zeros((cells.height, cells.width), np.int16) for _ in range(2))
    cells.reduce(view, first)
    cells.reduce(view.copy(), second)
    assert np.array_equal(first, second)


@pytest.mark.parametrize("size", [(160, 120), (320, 240), (641, 361), (1280, 720)])
def test_a_cell_is_the_mean_of_its_pixels(size: tuple[int, int]) -> None:
    """A cell's value is the logarithm of the mean grey level of its block, to a hundredth of a level or two."""
    width, height = size
    plane = np.random.default_rng(1).integers(0, 256, (height, width)).astype(np.uint8)
    cells = Cells(width, height)
    out = np.zeros((cells.height, cells.width), np.int16)
    cells.reduce(plane, out)
    block = plane[: cells.height * cells.size, : cells.width * cells.size].astype(np.float64)
    mean = block.reshape(cells.height, cells.size, cells.width, cells.size).mean(axis=(1, 3))
    assert np.abs(16 * 2 ** (out / 4096) - 16 - mean).max() < 0.1


def run(detector: Detector, frames: list[Plane], start: int = 0) -> list[Motion]:
    """Show frames at ten a second."""
    return [detector.step(frame, (start + i) / 10) for i, frame in enumerate(frames)]


def test_frozen_is_declared_by_time_and_cleared() -> None:
    """The same bytes for seconds are suspected, then declared as frozen; a living picture clears it."""
    detector, frames = Detector(320, 240, declare_after=5), street(160, walker=False)
    run(detector, frames[:60])
    frozen = run(detector, [frames[60]] * 90, 60)
    assert not frozen[5].suspect
    assert frozen[20].suspect
    assert frozen[-1].view == "frozen"
    after = run(detector, frames[61:100], 150)
    assert after[-1].view == "ok"


def test_moved_latches_until_it_is_confirmed() -> None:
    """A camera that was knocked is suspected at once, declared as moved, and stays so until a person confirms it."""
    detector = Detector(320, 240, declare_after=4)
    before = street(60, walker=False)
    after = street(200, walker=False, seed=5)
    run(detector, before)
    knocked = run(detector, after[:120], 60)
    assert knocked[20].suspect
    assert not any(motion.boxes for motion in knocked[:40])
    assert knocked[-1].view == "moved"
    assert knocked[-1].suspect
    detector.confirm_view()
    cleared = run(detector, after[120:], 180)
    assert cleared[-1].view == "ok"
    assert not cleared[-1].suspect


def test_a_cover_is_told_just_after_the_edges_were_chosen_anew() -> None:
    """Edges are chosen every 20 s: a lens that is covered in the second after that is not taken for another scene."""
    frames, detector = street(40, walker=False), Detector(320, 240, outlines=False)
    t, chosen = 0.0, -1e9
    while t < 21 or detector._watch._chosen == chosen:
        chosen = detector._watch._chosen
        detector.step(frames[round(t * 10) % 40], t)
        t += 0.1
        assert t < 60
    dark = np.random.default_rng(0).normal(20, 2, (20, 240, 320)).astype(np.uint8)
    covered = [detector.step(frame, t + i / 10) for i, frame in enumerate(dark)]
    assert covered[-1].suspect
    assert covered[-1].suppressed == "view"


@pytest.mark.parametrize("grey", [0, 255])
def test_black_and_white_are_survived(grey: int) -> None:
    """A plane of nothing but black or white raises no error and shows no motion."""
    motions = run(Detector(320, 240), [np.full((240, 320), grey, np.uint8)] * 60)
    assert not any(motion.boxes for motion in motions)


def test_exposure_that_is_not_a_number_says_nothing() -> None:
    """NaN, infinite and negative exposures are as if the camera had said nothing."""
    frames = street(50, walker=True)
    silent, odd = Detector(320, 240), Detector(320, 240)
    for i, frame in enumerate(frames):
        expected = silent.step(frame, i / 10)
        assert odd.step(frame, i / 10, exposure_us=float("nan"), gain=float("inf"), lux=-1.0) == expected


def test_foreground_covers_the_walker_at_any_size() -> None:
    """The painted foreground lies on the walker, whatever the size asked for."""
    detector, frames = Detector(320, 240), street(60, walker=True)
    run(detector, frames)
    x = 4 * 59 % 320
    for height, width in ((240, 320), (480, 640), (100, 133)):
        out = np.full((height, width), 7, np.uint8)
        detector.foreground(out)
        assert set(np.unique(out).tolist()) <= {0, 255}
        inside = out[130 * height // 240 : 150 * height // 240, (x + 3) * width // 320 : (x + 11) * width // 320]
        assert inside.mean() > 200
        assert out.mean() < 20


def test_belief_is_in_grey_levels() -> None:
    """What the model believes of the background is the scene that it saw."""
    detector, frames = Detector(320, 240), street(60, walker=False)
    run(detector, frames)
    scene = np.mean(frames, axis=0).reshape(120, 2, 160, 2).mean(axis=(1, 3))
    belief = detector.belief()
    assert np.abs(belief.background - scene).mean() < 1
    assert belief.threshold.min() > 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"width": 100}, "160x120 to 1280x720 pixels, found 100x240"),
        ({"smallest": 0}, "smallest must be 2 to 240 pixels, found 0"),
        ({"sensitivity": "higher"}, "low, normal or high, found 'higher'"),
        ({"ignore": np.zeros((10, 10), np.bool_)}, r"ignore must be a bool array of shape \(240, 320\)"),
        ({"declare_after": float("nan")}, "declare_after must be 0 or more seconds"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, object], says: str) -> None:
    """An argument out of its range is refused in words that say what was found and what is allowed."""
    values: dict[str, object] = {"width": 320, "height": 240} | arguments
    with pytest.raises(ValueError, match=says):
        Detector(**values)  # type: ignore[arg-type]
