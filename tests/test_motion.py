"""The motion core as its caller sees it: what it finds, what it leaves alone, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.motion.detector import Detector
from gateway.motion.result import Motion

Plane = NDArray[np.uint8]


class Corner:
    """A textured wall and pavement, a walker, noise: enough of a street for one rule at a time."""

    def __init__(self, width: int = 320, height: int = 240, seed: int = 0, noise: float = 2.0) -> None:
        self.random = np.random.default_rng(seed)
        coarse = self.random.uniform(60, 170, (height // 20 + 1, width // 20 + 1))
        self.scene = np.kron(coarse, np.ones((20, 20)))[:height, :width] + self.random.normal(0, 4, (height, width))
        self.noise = noise

    def frame(self, walker: tuple[float, float] | None = None, *, light: float = 1.0, size: int = 40) -> Plane:
        """Draw the scene with a walker whose feet stand at (x, y), and grain on top."""
        picture = self.scene.copy()
        if walker is not None:
            x, y = int(walker[0]), int(walker[1])
            picture[max(0, y - size) : max(0, y), max(0, x) : max(0, x + size // 3)] = 25
            picture[max(0, y - size) : max(0, y - size * 3 // 4), max(0, x) : max(0, x + size // 3)] = 200
        return self.grain(picture * light)

    def grain(self, picture: NDArray[np.float64]) -> Plane:
        """Add the noise of a sensor."""
        return np.clip(picture + self.random.normal(0, self.noise, picture.shape), 0, 255).astype(np.uint8)


def watch(detector: Detector, corner: Corner, seconds: float, start: float = 0.0, fps: float = 10.0) -> list[Motion]:
    """Show the empty corner for a while."""
    return [detector.step(corner.frame(), start + i / fps) for i in range(int(seconds * fps))]


def test_quiet_scene_has_no_tracks() -> None:
    """A scene in which nothing happens has neither boxes nor tracks."""
    for motion in watch(Detector(320, 240), Corner(), 20):
        assert motion.boxes == ()
        assert motion.tracks == ()


def test_settling_is_said() -> None:
    """For the first two seconds the model is young and nothing is reported."""
    motions = watch(Detector(320, 240), Corner(), 3)
    assert motions[0].suppressed == "settling"
    assert motions[-1].suppressed is None


@pytest.mark.parametrize("size", [(160, 120), (320, 240), (640, 360), (1280, 720)])
def test_walker_is_found_and_keeps_its_id(size: tuple[int, int]) -> None:
    """A walker gets one id, keeps it across the picture, and its track ends after it left."""
    width, height = size
    detector, corner = Detector(width, height), Corner(width, height)
    watch(detector, corner, 3)
    scale = height / 240
    ids: list[int] = []
    hits = 0
    for i in range(60):
        x, y = width * (i / 60), height * 0.7
        motion = detector.step(corner.frame((x, y), size=int(40 * scale)), 3 + i / 10)
        ids += [track.id for track in motion.tracks]
        centre = (x + 7 * scale) / width, (y - 20 * scale) / height
        hits += any(b.x <= centre[0] <= b.x + b.w and b.y <= centre[1] <= b.y + b.h for b in motion.boxes)
    assert len(set(ids)) == 1
    assert hits >= 50
    later = watch(detector, corner, 6, start=9)
    assert ids[0] in [gone for motion in later for gone in motion.ended]
    assert later[-1].tracks == ()


def test_a_track_remembers_where_it_was_seen_first() -> None:
    """A walker who came in from the left is said to have come from there in every frame that follows."""
    detector, corner = Detector(320, 240), Corner()
    watch(detector, corner, 3)
    firsts = set()
    for i in range(50):
        motion = detector.step(corner.frame((320 * i / 60, 170)), 3 + i / 10)
        firsts |= {track.first for track in motion.tracks}
    (first,) = firsts
    assert first is not None
    assert first.x < 0.1
    assert first.y + first.h == pytest.approx(170 / 240, abs=0.04)


def test_velocity_is_in_pictures_a_second() -> None:
    """A walker that crosses the picture in six seconds has a speed of a sixth of a picture."""
    detector, corner = Detector(320, 240), Corner()
    watch(detector, corner, 3)
    for i in range(40):
        motion = detector.step(corner.frame((320 * i / 60, 170)), 3 + i / 10)
    assert motion.tracks[0].velocity[0] == pytest.approx(1 / 6, rel=0.15)
    assert abs(motion.tracks[0].velocity[1]) < 0.03


@pytest.mark.parametrize("factor", [0.6, 0.8, 1.2, 1.4])
def test_light_step_is_not_motion(factor: float) -> None:
    """When the light jumps, nothing moves, and the change is told."""
    detector, corner = Detector(320, 240), Corner()
    watch(detector, corner, 3)
    motions = [detector.step(corner.frame(light=factor), 3 + i / 10) for i in range(30)]
    assert not any(motion.tracks for motion in motions)
    assert (motions[0].gain > 1) == (factor > 1)


def test_walker_is_found_while_the_light_ramps() -> None:
    """Somebody who walks while the light fades is still one track."""
    detector, corner = Detector(320, 240), Corner()
    watch(detector, corner, 3)
    ids: set[int] = set()
    for i in range(60):
        motion = detector.step(corner.frame((320 * i / 60, 170), light=1 - i / 120), 3 + i / 10)
        ids |= {track.id for track in motion.tracks}
    assert len(ids) == 1


def test_covered_lens_is_suspected_then_declared_then_cleared() -> None:
    """A covered lens holds motion back within 20 frames, is declared after the given time, cleared when it is over."""
    detector, corner = Detector(320, 240, declare_after=5), Corner()
    watch(detector, corner, 5)
    dark = [detector.step(corner.grain(np.full((240, 320), 20.0)), 5 + i / 10) for i in range(100)]
    assert not any(motion.boxes for motion in dark)
    assert all(motion.suspect for motion in dark[20:])
    assert dark[30].view == "ok"
    assert dark[-1].view == "covered"
    back = watch(detector, corner, 8, start=15)
    assert back[-1].view == "ok"
    assert not back[-1].suspect
    assert back[-1].suppressed is None


def test_padded_view_equals_a_copy() -> None:
    """Rows that are padded, as cameras pad them, give the same result as a plane without padding."""
    plain, padded, corner = Detector(320, 240), Detector(320, 240), Corner()
    for i in range(50):
        frame = corner.frame((6 * i, 150))
        wide = np.zeros((240, 333), np.uint8)
        wide[:, 5:325] = frame
        assert plain.step(frame, i / 10) == padded.step(wide[:, 5:325], i / 10)


def test_masked_part_is_never_seen() -> None:
    """Whoever walks behind a mask is not there; without the mask he is."""
    ignore = np.zeros((240, 320), np.bool_)
    ignore[100:] = True
    for mask, seen in ((ignore, False), (None, True)):
        detector, corner = Detector(320, 240, ignore=mask), Corner()
        watch(detector, corner, 3)
        motions = [detector.step(corner.frame((5 * i, 170)), 3 + i / 10) for i in range(50)]
        assert any(motion.tracks for motion in motions) is seen


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (np.zeros((240, 321), np.uint8), r"\(240, 320\), found uint8 \(240, 321\)"),
        (np.zeros((240, 320), np.float32), "found float32"),
        (np.zeros((240, 320, 3), np.uint8), "found uint8"),
        ("frame", "found str"),
    ],
)
def test_frame_of_the_wrong_kind_is_refused(frame: Plane, says: str) -> None:
    """A frame that cannot be used is refused in words that say what came and what is wanted."""
    with pytest.raises(ValueError, match=says):
        Detector(320, 240).step(frame, 0.0)


@pytest.mark.parametrize("jump", [-10.0, 7200.0])
def test_broken_time_means_learning_anew(jump: float) -> None:
    """When time runs backwards or leaps an hour, the model starts anew and says that it settles."""
    detector, corner = Detector(320, 240), Corner()
    watch(detector, corner, 3)
    assert detector.step(corner.frame(), 3 + jump).suppressed == "settling"
    assert watch(detector, corner, 3, start=3.1 + jump)[-1].suppressed is None
