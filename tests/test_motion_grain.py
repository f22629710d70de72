"""What the motion core makes of grain that is as strong as people are faint."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.motion import grain
from gateway.motion.background import Background
from gateway.motion.cells import OCTAVE
from gateway.motion.detector import Detector
from gateway.motion.grain import Grain
from gateway.motion.result import Motion

Plane = NDArray[np.uint8]

_SIZE = 320, 240
_NIGHT = 6.0  # grey levels: a lens and a small sensor at full gain before a dark street


class Street:
    """A dark street with grain, and somebody who walks along it, 16 by 44 pixels."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        width, height = _SIZE
        self._scene = np.kron(self._random.uniform(30, 50, (height // 20, width // 20)), np.ones((20, 20)))

    def frame(self, sigma: float, *, walker: int | None = None, contrast: float = 10.0) -> Plane:
        """Draw a frame; sigma: of the grain of a pixel; walker: how far somebody has come, or None."""
        picture = self._scene + self._random.normal(0, sigma, self._scene.shape)
        if walker is not None:
            picture[120:164, walker : walker + 16] += contrast
        return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def found(seed: int) -> int:
    """Return in how many of 80 frames of a faint walker at night gain he is found."""
    street, detector = Street(seed), Detector(*_SIZE)
    for i in range(100):
        assert not detector.step(street.frame(_NIGHT), i / 10).moving
    return sum(detector.step(street.frame(_NIGHT, walker=3 * i), 10 + i / 10).moving for i in range(80))


@pytest.mark.parametrize("seed", range(2))
def test_who_is_fainter_than_the_grain_of_a_cell_is_found(seed: int) -> None:
    """A person who differs by three standard deviations of a cell is found, and nobody is where nobody is."""
    assert found(seed) > 30


def test_control_single_cells_do_not_show_him(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: where cells are not averaged the same person is lost in the grain."""
    monkeypatch.setattr(grain, "_STRONG", 10_000)
    assert found(0) < 5


def night_and_back(seed: int, *, walker: bool) -> list[int]:
    """Return the numbers of the frames in which something moved while strong grain came and went."""
    street, detector = Street(seed), Detector(*_SIZE)
    sigmas = np.interp(np.arange(360), (80, 110, 190, 220), (1.5, _NIGHT, _NIGHT, 1.5)).tolist()
    moved = []
    for i, sigma in enumerate(sigmas):
        frame = street.frame(sigma, walker=3 * i % 300 if walker and i >= 60 else None, contrast=40.0)
        motion = detector.step(frame, i / 10)
        assert i < 60 or motion.suppressed is None
        if motion.moving:
            moved.append(i)
    return moved


def test_night_comes_and_goes_without_a_false_alarm() -> None:
    """When grain becomes strong, and weak again, nothing moves, and nothing is suppressed."""
    assert night_and_back(0, walker=False) == []


def test_nobody_is_missed_while_night_comes_and_goes() -> None:
    """Who walks by just then is found all the time: the model goes over to averaged cells and back."""
    assert len(night_and_back(1, walker=True)) > 0.9 * 300


def test_control_a_model_left_behind_sees_edges_move(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: where what was learned does not go over, the edges of the scene alarm or suppress."""
    monkeypatch.setattr(Background, "sharpen", lambda _self, _detail: None)
    monkeypatch.setattr(Background, "blur", lambda _self, _average: None)
    try:
        assert night_and_back(0, walker=False)
    except AssertionError:
        return


def test_a_mean_is_binomial() -> None:
    """A cell counts for a quarter, sides for an eighth and corners for a sixteenth; at the border 1:1."""
    cells = np.random.default_rng(0).integers(0, 16_700, (60, 80), np.int16)
    wide = np.pad(cells.astype(np.int64), 1, mode="edge")
    down = wide[:-2] + 2 * wide[1:-1] + wide[2:]
    means = (down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]) / 16
    middle = means.copy()
    Grain(np.ones(cells.shape, np.bool_)).average(cells)
    assert np.abs(cells - middle)[1:-1, 1:-1].max() <= 3
    first = (wide[1:-1, 1] + wide[1:-1, 2]) / 2  # the left column: the mean with its neighbour on the right
    assert np.abs(cells[1:-1, 0] - (first[:-2] + 2 * first[1:-1] + first[2:]) / 4).max() <= 3


@pytest.mark.parametrize(("sigma", "strong"), [(1.5, False), (_NIGHT, True)])
def test_grain_is_told_in_grey_levels_of_a_pixel(sigma: float, strong: bool) -> None:
    """What is told of the grain is that of a pixel, whether cells are averaged or not."""
    street, detector = Street(1), Detector(*_SIZE)
    for i in range(150):
        motion = detector.step(street.frame(sigma), i / 10)
    assert detector._sensor.strong == strong
    assert motion.noise == pytest.approx(sigma, rel=0.35)


def test_what_moves_under_a_mask_does_not_show_beside_it() -> None:
    """At night gain too nothing is found where only a masked neighbour moves."""
    ignore = np.zeros(_SIZE[::-1], np.bool_)
    ignore[100:180] = True
    street, detector = Street(2), Detector(*_SIZE, ignore=ignore)
    for i in range(100):
        detector.step(street.frame(_NIGHT), i / 10)
    for i in range(80):
        frame = street.frame(_NIGHT)
        frame[100:180, 3 * i : 3 * i + 30] = 255
        assert not detector.step(frame, 10 + i / 10).moving


def test_strong_grain_allocates_nothing_either() -> None:
    """Averaging makes no array of cells."""
    street, detector = Street(0), Detector(*_SIZE)
    for i in range(100):
        detector.step(street.frame(_NIGHT), i / 10)
    frames = [street.frame(_NIGHT) for _ in range(20)]
    tracemalloc.start()
    try:
        for i, frame in enumerate(frames):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            detector.step(frame, 10 + i / 10)
            assert tracemalloc.get_traced_memory()[1] - before < 160 * 120 * 2
    finally:
        tracemalloc.stop()


def test_a_cover_under_which_the_gain_goes_up_comes_off() -> None:
    """Under a cover it is dark, so that grain becomes strong: the view is right again once the cover is off."""
    random = np.random.default_rng(0)
    street = np.kron(random.uniform(30, 150, (24, 32)), np.ones((10, 10)))
    grains = random.normal(0, 1, (8, *street.shape))
    detector = Detector(*_SIZE, outlines=False)

    def see(scene: NDArray[np.floating[Any]], sigma: float, first: int, last: int) -> Motion:
        pictures = [np.clip(np.rint(scene + sigma * each), 0, 255).astype(np.uint8) for each in grains]
        for i in range(first, last):
            motion = detector.step(pictures[i % 8], i / 10)
        return motion

    see(street, 1.5, 0, 400)
    covered = see(np.full_like(street, 20), _NIGHT, 400, 500)
    assert covered.suppressed == "view"
    assert detector._sensor.strong
    free = see(street, 1.5, 500, 530)
    assert (free.suspect, free.suppressed) == (False, None)


@pytest.mark.parametrize("factor", [3.0, 3.5, 5.0])
def test_more_noise_is_never_a_lower_threshold(factor: float) -> None:
    """The more a cell glitters the higher is its threshold, or as high; but no higher than people differ."""
    model = Background(32, 64, floor=177, factor=factor)
    model.noise[...] = np.linspace(4, 4000, model.noise.size).reshape(model.noise.shape)
    model.darken(0)
    assert (np.diff(model.threshold.reshape(-1)) >= 0).all()
    assert model.threshold.max() <= 0.4 * OCTAVE


def test_frames_kept_with_less_than_black_are_averaged_too() -> None:
    """A change of light takes black cells of earlier frames below zero: averaged they are black, not glaring."""
    cells = np.full((32, 64), 400, np.int16)
    earlier = np.full((2, 32, 64), -6, np.int16)
    sensor, model = Grain(np.ones(cells.shape, np.bool_)), Background(32, 64, floor=177, factor=3.5)
    random = np.random.default_rng(0)
    for i in range(60):
        frame = np.clip(cells + random.normal(0, 300, cells.shape), 0, None).astype(np.int16)
        if sensor.prepare(frame, i / 10, model, earlier):
            break
    assert sensor.strong
    assert (earlier == 0).all()


def test_a_quiet_day_ends_the_averaging() -> None:
    """A camera that by day repeats most of the picture exactly, as compressed streams do, is no more called grainy."""
    sensor = Grain(np.ones((32, 64), np.bool_))
    random = np.random.default_rng(0)
    model, earlier = Background(32, 64, floor=177, factor=3.5), np.zeros((2, 32, 64), np.int16)

    def see(first: int, last: int, share: float) -> None:
        for i in range(first, last):
            differs = random.random((32, 64)) < share
            frame = (2000 + random.normal(0, 300, (32, 64)) * differs).astype(np.int16)
            sensor.prepare(frame, i / 2, model, earlier)

    see(0, 60, 1.0)
    assert sensor.strong
    see(60, 180, 0.0)
    assert sensor.strong, "the same picture says nothing"
    see(180, 300, 0.2)
    assert not sensor.strong
