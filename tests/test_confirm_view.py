"""A view that counts as moved: why, told truly, and how it is confirmed at the pole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.memory.state import FILE, State, write
from tests.mosquitto import Mosquitto, wait_for
from tests.running import Gateway, make_clip

pytestmark = [pytest.mark.broker, pytest.mark.system]


def confirm(corner: Gateway, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `gateway confirm-view` as a technician does."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("GATEWAY_")}
    command = [sys.executable, "-m", "gateway", "confirm-view", "--config", str(corner.config), *words]
    return subprocess.run(command, capture_output=True, check=False, timeout=60, env=environ, text=True)


def test_a_memory_that_cannot_be_read_is_no_moved_camera(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """The reason is what cannot be read, the hint a command that can be typed on the ladder, and it helps."""
    corner = Gateway(tmp_path, mosquitto, [make_clip(tmp_path / "clip.npy")])
    corner.state.write_text("no folder")  # the store's folder is a file: nothing in it can be read
    corner.start()
    try:
        camera = corner.wait_camera("moved")
        assert "cannot be read" in camera["reason"]
        assert "sudo gateway confirm-view cam0" in camera["hint"]
        wrong = confirm(corner, "cam7")
        assert (wrong.returncode, "no such camera" in wrong.stderr) == (1, True)
        done = confirm(corner)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("cam0: masks and zones fit")
        assert corner.wait_camera("ok").get("hint", "") == ""
    finally:
        corner.stop()
    gone = confirm(corner)
    assert (gone.returncode, "no gateway is running" in gone.stderr) == (1, True)


def test_control_a_view_that_has_moved_is_told_as_such(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """What an earlier run has seen move has moved; of two cameras it is asked which one is meant."""
    clip = make_clip(tmp_path / "clip.npy")
    corner = Gateway(tmp_path, mosquitto, [clip, clip])
    corner.state.mkdir()
    write(corner.state, State(moved=("cam1",)))
    corner.start()
    try:
        assert "moved in an earlier run" in corner.wait_camera("moved", "cam1")["reason"]
        corner.wait_camera("ok", "cam0")
        which = confirm(corner)
        assert which.returncode == 2
        assert "cam0, cam1" in which.stderr
        assert corner.camera("cam1")["state"] == "moved"
        assert confirm(corner, "cam1").returncode == 0
        corner.wait_camera("ok", "cam1")
        wait_for(lambda: '"moved": []' in (corner.state / FILE).read_text(), "the confirmation to be on the card")
    finally:
        corner.stop()
