"""A device that dies as a whole comes back: the hardware's watchdog and the ladder's reboot, in a virtual machine.

Its tests are one story, in order; it takes three boots under emulation. The same reboot in a container, with what the
budget does afterwards, is in test_start.py.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from tests.mosquitto import Mosquitto, Sniffer, wait_for
from tests.rig.device import FIRST_CLOCK, FLOOR, clock, device, restart, settings
from tests.rig.guest import HOST
from tests.rig.promises import all_arrive, info, some_wait

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.rig.guest import Guest

DARK = "/dev/video77"
RECOVERY = "[recovery]\nreboots_a_day = 1\nreboot_after_s = 60\n"
LONG_AGO = 365 * 86400.0
NOW = "2026-12-01T12:00:00Z"


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Sniffer]]:
    """The centre: its broker's address as a guest sees it, and one who hears everything."""
    broker = Mosquitto(tmp_path_factory.mktemp("mosquitto"))
    broker.start()
    heard = Sniffer(broker.broker, session=3600, client_id="centre").start()
    yield f"mqtt://{HOST}:{broker.port}", heard
    heard.stop()
    broker.stop()


@pytest.fixture(scope="module")
def guest(
    installed: list[Path], tree: Path, outside: tuple[str, Sniffer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guest]:
    """A device whose clock chip knows nothing and whose file with the floor is older than its systemd."""
    made = device(installed, tree, tmp_path_factory.mktemp("resets"), settings(outside[0]))
    try:
        made.write(FLOOR, "")
        os.utime(made.place(FLOOR), (LONG_AGO, LONG_AGO))
        made.make_disk()
        made.start(FIRST_CLOCK)
        yield made
    finally:
        made.kill()


def test_without_the_floor_the_clock_is_older(guest: Guest) -> None:
    """The control of the package's clock floor: without a young file PID 1 knows only its own age."""
    (told,) = re.findall("System time advanced to .*", guest.run("dmesg"))
    print(told)
    assert FLOOR not in told
    guest.wait_active()


def test_a_kernel_that_hangs(guest: Guest, outside: tuple[str, Sniffer]) -> None:
    """The watchdog of the hardware, set as Raspberry Pi OS sets it, resets a device whose kernel has died.

    The corner comes back with a clock that is years behind again, and what was committed with the cable out arrives.
    """
    guest.run("date", "-s", NOW)
    guest.write("/etc/systemd/system.conf.d/watchdog.conf", "[Manager]\nRuntimeWatchdogSec=30\n")
    guest.run("systemctl", "daemon-reexec")
    guest.pull()
    promised = some_wait(guest)
    boot, before = guest.boot_id(), clock(guest)
    guest.run("sync", "-f", "/etc/systemd/system.conf.d/watchdog.conf")
    assert guest.read("/proc/sys/kernel/panic").strip() == "0"  # the kernel itself would wait for ever
    guest.crash()
    guest.wait_booted(not_boot=boot)
    guest.wait_active()
    assert "Kernel panic" in guest.console()
    assert clock(guest) < before
    guest.plug()
    all_arrive(outside[1], promised, guest.patience)


def test_a_dark_camera_reboots_the_device_once(guest: Guest, outside: tuple[str, Sniffer]) -> None:
    """The ladder's last step is a reboot of a whole machine; its budget is on the disk, and the centre is told why."""
    url, heard = outside
    boot = guest.boot_id()
    guest.pull()
    restart(guest, settings(url, DARK, RECOVERY))
    promised = some_wait(guest, 1)
    guest.wait_booted(not_boot=boot)
    guest.wait_active()
    assert "reboot: Restarting system" in guest.console()
    guest.plug()
    all_arrive(heard, promised, guest.patience)
    wait_for(lambda: b"camera-failed" in info(heard), "why it was rebooted, in up/info", 120)
    told = guest.status()["health"]["recovery"]
    print(told)
    assert (told["done_today"], told["asked"]) == (1, "")
