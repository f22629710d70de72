"""What tests of cameras share: small recordings of their own, opening and closing, deadlines."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import cv2
import numpy as np

from gateway.camera.opening import open_camera
from gateway.errors import CameraError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from gateway.camera.frame import Camera

T = TypeVar("T")
SECONDS = 20.0
"""Deadline of everything that must happen."""


def scenery(number: int, size: tuple[int, int] = (640, 360)) -> NDArray[np.uint8]:
    """Return a picture in colour, with structure at many scales and a square that moves with `number`."""
    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 256, (12, 20, 3), dtype=np.uint8)
    picture = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    left = 10 + 7 * number % (size[0] // 2)
    cv2.rectangle(picture, (left, size[1] // 2), (left + size[0] // 10, size[1] // 2 + size[1] // 8), (250, 60, 30), -1)
    return picture.astype(np.uint8)


def write_video(path: Path, frames: int = 30, size: tuple[int, int] = (640, 360), rate: float = 100.0) -> Path:
    """Write an AVI with one JPEG a frame, which every build of OpenCV can do."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate, size)
    assert writer.isOpened()
    for number in range(frames):
        writer.write(scenery(number, size))
    writer.release()
    return path


def write_folder(path: Path, frames: int = 12, *, colour: bool = True) -> Path:
    """Write numbered pictures, without leading zeros, so that only a natural order is the right one."""
    path.mkdir()
    for number in range(frames):
        picture = scenery(number)
        cv2.imwrite(str(path / f"{number}.png"), picture if colour else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))
    return path


def write_array(path: Path, frames: int = 12) -> Path:
    """Write grey pictures as an array of NumPy."""
    np.save(path, np.stack([cv2.cvtColor(scenery(n), cv2.COLOR_BGR2GRAY) for n in range(frames)]))
    return path


def write_counter(path: Path, frames: int, size: tuple[int, int] = (64, 48)) -> Path:
    """Write an array whose frame n has the grey level n everywhere."""
    np.save(path, np.arange(frames, dtype=np.uint8)[:, None, None] * np.ones((1, size[1], size[0]), np.uint8))
    return path


@contextmanager
def opened(source: str, **options: Any) -> Iterator[Camera]:
    """Open a camera and close it, whatever happens."""
    camera = open_camera(source, **({"fps": 30.0} | options))
    try:
        yield camera
    finally:
        camera.close()


def within(seconds: float, work: Callable[[], T]) -> T:
    """Return what `work` returns or raises, and fail when it does neither in time."""
    result: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            result.append(work())
        except BaseException as error:  # noqa: BLE001 (raised again below)
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), f"still not back after {seconds} s"
    if failure:
        raise failure[0]
    return result[0]


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
