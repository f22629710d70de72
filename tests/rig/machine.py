"""A Debian 13 that really runs: systemd as PID 1 over the rig's tree, a cable to this side, and means to do it harm.

What is written goes into an upper layer, so that trees are never changed and a machine can be booted again as it was
left. Not here: what is installed in it (conftest.py), and what is not real in a container on this kind of machine:
limits of memory, tasks and processor, a negative OOMScoreAdjust, devices, and any clock but this machine's (guest.py).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.mosquitto import wait_for
from tests.rig.debian import Debian

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).parent
CGROUPS = Path("/sys/fs/cgroup/unified") if Path("/sys/fs/cgroup/unified").is_dir() else Path("/sys/fs/cgroup")
BOOT_SECONDS = 60.0
ASKS_FOR_REBOOT = 133


def why_not() -> str:
    """Return why nothing can be booted here, or nothing."""
    if os.geteuid() != 0:
        return "not root: a Debian tree is unpacked and booted"
    missing = [tool for tool in ("systemd-nspawn", "unshare", "nsenter", "ip") if shutil.which(tool) is None]
    if missing:
        return f"no {', '.join(missing)} (apt: systemd-container util-linux iproute2)"
    if not (CGROUPS / "cgroup.procs").exists():
        return "no cgroup2 hierarchy"
    return ""


def tree(arch: str = "") -> Path:
    """Return the rig's tree, built when it is not there or its recipe has changed; skips where it cannot be had."""
    if reason := why_not():
        pytest.skip(reason)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "camera-gateway"
    native = subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True).stdout.strip()
    path = cache / f"trixie-{arch or native}"
    command = [str(HERE / "build_tree.sh"), str(path), *([arch] if arch else [])]
    built = subprocess.run(command, check=False, capture_output=True, text=True, timeout=3600)
    if built.returncode:
        pytest.skip(f"the tree cannot be built: {built.stderr[-2000:]}")
    return path


class Cable:
    """A network namespace for a machine, and a cable from it to this side that can be pulled."""

    def __init__(self, name: str) -> None:
        """Lay the cable; both ends have addresses."""
        self.namespace = name
        net = secrets.randbelow(60) * 4
        self.here, self.there = f"10.213.77.{net + 1}", f"10.213.77.{net + 2}"
        self._end = f"{name[:9]}-h"
        for command in (
            f"netns add {name}",
            f"link add {self._end} type veth peer name eth0 netns {name}",
            f"addr add {self.here}/30 dev {self._end}",
            f"-n {name} addr add {self.there}/30 dev eth0",
            f"-n {name} link set lo up",
            f"-n {name} link set eth0 up",
            f"link set {self._end} up",
        ):
            subprocess.run(["ip", *command.split()], check=True)

    def strip(self) -> None:
        """Leave the machine's end as a card comes out of its box: whoever manages its network sets it up."""
        for command in ("addr flush dev eth0", "link set eth0 down"):
            subprocess.run(["ip", "-n", self.namespace, *command.split()], check=True)

    def pull(self) -> None:
        """Nothing passes any more; neither side is told."""
        subprocess.run(["ip", "link", "set", self._end, "down"], check=True)

    def plug(self) -> None:
        """Everything passes again."""
        subprocess.run(["ip", "link", "set", self._end, "up"], check=True)

    def remove(self) -> None:
        """Take it away."""
        subprocess.run(["ip", "link", "del", self._end], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "netns", "del", self.namespace], check=False, stderr=subprocess.DEVNULL)


class Machine(Debian):
    """One machine; `layers` are the trees below it, the uppermost first."""

    def __init__(self, folder: Path, layers: Sequence[Path], *, cable: Cable | None = None, upper: Path | None = None):
        """Prepare it; what it writes goes into `upper` (a new folder)."""
        self.name = f"gw{secrets.token_hex(3)}"
        self.folder = folder
        self.layers = list(layers)
        self.upper = upper or folder / "upper"
        self._work = self.upper.parent / f"{self.upper.name}.work"
        self._root = folder / "root"
        self._cable = cable
        self._process: subprocess.Popen[bytes] | None = None
        for made in (folder, self.upper, self._work, self._root):
            made.mkdir(exist_ok=True, parents=True)

    def __truediv__(self, path: str) -> Path:
        """A file of the running machine, as it sees it."""
        return Path(f"/proc/{self._leader()}/root") / path.lstrip("/")

    def write(self, path: str, text: str) -> None:
        """Write a file into the upper layer, before it is booted or while it runs."""
        file = self / path if self._process is not None else self.upper / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def boot(self, *options: str) -> float:
        """Boot and wait until systemd says that it runs; return the seconds that took. See nspawn for options."""
        network = ["--private-network"]
        if self._cable is not None:
            network = [f"--network-namespace-path=/run/netns/{self._cable.namespace}"]
        begun = time.monotonic()
        lower = ":".join(map(str, self.layers))
        with (self.folder / "console.log").open("ab") as console:
            self._process = subprocess.Popen(
                [
                    str(HERE / "boot.sh"),
                    self.name,
                    lower,
                    *map(str, (self.upper, self._work, self._root)),
                    *network,
                    f"--bind-ro={HERE / 'shim'}:/rig/shim",
                    f"--bind-ro={HERE}:/rig/tests",
                    *options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        self.wait_booted()
        return time.monotonic() - begun

    def wait_booted(self) -> None:
        """Wait until systemd has started everything."""

        def booted() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, (self.folder / "console.log").read_text(errors="replace")[-3000:]
            with contextlib.suppress(OSError, IndexError):
                return self.run("systemctl", "is-system-running", check=False).strip() in {"running", "degraded"}
            return False

        wait_for(booted, f"{self.name} to boot; see {self.folder}/console.log", BOOT_SECONDS)

    def _leader(self) -> str:
        return (CGROUPS / self.name / "payload/init.scope/cgroup.procs").read_text().split()[0]

    def run(self, *command: str, check: bool = True, stdin: str | None = None, seconds: float = 120.0) -> str:
        """Run a command in it as root; return what it printed, errors too."""
        enter = f"nsenter -t {self._leader()} --mount --uts --ipc --net --pid --cgroup -r -w"
        clean = "env -i PATH=/usr/sbin:/usr/bin HOME=/root LC_ALL=C.UTF-8 TERM=dumb DEBIAN_FRONTEND=noninteractive"
        done = subprocess.run(
            [*enter.split(), *clean.split(), *command],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            input=stdin,
            text=True,
            errors="replace",
            timeout=seconds,
        )
        self.code = done.returncode
        assert done.returncode == 0 or not check, f"{' '.join(command)}: {done.returncode}\n{done.stdout[-3000:]}"
        return done.stdout

    def kill(self) -> None:
        """Pull the power: every process of it is gone at once."""
        group = CGROUPS / self.name
        with contextlib.suppress(OSError):
            (group / "cgroup.kill").write_text("1")
        if self._process is not None:
            self._process.wait(20)
            self._process = None
        if group.is_dir():
            wait_for(lambda: "populated 0" in (group / "cgroup.events").read_text(), f"{self.name} to be gone")
            for path in sorted((found for found in group.rglob("*") if found.is_dir()), reverse=True):
                path.rmdir()
            group.rmdir()

    def wait_reboot(self, seconds: float = 60.0) -> None:
        """Wait until it asks to be rebooted, which nspawn tells by its exit code, and boot it as it was left."""
        assert self._process is not None
        assert self._process.wait(seconds) == ASKS_FOR_REBOOT
        self.kill()
        self.boot()

    def shut_down(self) -> None:
        """Power off in order."""
        self.run("systemctl", "poweroff", "--no-block", check=False)
        assert self._process is not None
        self._process.wait(40)
        self.kill()
