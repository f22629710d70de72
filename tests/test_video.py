"""Recordings and network cameras: every frame where that is asked for, live where not, and what bad ones are told."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from gateway.camera.footage import TELLS_SIZE
from gateway.camera.opening import open_camera
from gateway.camera.video import Video, fit
from gateway.errors import CameraEnded, CameraError, CameraStalled, CameraUnavailable
from tests.clips import SECONDS, opened, scenery, within, write_folder, write_video
from tests.rtsp_server import RtspServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray


def write_counter(path: Path, frames: int, size: tuple[int, int] = (64, 48)) -> Path:
    """Write an array whose frame n has the grey level n everywhere."""
    np.save(path, np.arange(frames, dtype=np.uint8)[:, None, None] * np.ones((1, size[1], size[0]), np.uint8))
    return path


def drain(camera: Any, timeout: float = SECONDS) -> tuple[list[tuple[int, float]], CameraError]:
    """Return number and time of all frames, and what ended them."""
    frames: list[tuple[int, float]] = []
    deadline = time.monotonic() + 2 * SECONDS
    while True:
        assert time.monotonic() < deadline, f"no end after {len(frames)} frames"
        try:
            frame = within(SECONDS, lambda: camera.read(timeout))
        except CameraError as error:
            return frames, error
        frames.append((frame.number, frame.mono))
        frame.release()


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


# What cannot be opened


@pytest.mark.parametrize(
    ("name", "complaint", "hint"),
    [
        ("gone.avi", "No such file", "spelling"),
        ("text.avi", "gives no video", "another machine"),
        ("empty.avi", "gives no video", "another machine"),
        ("empty", "no pictures", "Put pictures there"),
        ("broken", r"none of 2 pictures .* 0\.png first", "Copy"),
        ("text.npy", "no array of NumPy", "numpy.save"),
        ("floats.npy", "float64", "uint8"),
        ("flat.npy", r"\(48, 64\)", "frames, height, width"),
        ("none.npy", r"\(0, 48, 64\)", "frames, height, width"),
        ("columns.npy", "columns first", "numpy.save"),
        ("objects.npy", "object", "uint8"),
    ],
)
def test_what_cannot_be_opened(tmp_path: Path, name: str, complaint: str, hint: str) -> None:
    """It is named, with what is wrong and what to do."""
    for text in ("text.avi", "text.npy"):
        (tmp_path / text).write_text("this is no recording")
    (tmp_path / "empty.avi").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    for picture in ("0.png", "1.jpg"):
        (tmp_path / "broken" / picture).write_bytes(b"nothing")
    np.save(tmp_path / "floats.npy", np.zeros((3, 48, 64)))
    np.save(tmp_path / "flat.npy", np.zeros((48, 64), np.uint8))
    np.save(tmp_path / "none.npy", np.zeros((0, 48, 64), np.uint8))
    np.save(tmp_path / "columns.npy", np.asfortranarray(np.zeros((3, 48, 64), np.uint8)))
    np.save(tmp_path / "objects.npy", np.array([[[{}]]]), allow_pickle=True)
    with pytest.raises(CameraUnavailable, match=complaint) as caught:
        within(SECONDS, lambda: open_camera(str(tmp_path / name)))
    assert name in str(caught.value)
    assert hint in caught.value.hint


@contextmanager
def as_nobody() -> Iterator[None]:
    """Drop root's privilege to read everything, where there is any."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("make", ["video", "folder", "array"])
def test_what_may_not_be_read(tmp_path: Path, make: str) -> None:
    """A lack of permission is called that, and the hint names the group of USB cameras."""
    path = tmp_path / {"video": "clip.avi", "folder": "folder", "array": "array.npy"}[make]
    if make == "folder":
        write_folder(path, frames=1)
    elif make == "video":
        write_video(path, frames=3)
    else:
        write_counter(path, frames=3)
    path.chmod(0)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    with as_nobody(), pytest.raises(CameraUnavailable, match="Permission denied") as caught:
        within(SECONDS, lambda: open_camera(str(path)))
    path.chmod(0o755)
    assert "'video'" in caught.value.hint


# What breaks off


@pytest.mark.parametrize("make", ["video", "array"])
def test_a_recording_that_was_cut_off(tmp_path: Path, make: str) -> None:
    """Everything before the break is given, then it says after how many of how many frames it broke off."""
    if make == "video":
        path = write_video(tmp_path / "clip.avi", frames=60, rate=25.0)
    else:
        path = write_counter(tmp_path / "array.npy", frames=60)
    os.truncate(path, path.stat().st_size // 2)
    with opened(str(path), pace=False) as camera:
        frames, end = drain(camera)
    assert 15 < len(frames) < 45
    assert not isinstance(end, CameraEnded | CameraStalled)
    assert f"cut off after {len(frames)} of 60" in str(end)
    assert end.hint


@pytest.mark.parametrize("ending", [".png", ".jpg", ".bmp", ".webp"])
def test_one_unreadable_picture(tmp_path: Path, ending: str, caplog: pytest.LogCaptureFixture) -> None:
    """A picture that was cut off is named and counted, leaves a gap in the numbers, and the others are given."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(6):
        cv2.imwrite(str(folder / f"{number}{ending}"), scenery(number))
    broken = folder / f"3{ending}"
    os.truncate(broken, broken.stat().st_size // 2)
    with opened(str(folder), pace=False) as camera:
        assert isinstance(camera, Video)
        frames, end = drain(camera)
        assert camera.damaged == [broken.name]
    assert [number for number, _ in frames] == [0, 1, 2, 4, 5]
    assert isinstance(end, CameraEnded)
    assert f"1 could not be read, {broken.name} first" in str(end)
    assert broken.name in caplog.text


def test_a_picture_of_another_size(tmp_path: Path) -> None:
    """A change of size in mid-stream ends it, named with both sizes."""
    folder = write_folder(tmp_path / "folder", frames=4)
    cv2.imwrite(str(folder / "2.png"), scenery(2, (320, 240)))
    with opened(str(folder), pace=False) as camera:
        frames, end = drain(camera)
    assert len(frames) == 2
    assert "2.png is 320x240, what came before 640x360" in str(end)
    assert end.hint


def test_what_nobody_foresaw_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the reading thread reaches the reader as it is; it is neither hidden nor a silence."""

    def broken(*_arguments: object, **_options: object) -> None:
        raise ZeroDivisionError("nobody foresaw this")

    monkeypatch.setattr("gateway.camera.video.open_footage", broken)
    with pytest.raises(ZeroDivisionError, match="foresaw"):
        within(SECONDS, lambda: Video(str(tmp_path)))


# What hangs


def test_a_file_that_never_opens(tmp_path: Path) -> None:
    """A file whose opening blocks in the kernel does not block the caller."""
    pipe = tmp_path / "clip.avi"
    os.mkfifo(pipe)
    with pytest.raises(CameraUnavailable, match="no picture within 0.3 s") as caught:
        within(SECONDS, lambda: Video(str(pipe), wait=0.3))
    assert caught.value.hint
    _unblock(pipe)


def test_a_file_that_falls_silent(tmp_path: Path) -> None:
    """A file whose reads block after some frames raises CameraStalled, and closes, within the deadlines."""
    clip = write_video(tmp_path / "whole.avi", frames=40, rate=25.0).read_bytes()
    pipe = tmp_path / "clip.avi"
    os.mkfifo(pipe)
    silent = threading.Event()

    def write() -> None:
        with pipe.open("wb") as file:
            file.write(clip[: len(clip) * 3 // 4])
            file.flush()
            silent.wait(2 * SECONDS)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    camera = within(SECONDS, lambda: Video(str(pipe), pace=False))
    frames, end = drain(camera, 1.0)
    assert len(frames) > 5
    assert isinstance(end, CameraStalled)
    assert end.hint
    within(SECONDS, camera.close)
    silent.set()
    writer.join(SECONDS)
    camera._thread.join(SECONDS)
    assert not camera._thread.is_alive()


def _unblock(pipe: Path) -> None:
    """Let a thread that waits for a pipe's writer go."""
    os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))
    for thread in threading.enumerate():
        if thread.name == "capture":
            thread.join(SECONDS)
            assert not thread.is_alive()


# Network cameras


@pytest.fixture
def pictures() -> list[NDArray[np.uint8]]:
    """What the network camera shows."""
    return [scenery(number) for number in range(4)]


def test_a_network_camera_that_falls_silent(pictures: list[NDArray[np.uint8]]) -> None:
    """A peer that stops sending without closing raises CameraStalled at the deadline, without its password."""
    with RtspServer(pictures, fps=200.0, frames_then_silent=200) as server, opened(server.url) as camera:
        _, end = drain(camera, 1.0)
        assert isinstance(end, CameraStalled)
        assert "hunter2" not in str(end) + end.hint
        within(SECONDS, camera.close)


def test_a_network_camera_that_hangs_up(pictures: list[NDArray[np.uint8]]) -> None:
    """A stream that is closed is no end of a recording: it is a fault."""
    with RtspServer(pictures, fps=200.0, frames_then_hang_up=200) as server, opened(server.url) as camera:
        _, end = drain(camera)
    assert not isinstance(end, CameraEnded | CameraStalled)
    assert "the stream ended" in str(end)
    assert "hunter2" not in str(end)


def test_a_network_camera_that_never_answers(pictures: list[NDArray[np.uint8]]) -> None:
    """A peer that accepts and says nothing cannot be opened."""
    with RtspServer(pictures, mute=True) as server:
        with pytest.raises(CameraUnavailable) as caught:
            within(SECONDS, lambda: Video(server.url, kind="rtsp", shown="rtsp://camera", wait=0.5))
        assert caught.value.hint
        for thread in threading.enumerate():
            if thread.name == "capture":
                thread.join(SECONDS)


def test_a_network_camera_that_is_off(pictures: list[NDArray[np.uint8]], capfd: pytest.CaptureFixture[str]) -> None:
    """A refused connection cannot be opened either; neither the message nor what libraries print has a password."""
    with RtspServer(pictures) as server:
        url = server.url
    with pytest.raises(CameraUnavailable, match="gives no video") as caught:
        within(SECONDS, lambda: open_camera(url))
    assert "hunter2" not in str(caught.value) + caught.value.hint + "".join(capfd.readouterr())


@pytest.mark.skipif(not TELLS_SIZE, reason=f"OpenCV {cv2.__version__} hides a change of size; 4.13 tells it")
def test_a_network_camera_that_changes_its_size() -> None:
    """A network camera whose picture changes size in mid-stream is a fault that names both sizes."""
    pictures = [scenery(0)] * 200 + [scenery(0, (320, 240))] * 200
    with RtspServer(pictures, fps=200.0) as server, opened(server.url) as camera:
        _, end = drain(camera)
    assert "is 320x240, what came before 640x360" in str(end)
    assert end.hint


def test_no_more_live_frames_than_wanted(pictures: list[NDArray[np.uint8]]) -> None:
    """Of a network camera with 50 frames a second of which 10 are wanted, about every fifth is taken."""
    with RtspServer(pictures, fps=50.0) as server, opened(server.url, fps=10.0) as camera:
        times = [camera.read(SECONDS).mono for _ in range(10)]
    # No upper bound: a busy machine is late. Nine steps of a tenth, less the quarter of a step that is tolerated.
    assert times[-1] - times[0] > 0.7
