"""The controls of the contract: a camera that breaks a rule is caught by the test that holds it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gateway.camera.video import Video
from gateway.errors import CameraError, CameraStalled
from tests import test_cameras as contract
from tests.clips import SECONDS, write_video

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.camera.frame import Frame


class _Honest(Video):
    """A camera that keeps the contract; the others break one rule each."""

    def __init__(self, clip: Path) -> None:
        super().__init__(str(clip), fps=100.0, rate=100.0, loop=True)


class _StandingNumbers(_Honest):
    def read(self, timeout: float) -> Frame:
        return replace(super().read(timeout), number=7)


class _AnotherClock(_Honest):
    def read(self, timeout: float) -> Frame:
        frame = super().read(timeout)
        return replace(frame, mono=frame.mono - 3600)


class _WrongSize(_Honest):
    @property
    def size(self) -> tuple[int, int]:
        return 320, 180


class _Floats(_Honest):
    def read(self, timeout: float) -> Frame:
        frame = super().read(timeout)
        return replace(frame, luma=frame.luma.astype(np.float32))


class _ReadOnly(_Honest):
    def read(self, timeout: float) -> Frame:
        frame = super().read(timeout)
        view = frame.luma.view()
        view.flags.writeable = False
        return replace(frame, luma=view)


class _Mirrored(_Honest):
    def read(self, timeout: float) -> Frame:
        frame = super().read(timeout)
        assert frame.main is not None
        return replace(frame, main=frame.main[:, ::-1])


class _MisnamedFormat(_Honest):
    def read(self, timeout: float) -> Frame:
        return replace(super().read(timeout), main_format="yuv420")


class _Simulated(_Honest):
    simulated = True


class _Undying(_Honest):
    def close(self) -> None:
        """Do not close."""


class _ClosedOnce(_Honest):
    def close(self) -> None:
        if self._closed:
            raise CameraError("closed already")
        super().close()


class _StallsForGood(_Honest):
    stalled = False

    def read(self, timeout: float) -> Frame:
        try:
            if self.stalled:
                raise CameraStalled("still no frame", "Nothing helps.")
            return super().read(timeout)
        except CameraStalled:
            self.stalled = True
            raise


class _Hintless(_Honest):
    def read(self, timeout: float) -> Frame:
        try:
            return super().read(timeout)
        except CameraStalled as error:
            raise CameraStalled(str(error)) from None


class _Patient(_Honest):
    def read(self, timeout: float) -> Frame:
        return super().read(max(timeout, SECONDS))


_leaked: list[Any] = []


class _LeakyFiles(_Honest):
    def close(self) -> None:
        super().close()
        _leaked.append(Path(self._place).open("rb"))  # noqa: SIM115 (that is the fault)


class _LeakyThreads(_Honest):
    def close(self) -> None:
        super().close()
        leak = threading.Event()
        threading.Thread(target=leak.wait, daemon=True).start()
        _leaked.append(leak)


BROKEN: list[tuple[type[_Honest], Callable[[contract.Case], None]]] = [
    (_StandingNumbers, contract.test_numbers_and_times_rise),
    (_AnotherClock, contract.test_numbers_and_times_rise),
    (_WrongSize, contract.test_gives_luma_as_it_says),
    (_Floats, contract.test_gives_luma_as_it_says),
    (_ReadOnly, contract.test_gives_luma_as_it_says),
    (_Mirrored, contract.test_main_shows_what_luma_shows),
    (_MisnamedFormat, contract.test_chroma_lies_where_the_format_says),
    (_Simulated, contract.test_says_whether_it_is_simulated),
    (_Undying, contract.test_read_after_close_raises),
    (_ClosedOnce, contract.test_read_after_close_raises),
    (_StallsForGood, contract.test_read_keeps_its_deadline),
    (_Hintless, contract.test_read_keeps_its_deadline),
    (_Patient, contract.test_read_keeps_its_deadline),
    (_LeakyFiles, contract.test_reopening_leaves_nothing_behind),
    (_LeakyThreads, contract.test_reopening_leaves_nothing_behind),
]


def run(kind: type[_Honest], rule: Callable[[contract.Case], None], folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Hold a camera of this kind to one rule of the contract."""
    clip = write_video(folder / "clip.avi")

    @contextmanager
    def opened(_source: str, **_options: Any) -> Iterator[Video]:
        camera = kind(clip)
        try:
            yield camera
        finally:
            Video.close(camera)
            if isinstance(camera, _LeakyFiles | _LeakyThreads):
                camera.close()

    patch.setattr(contract, "opened", opened)
    patch.setattr(contract, "SECONDS", 2.0)
    rule(contract.Case("", None))


@pytest.mark.parametrize(("kind", "rule"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_camera_is_caught(
    kind: type[_Honest],
    rule: Callable[[contract.Case], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each rule's test fails for a camera that breaks it."""
    try:
        with pytest.raises((AssertionError, CameraError, pytest.fail.Exception)):
            run(kind, rule, tmp_path, monkeypatch)
    finally:
        for leak in _leaked:
            leak.set() if isinstance(leak, threading.Event) else leak.close()
        _leaked.clear()


@pytest.mark.parametrize("rule", sorted({rule for _, rule in BROKEN}, key=repr))
def test_an_honest_camera_passes(
    rule: Callable[[contract.Case], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The camera that the broken ones are made of keeps every rule."""
    run(_Honest, rule, tmp_path, monkeypatch)
