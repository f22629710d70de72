"""What /proc, /sys and the kernel say of this device, as texts and numbers that nobody has understood yet.

The operating system is a folder that is passed in. Starts no process and waits for nothing: all of it is answered
from the kernel's memory. Not here: what the readings mean (health.py). Runs on the daemon's main thread.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gateway.device.identity import BOOT_ID, board_serial

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST = 1 << 16
"""No file that is read here is longer; the rest of a longer one is left away."""
FILES = {
    "model": "proc/device-tree/model",
    "boot_id": BOOT_ID,
    "kernel": "proc/sys/kernel/osrelease",
    "memory": "proc/meminfo",
    "load": "proc/loadavg",
    "uptime": "proc/uptime",
    "mounts": "proc/self/mounts",
    "wireless": "proc/net/wireless",
    "cores": "sys/devices/system/cpu/online",
}
FOLDERS = {
    "zones": ("sys/class/thermal/thermal_zone*", ("type", "temp")),
    "voltage": ("sys/class/hwmon/hwmon*", ("name", "in0_lcrit_alarm")),
    "throttled": ("sys/devices/platform/soc*/*:firmware", ("get_throttled",)),
    "ext4": ("sys/fs/ext4/*", ("errors_count", "lifetime_write_kbytes")),
    "cards": ("sys/block/mmcblk*/device", ("type", "name", "life_time", "pre_eol_info")),
    "networks": ("sys/class/net/*", ("operstate", "carrier_changes")),
}

Folder = dict[str, str | None]
"""Texts of the files of one folder, and under `folder` its name."""


class KernelClock(NamedTuple):
    """What adjtimex(2) says."""

    state: int
    """Its return value, 5 = TIME_ERROR."""
    status: int
    """Bits; 0x40 = STA_UNSYNC."""
    error_us: int
    """Largest possible error of the wall clock in microseconds."""


class Space(NamedTuple):
    """What statvfs(3) says of a file system, in bytes."""

    total: int
    free: int
    read_only: bool


@dataclass(frozen=True)
class Readings:
    """Texts as they stand in the files; what is not there is None or missing."""

    files: dict[str, str | None] = field(default_factory=dict)
    folders: dict[str, list[Folder]] = field(default_factory=dict)
    """For each entry of FOLDERS, what was found."""
    serial: str | None = None
    store: str = ""
    """Absolute path of the folder whose file system is asked for, or empty."""
    space: Space | None = None
    timesync: bool = False
    """Whether systemd-timesyncd has synchronised the clock since the boot."""
    clock: KernelClock | None = None


def adjtimex() -> KernelClock | None:
    """Return what the kernel thinks of its clock, without setting anything; None where it may not be asked."""
    import ctypes  # 5 ms that only the first report pays

    class Timex(ctypes.Structure):
        """struct timex as far as it is used, then room for the rest of its 208 bytes."""

        _fields_ = (
            ("modes", ctypes.c_uint),
            ("offset", ctypes.c_long),
            ("freq", ctypes.c_long),
            ("maxerror", ctypes.c_long),
            ("esterror", ctypes.c_long),
            ("status", ctypes.c_int),
            ("rest", ctypes.c_byte * 256),
        )

    answer = Timex()
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.byref(answer))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else KernelClock(state, answer.status, answer.maxerror)


def collect(root: Path, store: Path | int, kernel_clock: Callable[[], KernelClock | None] = adjtimex) -> Readings:
    """Read everything.

    Args:
        root: where /proc, /sys and /run are.
        store: the folder whose file system is asked for; an open descriptor of it spares the look-up of its path,
            which may have to wait for the card.
        kernel_clock: the one question that no folder answers.
    """
    return Readings(
        files={name: _text(root / path) for name, path in FILES.items()},
        folders={name: _folders(root, pattern, leaves) for name, (pattern, leaves) in FOLDERS.items()},
        serial=board_serial(root),
        store=_path_of(store),
        space=_space(store),
        timesync=_exists(root / "run/systemd/timesync/synchronized"),
        clock=kernel_clock(),
    )


def _folders(root: Path, pattern: str, leaves: tuple[str, ...]) -> list[Folder]:
    try:
        found = sorted(root.glob(pattern))
    except OSError:
        return []
    return [{leaf: _text(folder / leaf) for leaf in leaves} | {"folder": folder.name} for folder in found]


def _text(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return file.read(LONGEST).decode("utf-8", "replace")
    except OSError:  # absent, not ours to read, or the driver cannot tell right now
        return None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _path_of(store: Path | int) -> str:
    try:
        return str(Path(f"/proc/self/fd/{store}").readlink() if isinstance(store, int) else store.absolute())
    except OSError:
        return ""


def _space(store: Path | int) -> Space | None:
    try:
        answer = os.statvfs(store)
    except OSError:
        return None
    size = answer.f_frsize
    return Space(answer.f_blocks * size, answer.f_bavail * size, bool(answer.f_flag & os.ST_RDONLY))
