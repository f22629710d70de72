"""What the camera says of its exposure helps by its amount, and harms by nothing when it is late, wrong or missing."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.motion.detector import Detector
from gateway.motion.exposure import Exposure
from gateway.motion.illumination import Illumination

HEIGHT, WIDTH = 240, 320
Says = Callable[[int], float | None]


def ground() -> NDArray[np.float64]:
    """Return a street of patches, as linear light."""
    random = np.random.default_rng(3)
    return np.asarray(np.kron(random.uniform(0.06, 0.3, (12, 16)), np.ones((20, 20))), np.float64)


def shoot(light: NDArray[np.float64], stops: float, random: np.random.Generator) -> NDArray[np.uint8]:
    """Return what a camera makes of light, with its curve, its grain and its white."""
    grey = 255 * np.clip(light * 2.0**stops, 0, 1) ** (1 / 2.2) + random.normal(0, 2, light.shape)
    return np.asarray(np.clip(grey, 0, 255), np.uint8)


def hunting(number: int) -> float:
    """Return by how many stops an exposure is off that swings in steps, from the third second on."""
    return 0.0 if number < 30 else 0.6 * math.sin(number // 2 * 0.7)


def seen(says: Says, *, frames: int = 110, contrast: float = 0.84, seed: int = 1) -> tuple[int, int]:
    """Let somebody cross who is little darker than the street, while the exposure hunts.

    Return the frames in which he is found, and those in which something else is.
    """
    random, scene = np.random.default_rng(seed), ground()
    detector = Detector(WIDTH, HEIGHT)
    found = wrong = 0
    for i in range(frames):
        light = scene.copy()
        x = 4 * (i - 40)
        if i >= 40:
            light[100:136, x : x + 12] *= contrast
        motion = detector.step(shoot(light, hunting(i), random), i / 10, exposure_us=says(i))
        right = [b for b in motion.boxes if x / WIDTH - 0.03 < b.x + b.w / 2 < (x + 12) / WIDTH + 0.03]
        found += bool(right)
        wrong += len(right) < len(motion.boxes)
    return found, wrong


def truth(number: int) -> float:
    """Say what is: 10 ms, and the stops that it is off."""
    return 10_000 * math.exp2(hunting(number))


LIES: dict[str, Says] = {
    "the reverse": lambda i: 1e8 / truth(i),
    "four times too much": lambda i: 10_000 * math.exp2(4 * hunting(i)),
    "anything": lambda i: float(10_000 * 2.0 ** np.random.default_rng(i).uniform(-2, 2)),
    "no number": lambda i: math.nan if i % 3 else truth(i),
    "nothing now and then": lambda i: None if i % 2 else truth(i),
}


def test_who_is_faint_is_found_while_the_exposure_hunts() -> None:
    """A camera that says its exposure lets somebody faint be seen in more frames than one that says nothing."""
    without, with_it = seen(lambda _: None), seen(truth)
    assert with_it[0] >= without[0] + 20
    assert with_it[1] == 0


def test_what_is_told_a_frame_late_helps_too() -> None:
    """Metadata of the frame before are no worse than none."""
    assert seen(lambda i: truth(max(0, i - 1)))[0] >= seen(lambda _: None)[0]


@pytest.mark.parametrize("lie", list(LIES))
def test_a_camera_that_lies_is_no_worse_than_one_that_says_nothing(lie: str) -> None:
    """Whatever is said, nothing is invented, and who crosses is found nearly as often."""
    silent, lied = seen(lambda _: None, contrast=0.7), seen(LIES[lie], contrast=0.7)
    assert lied[1] <= silent[1]
    assert lied[0] >= silent[0] - 3


def test_control_a_core_that_believes_its_camera_falls_for_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: without asking the cells the lie is taken for a change of light, and nobody is found any more."""

    def obey(self: Illumination, offset: int, due: list[float]) -> int:
        if due:
            self.shift(self._light.spread(self.exposure.table(due[0]), self._model.level), 0)
            return 0
        return offset

    silent = seen(lambda _: None, contrast=0.7)
    monkeypatch.setattr(Illumination, "_agreed", obey)
    assert seen(LIES["anything"], contrast=0.7)[0] < silent[0] - 10


def off_beside_a_lorry(*, told: bool) -> float:
    """Return by how many grey levels the street is not as believed, when a lorry fills most of the picture and the
    exposure follows it in this frame."""
    random, scene = np.random.default_rng(2), ground()
    lorry = 0.03 + 0.04 * (np.arange(WIDTH) // 40 % 3)
    detector = Detector(WIDTH, HEIGHT)
    for i in range(45):
        light, stops, front = scene.copy(), float(i == 44), (0, 100, 200, 200)[max(0, i - 41)]
        light[:, :front] = lorry[:front]
        frame = shoot(light, stops, random)
        detector.step(frame, i / 10, exposure_us=10_000 * 2.0**stops if told else None)
    street = frame.reshape(HEIGHT // 2, 2, WIDTH // 2, 2).mean(axis=(1, 3))[:, 105:]
    return float(np.abs(detector.belief().background[:, 105:] - street).mean())


def test_the_exposure_is_followed_when_a_lorry_hides_most_of_the_street() -> None:
    """The street beside it is known in the very frame; control: without what is told it is far off."""
    assert off_beside_a_lorry(told=True) < 3
    assert off_beside_a_lorry(told=False) > 10


def test_a_response_is_learned_and_bounded() -> None:
    """A camera with another curve is learned from the steps that the picture agrees with, and never beyond reason."""
    exposure = Exposure()
    exposure.told(10_000, None, None)
    first = int(exposure.table(1.0)[160])
    for i in range(30):
        exposure.told(10_000 * 2.0 ** (i % 2), None, None)
        for octaves in exposure.due()[:1]:
            table = int(exposure.table(octaves)[160])
            exposure.came(octaves, foretold=table, seen=2 * table)
    assert first < int(exposure.table(1.0)[160]) < 3 * first
