"""The systemd unit: systemd itself finds no fault in it, and it may do no more than it must."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "systemd"
UNIT = FOLDER / "camera-gateway.service"


def _version() -> int:
    """Version of the systemd tools here, 0 where there are none."""
    if shutil.which("systemd-analyze") is None:
        return 0
    told = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"systemd (\d+)", told)
    return int(found[1]) if found else 0


VERSION = _version()
needs_systemd = pytest.mark.skipif(VERSION < 250, reason="systemd-analyze 250 or newer is not here (apt: systemd)")


def planted(folder: Path, text: str) -> Path:
    """A copy of the unit whose program exists on this machine."""
    unit = folder / UNIT.name
    unit.write_text(re.sub("^ExecStart=/usr/bin/gateway ", "ExecStart=/bin/true ", text, flags=re.MULTILINE))
    return unit


def complaints(unit: Path) -> list[str]:
    """What `systemd-analyze verify` says of this unit, without what it says of other units of the machine."""
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in told.stderr.splitlines() if unit.name in line]
    return lines if lines or told.returncode == 0 else told.stderr.splitlines()


def exposure(unit: Path) -> tuple[bool, float]:
    """Whether the unit stays below the threshold of 2.0, and how exposed it is (0..10)."""
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", str(unit)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"exposure level for \S+: ([0-9.]+)", told.stdout)
    assert found, told.stdout + told.stderr
    return told.returncode == 0, float(found[1])


def without(option: str) -> str:
    """The unit's text less every line that sets this option."""
    lines = UNIT.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(option + "=")]
    assert len(kept) < len(lines), f"{option} is not set"
    return "".join(kept)


@needs_systemd
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say."""
    assert complaints(planted(tmp_path, UNIT.read_text())) == []


@needs_systemd
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("WatchdogSec=30", "WatchDogSec=30"),
        ("KillMode=mixed", "KillMode=gentle"),
        ("ExecStart=/usr/bin/gateway run", "ExecStart=/nowhere/gateway run"),
        ("ProtectSystem=strict", "ProtectSystem=very"),
    ],
)
def test_control_a_misspelt_unit_is_noticed(tmp_path: Path, right: str, wrong: str) -> None:
    """The check fails for a misspelt option, an impossible value and a program that is not there."""
    text = UNIT.read_text()
    assert right in text
    assert complaints(planted(tmp_path, text.replace(right, wrong)))


@needs_systemd
def test_exposure_is_at_most_two(tmp_path: Path) -> None:
    """With the cameras allowed, systemd reckons an exposure of at most 2.0."""
    passed, level = exposure(planted(tmp_path, UNIT.read_text()))
    assert passed, level


@needs_systemd
@pytest.mark.parametrize("option", ["SystemCallFilter", "CapabilityBoundingSet", "ProtectSystem", "User"])
def test_control_a_laxer_unit_is_too_exposed(tmp_path: Path, option: str) -> None:
    """The check fails when one of the strong restrictions is taken away."""
    passed, level = exposure(planted(tmp_path, without(option)))
    assert not passed, level


def options() -> dict[str, list[str]]:
    """All options of the unit with their values, as systemd reads them."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def test_what_the_daemon_relies_on() -> None:
    """The promises that the daemon makes to systemd, and systemd to the daemon, stand in the unit."""
    promised = {
        "Type": "notify",
        "NotifyAccess": "main",
        "ExecStart": "/usr/bin/gateway run",
        "WatchdogSec": "30",
        "Restart": "always",
        "RestartPreventExitStatus": "78",
        "StartLimitIntervalSec": "0",
        "KillMode": "mixed",
        "TimeoutStopSec": "10",
        "OOMPolicy": "continue",
        "User": "camera-gateway",
        "StateDirectory": "camera-gateway",
        "RuntimeDirectory": "camera-gateway",
        "RuntimeDirectoryMode": "0750",
        "RuntimeDirectoryPreserve": "restart",
        "ConfigurationDirectory": "camera-gateway",
        "WantedBy": "multi-user.target",
    }
    assert promised.items() <= {name: values[-1] for name, values in options().items()}.items()


def test_cameras_are_the_only_devices() -> None:
    """Video, media and DMA memory are allowed, no other device; facts of the system stay readable."""
    found = options()
    assert found["DevicePolicy"] == ["closed"]
    assert found["DeviceAllow"] == ["char-video4linux rw", "char-media rw", "char-dma_heap rw"]
    assert "PrivateDevices" not in found  # would hide the cameras
    assert "ProcSubset" not in found  # would hide memory, load, boot id
    assert "ProtectClock" not in found  # would forbid to ask whether the clock is synchronised
    assert found["SystemCallFilter"][-1] == "clock_adjtime"
    drivers = "modprobe@videodev.service modprobe@mc.service"
    assert found["Wants"] == [drivers]  # a group that the kernel does not know when the unit starts is not allowed
    assert drivers in found["After"]


def test_the_unit_is_one_that_python_can_read_as_well() -> None:
    """No section is opened twice: an option below the wrong heading would silently do nothing."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(UNIT.read_text())
    assert parser.sections() == ["Unit", "Service", "Install"]
    assert UNIT.read_text().count("\n[") == 3


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is not here (apt: systemd)")
def test_the_services_user_is_made(tmp_path: Path) -> None:
    """sysusers makes the user that the unit names, without a shell, in the group that may open cameras."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/group").write_text("video:x:44:\n")
    target = tmp_path / "usr/lib/sysusers.d/camera-gateway.conf"
    target.parent.mkdir(parents=True)
    shutil.copy(FOLDER / "camera-gateway.sysusers", target)
    subprocess.run(["systemd-sysusers", f"--root={tmp_path}"], check=True, capture_output=True)
    user = options()["User"][0]
    entry = next(line for line in (tmp_path / "etc/passwd").read_text().splitlines() if line.startswith(user + ":"))
    assert entry.endswith("nologin")
    assert entry.split(":")[5] == "/var/lib/camera-gateway"
    assert f"video:x:44:{user}" in (tmp_path / "etc/group").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
@pytest.mark.skipif(shutil.which("systemd-tmpfiles") is None, reason="systemd-tmpfiles is not here (apt: systemd)")
def test_secrets_are_closed(tmp_path: Path) -> None:
    """A key and a password that a technician copied carelessly become unreadable to all but root and the service."""
    place = tmp_path / "etc/camera-gateway"
    place.mkdir(parents=True)
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (tmp_path / "etc/group").write_text("root:x:0:\ncamera-gateway:x:979:\n")
    for name in ("device.key", "password", "ca.crt"):
        (place / name).write_text("secret")
        (place / name).chmod(0o644)
    rules = FOLDER / "camera-gateway.tmpfiles"
    told = subprocess.run(
        ["systemd-tmpfiles", "--create", f"--root={tmp_path}", str(rules)], check=False, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    modes = {path.name: (path.stat().st_mode & 0o777, path.stat().st_gid) for path in place.iterdir()}
    assert modes == {"device.key": (0o640, 979), "password": (0o640, 979), "ca.crt": (0o644, 0)}
