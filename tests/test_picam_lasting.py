"""picamera2 in the long run: memory, descriptors and threads stay, and a driver that hangs is left behind."""

from __future__ import annotations

import contextlib
import gc
import threading
from pathlib import Path
from typing import Any

import pytest

from gateway.camera.mask import Mask
from gateway.camera.picam import BUFFERS, PiCamera
from gateway.errors import CameraError
from tests.pi_camera import SECONDS, drain, needs_camera, returns


def held() -> tuple[int, int, int]:
    """Memory in bytes, descriptors and threads of this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096, len(list(Path("/proc/self/fd").iterdir())), threading.active_count()


@needs_camera
def test_memory_is_flat() -> None:
    """20,000 frames with masks take no memory, no descriptor and no thread."""
    camera = PiCamera(fps=60.0)
    raw: Any = camera._camera
    raw.pre_callback = None  # on the virtual camera: as fast as it can
    mask = Mask([[(0.1, 0.1), (0.4, 0.2), (0.2, 0.6)]])
    try:
        for _ in range(300):
            mask.burn(camera.read(SECONDS))
        before = held()
        for _ in range(20_000 if raw.camera_properties["Model"].startswith("virtual") else 300):
            mask.burn(camera.read(SECONDS))
        after = held()
    finally:
        camera.close()
    print(f"{after[0] - before[0]} bytes more after 20,000 frames")
    assert after[0] - before[0] < 8 * 2**20
    assert after[1:] == before[1:]


@needs_camera
def test_opening_again_is_flat() -> None:
    """20 times opened, read and closed: no descriptor, no thread, and no memory that grows."""

    def once() -> None:
        camera = PiCamera(fps=30.0)
        drain(camera)
        camera.close()

    for _ in range(3):
        once()
    before = held()
    for _ in range(20):
        once()
    after = held()
    print(f"{after[0] - before[0]} bytes more after 20 openings")
    assert after[0] - before[0] < 16 * 2**20
    assert after[1:] == before[1:]


@needs_camera
def test_control_stop_hangs_where_close_does_not() -> None:
    """picamera2's own `stop` waits for ever behind a job that timed out; ours does not call it, and closes."""
    camera = PiCamera(fps=30.0)
    raw: Any = camera._camera
    for _ in range(2 * BUFFERS):  # jobs that nobody takes, which take every buffer
        raw.capture_request(wait=False)

    def stop() -> None:
        with contextlib.suppress(Exception):  # what it says when the camera is closed at last
            raw.stop()

    assert not returns(stop, 3.0)
    assert returns(camera.close)


@needs_camera
def test_close_leaves_a_hung_driver_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that never closes keeps a thread, not the caller."""
    camera = PiCamera(fps=30.0)
    raw: Any = camera._camera
    hung, really_close = threading.Event(), raw.close

    def hang() -> None:
        hung.wait()
        really_close()

    monkeypatch.setattr(raw, "close", hang)
    monkeypatch.setattr("gateway.camera.picam.CLOSE_SECONDS", 0.2)
    assert returns(camera.close)
    hung.set()
    for thread in threading.enumerate():
        if thread.name == "camera-close":
            thread.join(SECONDS)
    with pytest.raises(CameraError):
        camera.read(1.0)
