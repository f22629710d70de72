"""A camera that gives nothing, the same for ever, or garbage: what the gateway does about it by itself."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.recovery.eyes import Eye
from tests.hanging_folder import HangingFolder
from tests.mosquitto import Mosquitto, Sniffer, wait_for
from tests.running import Gateway, check_contract, events, make_clip, states

pytestmark = [pytest.mark.broker, pytest.mark.system]


def steps(sniffer: Sniffer) -> list[tuple[str, str, str]]:
    """State, code and step of every report of the camera, without repetitions."""
    told = [(each["state"], each.get("code", ""), each.get("step", "")) for each in states(sniffer, "camera/cam0")]
    return list(dict.fromkeys(told))


@pytest.mark.parametrize(("scene", "code"), [("hung", "camera-stalled"), ("unfilled", "camera-garbled")])
def test_a_camera_is_read_again_then_opened_anew(
    tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer, scene: str, code: str
) -> None:
    """A sensor that gives no frames, or no pictures, is flushed, then opened anew by the same process, and says so."""
    gateway = Gateway(tmp_path, mosquitto, [f"street?scene={scene}&seed=3"]).start()
    try:
        first = gateway.wait_camera("ok")["pid"]
        wait_for(lambda: gateway.camera()["recovery"]["step"] == "reopen", "the camera to be opened anew")
        found = gateway.wait_camera("ok")
        assert (found["pid"], found["restarts"]) == (first, 0)
        assert found["recovery"]["cause"] == code
        assert found["recovery"]["hour"] == {"flush": 1, "reopen": 1}
        assert (found["garbled"] > 0) == (code == "camera-garbled")
        sniffer.wait_until(lambda _: ("ok", "", "reopen") in steps(sniffer), "the camera's report")
        assert ("off", code, "flush") in steps(sniffer)
        assert gateway.stop() == 0
    finally:
        gateway.stop(signal.SIGKILL)
    assert check_contract(sniffer) > 0


def test_the_same_picture_for_ever_is_opened_anew(tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer) -> None:
    """A sensor that repeats its picture is found by the view's watch and opened anew; its alarm ends with that."""
    gateway = Gateway(tmp_path, mosquitto, ["street?scene=stuck&seed=3"]).start()
    try:
        first = gateway.wait_camera("ok")["pid"]
        wait_for(lambda: gateway.camera()["state"] == "frozen", "the picture to be found frozen", 50.0)
        found = gateway.wait_camera("ok")
        assert found["pid"] == first
        assert (found["recovery"]["step"], found["recovery"]["cause"]) == ("reopen", "view-frozen")
        assert gateway.stop() == 0
    finally:
        gateway.stop(signal.SIGKILL)
    phases = [each["data"]["phase"] for each in events(sniffer, "view")]
    assert phases == ["start", "end"]


def test_a_short_stall_costs_nothing(
    tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer, hanging: HangingFolder
) -> None:
    """A read that hangs in the kernel and comes back is over with the first step: same process, nothing reopened."""
    make_clip(hanging.source / "clip.npy")
    gateway = Gateway(tmp_path, mosquitto, [f"{hanging.path}/clip.npy?loop=1&fps=15"]).start()
    try:
        first = gateway.wait_camera("ok")["pid"]
        hanging.hang(on=True)
        wait_for(lambda: gateway.camera()["code"] == "camera-stalled", "the stall to be told")
        hanging.hang(on=False)
        found = gateway.wait_camera("ok")
        assert (found["pid"], found["restarts"]) == (first, 0)
        assert "reopen" not in found["recovery"]["hour"]
        assert gateway.stop() == 0
    finally:
        hanging.hang(on=False)
        gateway.stop(signal.SIGKILL)


def test_a_source_that_never_delivers_gets_new_eyes(tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer) -> None:
    """A pipe into which nobody writes hangs in `open`: it is told after ten seconds, and tried again."""
    os.mkfifo(tmp_path / "pipe.mp4")
    gateway = Gateway(tmp_path, mosquitto, [str(tmp_path / "pipe.mp4")]).start()
    try:
        wait_for(lambda: gateway.camera()["restarts"] >= 1, "a new eye", 30.0)
        found = gateway.camera()
        assert (found["state"], found["recovery"]["step"]) == ("off", "new-eye")
        assert "no picture within 10 s" in found["reason"]
        assert gateway.stop() == 0
    finally:
        gateway.stop(signal.SIGKILL)


def test_an_eye_that_dies_again_and_again_is_a_fault(tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer) -> None:
    """An eye that is back before its absence can be told, and dies again, is told as one fault from the third time."""
    gateway = Gateway(tmp_path, mosquitto, [make_clip(tmp_path / "clip.npy")]).start()
    try:
        for number in range(3):
            wait_for(lambda: gateway.camera()["code"] == "ok", "the eye to see")
            assert gateway.camera()["restarts"] == number
            os.kill(gateway.camera()["pid"], signal.SIGKILL)
            wait_for(lambda: gateway.camera()["code"] == "eye-died", "its death to be known")
        sniffer.wait_until(lambda _: events(sniffer, "health"), "the fault")
        gateway.wait_camera("ok")
        assert gateway.stop() == 0
    finally:
        gateway.stop(signal.SIGKILL)
    (event,) = events(sniffer, "health")
    assert (event["data"]["code"], event["data"]["phase"]) == ("camera-flapping", "start")
    assert "3 times" in event["data"]["message"]


def heard(manager: socket.socket, seconds: float) -> list[str]:
    """Return what the service manager is told in so many seconds, a line each."""
    found: list[str] = []
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        manager.settimeout(left)
        with contextlib.suppress(TimeoutError):
            found += manager.recv(4096).decode().splitlines()
    return found


def test_a_corner_that_is_blind_and_cut_off_is_no_reason_to_be_restarted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without camera and broker the daemon goes on, feeds the watchdog, and says in a line how it is.

    The control: a daemon that makes no progress does not feed it.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        gateway = Gateway(tmp_path, None, ["/dev/video77"]).start()
        try:
            wait_for(lambda: gateway.camera()["code"] == "camera-failed", "the camera's absence to be known")
            wait_for(lambda: gateway.status()["health"]["link"]["reason"] == "refused", "the broker's absence, too")
            told = heard(manager, 3.0)
            assert told.count("WATCHDOG=1") >= 5
            assert "STATUS=cam0 off (camera-failed), link down (refused)" in told
            assert gateway.process is not None
            gateway.process.send_signal(signal.SIGSTOP)
            heard(manager, 0.3)
            assert heard(manager, 1.5) == []
            gateway.process.send_signal(signal.SIGCONT)
            assert "WATCHDOG=1" in heard(manager, 1.5)
            assert gateway.stop() == 0
        finally:
            gateway.stop(signal.SIGKILL)


CAMERA: dict[str, Any] = {"name": "cam0", "source": "/dev/video77", "stall_s": 1.0, "picture_kb": 40}


def test_a_card_that_stalls_does_not_hold_up_the_daemon(
    hanging: HangingFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To start an eye its program must be read: while the card does not answer, `start` and `tick` come back at once.

    When the card answers, the process is there; the control is a start that waits, as subprocess does by default.
    """
    program = hanging.source / "python"
    program.write_bytes(Path("/bin/sleep").resolve().read_bytes())
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(hanging.path / "python"))
    eye = Eye(CAMERA)
    hanging.hang(on=True)
    try:
        begin = time.monotonic()
        eye.start()
        eye.tick(time.monotonic())
        assert time.monotonic() - begin < 0.5
        assert eye.process.there
        assert eye.process.pid is None
        eye.tick(time.monotonic() + 100.0)  # given up: and it is not started a second time meanwhile
        eye.tick(time.monotonic() + 200.0)
        found = (eye.known.code, eye.process.blocked, eye.process.there)
        assert found == ("eye-start", True, False)
    finally:
        hanging.hang(on=False)
    wait_for(lambda: eye.process.tick() or not eye.process.blocked, "the late process to be started, and killed")
    assert eye.process.remnants == []
    eye.kill()


def test_control_a_plain_start_waits_for_the_card(hanging: HangingFolder) -> None:
    """The same program started in the usual way does not come back while the card does not answer."""
    program = hanging.source / "python"
    program.write_bytes(Path("/bin/sleep").resolve().read_bytes())
    program.chmod(0o755)
    script = "import subprocess, sys; print('now', flush=True); subprocess.Popen([sys.argv[1], '0']); print('started')"
    hanging.hang(on=True)
    process = subprocess.Popen([sys.executable, "-c", script, str(hanging.path / "python")], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"now\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.0)
    finally:
        hanging.hang(on=False)
        out, _ = process.communicate(timeout=20)
    assert out == b"started\n"
