"""Who this device is: its name on the wire, and which boot this is.

The operating system is a folder that is passed in. Not here: what the settings allow (configuration/settings.py), the
client certificate (uplink). Runs once, on the daemon's main thread, before the link is opened.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from gateway.errors import SettingsError

ID_LENGTH = 64
BOARD_SERIAL = "proc/device-tree/serial-number"
CPU_INFO = "proc/cpuinfo"
MACHINE_ID = "etc/machine-id"
BOOT_ID = "proc/sys/kernel/random/boot_id"
UNKNOWN_BOOT = "00000000"


def gateway_id(configured: str = "", root: Path = Path("/")) -> str:
    """Return the name of this device: `[a-z0-9-]{1,64}`, the same at every start.

    The settings' own, else the board's serial number, else `gw-` and a hash of the machine id (which is a secret of
    the operating system, machine-id(5), so it never leaves as it is).

    Raises:
        SettingsError: none of the three is there.
    """
    if configured:
        return configured
    serial = board_serial(root)
    if serial is not None and (name := name_from_serial(serial)):
        return name
    if name := name_from_machine_id(_read(root / MACHINE_ID) or ""):
        return name
    raise SettingsError(
        f"this device has no name: {root / BOARD_SERIAL} and {root / MACHINE_ID} are absent or empty",
        'give it one in gateway.toml: id = "gw-000123"',
    )


def board_serial(root: Path = Path("/")) -> str | None:
    """Return the board's serial number as the firmware tells it, or None where there is none (no Pi)."""
    text = _read(root / BOARD_SERIAL)
    if text is None:
        found = re.search(r"^Serial\s*:\s*(\S+)\s*$", _read(root / CPU_INFO) or "", re.MULTILINE)
        text = found.group(1) if found else ""
    return text.strip("\0 \t\r\n") or None


def name_from_serial(serial: str) -> str:
    """Return the serial number as a name, or nothing when it does not tell boards apart (all zeros)."""
    name = re.sub("[^a-z0-9-]+", "-", serial.lower()).strip("-")[:ID_LENGTH]
    return name if name.strip("0-") else ""


def name_from_machine_id(machine_id: str) -> str:
    """Return a name that does not tell the machine id, or nothing when that is not 32 hexadecimal digits."""
    text = machine_id.strip()
    if not re.fullmatch("[0-9a-f]{32}", text) or not text.strip("0"):
        return ""  # absent, or "uninitialized" in an image that was never started
    return "gw-" + hashlib.sha256(b"camera-gateway " + text.encode()).hexdigest()[:16]


def boot_id(root: Path = Path("/")) -> str:
    """Return the first eight hexadecimal digits of the kernel's boot id, or zeros where there is none."""
    text = (_read(root / BOOT_ID) or "").strip()[:8]
    return text if re.fullmatch("[0-9a-f]{8}", text) else UNKNOWN_BOOT


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
