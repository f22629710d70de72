"""What tests of picamera2 share: whether it is here, a deadline, reading."""

from __future__ import annotations

import importlib
import importlib.util
import threading
from typing import TYPE_CHECKING

import pytest

from gateway.camera.picam import BUFFERS, PiCamera

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 20.0
INSTALLED = importlib.util.find_spec("picamera2") is not None and importlib.util.find_spec("libcamera") is not None
needs_camera = pytest.mark.skipif(
    not INSTALLED, reason="picamera2 or libcamera is not installed; GATEWAY_RIG=1 runs this on a virtual camera"
)


def returns(work: Callable[[], object], seconds: float = SECONDS) -> bool:
    """Say whether `work` comes back in time; for controls that hang, the thread is left behind."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


def drain(camera: PiCamera) -> None:
    """Read more frames than there are buffers."""
    for _ in range(2 * BUFFERS):
        camera.read(1.0).release()
