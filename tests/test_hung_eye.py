"""An eye stuck in a read that nothing can interrupt: the daemon must not care."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.hanging_folder import HangingFolder
from tests.mosquitto import Mosquitto, Sniffer, wait_for
from tests.running import Gateway, check_contract, events, make_clip, states

pytestmark = [pytest.mark.broker, pytest.mark.system]


def process_state(pid: int) -> str:
    """Return the kernel's letter for a process: D is uninterruptible, Z ended and not reaped, empty: gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def thread_states(pid: int) -> set[str]:
    """Return the letters of all threads of a process."""
    found = set()
    for task in Path(f"/proc/{pid}/task").glob("*/stat"):
        found.add(task.read_text().rpartition(")")[2].split()[0])
    return found


def test_an_eye_that_cannot_be_killed_holds_nothing_up(
    tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer, hanging: HangingFolder
) -> None:
    """One camera hangs in the kernel: SIGKILL does not end its process, the other camera, heartbeat and outbox go on.

    When the read returns at last, the remnant is gone and the camera is back by itself.
    """
    make_clip(hanging.source / "clip.npy")
    gateway = Gateway(
        tmp_path, mosquitto, [f"{hanging.path}/clip.npy?loop=1&fps=15", make_clip(tmp_path / "other.npy")]
    )
    gateway.start()
    try:
        stuck = gateway.wait_camera("ok", "cam0")["pid"]
        gateway.wait_camera("ok", "cam1")
        hanging.hang(on=True)
        gateway.wait_camera("off", "cam0")
        wait_for(lambda: gateway.camera("cam0")["remnants"] == [stuck], "the eye to be killed, in vain")
        assert "D" in thread_states(stuck)  # the control: SIGKILL was sent, and it is still there
        wait_for(lambda: gateway.camera("cam0")["code"] == "eye-unkillable", "the reason to be told")
        tried = gateway.camera("cam0")["recovery"]["hour"]
        assert (tried["flush"], tried["reopen"]) == (1, 1)  # what an eye can do itself came first
        beats, heard = len(states(sniffer, "heartbeat")), len(events(sniffer))
        sniffer.wait_until(lambda _: len(states(sniffer, "heartbeat")) >= beats + 2, "heartbeats")
        sniffer.wait_until(lambda _: len(events(sniffer)) >= heard + 2, "events of the other camera")
        assert gateway.camera("cam1")["state"] == "ok"
        assert gateway.camera("cam0")["pid"] is None
        hanging.hang(on=False)
        assert gateway.wait_camera("ok", "cam0")["remnants"] == []
        assert process_state(stuck) == ""
        assert gateway.stop() == 0
    finally:
        hanging.hang(on=False)
        gateway.stop(signal.SIGKILL)
    assert check_contract(sniffer) > 0


def test_the_daemon_can_stop_while_an_eye_hangs(
    tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer, hanging: HangingFolder
) -> None:
    """SIGTERM ends the daemon in order although its eye cannot be killed."""
    make_clip(hanging.source / "clip.npy")
    gateway = Gateway(tmp_path, mosquitto, [f"{hanging.path}/clip.npy?loop=1&fps=15"]).start()
    try:
        gateway.wait_camera("ok")
        hanging.hang(on=True)
        gateway.wait_camera("off")
        assert gateway.stop() == 0
        assert states(sniffer, "status")[-1]["state"] == "stopped"
    finally:
        hanging.hang(on=False)
        gateway.stop(signal.SIGKILL)
