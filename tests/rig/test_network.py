"""The link's ladder against those who really manage a network: an interface that has lost its address gets it back.

The daemon, its unit and the package's polkit rule are what they are on a device; only the ladder's times are shortened
(shim/hasten.py), as ten minutes of outage come before this step.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.mosquitto import wait_for
from tests.rig.conftest import configuration
from tests.rig.machine import HERE, Machine
from tests.rig.promises import all_arrive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.mosquitto import Mosquitto, Sniffer
    from tests.rig.machine import Cable

PTH = "/usr/local/lib/python3.13/dist-packages/hasten.pth"
HASTEN = 'import sys; sys.path.append("/rig/shim"); import hasten\n'
RULE = "/usr/share/polkit-1/rules.d/50-camera-gateway.rules"
NETWORK = "[Match]\nName=eth0\n[Network]\nAddress={there}/30\n"
CONNECTION = """[connection]
id=cable
type=ethernet
interface-name=eth0
[ipv4]
method=manual
address1={there}/30
[ipv6]
method=disabled
"""
MANAGES_VETH = "[main]\nplugins=keyfile\n[device-rig]\nmatch-device=interface-name:eth0\nmanaged=1\n"


def link(machine: Machine) -> dict[str, Any]:
    """What the daemon says of its link."""
    return dict(machine.status()["health"]["link"])


def networkd(machine: Machine, there: str) -> None:
    """Have systemd-networkd manage the cable's end."""
    machine.write("/etc/systemd/network/10-cable.network", NETWORK.format(there=there))
    wants = machine.upper / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    (wants / "systemd-networkd.service").symlink_to("/usr/lib/systemd/system/systemd-networkd.service")


def network_manager(machine: Machine, there: str) -> None:
    """Have NetworkManager do it, from a layer of its own below the package's."""
    tree = machine.layers[-1]
    layer = tree.with_name(f"{tree.name}-networkmanager")
    command = [str(HERE / "build_layer.sh"), str(tree), str(layer), "network-manager"]
    built = subprocess.run(command, check=False, capture_output=True, text=True, timeout=1800)
    if built.returncode:
        pytest.skip(f"NetworkManager cannot be had: {built.stderr[-2000:]}")
    machine.layers.insert(len(machine.layers) - 1, layer)
    machine.write("/etc/NetworkManager/conf.d/rig.conf", MANAGES_VETH)
    file = "/etc/NetworkManager/system-connections/cable.nmconnection"
    machine.write(file, CONNECTION.format(there=there))
    (machine.upper / file.lstrip("/")).chmod(0o600)


@pytest.fixture
def managed(machine: Machine, cable: Cable, broker: Mosquitto) -> Callable[..., Machine]:
    """Boots the machine with somebody who manages its network, and waits until the daemon is connected."""

    def begin(manager: Callable[[Machine, str], None], *, interface: str = "eth0", rule: bool = True) -> Machine:
        cable.strip()
        manager(machine, cable.there)
        url = f"mqtt://{broker.outside}"
        text = configuration(url, keepalive_s="5") + f'[recovery]\ninterface = "{interface}"\n'
        machine.write("/etc/camera-gateway/gateway.toml", text)
        machine.write(PTH, HASTEN)
        machine.boot("--capability=CAP_NET_ADMIN")
        if not rule:
            machine.run("rm", RULE)
            machine.run("systemctl", "restart", "polkit")
        machine.wait_active()
        wait_for(lambda: link(machine)["connected"], "the link", 60)
        return machine

    return begin


def lose_address(machine: Machine) -> None:
    """Do what no manager notices: take the interface's address away."""
    machine.run("ip", "-4", "addr", "flush", "dev", "eth0")
    assert "inet " not in machine.run("ip", "addr", "show", "dev", "eth0")
    wait_for(lambda: link(machine)["reason"] in {"network", "timeout"}, "the outage to be seen", 90)


@pytest.mark.parametrize("manager", [networkd, network_manager])
def test_the_interface_is_restarted_and_everything_arrives(
    managed: Callable[..., Machine], centre: Sniffer, manager: Callable[[Machine, str], None]
) -> None:
    """Through polkit, as the service's own user; what was committed in the outage arrives, without a restart."""
    machine = managed(manager)
    lose_address(machine)
    promised: set[tuple[str, str]] = set()

    def back() -> bool:
        promised.update(machine.waiting())
        return bool(link(machine)["connected"])

    wait_for(back, "the link to come back", 180)
    assert promised
    told = link(machine)["recovery"]
    print(told)
    assert told["hour"]["restart-interface"] >= 1
    assert told["problem"] == ""
    all_arrive(centre, promised)
    assert machine.show("NRestarts") == "0"


@pytest.mark.parametrize("manager", [networkd, network_manager])
def test_without_the_rule_it_is_refused_and_told(
    managed: Callable[..., Machine], manager: Callable[[Machine, str], None]
) -> None:
    """The control: the package's polkit rule lets the service's user do it; without the rule the report says why."""
    machine = managed(manager, rule=False)
    lose_address(machine)
    wait_for(lambda: link(machine)["recovery"]["problem"], "the refusal in the report", 120)
    told = link(machine)
    print(told["recovery"]["problem"])
    assert not told["connected"]
    assert "inet " not in machine.run("ip", "addr", "show", "dev", "eth0")
    machine.wait_active()


def test_without_leave_the_interface_is_left_alone(managed: Callable[..., Machine], tmp_path: Path) -> None:
    """The control: with no interface in the settings the outage stays, and only names are asked anew."""
    machine = managed(networkd, interface="")
    lose_address(machine)
    wait_for(lambda: link(machine)["recovery"]["hour"].get("re-resolve"), "the step before", 120)
    wait_for(lambda: link(machine)["recovery"]["hour"].get("reconnect", 0) >= 4, "the time for the next step", 120)
    told = link(machine)
    assert not told["connected"]
    assert "restart-interface" not in told["recovery"]["hour"]
