"""The contract of a camera, held by every source that can be opened on this machine; see gateway/camera/frame.py."""

from __future__ import annotations

import gc
import importlib
import os
import threading
import time
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
import pytest

from gateway.errors import CameraEnded, CameraError, CameraStalled
from tests.clips import SECONDS, opened, scenery, within, write_array, write_folder, write_video
from tests.rtsp_server import RtspServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from gateway.camera.frame import Frame


class Case(NamedTuple):
    """A source, at a rate that suits most checks, and at one so slow that a read must time out."""

    fast: str
    slow: str | None
    colour: bool = True
    simulated: bool = False


def _street(_folder: Path, _stack: ExitStack) -> Case:
    pytest.importorskip("gateway.camera.street", reason="the simulated corner is not in this tree")
    return Case("street?fps=100&seed=3", "street?fps=1&seed=3", simulated=True)


def _video(folder: Path, _stack: ExitStack) -> Case:
    clip = write_video(folder / "clip.avi")
    return Case(f"{clip}?loop=1&fps=100", f"{clip}?loop=1&fps=1")


def _large_video(folder: Path, _stack: ExitStack) -> Case:
    clip = write_video(folder / "large.avi", frames=8, size=(1440, 1080))
    return Case(f"{clip}?loop=1&fps=100", f"{clip}?loop=1&fps=1")


def _folder(folder: Path, _stack: ExitStack) -> Case:
    pictures = write_folder(folder / "pictures")
    return Case(f"{pictures}?loop=1&fps=100", f"{pictures}?loop=1&fps=1")


def _grey_folder(folder: Path, _stack: ExitStack) -> Case:
    pictures = write_folder(folder / "grey", colour=False)
    return Case(f"{pictures}?loop=1&fps=100", f"{pictures}?loop=1&fps=1", colour=False)


def _array(folder: Path, _stack: ExitStack) -> Case:
    array = write_array(folder / "frames.npy")
    return Case(f"{array}?loop=1&fps=100", f"{array}?loop=1&fps=1", colour=False)


def _rtsp(_folder: Path, stack: ExitStack) -> Case:
    server = stack.enter_context(RtspServer([scenery(number) for number in range(8)], fps=50.0))
    return Case(server.url, None)


def _picamera2(_folder: Path, _stack: ExitStack) -> Case:
    rig = "scripts/test --all checks it on libcamera's virtual camera (tests/rig/test_picamera2.py)"
    try:
        picamera2: Any = importlib.import_module("picamera2")
    except ImportError as error:
        pytest.skip(f"picamera2 cannot be imported here ({error}); {rig}")
    if not picamera2.Picamera2.global_camera_info():
        pytest.skip(f"libcamera finds no camera on this machine; {rig}")
    return Case("picamera2", None)


CASES: dict[str, Callable[[Path, ExitStack], Case]] = {
    "street": _street,
    "video": _video,
    "large_video": _large_video,
    "folder": _folder,
    "grey_folder": _grey_folder,
    "array": _array,
    "rtsp": _rtsp,
    "picamera2": _picamera2,
}
if "GATEWAY_V4L2" in os.environ:  # GATEWAY_V4L2=/dev/video0 checks a USB camera
    CASES["v4l2"] = lambda _folder, _stack: Case(os.environ["GATEWAY_V4L2"], None)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    """One source after the other."""
    with ExitStack() as stack:
        yield CASES[request.param](tmp_path, stack)


def grey(frame: Frame) -> NDArray[np.uint8]:
    """Return the main picture's luma, without padding."""
    assert frame.main is not None
    if frame.main_format == "bgr":
        return np.asarray(cv2.cvtColor(frame.main, cv2.COLOR_BGR2GRAY), np.uint8)
    width, height = frame.main_size
    return frame.main[:height, :width]


def test_another_rate_may_be_asked_for(case: Case) -> None:
    """A camera that is asked for another rate gives frames all the same, and names what it cannot do."""
    with opened(case.fast) as camera:
        camera.read(SECONDS).release()
        for fps in (2.0, 100.0):
            camera.ask_rate(fps)
            camera.read(SECONDS).release()
        assert all(isinstance(name, str) for name in camera.lacks)


def test_gives_luma_as_it_says(case: Case) -> None:
    """Every luma picture has the camera's size, is uint8, has unpadded neighbours in a row, and may be written to."""
    with opened(case.fast) as camera:
        width, height = camera.size
        assert 0 < width <= 640
        assert 0 < height <= 360
        for _ in range(5):
            frame = camera.read(SECONDS)
            assert frame.luma.shape == (height, width)
            assert frame.luma.dtype == np.uint8
            assert frame.luma.strides[1] == 1
            assert frame.luma.strides[0] >= width
            assert frame.luma.flags.writeable
            frame.luma[:] = 7
            assert int(frame.luma.min()) == int(frame.luma.max()) == 7
            frame.release()


def test_says_whether_it_is_simulated(case: Case) -> None:
    """Only the simulated corner says that what it shows did not happen."""
    with opened(case.fast) as camera:
        assert camera.simulated is case.simulated


def test_numbers_and_times_rise(case: Case) -> None:
    """Numbers begin at 0 or later and rise, times are of this machine's monotonic clock and rise."""
    before = time.monotonic()
    with opened(case.fast) as camera:
        frames = [(frame.number, frame.mono) for frame in (camera.read(SECONDS) for _ in range(20))]
    after = time.monotonic()
    numbers, times = zip(*frames, strict=True)
    assert numbers[0] >= 0
    assert all(a < b for a, b in pairwise(numbers))
    assert all(a < b for a, b in pairwise(times))
    # Half a second: the exposure of a frame may have begun before the camera was opened for us.
    assert before - 0.5 <= times[0] <= times[-1] <= after


def test_main_shows_what_luma_shows(case: Case) -> None:
    """The main picture is the same view at the same moment as the luma picture, only larger, and may be written to."""
    with opened(case.fast) as camera:
        for _ in range(5):
            frame = camera.read(SECONDS)
            if not case.colour:
                assert frame.main is None
                assert frame.main_format == "none"
                continue
            assert frame.main is not None
            assert frame.main.dtype == np.uint8
            assert frame.main.flags.writeable
            assert frame.main_size[0] >= camera.size[0]
            assert frame.main_size[1] >= camera.size[1]
            small = cv2.resize(grey(frame), camera.size, interpolation=cv2.INTER_AREA)
            assert np.corrcoef(small.ravel(), frame.luma.ravel())[0, 1] > 0.97
            frame.release()


def test_chroma_lies_where_the_format_says(case: Case) -> None:
    """The chroma planes are whole: rows of a yuv picture are luma and half as many of chroma, of bgr three channels."""
    if not case.colour:
        pytest.skip("this source is grey")
    with opened(case.fast) as camera:
        frame = camera.read(SECONDS)
        width, height = frame.main_size
        assert frame.main is not None
        if frame.main_format == "bgr":
            assert frame.main.shape == (height, width, 3)
        else:
            assert frame.main_format in {"yuv420", "nv12"}
            assert frame.main.shape[0] == height * 3 // 2
            assert frame.main.shape[1] >= width
            assert frame.main.flags.c_contiguous


def test_release_twice_does_no_harm(case: Case) -> None:
    """A frame may be released twice, late, or never, and the camera goes on for longer than it has buffers."""
    with opened(case.fast) as camera:
        older = camera.read(SECONDS)
        for number in range(20):
            frame = camera.read(SECONDS)
            older.release()
            if number % 3:
                frame.release()
                frame.release()
            older = frame


def test_read_after_close_raises(case: Case) -> None:
    """A closed camera says that it is closed, closing twice does no harm, and a late release neither."""
    with opened(case.fast) as camera:
        frame = camera.read(SECONDS)
        within(SECONDS, camera.close)
        within(SECONDS, camera.close)
        frame.release()
        with pytest.raises(CameraError) as caught:
            within(SECONDS, lambda: camera.read(SECONDS))
        assert not isinstance(caught.value, CameraStalled | CameraEnded)


def test_read_keeps_its_deadline(case: Case) -> None:
    """A read that gets no frame in time raises CameraStalled with a hint, and the camera can be read on."""
    with opened(case.slow or case.fast, fps=10.0) as camera:
        within(SECONDS, lambda: camera.read(SECONDS)).release()
        hints: list[str] = []
        for _ in range(30 if case.slow is None else 3):
            try:
                within(SECONDS, lambda: camera.read(0.000_001)).release()
            except CameraStalled as stalled:
                hints.append(stalled.hint)
        assert hints
        assert all(hints)
        within(SECONDS, lambda: camera.read(SECONDS)).release()


def test_reopening_leaves_nothing_behind(case: Case) -> None:
    """After twenty rounds of open, read and close there are no more threads and open files than after the second."""

    def now() -> tuple[int, int]:
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir())), len(list(Path("/proc/self/task").iterdir()))

    def round_trip() -> None:
        with opened(case.fast) as camera:
            camera.read(SECONDS).release()

    for _ in range(2):
        round_trip()
    settled = now()
    for _ in range(20):
        round_trip()
    # A library's worker threads end a moment after they were told to.
    deadline = time.monotonic() + SECONDS
    while any(a > b for a, b in zip(now(), settled, strict=True)) and time.monotonic() < deadline:
        threading.Event().wait(0.05)
    assert all(a <= b for a, b in zip(now(), settled, strict=True)), f"{settled} became {now()}"
