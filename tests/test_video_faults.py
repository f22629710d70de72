"""Recordings that cannot be opened, break off or hang: each is named, with what to do, and none holds up its reader."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from gateway.camera.opening import open_camera
from gateway.camera.video import Video
from gateway.errors import CameraEnded, CameraStalled, CameraUnavailable
from tests.clips import SECONDS, drain, opened, scenery, within, write_counter, write_folder, write_video

if TYPE_CHECKING:
    from collections.abc import Iterator


# What cannot be opened


@pytest.mark.parametrize(
    ("name", "complaint", "hint"),
    [
        ("gone.avi", "No such file", "spelling"),
        ("text.avi", "gives no video", "another machine"),
        ("empty.avi", "gives no video", "another machine"),
        ("empty", "no pictures", "put pictures there"),
        ("broken", r"none of 2 pictures .* 0\.png first", "copy"),
        ("text.npy", "no array of NumPy", "numpy.save"),
        ("floats.npy", "float64", "uint8"),
        ("flat.npy", r"\(48, 64\)", "frames, height, width"),
        ("none.npy", r"\(0, 48, 64\)", "frames, height, width"),
        ("columns.npy", "columns first", "numpy.save"),
        ("objects.npy", "object", "uint8"),
        ("torn.npy", "no array of NumPy", "numpy.save"),
        ("less.npy", r"\(3, -48, 64\)", "frames, height, width"),
        ("huge.npy", "cut off after 0 of 3 frames", "copy"),
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
    for file, shape in (("torn.npy", "(3, 48, "), ("less.npy", "(3, -48, 64)}"), ("huge.npy", "(3, 900000, 900000)}")):
        head = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}".ljust(117) + "\n"
        (tmp_path / file).write_bytes(
            b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + bytes(99)
        )
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


def spoilt(clip: Path) -> Path:
    """Damage a recording in its middle, so that ffmpeg has something to complain of."""
    content = bytearray(clip.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 40_000] = np.random.default_rng(1).bytes(40_000)
    clip.write_bytes(content)
    return clip


@pytest.mark.system
@pytest.mark.parametrize(("level", "silent"), [("INFO", True), ("DEBUG", False)])
def test_libraries_write_nothing_past_our_log(tmp_path: Path, level: str, silent: bool) -> None:
    """Of damage and of what is no video OpenCV and ffmpeg say nothing by themselves; with -v they do (control)."""
    (tmp_path / "text.avi").write_text("this is no recording")
    (tmp_path / "folder").mkdir()
    cv2.imwrite(str(tmp_path / "folder" / "0.png"), scenery(0))
    os.truncate(tmp_path / "folder" / "0.png", 1000)
    clips = [spoilt(write_video(tmp_path / "spoilt.avi")), tmp_path / "text.avi", tmp_path / "folder"]
    script = f"""
import logging, sys
from gateway.camera.opening import open_camera
from gateway.errors import CameraError
logging.getLogger("gateway").setLevel(logging.{level})
logging.getLogger("gateway").addHandler(logging.NullHandler())
for clip in sys.argv[1:]:
    try:
        camera = open_camera(clip, pace=False)
        for _ in range(40):
            camera.read(20.0)
    except CameraError as error:
        print(error)
"""
    line = [sys.executable, "-c", script, *map(str, clips)]
    fresh = {name: value for name, value in os.environ.items() if not name.startswith("OPENCV_")}  # as we were started
    told = subprocess.run(line, cwd=Path(__file__).parents[1], env=fresh, capture_output=True, text=True, check=True)
    assert [word in told.stdout for word in ("gives no video", "none of 1 pictures")] == [True, True], told
    if silent:
        assert told.stderr == ""
    else:
        assert [word in told.stderr for word in ("mjpeg", "VIDEOIO")] == [True, True], told.stderr
