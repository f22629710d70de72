"""`gateway selftest`: what a technician reads on the ladder, alone and while the daemon runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.selftest import COULD_NOT_RUN, FAILURES, FINE, WARNINGS, exit_code, once_opened
from gateway.selftest.check import Check
from tests.mosquitto import Mosquitto, Sniffer, wait_for
from tests.running import STREET, Gateway, check_contract, make_clip

pytestmark = [pytest.mark.broker, pytest.mark.system]


def selftest(config: Path, *more: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Run the self-test; return its exit code and its checks by id. What is well has nothing to be done about it."""
    command = [sys.executable, "-m", "gateway", "selftest", "--json", "--config", str(config), *more]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("GATEWAY_")}
    done = subprocess.run(command, capture_output=True, check=False, timeout=120, env=environ)
    report = json.loads(done.stdout)
    assert report["exit"] == done.returncode
    assert [check["hint"] for check in report["checks"] if check["result"] == "ok" and check["hint"]] == []
    return done.returncode, {check["id"]: check for check in report["checks"]}


def without_device(checks: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return the results of what does not depend on the machine that tests."""
    return {name: check["result"] for name, check in checks.items() if not name.startswith("device.")}


@pytest.fixture
def corner(tmp_path: Path, mosquitto: Mosquitto) -> Gateway:
    """A configured gateway that does not run."""
    return Gateway(tmp_path, mosquitto, [make_clip(tmp_path / "clip.npy")])


def test_a_good_corner_passes(corner: Gateway, sniffer: Sniffer) -> None:
    """Alone, every part is tried for real: camera, motion, store, broker; the heartbeat it sends obeys the contract."""
    code, checks = selftest(corner.config)
    assert without_device(checks) == dict.fromkeys(
        [
            "config.valid",
            "identity.name",
            "daemon.running",
            "camera.cam0",
            "motion.walker",
            "outbox.writes",
            "broker.roundtrip",
        ],
        "ok",
    )
    assert code in {FINE, WARNINGS}
    assert "no privacy masks: whole pictures leave" in checks["camera.cam0"]["message"]
    assert check_contract(sniffer) >= 1


def test_a_running_daemon_is_asked(corner: Gateway, sniffer: Sniffer) -> None:
    """While the daemon holds camera, store and client id it is asked, and it is not disturbed."""
    corner.start()
    try:
        corner.wait_camera("ok")
        sniffer.wait_until(lambda _: sniffer.payloads("/up/status"), "the connection")
        code, checks = selftest(corner.config)
        assert set(without_device(checks).values()) == {"ok"}
        assert "asking the running gateway" in checks["daemon.running"]["message"]
        assert "no privacy masks: whole pictures leave" in checks["camera.cam0"]["message"]
        assert code in {FINE, WARNINGS}
        assert corner.camera()["restarts"] == 0
        assert len(sniffer.payloads("/up/status")) == 1
    finally:
        corner.stop()


def test_masks_are_not_missed_where_there_are_some(corner: Gateway) -> None:
    """A camera with a privacy mask is not said to send whole pictures, alone or beside the daemon (control)."""
    masks = "--set=cameras.0.masks=[[[0.0,0.0],[0.1,0.0],[0.1,0.1]]]"
    broker = "--set=broker.url=mqtt://127.0.0.1:1"  # not what is asked here
    assert "privacy" not in selftest(corner.config, masks, broker)[1]["camera.cam0"]["message"]
    corner.start()
    try:
        corner.wait_camera("ok")
        assert "privacy" not in selftest(corner.config, masks)[1]["camera.cam0"]["message"]
    finally:
        corner.stop()


def test_a_camera_that_is_being_opened_is_waited_for() -> None:
    """Who asks in the first second after the start is not told that the camera has failed, but is told in time."""

    def said(code: str) -> dict[str, Any]:
        return {"health": {"cameras": {"cam0": {"code": "ok"}, "cam1": {"code": code}}}}

    later = iter([said("starting"), said("eye-failed")])
    assert once_opened(said("starting"), lambda: next(later)) == said("eye-failed")
    assert once_opened(said("starting"), lambda: said("starting"), 0.3) == said("starting")


def test_every_fault_is_named_with_what_to_do(corner: Gateway, tmp_path: Path) -> None:
    """A missing camera, a store that is a file, and a broker that is not there: each fails with a hint; exit code 2."""
    (tmp_path / "afile").write_text("x")
    code, checks = selftest(
        corner.config,
        "--set=cameras.0.source=/absent.mp4",
        f"--set=store.dir={tmp_path / 'afile'}",
        "--set=broker.url=mqtt://127.0.0.1:1",
    )
    assert code == FAILURES
    for name, words in {
        "camera.cam0": "/absent.mp4",
        "outbox.writes": "afile",
        "broker.roundtrip": "127.0.0.1",
    }.items():
        assert checks[name]["result"] == "failure", name
        assert words in checks[name]["message"]
        assert checks[name]["hint"], name
    assert checks["motion.walker"]["result"] == "ok"


def test_a_mask_that_is_gone_is_a_failure(corner: Gateway, tmp_path: Path) -> None:
    """A privacy mask that cannot be read fails the test, and says which file."""
    code, checks = selftest(corner.config, f"--set=cameras.0.mask_file={tmp_path / 'mask.png'}")
    assert code == FAILURES
    assert "mask.png" in checks["mask.cam0"]["message"]


def test_pictures_that_cannot_be_analysed_are_a_failure(corner: Gateway, tmp_path: Path) -> None:
    """A camera that delivers pictures too small for the motion core fails the self-test, as it would fail at work."""
    np.save(tmp_path / "small.npy", np.zeros((20, 60, 80), np.uint8))
    code, checks = selftest(corner.config, f"--set=cameras.0.source={tmp_path}/small.npy")
    assert code == FAILURES
    assert checks["camera.cam0"]["result"] == "failure"
    assert "160x120" in checks["camera.cam0"]["message"]


def test_a_camera_that_gives_garbage_is_a_failure(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Snow in place of pictures is a failure that names the cable, though frames come at the full rate."""
    np.save(tmp_path / "snow.npy", np.random.default_rng(1).integers(0, 256, (9, 180, 320), np.uint8))
    code, checks = selftest(Gateway(tmp_path, mosquitto, [f"{tmp_path}/snow.npy?loop=1&fps=15"]).config)
    assert code == FAILURES
    assert checks["camera.cam0"]["result"] == "failure"
    assert "snow" in checks["camera.cam0"]["message"]
    assert "cable" in checks["camera.cam0"]["hint"]


def test_a_running_daemon_says_why_a_camera_is_off(corner: Gateway) -> None:
    """Beside a running daemon, a camera that is off is named with its own reason and hint, not with a code."""
    corner.config.write_text(corner.config.read_text().replace("clip.npy", "absent.npy"))
    corner.start()
    try:
        wait_for(lambda: corner.camera()["code"] == "camera-failed", "the camera to fail")
        _, checks = selftest(corner.config)
        assert "absent.npy" in checks["camera.cam0"]["message"]
        assert "spelling" in checks["camera.cam0"]["hint"]
    finally:
        corner.stop()


def test_a_running_daemon_is_judged_as_the_parts_alone(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Beside a running daemon too, a lost mask is a failure in words, and a simulated corner is no working camera."""
    corner = Gateway(tmp_path, mosquitto, [STREET], mask_file=f'"{tmp_path}/mask.png"').start()
    try:
        wait_for(lambda: corner.status()["cameras"]["cam0"]["faults"], "the missing mask to be noticed")
        corner.wait_camera("ok")
        code, checks = selftest(corner.config)
        assert code == FAILURES
        assert checks["mask.cam0"]["result"] == "failure"
        assert "mask.png" in checks["mask.cam0"]["message"]
        assert "until then no picture leaves" in checks["mask.cam0"]["hint"]
        assert checks["camera.cam0"]["result"] == "warning"
        assert "SIMULATED" in checks["camera.cam0"]["message"]
    finally:
        corner.stop()


def test_a_file_that_is_not_in_force_is_told(corner: Gateway) -> None:
    """Whoever changed the file and did not restart the daemon reads that something else was tested."""
    corner.start()
    try:
        corner.wait_camera("ok")
        corner.config.write_text(corner.config.read_text().replace('area = "north"', 'area = "south"'))
        _, checks = selftest(corner.config)
        assert checks["daemon.running"]["result"] == "warning"
        assert "restart" in checks["daemon.running"]["hint"]
    finally:
        corner.stop()


def test_a_broken_configuration_could_not_run(tmp_path: Path) -> None:
    """With a configuration that cannot be used nothing is tried; exit code 3."""
    config = tmp_path / "gateway.toml"
    config.write_text(f'area = "BAD"\n[store]\ndir = "{tmp_path}"\n')
    code, checks = selftest(config)
    assert code == COULD_NOT_RUN
    assert list(checks) == ["config.valid"]
    assert '"BAD"' in checks["config.valid"]["message"]


WITHOUT_RIGHTS = """
import codecs, ctypes, os, sys; from gateway.selftest import run
codecs.lookup("ascii")  # this Python itself may be in a folder that the other user must not read
if os.getuid() == 0: os.setgid(65534); os.setuid(65534)
sys.exit(run(None, [f"runtime_dir={sys.argv[1]}"], as_json=False))
"""


def test_without_rights_it_does_not_judge_the_corner(tmp_path: Path) -> None:
    """Whoever forgot sudo is told so, and not that the corner does not work; exit code 3."""
    folder = tmp_path / "run"
    folder.mkdir(mode=0)
    environ = {key: value for key, value in os.environ.items() if not key.startswith("GATEWAY_")}
    command = [sys.executable, "-c", WITHOUT_RIGHTS, str(folder)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60, env=environ, text=True)
    folder.chmod(0o700)
    assert done.returncode == COULD_NOT_RUN, done.stderr
    assert "permission denied" in done.stdout
    assert "sudo" in done.stdout
    assert done.stdout.endswith("the test could not run\n")


def test_lines_are_for_people(corner: Gateway) -> None:
    """Without --json there is a line for each part, what to do below what is wrong, and a verdict at the end."""
    command = [sys.executable, "-m", "gateway", "selftest", "--config", str(corner.config)]
    done = subprocess.run(
        [*command, "--set=broker.url=mqtt://127.0.0.1:1"], capture_output=True, check=False, timeout=120, text=True
    )
    lines = done.stdout.splitlines()
    assert any(line.startswith("[ ok ] camera.cam0") for line in lines)
    failed = next(number for number, line in enumerate(lines) if line.startswith("[FAIL] broker.roundtrip"))
    assert "what to do:" in lines[failed + 1]
    assert lines[-1] == "this corner does NOT work"


@pytest.mark.parametrize(
    ("results", "code"),
    [(["ok", "ok"], FINE), (["ok", "warning"], WARNINGS), (["warning", "failure"], FAILURES), (["skipped"], WARNINGS)],
)
def test_exit_codes_follow_the_worst(results: list[Any], code: int) -> None:
    """The exit code is that of the worst part."""
    assert exit_code([Check(f"part.{number}", result, "") for number, result in enumerate(results)]) == code
