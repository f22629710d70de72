"""The last step: a reboot that is allowed, noted on the card first, counted over restarts, and told when refused."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.memory.state import DAY, FILE, MOST_REBOOTS, Memory, read
from gateway.recovery.eyes import Eye
from gateway.recovery.reboot import LINE, Reboot
from tests.mosquitto import Mosquitto, Sniffer, wait_for
from tests.running import Gateway, check_contract, states

CAMERA: dict[str, Any] = {"name": "cam0", "source": "/dev/video77", "stall_s": 1.0, "picture_kb": 40}


def memory(folder: Path, boot: str = "b1") -> Memory:
    """Return a memory that writes at once."""

    def at_once(work: Callable[[], None]) -> None:
        with contextlib.suppress(OSError):  # the daemon tells it, and goes on
            work()

    return Memory(folder, boot, at_once)


@pytest.fixture(autouse=True)
def just_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that was started a minute ago, whatever this machine has run: every boot of a test adds that to ages."""
    real = time.monotonic
    offset = 60.0 - real()
    monkeypatch.setattr(time, "monotonic", lambda: real() + offset)


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `systemctl` that is found first; keeps what it was told, and what stood on the card at that time."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "systemctl"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/told\ncp {tmp_path}/state.json {tmp_path}/then\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return program


def finish(reboot: Reboot) -> None:
    """Let what was asked for come to its end."""

    def tried() -> bool:
        reboot.tick(time.monotonic())
        return reboot._errand is None or reboot._errand.result is not None

    wait_for(tried, "systemctl to end, or to be given up")
    reboot.tick(time.monotonic())


def ask(reboot: Reboot) -> None:
    """Ask for a reboot and see it through."""
    reboot.ask("cam0: camera-stalled")
    reboot.tick(time.monotonic())
    finish(reboot)


def test_it_is_on_the_card_before_it_is_done(tmp_path: Path, systemctl: Path) -> None:
    """systemd is asked once, and by then the state file counts the reboot: a boot loop cannot get round its budget."""
    reboot = Reboot(memory(tmp_path), 2, 60.0)
    ask(reboot)
    assert (tmp_path / "told").read_text().split() == list(LINE[1:])
    assert len(json.loads((tmp_path / "then").read_text())["reboots"]) == 1
    assert reboot.why
    assert not reboot.possible  # it is under way


def test_what_cannot_be_noted_is_not_done(tmp_path: Path, systemctl: Path) -> None:
    """On a card that cannot be written no reboot is asked for, and that is told."""
    reboot = Reboot(memory(tmp_path / "absent"), 2, 60.0)
    ask(reboot)
    assert not (tmp_path / "told").exists()
    assert "cannot be noted" in reboot.status()["problem"]


def test_the_budget_survives(tmp_path: Path, systemctl: Path) -> None:
    """After as many reboots as are allowed the next run, in the next boot, may not; a day of running later it may."""
    first = memory(tmp_path)
    ask(Reboot(first, 2, 60.0))
    second = memory(tmp_path, "b2")
    assert second.reboots(time.monotonic()) == 1
    ask(Reboot(second, 2, 60.0))
    third = memory(tmp_path, "b3")
    third.begin()
    assert not Reboot(third, 2, 60.0).possible
    assert third.reboots(time.monotonic() + DAY) == 0
    assert Reboot(third, 3, 60.0).possible  # the control: it is the number that counts


def test_a_restart_of_the_daemon_ages_nothing_too_fast(tmp_path: Path) -> None:
    """Within one boot the time since the file was written counts once, however often the daemon is restarted."""
    memory(tmp_path).note_reboot(time.monotonic(), lambda _written: None)
    for _ in range(5):
        memory(tmp_path).begin()
    kept = read(tmp_path)
    assert kept is not None
    assert len(kept.reboots) == 1
    assert kept.reboots[0] < 5.0


def test_a_damaged_file_allows_none(tmp_path: Path) -> None:
    """When nobody knows how many there were, none is allowed."""
    (tmp_path / FILE).write_text("{")
    assert not Reboot(memory(tmp_path), MOST_REBOOTS, 60.0).possible


def test_a_file_of_an_older_version_counts_none(tmp_path: Path) -> None:
    """A state file that does not know of reboots is understood."""
    (tmp_path / FILE).write_text(json.dumps({"boot": "b0", "ended": "", "moved": ["cam1"], "commands": []}))
    found = memory(tmp_path)
    assert found.moved("cam1")
    assert not found.moved("cam0")
    assert Reboot(found, 1, 60.0).possible


def test_a_refusal_is_told(tmp_path: Path, systemctl: Path) -> None:
    """When systemd refuses, its words are in the report, and the daemon goes on."""
    systemctl.write_text("#!/bin/sh\necho 'Call to Reboot failed: Interactive authentication required.' >&2\nexit 1\n")
    reboot = Reboot(memory(tmp_path), 2, 60.0)
    ask(reboot)
    assert "Interactive authentication required" in reboot.status()["problem"]
    assert reboot.why == ""


def test_a_reboot_that_does_not_come_is_told(tmp_path: Path, systemctl: Path) -> None:
    """A device that was told to restart and is still there after two minutes says so."""
    reboot = Reboot(memory(tmp_path), 2, 60.0)
    ask(reboot)
    reboot.tick(time.monotonic() + 200.0)
    assert "nothing happened" in reboot.status()["problem"]


def climb(eye: Eye, seconds: int) -> None:
    """Let time pass for an eye whose process can never be started."""
    now = time.monotonic()
    for second in range(seconds):
        eye.tick(now + second)
        launch = eye.process._launch
        if launch is not None:
            wait_for(lambda launch=launch: launch.done, "the start to fail")  # type: ignore[misc]


@pytest.mark.parametrize(
    ("source", "allowed", "asked"),
    [("/dev/video77", 1, True), ("/dev/video77", 0, False), ("rtsp://10.0.0.9/s", 1, False), ("street", 1, False)],
)
def test_only_a_camera_of_its_own_is_worth_a_reboot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, source: str, allowed: int, asked: bool
) -> None:
    """After fifteen minutes without a picture a camera on this device asks for a reboot, if allowed; no other does."""
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    reboot = Reboot(memory(tmp_path), allowed, 900.0)
    eye = Eye(CAMERA | {"source": source}, reboot=reboot)
    eye.start()
    climb(eye, 890)
    assert reboot.why == ""
    assert eye.restarts > 15
    climb(eye, 1000)
    assert bool(reboot.why) is asked
    assert ("reboot" in eye.facts()["recovery"]["hour"]) is asked


@pytest.mark.broker
@pytest.mark.system
@pytest.mark.skipif(
    not os.environ.get("GATEWAY_TEST_REBOOT"), reason="waits for a minute of trouble: GATEWAY_TEST_REBOOT=1 runs it"
)
def test_a_blind_device_restarts_itself_and_says_so(
    tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer, systemctl: Path
) -> None:
    """A daemon whose camera on USB is gone asks systemd once, ends with the reason, and the next boot tells it.

    `systemctl` does to the daemon what a reboot does: SIGTERM. The next run may not ask again.
    """
    systemctl.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/told\nkill -TERM $PPID\n')
    gateway = Gateway(tmp_path, mosquitto, ["/dev/video77"])
    with gateway.config.open("a") as config:
        config.write("[recovery]\nreboots_a_day = 1\nreboot_after_s = 60\n")
    gateway.start()
    try:
        assert gateway.process is not None
        assert gateway.process.wait(120) == 0
        assert (tmp_path / "told").read_text().splitlines() == [" ".join(LINE[1:])]
        gateway.start()
        wait_for(lambda: gateway.camera()["restarts"] > 0, "the camera to be tried again")
        status = gateway.status()
        assert "the device is restarted: cam0: camera-failed" in status["last_exit"]
        assert status["health"]["recovery"]["done_today"] == 1
        sniffer.wait_until(lambda _: len(states(sniffer, "info")) >= 2, "the introduction")
        assert "camera-failed" in states(sniffer, "info")[-1]["last_exit"]
        assert gateway.stop() == 0
    finally:
        gateway.stop(signal.SIGKILL)
    assert any(each.get("step") == "reboot" for each in states(sniffer, "camera/cam0"))
    assert check_contract(sniffer) > 0
