"""Faults of the system, with the package in a booted Debian 13: each ends in a running service, nothing is lost.

Compressed: the broker that is away for an hour is away for half a minute here, as nothing in the gateway but its
back-off knows how long it was, and that is bounded in test_link_backoff.py and test_storm.py.
"""

from __future__ import annotations

import re
import signal
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from gateway.wire.message import inflate
from tests.mosquitto import wait_for
from tests.rig.centre import Centre
from tests.rig.conftest import configuration
from tests.rig.debian import UNIT
from tests.rig.promises import all_arrive, info, some_wait

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.mosquitto import Mosquitto, Sniffer
    from tests.rig.machine import Cable, Machine

TEN_YEARS = 10 * 365 * 86400
FALSE_CLOCK = """[Service]
Environment=LD_PRELOAD=/usr/$LIB/faketime/libfaketime.so.1 FAKETIME_TIMESTAMP_FILE=/var/lib/camera-gateway/clock
Environment=FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_DISABLE_SHM=1
"""
"""The service's wall clock is off by as many seconds as stand in that file."""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_killed_or_frozen(
    gateway: Callable[..., Machine], cable: Cable, centre: Sniffer, number: signal.Signals
) -> None:
    """A daemon that is killed comes back, one that is frozen is found by the watchdog; what was committed arrives."""
    cable.pull()
    machine = gateway()
    promised = some_wait(machine)
    old = machine.wait_active()
    machine.run("kill", f"-{number.name.removeprefix('SIG')}", old)
    machine.wait_active(not_pid=old, seconds=90)
    if number == signal.SIGSTOP:
        assert "Watchdog timeout" in machine.journal()
    cable.plug()
    all_arrive(centre, promised)
    wait_for(lambda: b"watchdog" in info(centre) or b"kill" in info(centre), "why the last run ended, in up/info")


def test_no_network_at_boot(gateway: Callable[..., Machine], cable: Cable, centre: Sniffer) -> None:
    """Without a network it boots, watches and stores; when the cable is plugged in, everything arrives."""
    cable.pull()
    machine = gateway()
    machine.wait_active()
    promised = some_wait(machine)
    assert machine.show("NRestarts") == "0"
    cable.plug()
    all_arrive(centre, promised)


def test_a_broker_that_comes_later(gateway: Callable[..., Machine], broker: Mosquitto, centre: Sniffer) -> None:
    """While nobody listens it stores and tries; when the broker comes, everything arrives, without a restart."""
    broker.stop()
    machine = gateway()
    machine.wait_active()
    promised = some_wait(machine, 6)
    broker.start()
    all_arrive(centre, promised)
    assert machine.show("NRestarts") == "0"


def test_a_full_disk(gateway: Callable[..., Machine], cable: Cable, centre: Sniffer) -> None:
    """With the store's file system full it goes on watching, says so, and what was committed before arrives."""
    cable.pull()
    machine = gateway("--tmpfs=/var/lib/camera-gateway:size=24M,mode=0777")
    promised = some_wait(machine)
    machine.run("sh", "-c", "dd if=/dev/zero of=/var/lib/camera-gateway/ballast bs=1M; true")
    wait_for(lambda: "disk" in machine.run("gateway", "status"), "the full disk to be told")
    cable.plug()
    all_arrive(centre, promised)
    machine.wait_active()
    assert machine.show("NRestarts") == "0"
    machine.run("rm", "/var/lib/camera-gateway/ballast")


def test_a_read_only_file_system(gateway: Callable[..., Machine], centre: Sniffer) -> None:
    """Booted on a card that went read-only it runs, reports, and alarms still reach the centre."""
    machine = gateway()
    machine.wait_active()
    machine.run("systemctl", "stop", UNIT)
    machine.run("mount", "--bind", "/var/lib/camera-gateway", "/var/lib/camera-gateway")
    machine.run("mount", "-o", "remount,bind,ro", "/var/lib/camera-gateway")
    heard = len(centre.payloads("/up/event/motion/"))
    machine.run("systemctl", "start", UNIT)
    machine.wait_active()
    wait_for(lambda: len(centre.payloads("/up/event/motion/")) > heard, "an event from a read-only corner", 90)
    wait_for(lambda: any(b"store" in said for said in centre.payloads("/up/health")), "the store's fault in up/health")


def change_clock(machine: Machine, seconds: int) -> None:
    """Let the service's clock be off by so much from now on; libfaketime ends a process that finds the file empty."""
    place = "/var/lib/camera-gateway/clock"
    machine.run("sh", "-c", f"echo {seconds:+d} >{place}.new && chmod 644 {place}.new && mv {place}.new {place}")


@pytest.mark.parametrize("jump", [TEN_YEARS, -TEN_YEARS])
def test_a_clock_that_jumps(gateway: Callable[..., Machine], cable: Cable, centre: Sniffer, jump: int) -> None:
    """The wall clock jumps ten years while it runs: no restart, nothing expires that is due, everything arrives."""
    cable.pull()
    machine = gateway()
    first = machine.wait_active()
    machine.write(f"/etc/systemd/system/{UNIT}.service.d/clock.conf", FALSE_CLOCK)
    machine.write("/var/lib/camera-gateway/clock", "+0")
    machine.run("chmod", "644", "/var/lib/camera-gateway/clock")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", UNIT)
    pid = machine.wait_active(not_pid=first)
    promised = some_wait(machine)
    change_clock(machine, jump)
    promised |= some_wait(machine, len(promised) + 2)
    cable.plug()
    all_arrive(centre, promised)
    assert machine.wait_active() == pid
    times = [inflate(payload)["time"][:4] for payload in centre.payloads("/up/event/")]
    assert len(set(times)) == 2, times  # the control: it did jump


def test_tls_before_anybody_has_told_the_time(
    machine: Machine, cable: Cable, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A certificate of today, a clock of last month: status, self-test and log say so, and nothing is lost meanwhile.

    When the time comes the link does as well, without a restart. The first boot itself is in test_guest.py.
    """
    centre = Centre(tmp_path / "centre", cable.here, datetime.now(UTC) - timedelta(hours=1), cable.here)
    request.addfinalizer(centre.stop)
    text = configuration(centre.url, ca_file='"/etc/camera-gateway/ca.pem"')
    machine.write("/etc/camera-gateway/gateway.toml", text)
    machine.write("/etc/camera-gateway/ca.pem", centre.authority)
    machine.write(f"/etc/systemd/system/{UNIT}.service.d/clock.conf", FALSE_CLOCK)
    machine.write("/var/lib/camera-gateway/clock", f"-{30 * 86400}")
    machine.boot()
    pid = machine.wait_active()
    wait_for(lambda: machine.status()["health"]["link"]["reason"] == "clock-or-cert", "the certificate to be refused")
    told = machine.run("gateway", "selftest", check=False)
    print(told)
    assert machine.code == 2
    assert re.search(r"\[FAIL\] broker\.roundtrip .*not yet valid", told)
    assert "clock" in told
    assert "not yet valid" in machine.journal()
    promised = some_wait(machine)
    assert not centre.sniffer.payloads("/up/")
    change_clock(machine, 0)
    all_arrive(centre.sniffer, promised)
    assert machine.wait_active() == pid
    assert machine.show("NRestarts") == "0"


def test_a_configuration_that_breaks(gateway: Callable[..., Machine], centre: Sniffer) -> None:
    """A technician's slip in the file leaves the corner running on the last good one, over a reboot of the service."""
    machine = gateway()
    old = machine.wait_active()
    wait_for(lambda: centre.payloads("/up/config"), "the first configuration")
    machine.write("/etc/camera-gateway/gateway.toml", configuration("mqtt://nowhere") + "nonsense = [")
    machine.run("systemctl", "restart", UNIT)
    machine.wait_active(not_pid=old)
    wait_for(lambda: any(b"last-good" in said for said in centre.payloads("/up/config")), "last-good in up/config")
