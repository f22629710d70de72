"""Recordings: every frame where that is asked for, live where not, scaled down and never up."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from gateway.camera.scaling import fit
from gateway.camera.video import Video
from gateway.errors import CameraEnded
from tests.clips import SECONDS, drain, opened, scenery, write_counter, write_folder, write_video

if TYPE_CHECKING:
    from pathlib import Path


# A recording, read to its end


@pytest.mark.parametrize("make", ["video", "folder", "array"])
def test_every_frame_comes_once(tmp_path: Path, make: str) -> None:
    """Unpaced, all frames come in order, with times counted from the first by the recording's rate, then it ends."""
    if make == "video":
        source, rate = write_video(tmp_path / "clip.avi", frames=30, rate=25.0), 25.0
    elif make == "folder":
        source, rate = write_folder(tmp_path / "folder", frames=30), 10.0
    else:
        source, rate = write_counter(tmp_path / "array.npy", frames=30), 10.0
    with opened(str(source), pace=False, fps=10.0) as camera:
        assert isinstance(camera, Video)
        assert (camera.rate, camera.frames) == (rate, 30)
        frames, end = drain(camera)
        assert frames == [(n, n / rate) for n in range(30)]
        assert isinstance(end, CameraEnded)
        assert "30 frames" in str(end)
        with pytest.raises(CameraEnded):
            camera.read(SECONDS)


def test_the_rate_can_be_told(tmp_path: Path) -> None:
    """?fps= stands above what the recording says of itself."""
    clip = write_video(tmp_path / "clip.avi", frames=10, rate=25.0)
    with opened(f"{clip}?fps=5", pace=False) as camera:
        assert drain(camera)[0][-1] == (9, 9 / 5)


def test_same_input_same_pixels(tmp_path: Path) -> None:
    """Two readings of a recording give the same bytes."""
    clip = write_video(tmp_path / "clip.avi", frames=12, size=(1440, 1080))

    def pixels() -> list[bytes]:
        with opened(str(clip), pace=False) as camera:
            frames = (camera.read(SECONDS) for _ in range(12))
            return [frame.luma.tobytes() for frame in frames]

    assert pixels() == pixels()


def test_pictures_come_in_their_natural_order(tmp_path: Path) -> None:
    """9.png comes before 10.png; other files and hidden ones are no pictures."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(12):
        cv2.imwrite(str(folder / f"frame {number}.png"), np.full((48, 64), number * 10, np.uint8))
    (folder / "notes.txt").write_text("not a picture")
    (folder / ".hidden.png").write_bytes(b"")
    with opened(str(folder), pace=False) as camera:
        assert [int(camera.read(SECONDS).luma[0, 0]) // 10 for _ in range(12)] == list(range(12))


def test_loops_with_rising_numbers(tmp_path: Path) -> None:
    """loop=1 begins again at the end; numbers and times go on."""
    clip = write_counter(tmp_path / "array.npy", frames=5)
    with opened(f"{clip}?loop=1&fps=10", pace=False) as camera:
        frames = [(f.number, f.mono, int(f.luma[0, 0])) for f in (camera.read(SECONDS) for _ in range(12))]
    assert frames == [(n, n / 10, n % 5) for n in range(12)]


# Sizes


@pytest.mark.parametrize(
    ("size", "box", "fitted"),
    [
        ((1920, 1080), (640, 360), (640, 360)),
        ((320, 240), (640, 360), (320, 240)),
        ((640, 480), (640, 360), (480, 360)),
        ((1080, 1920), (640, 360), (202, 360)),
        ((4000, 1), (640, 360), (640, 1)),
    ],
)
def test_fits_without_growing(size: tuple[int, int], box: tuple[int, int], fitted: tuple[int, int]) -> None:
    """Sizes are scaled down with their aspect kept, never up."""
    assert fit(size, box) == fitted


def test_a_large_recording_is_scaled_down(tmp_path: Path) -> None:
    """A recording of 4:3 gives both pictures in 4:3, each within what was asked for."""
    clip = write_video(tmp_path / "clip.avi", frames=3, size=(1440, 1080))
    with opened(str(clip), pace=False) as camera:
        frame = camera.read(SECONDS)
        assert isinstance(camera, Video)
        assert (camera.source_size, camera.size, frame.main_size) == ((1440, 1080), (480, 360), (960, 720))


def test_a_grey_picture_among_coloured_ones(tmp_path: Path) -> None:
    """A folder is what its first picture is; one of the other sort is converted."""
    folder = tmp_path / "folder"
    folder.mkdir()
    cv2.imwrite(str(folder / "0.png"), scenery(0))
    cv2.imwrite(str(folder / "1.png"), np.full((360, 640), 200, np.uint8))
    with opened(str(folder), pace=False) as camera:
        camera.read(SECONDS)
        frame = camera.read(SECONDS)
        assert frame.main is not None
        assert int(frame.main.min()) == int(frame.luma.max()) == 200


# As live


def test_a_late_reader_loses_frames(tmp_path: Path) -> None:
    """At its pace a recording does not wait: the newest frame is there, and its number says how many were lost."""
    clip = write_counter(tmp_path / "array.npy", frames=20)
    with opened(f"{clip}?fps=200") as camera:
        assert isinstance(camera, Video)
        first = camera.read(SECONDS)
        camera._thread.join(SECONDS)
        assert int(first.luma[0, 0]) == first.number  # what is held was not written over
        last = camera.read(SECONDS)
        assert (last.number, int(last.luma[0, 0])) == (19, 19)
        with pytest.raises(CameraEnded):
            camera.read(SECONDS)


def test_an_early_reader_waits(tmp_path: Path) -> None:
    """Unpaced, the recording waits for its reader instead."""
    clip = write_counter(tmp_path / "array.npy", frames=20)
    with opened(str(clip), pace=False) as camera:
        for number in range(20):
            frame = camera.read(SECONDS)
            threading.Event().wait(0.01 if number < 3 else 0)
            assert (frame.number, int(frame.luma[0, 0])) == (number, number)


def test_no_more_frames_than_wanted(tmp_path: Path) -> None:
    """A recording of 100 frames a second of which 50 are wanted gives every second one, numbered without gaps."""
    clip = write_counter(tmp_path / "array.npy", frames=100)
    camera = Video(str(clip), fps=50.0, rate=100.0)
    try:
        for _ in range(10):
            frame = camera.read(SECONDS)
            assert int(frame.luma[0, 0]) == 2 * frame.number
    finally:
        camera.close()


class _Careless(Video):
    """A control: a release gives back whatever is held."""

    def _give_back(self, _slot: int, _number: int) -> None:
        with self._change:
            self._held = None


def _spoilt(camera: Video, frames: int) -> int:
    """Count frames that changed under their reader when an older frame was released late."""
    spoilt = 0
    older = camera.read(SECONDS)
    for _ in range(frames):
        frame = camera.read(SECONDS)
        older.release()
        deadline = time.monotonic() + 0.02  # for the thread to write two frames, were a slot free
        while time.monotonic() < deadline and int(frame.luma[0, 0]) == frame.number % 200:
            threading.Event().wait(0.001)
        spoilt += int(frame.luma[0, 0]) != frame.number % 200
        older = frame
    return spoilt


@pytest.mark.parametrize(("kind", "safe"), [(Video, True), (_Careless, False)])
def test_a_late_release_frees_nothing_else(tmp_path: Path, kind: type[Video], safe: bool) -> None:
    """Releasing an older frame after the next was read leaves the newer one alone (a careless release does not)."""
    clip = write_counter(tmp_path / "array.npy", frames=200)
    camera = kind(str(clip), fps=500.0, rate=500.0, loop=True)
    try:
        assert (_spoilt(camera, 20) == 0) is safe
    finally:
        camera.close()
