"""A Debian 13 with a kernel of its own: the rig's tree on a virtual disk, under QEMU's emulation of a PC.

What a container cannot show is real here: limits of memory and tasks, the clock and its first boot, the kernel's
tunables, camera devices, a watchdog of hardware, a reboot. A boot takes about a minute, and all in it is some ten times
slower than outside. A cable leads to this side: what listens on 127.0.0.1 here is 10.0.2.2 there. Not here: what is
installed in it (conftest.py).
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway.uplink.rows import STREAMS
from tests.mosquitto import wait_for
from tests.rig.debian import Debian

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).parent
PACKAGES = ("linux-image-amd64", "initramfs-tools", "udev", "kmod", "qemu-guest-agent")
HOST = "10.0.2.2"
"""This side's 127.0.0.1, as a guest sees it."""
BOOT_SECONDS = 900.0
MEMORY_MB = 1024
ASK = """
import socket, sys
asker = socket.socket(socket.AF_UNIX)
asker.connect("/run/camera-gateway/control.sock")
asker.sendall(sys.argv[1].encode() + b"\\n")
sys.stdout.buffer.write(b"".join(iter(lambda: asker.recv(65536), b"")))
"""
"""One question on the daemon's socket; starting the command line takes half a minute here."""
ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL")
LEFT_OUT = ("lsm=yama,apparmor", "modprobe.blacklist=iTCO_wdt", "tsc=reliable")
"""BPF's security hooks, which take PID 1 twenty seconds here and which nobody uses; a second watchdog; doubts about a
counter that stands still while others use the processor: without it each look at the clock would cost a thousand times
as much."""
NETWORK = "[Match]\nName=eth0\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n"


def kernel(tree: Path) -> Path:
    """Return a layer over the tree with a kernel, built when it is not there; skips where it cannot be had."""
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("no qemu-system-x86_64 (apt: qemu-system-x86)")
    if shutil.which("mke2fs", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
        pytest.skip("no mke2fs (apt: e2fsprogs)")
    if not tree.name.endswith("-amd64"):
        pytest.skip(f"{tree.name}: the virtual machine is a PC")
    path = tree.with_name(f"{tree.name}-kernel")
    command = [str(HERE / "build_layer.sh"), str(tree), str(path), *PACKAGES]
    built = subprocess.run(command, check=False, capture_output=True, text=True, timeout=1800)
    if built.returncode:
        pytest.skip(f"no kernel can be had: {built.stderr[-2000:]}")
    return path


class _Lines:
    """Talks JSON in lines with a socket of QEMU's."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(seconds)
        self._rest = b""
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise

    def send(self, said: dict[str, Any], before: bytes = b"") -> None:
        self._socket.sendall(before + json.dumps(said).encode() + b"\n")

    def receive(self) -> dict[str, Any]:
        while b"\n" not in self._rest:
            found = self._socket.recv(1 << 20)
            if not found:
                raise ConnectionError("QEMU has closed")
            self._rest += found
        line, _, self._rest = self._rest.partition(b"\n")
        return dict(json.loads(line.lstrip(b"\xff")))

    def ask(self, execute: str, **arguments: Any) -> Any:
        """Send a command; return its answer, events left out. Raises OSError when it is refused."""
        self.send({"execute": execute, "arguments": arguments})
        while True:
            found = self.receive()
            if "return" in found:
                return found["return"]
            if "error" in found:
                raise OSError(f"{execute}: {found['error']}")

    def close(self) -> None:
        self._socket.close()


class Guest(Debian):
    """One virtual machine; `layers` are the trees below it, the uppermost first, with a kernel's layer among them."""

    patience = 300.0

    def __init__(self, folder: Path, layers: Sequence[Path], kernel: Path) -> None:
        """Prepare it; `write` puts files onto its disk until it is started."""
        self.name = folder.name
        self.folder = folder
        self._layers, self._kernel = list(layers), kernel
        self._upper = folder / "upper"
        self._agent: _Lines | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._upper.mkdir(parents=True)
        self.write("/etc/systemd/network/80-cable.network", NETWORK)
        self.write("/etc/fstab", "/dev/vda / ext4 defaults 0 1\n")
        wants = self._upper / "etc/systemd/system/multi-user.target.wants"
        wants.mkdir(parents=True)
        (wants / "systemd-networkd.service").symlink_to("/usr/lib/systemd/system/systemd-networkd.service")

    def write(self, path: str, text: str) -> None:
        """Write a file, before it is started or while it runs."""
        if self._process is not None:
            self.run("sh", "-c", f"mkdir -p '{Path(path).parent}' && cat >'{path}'", stdin=text)
            return
        file = self.place(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def place(self, path: str) -> Path:
        """Where a file of it lies on this side, before it is started."""
        return self._upper / path.lstrip("/")

    def read(self, path: str) -> str:
        """Return a file's text."""
        return self.run("cat", path)

    def make_disk(self) -> None:
        """Make the disk: all layers in one ext4."""
        script = 'mount -t overlay overlay -o "lowerdir=$1" "$2" && exec mke2fs -q -t ext4 -d "$2" "$3" 4G'
        root = self.folder / "root"
        root.mkdir()
        layers = ":".join(map(str, [self._upper, *self._layers]))
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]
        path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        command += [layers, str(root), str(self.folder / "disk")]
        subprocess.run(command, check=True, env={"PATH": path}, stdout=subprocess.DEVNULL)

    def start(self, clock: str = "utc") -> None:
        """Start it, with its clock chip at `clock` (ISO 8601, UTC), and wait until the service's Debian is up."""
        (image,) = (self._kernel / "boot").glob("vmlinuz-*")
        (disk,) = (self._kernel / "boot").glob("initrd.img-*")
        options = [
            *("-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35,sata=off,hpet=off"),
            *("-accel", "tcg", "-cpu", "Nehalem"),
            *("-smp", "1", "-m", str(MEMORY_MB), "-rtc", f"base={clock},clock=vm"),
            *("-kernel", str(image), "-initrd", str(disk)),
            *("-append", " ".join(["root=/dev/vda rw console=ttyS0 net.ifnames=0 mitigations=off", *LEFT_OUT])),
            *("-drive", f"file={self.folder / 'disk'},format=raw,if=virtio,cache=unsafe"),
            *("-netdev", "user,id=net0", "-device", "virtio-net-pci,netdev=net0,id=card0"),
            *("-chardev", f"socket,id=agent,path={self.folder / 'agent'},server=on,wait=off"),
            *("-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"),
            *("-qmp", f"unix:{self.folder / 'monitor'},server=on,wait=off"),
            *("-serial", f"file:{self.folder / 'console.log'}"),
            *("-device", "i6300esb", "-action", "watchdog=reset"),
        ]
        with (self.folder / "qemu.log").open("ab") as log:
            self._process = subprocess.Popen([*ENDS_WITH_US, "qemu-system-x86_64", *options], stdout=log, stderr=log)
        self.wait_booted()

    def wait_booted(self, not_boot: str = "") -> None:
        """Wait until its agent answers and systemd has started everything, in another boot than `not_boot`."""

        def booted() -> bool:
            with contextlib.suppress(OSError, ValueError):
                if self.boot_id() == not_boot:
                    return False
                state = self.run("systemctl", "is-system-running", check=False).strip()
                return state in {"running", "degraded"}
            self._hang_up()
            return False

        wait_for(booted, f"{self.name} to boot; see {self.folder}/console.log", BOOT_SECONDS)

    def boot_id(self) -> str:
        """Name of this boot."""
        return self.run("cat", "/proc/sys/kernel/random/boot_id").strip()

    def _call(self) -> _Lines:
        """The agent in there, found in step with us."""
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "qemu.log").read_text()
        if self._agent is None:
            self._agent = _Lines(self.folder / "agent", 20.0)
            token = time.monotonic_ns() & 0x7FFFFFFF
            self._agent.send({"execute": "guest-sync", "arguments": {"id": token}}, b"\xff")
            while self._agent.receive().get("return") != token:
                pass  # what was left over from before
        return self._agent

    def _hang_up(self) -> None:
        if self._agent is not None:
            self._agent.close()
            self._agent = None

    def run(self, *command: str, check: bool = True, stdin: str | None = None, seconds: float = 240.0) -> str:
        """Run a command in it as root; return what it printed, errors too. Raises OSError when it does not answer."""
        more = {} if stdin is None else {"input-data": base64.b64encode(stdin.encode()).decode()}
        environment = ["PATH=/usr/sbin:/usr/bin", "HOME=/root", "LC_ALL=C.UTF-8", "TERM=dumb"]
        try:
            agent = self._call()
            started = agent.ask(
                "guest-exec",
                path="/usr/bin/sh",
                arg=["-c", 'exec "$@" 2>&1', "sh", *command],
                env=environment,
                **{"capture-output": True},
                **more,
            )
            begun = time.monotonic()
            until = begun + seconds
            while not (found := agent.ask("guest-exec-status", pid=started["pid"]))["exited"]:
                assert time.monotonic() < until, f"{' '.join(command)}: still runs after {seconds:g} s"
                self._rest(0.1)
            self._rest(2 * (time.monotonic() - begun))  # who asks again and again leaves the processor to others
        except OSError:
            self._hang_up()
            raise
        told = base64.b64decode(found.get("out-data", "")).decode(errors="replace")
        self.code = int(found.get("exitcode", 128 + found.get("signal", 0)))
        assert self.code == 0 or not check, f"{' '.join(command)}: {self.code}\n{told[-3000:]}"
        return told

    def _ask(self, **request: Any) -> dict[str, Any]:
        """Ask the daemon; nothing when it does not answer."""
        told = self.run("python3", "-I", "-S", "-c", ASK, json.dumps(request), check=False)
        return dict(json.loads(told)) if self.code == 0 and told else {}

    def status(self) -> dict[str, Any]:
        """What the daemon says of everything."""
        found: dict[str, Any] = {}

        def told() -> bool:
            found.update(self._ask(ask="status"))
            return bool(found)

        wait_for(told, "the daemon to answer", 120)
        return found

    def waiting(self) -> set[tuple[str, str]]:
        """Lane and number of each message that was committed and waits."""
        found: set[tuple[str, str]] = set()
        for stream in STREAMS:
            after = 0
            while page := self._ask(ask="outbox-page", stream=stream, after=after).get("page"):
                found |= {(stream, str(row["seq"])) for row in page}
                after = page[-1]["place"]
        return found

    def _rest(self, seconds: float) -> None:
        """Wait; less long when the machine ends."""
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def _monitor(self, execute: str, **arguments: Any) -> None:
        monitor = _Lines(self.folder / "monitor", 20.0)
        try:
            monitor.receive()
            monitor.ask("qmp_capabilities")
            monitor.ask(execute, **arguments)
        finally:
            monitor.close()

    def pull(self) -> None:
        """Pull the cable; the guest sees its carrier go."""
        self._monitor("set_link", name="net0", up=False)

    def plug(self) -> None:
        """Put it in again."""
        self._monitor("set_link", name="net0", up=True)

    def crash(self) -> None:
        """Make its kernel panic; it does not answer any more."""
        with contextlib.suppress(OSError):
            self.run("sh", "-c", "echo c >/proc/sysrq-trigger", check=False, seconds=1.0)
        self._hang_up()

    def console(self) -> str:
        """What was said on the serial console so far."""
        return (self.folder / "console.log").read_text(errors="replace")

    def kill(self) -> None:
        """Pull the power."""
        self._hang_up()
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
            self._process = None
