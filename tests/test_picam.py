"""picamera2's traps, each on the real library: on a Pi, or on libcamera's virtual camera (tests/rig, GATEWAY_RIG=1)."""

from __future__ import annotations

import gc
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gateway.camera.mask import Mask
from gateway.camera.opening import open_camera
from gateway.camera.picam import BUFFERS, PiCamera, exposure_of, whole_view
from gateway.errors import CameraStalled, CameraUnavailable
from tests.pi_camera import INSTALLED, SECONDS, drain, needs_camera, returns

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def camera() -> Iterator[PiCamera]:
    """A camera that is closed afterwards."""
    opened = PiCamera(fps=30.0)
    yield opened
    opened.close()


def test_exposure_takes_what_there_is() -> None:
    """Metadata that a camera does not report are None, the gains are multiplied."""
    assert exposure_of({}).time_us is None
    assert exposure_of({}).gain is None
    full = exposure_of(
        {"ExposureTime": 9999, "AnalogueGain": 2.0, "DigitalGain": 1.5, "Lux": 120, "ColourGains": (1.6, 2.1)}
    )
    assert (full.time_us, full.gain, full.lux, full.colour_gains) == (9999.0, 3.0, 120.0, (1.6, 2.1))
    assert exposure_of({"AnalogueGain": 2.0}).gain == 2.0


@pytest.mark.parametrize(
    ("sensor", "cut", "whole"),
    [
        ((3280, 2464), [(640, 480), (1920, 1080)], [(1640, 1232), (3280, 2464)]),  # imx219
        ((2592, 1944), [(640, 480), (1920, 1080)], [(1296, 972), (2592, 1944)]),  # ov5647
        ((4056, 3040), [(1332, 990), (2028, 1080)], [(2028, 1520), (4056, 3040)]),  # imx477
        ((4608, 2592), [(1536, 864)], [(2304, 1296), (4608, 2592)]),  # imx708
        ((1456, 1088), [], [(1456, 1088)]),  # imx296
    ],
)
def test_wishes_for_the_whole_view(
    sensor: tuple[int, int], cut: list[tuple[int, int]], whole: list[tuple[int, int]]
) -> None:
    """Of each sensor's modes only those that show its whole field of view are asked for, the smallest first."""
    wishes = whole_view(sensor, (1280, 720))
    assert wishes == whole
    assert not set(wishes) & set(cut)


@pytest.mark.skipif(INSTALLED, reason="picamera2 is installed")
def test_says_how_to_install_picamera2() -> None:
    """Without picamera2 the default source says which package is missing."""
    with pytest.raises(CameraUnavailable, match="cannot be imported") as caught:
        open_camera("picamera2")
    assert "python3-picamera2" in caught.value.hint


@needs_camera
def test_a_camera_that_is_not_there() -> None:
    """A number beyond the last camera says how many there are and what to check."""
    with pytest.raises(CameraUnavailable, match=r"picamera2:7: \d camera") as caught:
        open_camera("picamera2:7")
    assert "ribbon cable" in caught.value.hint


@needs_camera
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_camera_that_is_taken(camera: PiCamera) -> None:
    """A second opening says that somebody else has it, and the first goes on."""
    with pytest.raises(CameraUnavailable) as caught:
        PiCamera()
    assert "another program" in caught.value.hint
    camera.read(SECONDS).release()
    del caught
    gc.collect()  # picamera2 leaves a pipe open when it fails: its warning belongs to this test


@needs_camera
def test_stalls_leave_no_job_behind(camera: PiCamera) -> None:
    """After many more reads that timed out than there are buffers, the camera still gives frames."""
    stalls = 0
    deadline = time.monotonic() + SECONDS
    while stalls < 3 * BUFFERS:
        assert time.monotonic() < deadline, f"{stalls} stalls only"
        try:
            camera.read(0.000_001).release()
        except CameraStalled:
            stalls += 1
    for _ in range(3 * BUFFERS):
        camera.read(SECONDS).release()


@needs_camera
def test_without_the_flush_stalls_kill_the_camera() -> None:
    """The control: captures that only time out leave jobs that take every buffer."""
    camera = PiCamera(fps=30.0)
    raw: Any = camera._camera
    for _ in range(2 * BUFFERS):
        with pytest.raises(TimeoutError):
            raw.capture_request(wait=0.000_001)
    dead = False
    for _ in range(2 * BUFFERS):  # the stale jobs take the buffers that are still under way
        try:
            raw.capture_request(wait=1.0).release()
        except TimeoutError:
            dead = True
            break
    assert dead
    assert returns(camera.close)


@needs_camera
def test_frames_that_nobody_releases(camera: PiCamera) -> None:
    """A reader that never releases does not run out of buffers: the next read takes the frame back."""
    numbers = [camera.read(SECONDS).number for _ in range(5 * BUFFERS)]
    assert numbers == sorted(set(numbers))


@needs_camera
def test_held_by_others_it_stalls_and_closes(camera: PiCamera) -> None:
    """When all buffers are held, a read raises at its deadline and closing does not hang."""
    raw: Any = camera._camera
    held: list[object] = []

    def hold_all() -> None:
        for _ in range(2 * BUFFERS):
            held.append(camera._capture(1.0))  # noqa: PERF401 (what was taken until it raised is needed)

    with pytest.raises(CameraStalled) as caught:
        hold_all()
    assert caught.value.hint
    assert returns(camera.close)
    assert not raw.is_open


@needs_camera
def test_closes_after_the_event_loop_died() -> None:
    """An exception in a callback kills picamera2's event loop; a read raises at its deadline, and close comes back."""
    camera = PiCamera(fps=30.0)
    raw: Any = camera._camera
    died = threading.Event()

    def broken(_request: object) -> None:
        died.set()
        raise ValueError("broken on purpose")

    hook, threading.excepthook = threading.excepthook, lambda _arguments: None
    try:
        raw.pre_callback = broken
        assert died.wait(SECONDS)
        with pytest.raises(CameraStalled):
            drain(camera)
        assert returns(camera.close)
    finally:
        threading.excepthook = hook


@needs_camera
def test_streams_are_the_two_that_are_used(camera: PiCamera) -> None:
    """No raw stream is configured: on a Pi it would take memory that nobody reads."""
    raw: Any = camera._camera
    configuration = raw.camera_configuration()
    assert configuration["raw"] is None
    assert {name for name, stream in raw.stream_map.items() if stream is not None} == {"main", "lores"}
    frame = camera.read(SECONDS)
    assert frame.main_size == (1280, 720)
    assert camera.size == (640, 360)


@needs_camera
def test_asks_only_for_controls_that_it_has(camera: PiCamera) -> None:
    """A control that the camera does not offer is left out: asking for it would stop the event loop."""
    raw: Any = camera._camera
    wanted = camera._controls(30.0, 50)
    assert set(wanted) <= set(raw.camera_controls)
    shortest, longest, _ = raw.camera_controls["FrameDurationLimits"]
    for fps in (0.1, 30.0, 1000.0):
        period = camera._controls(fps, 0)["FrameDurationLimits"][0]
        assert shortest <= period <= longest


@needs_camera
def test_masks_reach_the_camera_buffers(camera: PiCamera) -> None:
    """What a mask hides is black and without colour in the buffers themselves, for all formats of this camera."""
    mask = Mask([[(0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (0.0, 0.5)]])
    for _ in range(2 * BUFFERS):
        frame = camera.read(SECONDS)
        mask.burn(frame)
        assert frame.main is not None
        width, height = frame.main_size
        assert frame.luma[: camera.size[1] // 2, : camera.size[0] // 2].max() == 0
        assert frame.luma[:, camera.size[0] // 2 + 16 :].max() > 0
        assert frame.main[: height // 2, : width // 2].max() == 0
        if frame.main_format == "nv12":
            assert np.unique(frame.main[height : height + height // 4, : width // 2]).tolist() == [128]
        frame.release()


@needs_camera
def test_pictures_change_and_are_views(camera: PiCamera) -> None:
    """Frames show what moves, and are no copies."""
    first = camera.read(SECONDS)
    assert not first.luma.flags.owndata
    kept = first.luma.copy()
    deadline = time.monotonic() + SECONDS
    while np.mean(camera.read(SECONDS).luma != kept) < 0.005:
        assert time.monotonic() < deadline, "the picture never changed"


@needs_camera
def test_a_view_that_is_kept_changes_and_a_copy_does_not(camera: PiCamera) -> None:
    """The trap itself: what a released frame showed is overwritten in place, so that whoever keeps it must copy it."""
    frame = camera.read(SECONDS)
    view, copied, shown = frame.luma, frame.luma.copy(), frame.luma.tobytes()
    frame.release()
    deadline = time.monotonic() + SECONDS
    while view.tobytes() == shown:
        assert time.monotonic() < deadline, "the buffer was never used again"
        camera.read(SECONDS).release()
    assert copied.tobytes() == shown
