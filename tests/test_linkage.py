"""The link's ladder: what is done beside connecting again, only where it can help, and only what is allowed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.memory.state import Memory
from gateway.recovery.linkage import NETWORK_MANAGER, NETWORKD, SPREAD, Linkage
from gateway.recovery.reboot import Reboot
from tests.mosquitto import Mosquitto, wait_for
from tests.running import Gateway, make_clip

HOUR = 3600


def down(reason: str) -> dict[str, Any]:
    """What a link says that cannot reach its broker."""
    return {"connected": False, "reason": reason, "problem": "no way", "hint": ""}


UP = {"connected": True, "reason": None, "problem": None, "hint": None}


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tools that are found first and keep what they were told; return the file in which they do."""
    folder, told = tmp_path / "bin", tmp_path / "told"
    folder.mkdir()
    for name in ("resolvectl", "nmcli", "networkctl", "systemctl"):
        (folder / name).write_text(f'#!/bin/sh\necho "{name} $@" >> {told}\n')
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return told


def linkage(folder: Path, *, reboots: int = 0, after: float = 0.0, interface: str = "", manager: str = "") -> Linkage:
    """Return the link's carer on a made-up machine, without chance."""
    if manager:
        (folder / manager).mkdir(parents=True)
    reboot = Reboot(Memory(folder, "b1", lambda work: work()), reboots, 900.0)
    return Linkage(reboot, after, interface, root=folder, factor=1.0)


def last(found: Linkage, reason: str, seconds: int, start: float = 0.0) -> list[tuple[int, str]]:
    """Let an outage last; return when which step was taken, reconnecting left out."""
    steps = []
    before = dict(found.ladder.steps)
    for second in range(0, seconds, 5):
        if found._errand is not None:
            wait_for(lambda: found._errand is None or found._errand.result is not None, "the tool to end")
        found.tick(down(reason), start + second)
        found._reboot.tick(time.monotonic())
        for name, count in found.ladder.steps.items():
            if count > before[name] and name != "reconnect":
                steps.append((second, name))
        before = dict(found.ladder.steps)
    wait_for(lambda: found._errand is None or found._errand.result is not None, "the last tool to end")
    return steps


def test_the_network_is_restarted_where_it_may(tmp_path: Path, tools: Path) -> None:
    """Names are asked anew after five minutes, the interface follows twice, and the reboot comes last, once."""
    found = linkage(tmp_path, reboots=1, after=7200.0, interface="wlan0", manager=NETWORK_MANAGER)
    steps = last(found, "timeout", 4 * HOUR)
    assert [name for _, name in steps] == ["re-resolve", "restart-interface", "restart-interface", "reboot"]
    assert [second for second, _ in steps] == [300, 600, 900, 7200]
    reboot = found._reboot._errand
    wait_for(lambda: reboot is None or reboot.result is not None, "the reboot to be asked for")
    assert tools.read_text().splitlines() == [
        "resolvectl flush-caches",
        *["nmcli --wait 60 device connect wlan0"] * 2,
        "systemctl --no-ask-password reboot",
    ]


def test_by_default_nothing_is_restarted(tmp_path: Path, tools: Path) -> None:
    """Without settings an outage of a day restarts neither interface nor device, and goes on being reported."""
    found = linkage(tmp_path, manager=NETWORK_MANAGER)
    assert {name for _, name in last(found, "network", 24 * HOUR)} == {"re-resolve"}
    assert found.status(24.0 * HOUR)["for_s"] == 24 * HOUR
    assert "nmcli" not in tools.read_text()


@pytest.mark.parametrize("reason", ["refused", "credentials", "forbidden", "cert-expired", "taken-over", "silent"])
def test_a_broker_that_refuses_is_no_matter_of_the_network(tmp_path: Path, tools: Path, reason: str) -> None:
    """What answers can be reached: neither names nor interface nor device are to blame."""
    found = linkage(tmp_path, reboots=1, after=1800.0, interface="wlan0", manager=NETWORK_MANAGER)
    assert last(found, reason, 6 * HOUR) == []
    assert found.ladder.steps["reconnect"] > 0


def test_networkd_is_asked_where_it_manages(tmp_path: Path, tools: Path) -> None:
    """Without NetworkManager the interface is configured anew by systemd-networkd; without both it is left alone."""
    last(linkage(tmp_path / "a", interface="eth0", manager=NETWORKD), "dns", HOUR // 2)
    assert "networkctl reconfigure eth0" in tools.read_text()
    tools.write_text("")
    steps = last(linkage(tmp_path / "b", interface="eth0"), "dns", HOUR)
    assert [name for _, name in steps] == ["re-resolve"]


def test_a_tool_that_fails_is_told(tmp_path: Path, tools: Path) -> None:
    """What NetworkManager says when it refuses stands in the report."""
    (tmp_path / "bin" / "nmcli").write_text("#!/bin/sh\necho 'Error: not authorized.' >&2\nexit 4\n")
    found = linkage(tmp_path, interface="wlan0", manager=NETWORK_MANAGER)
    last(found, "network", 700)
    found.tick(down("network"), 700.0)
    assert "not authorized" in found.status(700.0)["problem"]


def test_a_tool_that_hangs_is_no_obstacle(tmp_path: Path, tools: Path) -> None:
    """While a tool does not end no other is started, but a reboot, where it is allowed, ends that as well."""
    (tmp_path / "bin" / "resolvectl").write_text("#!/bin/sh\nexec sleep 60\n")
    found = linkage(tmp_path, reboots=1, after=1800.0)
    for second in range(0, HOUR, 5):
        found.tick(down("dns"), float(second))
    errand = found._errand
    assert errand is not None
    assert errand.result is None
    assert found.ladder.steps["reboot"] == 1
    errand._launch.kill()
    wait_for(lambda: errand.result is not None, "the tool to end")


def test_a_link_that_comes_back_starts_anew(tmp_path: Path, tools: Path) -> None:
    """After a steady minute the next outage begins with reconnecting."""
    found = linkage(tmp_path)
    assert [name for _, name in last(found, "dns", 400)] == ["re-resolve"]
    found.tick(UP, 400.0)
    found.tick(UP, 470.0)
    assert last(found, "dns", 290, 500.0) == []


def test_a_wide_spread_is_no_reason_to_be_rebooted(tmp_path: Path, tools: Path) -> None:
    """The centre spreads connections over an hour: the wait for an attempt does not count towards the reboot."""
    found = linkage(tmp_path, reboots=1, after=1800.0)
    found.spread = 3600.0
    longest = int(1.5 * found.spread)
    assert "reboot" not in [name for _, name in last(found, "network", longest + 1800)]
    assert [name for _, name in last(found, "network", 900, longest + 1800)] == ["reboot"]
    wait_asked(found)


def test_a_short_spread_does_not_put_the_reboot_off(tmp_path: Path, tools: Path) -> None:
    """The control: with the spread of seconds of a demo the same outage ends in the reboot after half an hour."""
    found = linkage(tmp_path, reboots=1, after=1800.0)
    found.spread = 10.0
    (asked,) = [second for second, name in last(found, "network", HOUR) if name == "reboot"]
    assert 1815 <= asked <= 1815 + 300, "when the try to connect that is under way then has not helped"
    wait_asked(found)


def wait_asked(found: Linkage) -> None:
    """Wait until the device was told to restart."""

    def asked() -> bool:
        found._reboot.tick(time.monotonic())
        errand = found._reboot._errand
        return errand is not None and errand.result is not None

    wait_for(asked, "the reboot to be asked for")


def test_a_city_does_not_climb_in_step(tmp_path: Path) -> None:
    """Deadlines differ from gateway to gateway, so that an outage of the broker restarts no interfaces all at once."""
    memory = Memory(tmp_path, "b1", lambda work: work())
    deadlines = {Linkage(Reboot(memory, 0, 900.0), 0.0, "").ladder._rungs[0].deadline for _ in range(20)}
    assert len(deadlines) > 15
    assert min(deadlines) >= 300.0
    assert max(deadlines) <= 300.0 * (1 + SPREAD)


HOSTS = "mount --bind {hosts} /etc/hosts && exec {python} -m gateway run --config {config}"


@pytest.mark.broker
@pytest.mark.system
def test_each_attempt_asks_for_the_brokers_name_anew(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """A broker that has moved is found by the next attempt, without any step: in a mount namespace its name moves."""
    if os.getuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("to change what a name means takes a mount namespace, and that root: sudo scripts/test")
    gateway = Gateway(tmp_path, mosquitto, [make_clip(tmp_path / "clip.npy")])
    text = gateway.config.read_text()
    gateway.config.write_text(text.replace("mqtt://127.0.0.1", "mqtt://broker.gateway-test.invalid"))
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.77 broker.gateway-test.invalid\n")
    script = HOSTS.format(hosts=hosts, python=sys.executable, config=gateway.config)
    with gateway.log.open("ab") as log:
        gateway.process = subprocess.Popen(["unshare", "--mount", "sh", "-c", script], stdout=log, stderr=log)
    try:
        wait_for(gateway.answers, f"the gateway to answer; see {gateway.log}")
        wait_for(lambda: gateway.status()["health"]["link"]["reason"] == "refused", "the old address to refuse")
        assert gateway.status()["health"]["link"]["recovery"]["step"] == "reconnect"
        hosts.write_text("127.0.0.1 broker.gateway-test.invalid\n")
        wait_for(lambda: gateway.status()["health"]["link"]["connected"], "the new address to be found")
        assert gateway.stop() == 0
    finally:
        gateway.stop(signal.SIGKILL)
