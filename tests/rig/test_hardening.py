"""The unit's restrictions in force, in a booted Debian 13: what must work works, what must not is refused.

Not here, as containers on this kind of machine do not apply them or have none: MemoryMax, TasksMax, a negative
OOMScoreAdjust, tunables, a camera's device (a device that is not allowed stands for all others). See test_guest.py.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from tests.mosquitto import wait_for
from tests.rig.debian import UNIT
from tests.rig.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Callable

MUST_WORK = {"state", "netlink", "internet", "clock", "key"}
REFUSED_TO_US_ONLY = {
    "another device",
    "packet socket",
    "written and run",
    "namespace",
    "mount",
    "reboot by itself",
    "etc",
    "usr",
    "root's files",
    "see others",
    "other system",
}
"""What root may do without the unit's options, also in this machine: that it is refused is the unit's doing."""


def probe(machine: Machine, text: str) -> dict[str, str]:
    """Run the probe as a unit with these options; return what it found."""
    machine.write("/etc/systemd/system/probe.service", text)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "probe.service")
    return dict(json.loads((machine / "run/probe.json").read_text()))


def as_probe(unit: str) -> str:
    """The gateway's unit, which runs the probe once instead."""
    text = re.sub("^ExecStart=.*$", "ExecStart=/usr/bin/python3 /rig/tests/probe.py", unit, flags=re.MULTILINE)
    text = re.sub("^Type=.*$", "Type=oneshot\nStandardOutput=truncate:/run/probe.json", text, flags=re.MULTILINE)
    text = re.sub("^RuntimeDirectory=.*$", "RuntimeDirectory=probe", text, flags=re.MULTILINE)
    return re.sub("^(WatchdogSec|Restart|RestartSec|OOMPolicy)=.*\n", "", text, flags=re.MULTILINE)


def test_what_it_may_and_what_it_may_not(gateway: Callable[..., Machine]) -> None:
    """Under the unit's own options: state, network, clock and key work; everything else on the list is refused.

    The control is root without them, who may do all of it in the same machine.
    """
    machine = gateway("--bind=/dev/fuse")
    machine.run("sh", "-c", "echo secret >/etc/camera-gateway/device.key; chmod 644 /etc/camera-gateway/device.key")
    machine.run("systemd-tmpfiles", "--create", "camera-gateway.conf")
    unit = (machine / "usr/lib/systemd/system/camera-gateway.service").read_text()
    ours = probe(machine, as_probe(unit))
    # nspawn's own rule for devices is lifted in the control, so that the unit's can be told from it
    free = probe(machine, as_probe("[Service]\nType=oneshot\nExecStart=/x\nDevicePolicy=auto\n"))
    print(ours)
    print(free)
    assert {name for name in MUST_WORK if ours[name] != "ok"} == set()
    assert {name for name, told in ours.items() if told == "ok"} == MUST_WORK
    assert {name for name in REFUSED_TO_US_ONLY if free[name] != "ok"} == set()
    assert ours["CanReboot"] == "yes"
    assert ours["CanPowerOff"] in {"challenge", "no"}  # the rule gives leave for a reboot and for nothing else


def test_the_rule_is_what_allows_the_reboot(gateway: Callable[..., Machine]) -> None:
    """The control: without the package's rule the service's user may not reboot."""
    machine = gateway()
    machine.run("rm", "/usr/share/polkit-1/rules.d/50-camera-gateway.rules")
    machine.run("systemctl", "restart", "polkit")
    unit = (machine / "usr/lib/systemd/system/camera-gateway.service").read_text()
    assert probe(machine, as_probe(unit))["CanReboot"] in {"challenge", "no"}


def test_reboots_through_polkit(gateway: Callable[..., Machine]) -> None:
    """The service's user asks logind for a reboot and gets one, and the gateway comes back by itself."""
    machine = gateway()
    machine.wait_active()
    unit = (machine / "usr/lib/systemd/system/camera-gateway.service").read_text()
    text = as_probe(unit).replace("/usr/bin/python3 /rig/tests/probe.py", "/usr/bin/systemctl reboot")
    machine.write("/etc/systemd/system/probe.service", text)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "--no-block", "probe.service")
    machine.wait_reboot()
    machine.wait_active()


def test_no_root_no_port(gateway: Callable[..., Machine]) -> None:
    """No process of the service is root's, and nothing in the whole machine listens on a port."""
    machine = gateway()
    machine.wait_active()
    wait_for(lambda: "gateway eye" in users(machine), "an eye")
    owners = {line.split()[0] for line in users(machine).splitlines()}
    assert owners == {"camera-gateway"}
    assert machine.run("ss", "-H", "-l", "-n", "-t", "-u").strip() == ""
    machine.run("systemd-run", "--unit", "listener", "python3", "-m", "http.server", "8099")  # the control
    wait_for(lambda: "8099" in machine.run("ss", "-H", "-l", "-n", "-t", "-u"), "the check to see a port")


def users(machine: Machine) -> str:
    """Owner and command of every process of the service."""
    group = machine.show("ControlGroup")
    pids = machine.run("cat", f"/sys/fs/cgroup{group}/cgroup.procs").split()
    return machine.run("ps", "-o", "user:32=,args=", "-p", ",".join(pids))


def test_socket_journal_and_self_test(gateway: Callable[..., Machine]) -> None:
    """The command line's socket answers root and the group and nobody else; the journal has the daemon's lines."""
    machine = gateway()
    machine.wait_active()

    told = machine.run("gateway", "selftest", check=False)
    print(told)
    assert "camera.cam0                 delivers the SIMULATED corner" in told
    assert machine.code in {0, 1}, told
    assert "[FAIL]" not in told
    machine.run("useradd", "--groups", "camera-gateway", "member")
    machine.run("useradd", "stranger")
    assert '"epoch"' in machine.run("setpriv", "--reuid=member", "--init-groups", "gateway", "status")
    machine.run("setpriv", "--reuid=stranger", "--init-groups", "gateway", "status", check=False)
    assert machine.code == 1
    assert "eye cam0: started" in machine.journal()


def test_systemd_reckons_it_closed(gateway: Callable[..., Machine]) -> None:
    """`systemd-analyze security` inside, of the unit that runs, with Debian 13's own systemd: at most 2.0."""
    machine = gateway()
    told = machine.run("systemd-analyze", "security", "--threshold=20", "--no-pager", UNIT)
    print(told.splitlines()[-1])
    assert machine.code == 0
