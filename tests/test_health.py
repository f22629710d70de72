"""Health: a device's state from its files, on every board that we mount and on one that is none of them."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.device.health import Facts, parse, read
from gateway.device.problems import problems
from gateway.device.readings import KernelClock, Readings, Space, adjtimex, collect
from tests.device_facts import STORE, SYNCHRONISED, UNSYNCHRONISED, codes, facts_of
from tests.device_trees import WIFI, five, four, no_pi, three_b_plus, zero_2_w


def test_zero_2_w_remembers_too_little_voltage(tmp_path: Path) -> None:
    """Under-voltage earlier in this boot is told apart from under-voltage now."""
    facts = facts_of(tmp_path, zero_2_w())
    assert (facts.under_voltage, facts.under_voltage_since_boot) == (False, True)
    assert (facts.throttled, facts.throttled_since_boot) == (False, True)
    assert (facts.model, facts.serial) == ("Raspberry Pi Zero 2 W Rev 1.0", "00000000A1B2C3D4")
    assert (facts.memory_total_mb, facts.memory_available_mb, facts.cores) == (447, 215, 4)
    assert (facts.wifi, facts.wifi_signal_dbm, facts.wifi_quality) == ("wlan0", -58, 52)
    assert codes(facts) == []


def test_three_b_plus_without_the_firmwares_word(tmp_path: Path) -> None:
    """Where only the voltage sensor speaks, under-voltage is known from it and throttling is unknown."""
    facts = facts_of(tmp_path, three_b_plus())
    assert (facts.under_voltage, facts.under_voltage_since_boot) == (True, True)
    assert facts.throttled is facts.throttled_since_boot is facts.frequency_capped is None
    assert facts.temperature_c == 83.5
    assert (facts.networks_up, facts.carrier_changes) == (("eth0", "wlan0"), 5)
    assert codes(facts) == ["under-voltage", "hot"]


def test_a_quiet_sensor_does_not_speak_for_the_past(tmp_path: Path) -> None:
    """The voltage sensor clears itself: that it is quiet now does not say that it was so since the boot."""
    facts = facts_of(tmp_path, three_b_plus() | {"sys/class/hwmon/hwmon0/in0_lcrit_alarm": "0\n"})
    assert (facts.under_voltage, facts.under_voltage_since_boot) == (False, None)


def test_four_with_emmc(tmp_path: Path) -> None:
    """An eMMC tells its wear, and a healthy board has no fault."""
    facts = facts_of(tmp_path, four())
    assert (facts.storage, facts.emmc_wear_percent, facts.emmc_reserve) == ("MMC BJTD4R", 20, "normal")
    assert (facts.ext4_errors, facts.ext4_written_gb) == (0, 50.0)
    assert (facts.clock_synced, facts.clock_synced_since_boot, facts.clock_error_s) == (True, True, 0.0015)
    assert (facts.disk_total_mb, facts.disk_free_mb, facts.read_only) == (31_000, 24_000, False)
    assert (facts.uptime_s, facts.load, facts.boot) == (3471.52, 0.52, "5d1c8f00")
    assert codes(facts) == []


def test_five_has_other_names(tmp_path: Path) -> None:
    """On a Pi 5 the firmware is found under its other bus name, and a zone that is switched off is not believed."""
    facts = facts_of(tmp_path, five())
    assert (facts.frequency_capped, facts.frequency_capped_since_boot, facts.under_voltage) == (True, True, False)
    assert facts.temperature_c == 61.45


def test_no_pi(tmp_path: Path) -> None:
    """On a machine that is no Pi the rest is read, and what it does not have is unknown."""
    facts = facts_of(tmp_path, no_pi())
    assert (facts.memory_total_mb, facts.cores, facts.load) == (8192, 2, 1.0)
    for name in ("model", "serial", "temperature_c", "under_voltage", "throttled", "storage", "ext4_errors", "wifi"):
        assert getattr(facts, name) is None, name
    assert codes(facts) == []


@pytest.mark.parametrize(
    ("zones", "expected"),
    [
        ({"pmic": "40000", "cpu-thermal": "61000"}, 61.0),
        ({"acpitz": "27800", "x86_pkg_temp": "44000"}, 44.0),
        ({"gpu": "48000"}, 48.0),
        ({"cpu-thermal": "-273000"}, None),
        ({"cpu-thermal": "-1", "gpu": "50000"}, -0.001),
        ({"cpu-thermal": "255000", "gpu": "50000"}, 50.0),
    ],
)
def test_temperature_is_the_processors(tmp_path: Path, zones: dict[str, str], expected: float | None) -> None:
    """The processor's own zone is asked first, and a temperature that no processor has is not believed."""
    files = {}
    for number, (kind, temperature) in enumerate(zones.items()):
        files[f"sys/class/thermal/thermal_zone{number}/type"] = kind + "\n"
        files[f"sys/class/thermal/thermal_zone{number}/temp"] = temperature + "\n"
    assert facts_of(tmp_path, files).temperature_c == expected


def test_either_word_for_under_voltage_counts(tmp_path: Path) -> None:
    """When the firmware says under-voltage and the sensor's two seconds were quiet, it is under-voltage."""
    facts = facts_of(tmp_path, four() | {"sys/devices/platform/soc/soc:firmware/get_throttled": "10001\n"})
    assert (facts.under_voltage, facts.under_voltage_since_boot) == (True, True)


def test_another_sensors_alarm_is_none_of_the_supplys(tmp_path: Path) -> None:
    """Of the sensors only the one that is named after the supply speaks for it: a Pi 5 has four."""
    others = {"sys/class/hwmon/hwmon2/in0_lcrit_alarm": "1\n"}
    assert facts_of(tmp_path / "other", five() | others).under_voltage is False
    its_own = {"sys/class/hwmon/hwmon1/in0_lcrit_alarm": "1\n"}
    assert facts_of(tmp_path / "own", five() | its_own).under_voltage is True


def test_wifi_level_as_an_unsigned_byte(tmp_path: Path) -> None:
    """Drivers that tell the signal as an unsigned byte mean the same -58 dBm."""
    wireless = WIFI["proc/net/wireless"].replace("-58.", "198.")
    assert facts_of(tmp_path, zero_2_w() | {"proc/net/wireless": wireless}).wifi_signal_dbm == -58


def test_an_emmc_that_does_not_tell(tmp_path: Path) -> None:
    """Zero in the wear fields means that the card does not tell, not that it is as new."""
    untold = {"sys/block/mmcblk0/device/life_time": "0x00 0x00\n", "sys/block/mmcblk0/device/pre_eol_info": "0x00\n"}
    facts = facts_of(tmp_path, four() | untold)
    assert (facts.emmc_wear_percent, facts.emmc_reserve) == (None, None)


def test_loopback_is_no_network(tmp_path: Path) -> None:
    """A device with nothing but its loopback has no network that could be up."""
    facts = facts_of(tmp_path, {"sys/class/net/lo/operstate": "unknown\n", "sys/class/net/lo/carrier_changes": "0\n"})
    assert (facts.networks_up, facts.carrier_changes) == (None, None)


@pytest.mark.parametrize(
    ("mounts", "space", "expected"),
    [
        ("/dev/a / ext4 ro 0 0\n/dev/b /var/lib/camera-gateway ext4 rw 0 0\n", None, False),
        ("/dev/a / ext4 rw 0 0\n/dev/b /var/lib/camera-gateway ext4 ro,noatime 0 0\n", None, True),
        ("/dev/a / ext4 rw 0 0\n/dev/b /var/lib/camera ext4 ro 0 0\n", None, False),
        ("/dev/a / ext4 rw 0 0\n/dev/b / ext4 ro 0 0\n", None, True),
        ("/dev/a / ext4 rw,errors=remount-ro 0 0\n", None, False),
        ("/dev/a / ext4 rw 0 0\n", Space(1, 1, read_only=True), True),
        ("", Space(1, 1, read_only=False), False),
        ("", None, None),
    ],
)
def test_read_only_is_of_the_stores_file_system(mounts: str, space: Space | None, *, expected: bool | None) -> None:
    """The mount that the store lies on decides, not the root beside it, nor an option that only looks like `ro`."""
    facts = parse(Readings(files={"mounts": mounts}, store=str(STORE), space=space))
    assert facts.read_only is expected
    assert ("read-only" in codes(facts)) is (expected is True)


@pytest.mark.parametrize(
    ("clock", "timesync", "synced", "since_boot"),
    [
        (SYNCHRONISED, False, True, True),
        (UNSYNCHRONISED, False, False, None),
        (UNSYNCHRONISED, True, False, True),  # set by hand since then, or out of reach of a server for hours
        (KernelClock(0, 0x40, 0), True, False, True),
        (KernelClock(5, 0, 0), True, False, True),
        (None, True, True, True),
        (None, False, None, None),
    ],
)
def test_clock(clock: KernelClock | None, *, timesync: bool, synced: bool | None, since_boot: bool | None) -> None:
    """The kernel's word decides; without it timesyncd's, whose silence says nothing."""
    facts = parse(Readings(clock=clock, timesync=timesync))
    assert (facts.clock_synced, facts.clock_synced_since_boot) == (synced, since_boot)
    assert ("clock-unsynchronised" in codes(facts)) is (synced is False)


def test_adjtimex_agrees_with_the_kernel() -> None:
    """The structure is laid out as the kernel's: its fields hold what a clock can have, and asking sets nothing."""
    if os.uname().machine not in {"x86_64", "aarch64"}:
        pytest.skip("the layout is checked on 64-bit machines")
    first, second = adjtimex(), adjtimex()
    assert first is not None
    assert second is not None
    assert first.state in range(6)
    assert (first.state == 5) == bool(first.status & 0x40)
    assert 0 <= first.error_us <= 16_000_000
    assert first.status == second.status
    assert ctypes.sizeof(ctypes.c_long) == 8


@pytest.mark.parametrize(
    ("opens", "holds", "closes", "code"),
    [
        ({"temperature_c": 80.0}, {"temperature_c": 76.0}, {"temperature_c": 74.0}, "hot"),
        ({"disk_free_mb": 63}, {"disk_free_mb": 70}, {"disk_free_mb": 80}, "disk-low"),
        ({"wifi_signal_dbm": -81}, {"wifi_signal_dbm": -77}, {"wifi_signal_dbm": -75}, "wifi-weak"),
        ({"memory_available_mb": 5}, {"memory_available_mb": 8}, {"memory_available_mb": 10}, "memory-low"),
    ],
)
def test_faults_do_not_flap(opens: dict[str, Any], holds: dict[str, Any], closes: dict[str, Any], code: str) -> None:
    """A fault opens at one value and closes only well on the other side of it."""
    usual = Facts(memory_total_mb=100, memory_available_mb=50)
    assert code in codes(replace(usual, **opens))
    assert code not in codes(replace(usual, **holds))
    assert code in codes(replace(usual, **holds), already_open=(code,))
    assert code not in codes(replace(usual, **closes), already_open=(code,))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (Facts(throttled=True), ["hot"]),
        (Facts(throttled=True, under_voltage=True), ["under-voltage"]),  # slowed for its voltage, not for its heat
        (Facts(ext4_errors=2), ["card-errors"]),
        (Facts(emmc_wear_percent=90), ["card-worn"]),
        (Facts(emmc_wear_percent=80, emmc_reserve="warning"), []),
        (Facts(emmc_reserve="urgent"), ["card-worn"]),
        (Facts(under_voltage_since_boot=True), []),
    ],
)
def test_faults_of_card_and_power(facts: Facts, expected: list[str]) -> None:
    """Each fault has its code, and says what it found and what to do."""
    found = problems(facts)
    assert [problem.code for problem in found] == expected
    assert all(problem.message and problem.hint for problem in found)


def test_a_descriptor_stands_for_the_store(tmp_path: Path) -> None:
    """The store may be given as an open descriptor: same file system, same path, no look-up."""
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        by_number, by_path = collect(Path("/"), descriptor), collect(Path("/"), tmp_path)
    finally:
        os.close(descriptor)
    assert by_number.store == by_path.store == str(tmp_path)
    assert by_number.space is not None
    assert by_path.space is not None
    assert by_number.space.total == by_path.space.total


def test_this_machine() -> None:
    """On the machine that runs the tests the facts that every Linux has are known."""
    facts = read(store=Path("/tmp"))
    for name in ("kernel", "boot", "uptime_s", "cores", "load", "memory_total_mb", "disk_free_mb", "read_only"):
        assert getattr(facts, name) is not None, name


def test_a_reading_starts_no_process_and_opens_nothing_for_writing(tmp_path: Path) -> None:
    """Reading the state starts no process, opens no socket and writes no file: an audit hook would hear of it."""
    script = (
        "import sys; from pathlib import Path; from gateway.device.health import read\n"
        "from gateway.device.identity import gateway_id\n"
        "read(); heard = []\n"  # once before: ctypes is loaded then
        "def hear(event, args):\n"
        "    if event.startswith(('subprocess', 'os.fork', 'os.posix_spawn', 'os.exec', 'os.system', 'socket')):\n"
        "        heard.append(event)\n"
        "    if event == 'open' and isinstance(args[2], int) and args[2] & 3: heard.append(f'{event} {args}')\n"
        "sys.addaudithook(hear)\n"
        "read(); gateway_id('x')\n"
        "if sys.argv[1:]: open(sys.argv[1], 'w').close()\n"
        "print(*heard)\n"
    )
    quiet = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert quiet.stdout.strip() == ""
    control = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "x")], capture_output=True, text=True, check=True
    )
    assert "open" in control.stdout
