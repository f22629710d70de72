"""How a source's name chooses the camera, and what wrong names are told."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.camera.opening import OPTIONS, describe, open_camera, parse, without_password
from gateway.errors import CameraUnavailable


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("picamera2", "picamera2"),
        ("picamera2:1?rotate=180", "picamera2"),
        ("street", "street"),
        ("street?seed=3&scene=corner", "street"),
        ("rtsp://user:secret@camera.example/live?channel=1&subtype=0", "rtsp"),
        ("RTSPS://camera.example/live", "rtsp"),
        ("/dev/video0", "v4l2"),
        ("/dev/v4l/by-id/usb-camera", "v4l2"),
        ("/var/clips/night.mp4", "recording"),
        ("what?.mp4", "recording"),
        ("frames/", "recording"),
        ("http://camera.example/video", "unknown"),
        ("", "unknown"),
        ("street?colour=red", "unknown"),
    ],
)
def test_describes_the_kind_and_nothing_else(source: str, kind: str) -> None:
    """`describe` gives one word, never an address, a path or a password, and never raises."""
    assert describe(source) == kind


def test_takes_options_apart() -> None:
    """Options stand behind the last question mark as key=value; a network address keeps its own."""
    clip = parse("/clips/a?b.avi?fps=25&loop=1")
    assert (clip.place, clip.options) == ("/clips/a?b.avi", {"fps": "25", "loop": "1"})
    plain = parse("/clips/really?.avi")
    assert (plain.place, plain.options) == ("/clips/really?.avi", {})
    address = "rtsp://camera.example/live?channel=1"
    assert (parse(address).place, parse(address).options) == (address, {})


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ("street?colour=red", "colour"),
        ("picamera2?fps=5", "fps"),
        ("clip.avi?speed=2", "speed"),
        ("/dev/video0?x=1", "x"),
    ],
)
def test_an_unknown_option(source: str, key: str) -> None:
    """It is refused by name, without its value, with the source and everything that this kind of source takes."""
    with pytest.raises(CameraUnavailable) as caught:
        open_camera(source)
    assert source.partition("?")[0] in str(caught.value)
    assert f"'{key}'" in str(caught.value)
    for allowed in OPTIONS[parse(source.partition("?")[0]).kind]:
        assert allowed in caught.value.hint


@pytest.mark.parametrize(
    ("source", "found", "allowed"),
    [
        ("street?fps=fast", "fast", "240"),
        ("street?seed=-1", "-1", "0"),
        ("street?seconds=nan", "nan", "1e+09"),
        ("clip.avi?loop=yes", "yes", "0, 1"),
        ("clip.avi?fps=0", "'0'", "0.1"),
        ("picamera2?rotate=90", "90", "0, 180"),
        ("picamera2?flicker=55", "55", "50, 60, off"),
    ],
)
def test_a_value_that_is_not_allowed(source: str, found: str, allowed: str) -> None:
    """It is refused with what was found and what is allowed."""
    with pytest.raises(CameraUnavailable) as caught:
        open_camera(source)
    assert found in str(caught.value)
    assert allowed in caught.value.hint


@pytest.mark.parametrize("source", ["http://camera.example/video", ""])
def test_a_source_of_no_known_kind(source: str) -> None:
    """It is refused with a list of what can be named."""
    with pytest.raises(CameraUnavailable) as caught:
        open_camera(source)
    for known in ("picamera2", "street", "/dev/video0", "rtsp://", ".npy"):
        assert known in caught.value.hint


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://operator:hunter2@10.0.0.7:554/live?channel=1",
        "rtsp://operator:hun@ter2@10.0.0.7:554/live",
        "rtsp://operator:hunter2/x@10.0.0.7:554/live",
        "rtsp://10.0.0.7:554/live?user=operator&password=hunter2",
        "http://operator:hunter2@10.0.0.7/video",
        "operator:hunter2@10.0.0.7/live",
        "rtsp:/operator:hunter2@10.0.0.7/live",
    ],
)
def test_no_password_is_shown(address: str) -> None:
    """What is shown of an address has neither user nor password, however they are written."""
    shown = without_password(address)
    for secret in ("hunter2", "ter2", "operator"):
        assert secret not in shown
    assert "10.0.0.7" in shown


@pytest.mark.parametrize("source", ["operator:hunter2@10.0.0.7/live", "operator:hunter2@10.0.0.7/live?channel=1"])
def test_an_address_without_its_scheme_does_not_tell_its_password(source: str) -> None:
    """What was meant for an address and counts as a path cannot be opened, and the reason leaves the password out."""
    with pytest.raises(CameraUnavailable) as caught, contextlib.closing(open_camera(source)) as camera:
        camera.read(5.0)
    assert "10.0.0.7" in str(caught.value)
    assert "hunter2" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize("source", ["street?seed=3", "/clips/a@b.mp4?loop=1", "picamera2:1", "/dev/video0"])
def test_a_path_is_shown_as_it_is(source: str) -> None:
    """What holds no password is shown in full (control)."""
    assert parse(source).shown == source


def test_imports_only_what_is_asked_for() -> None:
    """The daemon may ask for a source's kind without loading NumPy, OpenCV or a camera library."""
    code = (
        "import sys, gateway.camera.opening as o; o.describe('street'); heavy = {'numpy', 'cv2', 'picamera2', "
        "'gateway.camera.street', 'gateway.camera.video'} & set(sys.modules); sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=Path(__file__).parents[1]
    )
    assert (done.returncode, done.stderr) == (0, "")
