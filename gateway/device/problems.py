"""Judges the facts: which faults of the device are open, and what a technician does about each.

Pure. Not here: reading (readings.py), faults of cameras, store and link, whose owners know them better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from gateway.device.health import Facts

HOT_C, COOL_C = 80.0, 75.0
"""The firmware slows the processor from 80 degrees Celsius; what is open closes below the second number."""
WEAK_DBM, FAIR_DBM = -80, -75
"""Below the first, Wi-Fi loses packets; what is open closes above the second."""
SCARCE_MEMORY, ENOUGH_MEMORY = 0.06, 0.10
"""Available memory as a part of all of it."""
WORN_PERCENT = 90


class Problem(NamedTuple):
    """A fault that is open: the code is for rules at the centre, the rest for people."""

    code: str
    message: str
    hint: str


def problems(facts: Facts, free_mb: int = 64, already_open: Collection[str] = ()) -> list[Problem]:
    """Return the faults that are open, the gravest first. What is unknown is no fault.

    Args:
        facts: the state of the device.
        free_mb: how much the store must leave free beside it.
        already_open: codes that the last call returned; a fault closes later than it opens, so that it does not flap.
    """
    return [
        *_power(facts),
        *_heat(facts, already_open),
        *_card(facts, free_mb, already_open),
        *_rest(facts, already_open),
    ]


def _power(facts: Facts) -> Iterator[Problem]:
    if facts.under_voltage:
        yield Problem(
            "under-voltage",
            "the supply voltage is below 4.63 V",
            "use the board's own power supply and a short, thick cable; unplug what draws from its ports",
        )


def _heat(facts: Facts, already_open: Collection[str]) -> Iterator[Problem]:
    limit = COOL_C if "hot" in already_open else HOT_C
    degrees = facts.temperature_c
    if (degrees is not None and degrees >= limit) or (facts.throttled and not facts.under_voltage):
        told = "unknown temperature" if degrees is None else f"{degrees:.0f} degrees Celsius"
        yield Problem(
            "hot",
            f"the processor is too hot and slows down ({told})",
            "shade the housing, clear its vents, check that the heat sink sits on the processor",
        )


def _card(facts: Facts, free_mb: int, already_open: Collection[str]) -> Iterator[Problem]:
    if facts.read_only:
        yield Problem(
            "read-only",
            "the store's file system cannot be written",
            "look for errors of the card with: journalctl -k -g 'ext4|mmc'; replace the card when there are any",
        )
    if facts.ext4_errors:
        yield Problem(
            "card-errors",
            f"the file systems have recorded {facts.ext4_errors} errors",
            "replace the card; the errors stay counted until the file system is checked with e2fsck",
        )
    if facts.emmc_reserve == "urgent" or (facts.emmc_wear_percent or 0) >= WORN_PERCENT:
        used = "unknown" if facts.emmc_wear_percent is None else f"{facts.emmc_wear_percent} %"
        yield Problem(
            "card-worn", f"the eMMC is near its end (used up: {used})", "replace the module at the next visit"
        )
    limit = free_mb * 5 // 4 if "disk-low" in already_open else free_mb
    if facts.disk_free_mb is not None and facts.disk_free_mb < limit:
        yield Problem(
            "disk-low",
            f"{facts.disk_free_mb} MB are free beside the store, {free_mb} must be",
            "remove what else fills the card, or lower store.cap_mb in gateway.toml",
        )


def _rest(facts: Facts, already_open: Collection[str]) -> Iterator[Problem]:
    if facts.memory_available_mb is not None and facts.memory_total_mb:
        part = facts.memory_available_mb / facts.memory_total_mb
        if part < (ENOUGH_MEMORY if "memory-low" in already_open else SCARCE_MEMORY):
            yield Problem(
                "memory-low",
                f"{facts.memory_available_mb} of {facts.memory_total_mb} MB of memory are available",
                "stop what else runs on the device, or analyse a smaller picture (cameras.analysis)",
            )
    if facts.wifi_signal_dbm is not None:
        limit = FAIR_DBM if "wifi-weak" in already_open else WEAK_DBM
        if facts.wifi_signal_dbm < limit:
            yield Problem(
                "wifi-weak",
                f"the Wi-Fi signal is weak ({facts.wifi_signal_dbm} dBm)",
                "turn or move the aerial, or use a cable",
            )
    if facts.clock_synced is False:
        yield Problem(
            "clock-unsynchronised",
            "nobody keeps the clock right",
            "check that the time server can be reached: timedatectl timesync-status",
        )
