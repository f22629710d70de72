"""How a corner starts: by its own reboot after a camera stayed dark, and on a card whose system is read-only."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tests.mosquitto import wait_for
from tests.rig.conftest import configuration
from tests.rig.machine import Machine
from tests.rig.promises import all_arrive, info, some_wait

if TYPE_CHECKING:
    from pathlib import Path

    from tests.mosquitto import Mosquitto, Sniffer
    from tests.rig.machine import Cable

DARK = "/dev/video77"
REBOOT_AFTER = 60
RECOVERY = f"[recovery]\nreboots_a_day = 1\nreboot_after_s = {REBOOT_AFTER}\n"
SECOND = f'[[cameras]]\nname = "cam1"\nsource = "{DARK}"\n'


def health(machine: Machine) -> dict[str, Any]:
    """What the daemon says of its device."""
    return dict(machine.status()["health"])


def test_a_dark_camera_has_the_device_rebooted_once(
    machine: Machine, broker: Mosquitto, cable: Cable, centre: Sniffer
) -> None:
    """The ladder's last step, through polkit and logind: the machine reboots, the corner comes back and says why.

    The budget survives: the camera stays dark, and for longer than before nothing more is asked for. What was committed
    before the reboot arrives after it.
    """
    text = configuration(f"mqtt://{broker.outside}") + SECOND + RECOVERY
    machine.write("/etc/camera-gateway/gateway.toml", text)
    cable.pull()
    machine.boot()
    machine.wait_active()
    boot = machine.run("cat", "/proc/sys/kernel/random/boot_id")
    promised = some_wait(machine)
    machine.wait_reboot(seconds=180)
    machine.wait_active()
    begun = time.monotonic()
    assert machine.run("cat", "/proc/sys/kernel/random/boot_id") != boot
    cable.plug()
    all_arrive(centre, promised)
    wait_for(lambda: b"camera-failed" in info(centre), "why it was rebooted, in up/info")

    def tried() -> bool:
        return time.monotonic() - begun > REBOOT_AFTER + 20 and health(machine)["cameras"]["cam1"]["restarts"] > 0

    wait_for(tried, "the time after which it was rebooted before", 150)
    told = health(machine)["recovery"]
    print(told)
    assert told["done_today"] == 1
    assert told["asked"] == ""


def test_a_system_that_is_read_only(
    machine: Machine, broker: Mosquitto, cable: Cable, centre: Sniffer, tmp_path: Path
) -> None:
    """With all but /var read-only it runs, and what was committed before the power went arrives after it came back."""
    machine.write("/etc/camera-gateway/gateway.toml", configuration(f"mqtt://{broker.outside}"))
    card = tmp_path / "var"
    card.mkdir()
    options = ("--read-only", f"--overlay=+/var:{card}:/var")
    cable.pull()
    machine.boot(*options)
    old = machine.wait_active()
    for place in ("/etc", "/usr/share/camera-gateway", "/root"):
        assert "Read-only" in machine.run("touch", f"{place}/probe", check=False)
    machine.run("touch", "/var/lib/probe")  # the control: this is the writable part
    promised = some_wait(machine)
    machine.run("kill", "-KILL", old)
    machine.wait_active(not_pid=old)
    promised |= some_wait(machine)
    machine.kill()
    machine.boot(*options)
    machine.wait_active()
    cable.plug()
    all_arrive(centre, promised)
    assert "[FAIL]" not in machine.run("gateway", "selftest", check=False)
