"""Runs inside the machine, under the options of the gateway's own unit: tries what it may and what it must not do.

Prints JSON: what was tried -> "ok", or the name of the error. Knows nothing of the gateway; needs Python only. With
`kernel` as its argument it tries what only a kernel of one's own allows anybody (guest.py).
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

libc: Any = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
PERSONALITY_32BIT = 0x0008
REBOOT = {"x86_64": 169, "aarch64": 142}


def call(name: str, *arguments: Any) -> None:
    """Call a function of libc; raise what it complains of."""
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)


def wrong_reboot() -> None:
    """Ask the kernel to reboot with a wrong magic number: who is allowed to is told that it is wrong."""
    try:
        call("syscall", ctypes.c_long(REBOOT[os.uname().machine]), 1, 2, 3, 0)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise


def login(question: str) -> str:
    """Ask logind, as anybody may: CanReboot, CanPowerOff."""
    command = ["busctl", "call", "org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager"]
    done = subprocess.run([*command, question], check=False, capture_output=True, text=True, timeout=20)
    return (done.stdout.strip() or done.stderr.strip()).removeprefix("s ").strip('"')


def touch(folder: str) -> None:
    """Write a file and take it away."""
    file = Path(folder) / "probe"
    file.write_text("x")
    file.unlink()


def see_others() -> None:
    """See a process that is not ours."""
    if not Path("/proc/1/status").exists():
        raise OSError(errno.ENOENT, "hidden")


def root_by_setuid() -> None:
    """Become root."""
    os.setuid(0)


def write_and_execute() -> None:
    """Memory that is written and run."""
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def clock() -> None:
    """Ask whether the clock is synchronised."""
    call("adjtimex", ctypes.create_string_buffer(256))


TRIED: dict[str, Callable[[], object]] = {
    "state": lambda: touch(os.environ.get("STATE_DIRECTORY", "/var/lib")),
    "etc": lambda: touch("/etc"),
    "usr": lambda: touch("/usr"),
    "root's files": lambda: os.listdir("/root"),  # noqa: PTH208
    "another device": lambda: os.close(os.open("/dev/fuse", os.O_RDWR)),
    "packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM).close(),
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "internet": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).close(),
    "written and run": write_and_execute,
    "namespace": lambda: call("unshare", CLONE_NEWNS),
    "user namespace": lambda: call("unshare", CLONE_NEWUSER),
    "mount": lambda: call("mount", b"tmpfs", b"/mnt", b"tmpfs", 0, None),
    "reboot by itself": wrong_reboot,
    "other system": lambda: call("personality", PERSONALITY_32BIT),
    "become root": root_by_setuid,
    "see others": see_others,
    "real-time": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "clock": clock,
    "key": lambda: Path("/etc/camera-gateway/device.key").read_text(),
}

CLOCK_REALTIME, ADJ_FREQUENCY, LOG_SIZE = 0, 2, 10
FINIT_MODULE = {"x86_64": 313, "aarch64": 273}


class Timespec(ctypes.Structure):
    """struct timespec."""

    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def same_again(path: str) -> None:
    """Write into a file what it says."""
    text = Path(path).read_text()
    Path(path).write_text(text)


def same_time() -> None:
    """Set the clock to what it says."""
    now = Timespec()
    call("clock_gettime", CLOCK_REALTIME, ctypes.byref(now))
    call("clock_settime", CLOCK_REALTIME, ctypes.byref(now))


def same_pace() -> None:
    """Set the clock's frequency to what it is."""
    found = (ctypes.c_ulong * 32)()
    call("adjtimex", found)
    found[0] = ADJ_FREQUENCY
    call("adjtimex", found)


def same_name() -> None:
    """Set the host's name to what it is."""
    socket.sethostname(socket.gethostname())


def group() -> None:
    """Make a control group."""
    made = Path("/sys/fs/cgroup/probe.made")
    made.mkdir()
    made.rmdir()


def refused_otherwise(name: str, allowed: int, *arguments: Any) -> None:
    """Call with what cannot work: who is allowed to is told `allowed`."""
    try:
        call(name, *arguments)
    except OSError as error:
        if error.errno != allowed:
            raise


def no_module() -> None:
    """Load a kernel module from no file."""
    number = ctypes.c_long(FINIT_MODULE[os.uname().machine])
    refused_otherwise("syscall", errno.EBADF, number, -1, b"", 0)


KERNEL: dict[str, Callable[[], object]] = {
    "camera": lambda: os.close(os.open("/dev/video0", os.O_RDWR)),
    "tunable": lambda: same_again("/proc/sys/vm/swappiness"),
    "tunable in sysfs": lambda: same_again("/sys/power/pm_async"),
    "control group": group,
    "kernel log": lambda: call("klogctl", LOG_SIZE, None, 0),
    "kernel log's device": lambda: os.close(os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)),
    "set the clock": same_time,
    "slew the clock": same_pace,
    "host name": same_name,
    "module": no_module,
    "raw disk": lambda: os.close(os.open("/dev/vda", os.O_RDONLY)),
    "ports": lambda: call("ioperm", 0x80, 1, 1),
    "swap": lambda: refused_otherwise("swapoff", errno.ENOENT, b"/nonexistent"),
    "real-time": TRIED["real-time"],
}


def main() -> None:
    """Try everything, the worst last and in a process of its own."""
    found = {}
    kernel = "kernel" in sys.argv
    for name, work in (KERNEL if kernel else TRIED).items():
        child = os.fork()
        if child == 0:
            code = 0
            try:
                work()
            except OSError as error:
                code = error.errno or 255
            os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        found[name] = errno.errorcode.get(code, str(code)) if code else "ok"
    if not kernel:
        found |= {"CanReboot": login("CanReboot"), "CanPowerOff": login("CanPowerOff")}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
