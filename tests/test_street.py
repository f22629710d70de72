"""The simulated corner keeps a camera's contract, and its truth is what it drew."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gateway.camera.street import Street
from gateway.camera.street.paths import Path as Way
from gateway.errors import CameraError
from tests.street_corner import NO_MAIN, SMALL

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from gateway.camera.frame import Camera


def test_is_a_camera() -> None:
    """The corner is a Camera to the type checker, and says that what it shows did not happen."""
    street = Street(SMALL, main_size=(320, 180), pace=False)
    camera: Camera = street
    frame = camera.read(1)
    assert camera.simulated
    assert camera.size == SMALL
    assert frame.luma.shape == (90, 160)
    assert frame.luma.dtype == np.uint8
    assert frame.luma.flags.writeable
    assert frame.main is not None
    assert frame.main.shape == (270, 320)
    assert (frame.main_format, frame.main_size) == ("yuv420", (320, 180))
    frame.release()
    frame.release()
    camera.close()
    camera.close()
    with pytest.raises(CameraError):
        camera.read(0)


def test_without_main_picture() -> None:
    """A corner without a large picture says so, and gives none."""
    frame = Street(SMALL, main_size=NO_MAIN, pace=False).read(1)
    assert (frame.main, frame.main_format, frame.main_size) == (None, "none", NO_MAIN)


def test_same_seed_same_pixels_however_it_is_read() -> None:
    """Frame n depends on the seed and n alone, whether the frames before it were read, drawn large, or lost."""
    looked, skipped = (Street(SMALL, seed=3, main_size=(320, 180), pace=False) for _ in range(2))
    for _ in range(300):
        a = looked.read(1)
        if a.number % 7 == 0:
            assert a.main is not None
    skipped.world.advance(298)
    b = skipped.read(1)
    assert a.number == b.number == 299
    assert looked.truth == skipped.truth != []
    assert np.array_equal(a.luma, b.luma)
    assert a.main is not None
    assert b.main is not None
    assert np.array_equal(a.main, b.main)
    other = Street(SMALL, seed=4, main_size=NO_MAIN, pace=False)
    other.world.advance(298)
    assert not np.array_equal(other.read(1).luma, b.luma)


def test_large_and_small_picture_show_the_same() -> None:
    """The large picture's luma, reduced, is the luma plane but for noise, whole multiple or not."""
    for size, main_size in (((320, 180), (640, 360)), ((320, 180), (480, 270))):
        street = Street(size, seed=1, main_size=main_size, pace=False)
        street.world.advance(420)
        frame = street.read(1)
        assert street.truth
        assert frame.main is not None
        large = frame.main[: main_size[1]].astype(np.float32)
        if main_size == (640, 360):
            large = large.reshape(180, 2, 320, 2).mean((1, 3))
        else:
            rows = ((np.arange(180) + 0.5) * 1.5).astype(int)
            large = large[np.ix_(rows, ((np.arange(320) + 0.5) * 1.5).astype(int))]
        apart = np.abs(large - frame.luma)
        assert np.median(apart) < 3
        moved = np.abs(np.roll(large, 4, 1) - frame.luma)  # the control: four pixels aside
        assert moved.mean() > 1.5 * apart.mean()


def shown_and_not(kind: str, way: str, seed: int) -> tuple[Street, NDArray[np.int16]]:
    """Return a corner with one actor in it, and how its frame differs from the same frame without the actor."""
    streets = [Street((320, 180), seed=seed, scene="empty", main_size=NO_MAIN, pace=False) for _ in range(2)]
    streets[0].enter(kind, way)  # type: ignore[arg-type]
    for street in streets:
        street.world.advance(239)
    a, b = (street.read(1).luma.astype(np.int16) for street in streets)
    return streets[0], a - b


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("kind", "way"), [("person", "there"), ("person", "back again"), ("person", "standing")])
def test_truth_is_what_was_drawn(kind: str, way: str, seed: int) -> None:
    """A frame differs from the same frame without the actor where labels or ignore say so, and nowhere else."""
    street, change = shown_and_not(kind, way, seed)
    (seen,) = street.truth
    mine = street.labels == seen.id
    # Three grey levels: what covers less than a fiftieth of a pixel, or keeps less than a twentieth of the sun.
    assert np.abs(change[~mine & ~street.ignore]).max() <= 3
    assert np.mean(np.abs(change[mine]) > 2) > 0.85
    ys, xs = np.nonzero(mine)
    x, y, w, h = seen.box
    assert (round(x * 320), round(y * 180)) == (xs.min(), ys.min())
    assert (round((x + w) * 320), round((y + h) * 180)) == (xs.max() + 1, ys.max() + 1)
    assert seen.pixels == mine.sum()
    aside = np.roll(mine, 6, 1)  # the control: labels a little aside are caught
    assert np.abs(change[~aside & ~street.ignore]).max() > 3


def test_shadow_is_not_the_object() -> None:
    """A person in the sun darkens the ground beside them: ignored, and not part of the box."""
    street, change = shown_and_not("person", "there", 2)
    (seen,) = street.truth
    dark = (change < -10) & (street.labels == 0)
    assert dark.sum() > 20
    assert np.all(street.ignore[dark])
    ys, xs = np.nonzero(dark)
    x, y, w, h = (v * s for v, s in zip(seen.box, (320, 180, 320, 180), strict=True))
    assert np.mean((xs >= x) & (xs < x + w) & (ys >= y) & (ys < y + h)) < 0.5


def test_houses_and_trees_hide() -> None:
    """Someone behind a house is not seen, and someone in front of it is."""
    street = Street((320, 180), seed=1, scene="empty", main_size=NO_MAIN, pace=False)
    behind = (street.world.plan.mirror * 16.0, street.world.plan.facade + 4.0)
    before = (behind[0] / 4, street.world.plan.kerb - 1.0)
    hidden = street.enter("person", Way((behind, (behind[0] + 0.1, behind[1])), 0.001))
    open_ = street.enter("person", Way((before, (before[0] + 0.1, before[1])), 0.001))
    street.read(1)
    assert [s.id for s in street.truth] == [open_]
    assert not np.any(street.labels == hidden)


def test_truth_follows_frame_by_frame(tmp_path: Path) -> None:
    """Each frame's truth is one line of JSON that a reader can follow while the corner runs."""
    file = tmp_path / "truth.jsonl"
    street = Street(SMALL, truth=file, pace=False, main_size=NO_MAIN, fps=5)
    kinds = set()
    for n in range(90):
        frame = street.read(1)
        line = json.loads(file.read_text(encoding="utf-8").splitlines()[-1])
        assert (line["frame"], line["mono"]) == (n, frame.mono)
        assert [o["id"] for o in line["objects"]] == [s.id for s in street.truth]
        assert [tuple(o["box"]) for o in line["objects"]] == [tuple(round(v, 5) for v in s.box) for s in street.truth]
        kinds |= {o["kind"] for o in line["objects"]}
        assert not line["state"]["covered"]
    street.close()
    assert kinds == {"person", "car", "cyclist"}


def test_exposure_tells_of_the_brightness() -> None:
    """Signal over time x gain is the same before and after each step of the exposure; without it, it is not."""
    street = Street(SMALL, scene="hunting", main_size=NO_MAIN, pace=False)
    told, bare = [], []
    for _ in range(90):
        frame = street.read(1)
        assert frame.exposure is not None
        assert frame.exposure.time_us is not None
        assert frame.exposure.gain is not None
        signal = float(np.median((frame.luma / 256.0) ** 2)) - 0.004  # less the sensor's black
        bare.append(signal)
        told.append(signal / (frame.exposure.time_us * frame.exposure.gain))
    assert max(told) / min(told) < 1.06
    assert max(bare) / min(bare) > 1.2


def test_hands_change_exposure() -> None:
    """A stop more doubles what the camera reports, and the picture is brighter for it at once."""
    street = Street(SMALL, scene="empty", main_size=NO_MAIN, pace=False)
    before = street.read(1)
    mean = float(before.luma.mean())
    street.expose(1.0)
    after = street.read(1)
    assert before.exposure is not None
    assert after.exposure is not None
    assert before.exposure.time_us is not None
    assert after.exposure.time_us == pytest.approx(2 * before.exposure.time_us)
    assert after.luma.mean() > 1.25 * mean


def test_dusk_raises_time_then_gain() -> None:
    """As the corner's light goes, the exposure time grows to the frame's length, and only then the gain."""
    street = Street(SMALL, main_size=NO_MAIN, pace=False, fps=10)
    exposures = []
    for n in range(0, 700, 20):
        street.world.advance(n)
        exposures.append(street.read(1).exposure)
    times = [e.time_us for e in exposures if e and e.time_us]
    gains = [e.gain for e in exposures if e and e.gain]
    lux = [e.lux for e in exposures if e and e.lux]
    assert lux[-1] < lux[0] / 100
    assert times[-1] > 20 * times[0]
    assert max(gains) > 2
    assert all(t > 32_000 for t, g in zip(times, gains, strict=True) if g > 1.01)
