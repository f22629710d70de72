"""Network cameras over RTSP: no more frames than wanted, and every way in which one can fail."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from gateway.camera.opening import open_camera
from gateway.camera.stream import TELLS_SIZE
from gateway.camera.video import Video
from gateway.errors import CameraEnded, CameraStalled, CameraUnavailable
from tests.clips import SECONDS, drain, opened, scenery, within
from tests.rtsp_server import RtspServer

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
    with pytest.raises(CameraUnavailable, match=r"gives no video: nothing listens on 127.0.0.1:\d+$") as caught:
        within(SECONDS, lambda: open_camera(url))
    assert "hunter2" not in str(caught.value) + caught.value.hint + "".join(capfd.readouterr())


def test_what_answers_and_is_no_camera() -> None:
    """Something that listens and hangs up is told from nothing that listens: path or password are to be checked."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def hang_up() -> None:
            with suppress(OSError):
                while True:
                    server.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(CameraUnavailable, match=f"what answers on 127.0.0.1:{port} sends none") as caught:
            within(SECONDS, lambda: open_camera(f"rtsp://user:hunter2@127.0.0.1:{port}/x"))
        server.shutdown(socket.SHUT_RDWR)
        thread.join(SECONDS)
    assert "password" in caught.value.hint
    assert "hunter2" not in str(caught.value)


def test_a_network_camera_whose_name_nobody_knows() -> None:
    """A host that does not resolve is told as that."""
    with pytest.raises(CameraUnavailable, match="the name 'camera.invalid' is not known"):
        within(SECONDS, lambda: open_camera("rtsp://camera.invalid/x"))


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
