"""How the device is: power, heat, card, memory, network, clock.

Three steps: `collect` reads (readings.py), `parse` understands, `problems` judges (problems.py). What a machine does
not have is None, "unknown", and never an error. Not here: who hears of it (heartbeat.py), cameras, the store's rows.
Runs on the daemon's main thread.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.device.readings import collect

if TYPE_CHECKING:
    from gateway.device.readings import Folder, KernelClock, Readings, Space

TIME_ERROR, STA_UNSYNC = 5, 0x40
"""adjtimex(2): its return value and its status bit for a clock that nobody keeps right."""
THROTTLED_BITS = {"under_voltage": 0, "frequency_capped": 1, "throttled": 2, "soft_limit": 3}
"""Bits of the firmware's answer; sixteen higher stands the same, at some time since the boot."""
RESERVE = {1: "normal", 2: "warning", 3: "urgent"}
"""PRE_EOL_INFO of an eMMC (JEDEC JESD84-B51, EXT_CSD 267)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The state of the device; None where the machine does not say."""

    model: str | None = None
    serial: str | None = None
    kernel: str | None = None
    boot: str | None = None
    """First eight hexadecimal digits of the boot id."""
    uptime_s: float | None = None
    cores: int | None = None
    load: float | None = None
    """Mean number of runnable tasks in the last minute."""
    memory_total_mb: int | None = None
    memory_available_mb: int | None = None
    temperature_c: float | None = None
    under_voltage: bool | None = None
    under_voltage_since_boot: bool | None = None
    frequency_capped: bool | None = None
    frequency_capped_since_boot: bool | None = None
    throttled: bool | None = None
    throttled_since_boot: bool | None = None
    soft_limit: bool | None = None
    """The firmware slows the processor down for its temperature."""
    soft_limit_since_boot: bool | None = None
    disk_total_mb: int | None = None
    disk_free_mb: int | None = None
    """On the store's file system, for a process that is not root."""
    read_only: bool | None = None
    """Whether the store's file system cannot be written: mounted so, or made so by the kernel after errors."""
    ext4_errors: int | None = None
    """Errors that the ext4 file systems have recorded, in all."""
    ext4_written_gb: float | None = None
    """Written to the ext4 file systems since they were made."""
    storage: str | None = None
    """Kind and name of the card."""
    emmc_wear_percent: int | None = None
    """How much of its life an eMMC says is used up, in steps of 10; 110: more than all. SD cards do not say."""
    emmc_reserve: str | None = None
    """normal, warning or urgent: how many of its spare blocks an eMMC has used."""
    wifi: str | None = None
    """Name of the wireless interface."""
    wifi_signal_dbm: int | None = None
    wifi_quality: int | None = None
    """The driver's own measure, with most of them 0..70."""
    networks_up: tuple[str, ...] | None = None
    carrier_changes: int | None = None
    """How often cables and wireless links came or went since the boot."""
    clock_synced: bool | None = None
    clock_synced_since_boot: bool | None = None
    """Whether it was so at any time in this boot."""
    clock_error_s: float | None = None
    """Largest possible error that the kernel reckons, in seconds; 16 is also its way to say that it does not know."""


def read(root: Path = Path("/"), store: Path | int = Path("/var/lib/camera-gateway")) -> Facts:
    """Return the state of the device; `root` and `store` as in readings.collect."""
    return parse(collect(root, store))


def parse(readings: Readings) -> Facts:
    """Return what the readings mean; a text that cannot be understood is unknown, too."""
    files, folders, space = readings.files, readings.folders, readings.space
    memory = dict(re.findall(r"^(\w+):\s+(\d{1,15}) kB$", files.get("memory") or "", re.MULTILINE))
    boot = (files.get("boot_id") or "")[:8]
    return Facts(
        model=(files.get("model") or "").strip("\0 \n") or None,
        serial=readings.serial,
        kernel=(files.get("kernel") or "").strip() or None,
        boot=boot if re.fullmatch("[0-9a-f]{8}", boot) else None,
        uptime_s=_first_number(files.get("uptime")),
        cores=_cores(files.get("cores")),
        load=_first_number(files.get("load")),
        memory_total_mb=_mb(memory.get("MemTotal")),
        memory_available_mb=_mb(memory.get("MemAvailable")),
        temperature_c=_temperature(folders.get("zones", [])),
        disk_total_mb=None if space is None else space.total // 1_000_000,
        disk_free_mb=None if space is None else space.free // 1_000_000,
        read_only=_read_only(files.get("mounts"), readings.store, space),
        **_power(folders.get("voltage", []), folders.get("throttled", [])),
        **_card(folders.get("cards", []), folders.get("ext4", [])),
        **_network(files.get("wireless"), folders.get("networks", [])),
        **_clock(readings.clock, timesync=readings.timesync),
    )


def _first_number(text: str | None) -> float | None:
    words = (text or "").split()
    try:
        value = float(words[0]) if words else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _integer(text: str | None, base: int = 10) -> int | None:
    try:
        return int((text or "").strip(), base)
    except ValueError:
        return None


def _mb(kib: str | None) -> int | None:
    return None if kib is None else int(kib) * 1024 // 1_000_000


def _cores(online: str | None) -> int | None:
    """`0-3`, or `0,2-3`."""
    ranges = re.findall(r"(\d{1,5})(?:-(\d{1,5}))?", online or "")
    return sum(int(last or first) - int(first) + 1 for first, last in ranges) or None


def _temperature(zones: list[Folder]) -> float | None:
    """Of the zone that is named after the processor, else of the first one."""
    by_name = sorted(zones, key=lambda zone: not re.search("cpu|soc|x86_pkg", zone.get("type") or ""))
    for zone in by_name:
        milli = _integer(zone.get("temp"))
        if milli is not None and -60_000 < milli < 200_000:  # a zone that is switched off says -273000 or the like
            return milli / 1000
    return None


def _power(sensors: list[Folder], firmware: list[Folder]) -> dict[str, Any]:
    """The firmware's own word, and that of the kernel's voltage sensor, which newer systems have instead of it."""
    facts: dict[str, Any] = {}
    bits = next((value for each in firmware if (value := _integer(each.get("get_throttled"), 16)) is not None), None)
    if bits is not None:
        for name, bit in THROTTLED_BITS.items():
            facts[name] = bool(bits >> bit & 1)
            facts[f"{name}_since_boot"] = bool(bits >> bit + 16 & 1)
    for sensor in sensors:
        alarm = _integer(sensor.get("in0_lcrit_alarm"))
        if (sensor.get("name") or "").strip() == "rpi_volt" and alarm is not None:
            facts["under_voltage"] = bool(alarm) or facts.get("under_voltage", False)
            if alarm:  # that there is no alarm now says nothing of earlier
                facts["under_voltage_since_boot"] = True
    return facts


def _read_only(mounts: str | None, store: str, space: Space | None) -> bool | None:
    """Of the mount that the store lies on: the longest mount point that is a parent of it; of equals the last."""
    options: str | None = None
    longest = -1
    for line in (mounts or "").splitlines():
        words = line.split()
        if len(words) < 4:
            continue
        # Blanks, tabs, line breaks and backslashes in a path are written as octal numbers (fstab(5)).
        point = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), words[1])
        if (store == point or store.startswith(point.rstrip("/") + "/")) and len(point) >= longest:
            options, longest = words[3], len(point)
    if space is not None and space.read_only:
        return True
    if options is not None and store:
        return "ro" in options.split(",")
    return None if space is None else False


def _card(cards: list[Folder], systems: list[Folder]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    errors = [value for each in systems if (value := _integer(each.get("errors_count"))) is not None]
    written = [value for each in systems if (value := _integer(each.get("lifetime_write_kbytes"))) is not None]
    if errors:
        facts["ext4_errors"] = sum(errors)
    if written:
        facts["ext4_written_gb"] = round(sum(written) * 1024 / 1e9, 1)
    names = [" ".join(f"{card.get('type') or ''} {card.get('name') or ''}".split()) for card in cards]
    facts["storage"] = ", ".join(name for name in names if name) or None
    wear = [
        value
        for card in cards
        for word in (card.get("life_time") or "").split()
        if (value := _integer(word, 16)) is not None and 0 < value <= 11  # 0: not told
    ]
    if wear:
        facts["emmc_wear_percent"] = max(wear) * 10
    reserves = [value for card in cards if (value := _integer(card.get("pre_eol_info"), 16)) in RESERVE]
    if reserves:
        facts["emmc_reserve"] = RESERVE[max(value for value in reserves if value is not None)]
    return facts


def _network(wireless: str | None, networks: list[Folder]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    links = [each for each in networks if each["folder"] != "lo"]
    if links:
        facts["networks_up"] = tuple(
            str(each["folder"]) for each in links if (each.get("operstate") or "").strip() == "up"
        )
    changes = [value for each in links if (value := _integer(each.get("carrier_changes"))) is not None]
    if changes:
        facts["carrier_changes"] = sum(changes)
    facts["wifi"] = next((each["folder"] for each in links if str(each["folder"]).startswith("wl")), None)
    # `wlan0: 0000   60.  -50.  -256 ...`: status, quality, level, noise.
    found = re.search(r"^\s*(\S{1,15}):\s+\S+\s+(\d{1,4})\.?\s+(-?\d{1,4})\.?\s", wireless or "", re.MULTILINE)
    if found:
        level = int(found[3])
        facts["wifi"] = found[1]
        facts["wifi_quality"] = int(found[2])
        facts["wifi_signal_dbm"] = level - 256 if level > 63 else level  # some drivers tell it as an unsigned byte
    return facts


def _clock(clock: KernelClock | None, *, timesync: bool) -> dict[str, Any]:
    """The kernel's word; where it may not be asked, timesyncd's, which can only say yes."""
    if clock is None:
        return {"clock_synced": timesync or None, "clock_synced_since_boot": timesync or None}
    synced = clock.state != TIME_ERROR and not clock.status & STA_UNSYNC
    return {
        "clock_synced": synced,
        "clock_synced_since_boot": True if synced or timesync else None,
        "clock_error_s": clock.error_us / 1e6,
    }
