"""The package on arm64, emulated: it installs, the self-test passes, and a recording gives what it gives on x86-64.

The tree is built once, in half an hour under emulation; afterwards this takes some minutes. The processor that is
emulated is a Cortex-A72, a Pi 4's: the default one takes eight times as long.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.mosquitto import Mosquitto
from tests.rig import machine as rig
from tests.rig.conftest import configuration
from tests.rig.machine import HERE
from tests.running import make_clip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMANDS = """
dpkg --install /rig/shared/gateway.deb >&2
cp /rig/shared/gateway.toml /etc/camera-gateway/
cd /rig/shared
uname -m >machine-{name}
gateway replay clip.npy --fps 15 --events events-{name} --frames frames-{name} >&2
gateway selftest || echo "exit $?"
"""


@pytest.fixture(scope="module")
def emulated() -> Iterator[Path]:
    """The arm64 tree, with this machine able to run it; what was changed for that is undone."""
    if platform.machine() != "x86_64":
        pytest.skip("emulates arm64 on x86-64 only")
    if reason := rig.why_not():
        pytest.skip(reason)
    on = subprocess.run([str(HERE / "emulate_arm64.sh"), "on"], check=False, capture_output=True, text=True)
    if on.returncode:
        pytest.skip(f"arm64 cannot be emulated here: {on.stderr[-1000:]}")
    os.environ["QEMU_CPU"] = "cortex-a72"
    try:
        yield rig.tree("arm64")
    finally:
        del os.environ["QEMU_CPU"]
        subprocess.run([str(HERE / "emulate_arm64.sh"), "off", *on.stdout.split()], check=True)


def test_arm64_sees_what_x86_sees(emulated: Path, tree: Path, package: Path, tmp_path: Path) -> None:
    """On Debian's own packages the self-test passes, and events and frames are the same to the last byte."""
    broker = Mosquitto(tmp_path / "mosquitto")
    broker.start()
    try:
        shutil.copy(package, tmp_path / "gateway.deb")
        (tmp_path / "gateway.toml").write_text(configuration(f"mqtt://127.0.0.1:{broker.port}"))
        make_clip(tmp_path / "clip.npy")
        told = {}
        for name, place in (("x86", tree), ("arm", emulated)):
            command = [str(HERE / "enter.sh"), str(place), str(tmp_path), COMMANDS.format(name=name)]
            done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=1800)
            assert done.returncode == 0, done.stdout + done.stderr
            told[name] = done.stdout
            print(done.stdout)
    finally:
        broker.stop()
    assert (tmp_path / "machine-arm").read_text() == "aarch64\n"
    for name, lines in told.items():
        assert "[FAIL]" not in lines, f"{name}: {lines}"
        assert "[ ok ] motion.walker" in lines
    for kind in ("events", "frames"):
        x86, arm = (tmp_path / f"{kind}-{name}" for name in ("x86", "arm"))
        assert x86.stat().st_size > 1000
        assert arm.read_bytes() == x86.read_bytes()
