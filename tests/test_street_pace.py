"""The simulated corner in time: frames at their times, a late reader, a hung sensor, an end; and wrong arguments."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from gateway.camera.street import Street, corner
from gateway.errors import CameraEnded, CameraError, CameraStalled, CameraUnavailable
from tests.street_corner import NO_MAIN, SMALL

if TYPE_CHECKING:
    from pathlib import Path


class Clock:
    """A monotonic clock that stands still until it is set on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Give the corner a clock of the test's own."""
    made = Clock()
    monkeypatch.setattr(corner, "time", made)
    return made


def test_paced_frames_come_at_their_times(clock: Clock) -> None:
    """Frame n is due at start + n / fps on the monotonic clock."""
    street = Street(SMALL, fps=10, main_size=NO_MAIN)
    for n in range(5):
        clock.now = 1000.0 + n / 10
        frame = street.read(0)
        assert frame.number == n
        assert frame.mono == pytest.approx(1000.0 + n / 10)
    with pytest.raises(CameraStalled):
        street.read(0)


def test_late_reader_loses_frames(clock: Clock) -> None:
    """Who comes late finds the newest frame, and the number says how many are gone; a reader in time loses none."""
    street = Street(SMALL, fps=10, main_size=NO_MAIN)
    assert street.read(0).number == 0
    clock.now += 1.25
    late = street.read(0)
    assert late.number == 12
    assert late.mono == pytest.approx(1001.2)
    clock.now += 0.1
    assert street.read(0).number == 13


def test_hung_camera_stalls() -> None:
    """A camera that hangs says so within the deadline, and goes on when it recovers."""
    street = Street(SMALL, pace=False, main_size=NO_MAIN)
    street.read(1)
    street.hang(True)
    with pytest.raises(CameraStalled) as told:
        street.read(0.05)
    assert told.value.hint
    street.hang(False)
    assert street.read(1).number == 1


def test_close_ends_a_waiting_read() -> None:
    """A read that waits in a hung camera ends as soon as somebody closes it."""
    street = Street(SMALL, main_size=NO_MAIN)
    street.read(1)
    street.hang(True)
    ended: list[Exception] = []
    waiting = threading.Event()

    def read() -> None:
        waiting.set()
        try:
            street.read(60)
        except CameraError as error:
            ended.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert waiting.wait(10)
    street.close()
    reader.join(10)
    assert not reader.is_alive()
    assert len(ended) == 1
    assert not isinstance(ended[0], CameraStalled)


def test_recording_ends() -> None:
    """A corner with an end raises CameraEnded after its last frame."""
    street = Street(SMALL, pace=False, seconds=0.2, main_size=NO_MAIN)
    for _ in range(6):
        street.read(1)
    with pytest.raises(CameraEnded):
        street.read(1)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"scene": "cornr"}, "cornr"),
        ({"size": (161, 90)}, "161x90"),
        ({"fps": 0.0}, "0.0 fps"),
        ({"size": (8, 8)}, "8x8"),
    ],
)
def test_wrong_arguments_say_what_is_allowed(wrong: dict[str, object], named: str) -> None:
    """A scene or a size that does not exist is named, with what to give instead."""
    with pytest.raises(CameraUnavailable, match=named) as told:
        Street(**wrong)  # type: ignore[arg-type]
    assert told.value.hint


def test_truth_file_that_cannot_be_written(tmp_path: Path) -> None:
    """A truth file in a folder that does not exist is named before anything runs."""
    with pytest.raises(CameraUnavailable, match=r"nowhere.*truth\.jsonl"):
        Street(SMALL, truth=tmp_path / "nowhere" / "truth.jsonl")
