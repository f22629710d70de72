"""What a container cannot show, in one virtual machine with a kernel of its own; its tests are one story, in order.

It is a device's first day: a first boot without a clock chip's time and without a time server, a broker with TLS, a
camera that is plugged in, a picture of a monstrous size. Clocks in it are not this machine's. Takes 25 minutes on a
busy machine. What resets the machine is in test_resets.py.
"""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.mosquitto import wait_for
from tests.rig.centre import Centre
from tests.rig.debian import UNIT
from tests.rig.device import FIRST_CLOCK, FLOOR, PEOPLE, clock, device, restart, settings as slow
from tests.rig.guest import HERE, HOST
from tests.rig.promises import all_arrive, arrived, some_wait
from tests.rig.test_hardening import as_probe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.mosquitto import Sniffer
    from tests.rig.guest import Guest

HOUR = 3600
MONSTER = "800M"
"""Size of a picture's file: more than the service's share of the memory."""
ONLY_FOR_WANT_OF_RIGHTS = {"camera", "slew the clock", "tunable in sysfs"}
"""What the unit's options alone do not refuse to a root with all capabilities."""
FROZEN = "the kernel's test picture, which never changes, to be called frozen"


def settings(url: str, source: str = PEOPLE) -> str:
    """A configuration that trusts the centre's authority."""
    return slow(url, source, ca_file='"/etc/camera-gateway/ca.pem"')


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    """The centre; its certificate begins to be valid in an hour: it is younger than the package."""
    made = Centre(tmp_path_factory.mktemp("centre"), HOST, datetime.now(UTC) + timedelta(hours=1))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def guest(
    installed: list[Path], tree: Path, centre: Centre, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guest]:
    """A device at its first boot: its clock chip knows nothing; the package was installed by an image builder."""
    made = device(installed, tree, tmp_path_factory.mktemp("guest"), settings(centre.url))
    try:
        made.write("/etc/camera-gateway/ca.pem", centre.authority)
        made.write("/rig/tests/probe.py", (HERE / "probe.py").read_text())
        made.make_disk()
        begun = time.monotonic()
        made.start(FIRST_CLOCK)
        print(f"booted in {time.monotonic() - begun:.0f} s")
        yield made
    finally:
        made.kill()


def test_the_first_clock_is_the_floor(guest: Guest) -> None:
    """PID 1 sets a clock that says 1970 to the package's floor, before the service starts."""
    assert float(guest.read("/sys/class/rtc/rtc0/since_epoch")) < 86400
    floor, up = float(guest.run("stat", "-c", "%Y", FLOOR)), float(guest.read("/proc/uptime").split()[0])
    assert floor <= clock(guest) <= floor + up + 5
    (told,) = re.findall("System time advanced to .*", guest.run("dmesg"))
    print(told)
    assert FLOOR in told
    guest.wait_active()


def test_tls_before_anybody_has_told_the_time(guest: Guest, centre: Centre) -> None:
    """A certificate younger than the floor is not yet valid: the technician reads why; nothing is lost meanwhile.

    When the time comes the link does as well, by itself, and `up/clock` lets the centre put earlier events right.
    """
    pid = guest.wait_active()
    wait_for(
        lambda: guest.status()["health"]["link"]["reason"] == "clock-or-cert", "the certificate to be refused", 200
    )
    link = guest.status()["health"]["link"]
    print(link["problem"], "|", link["hint"])
    assert "not yet valid" in link["problem"]
    assert "clock" in link["hint"]
    promised = some_wait(guest)
    assert not arrived(centre.sniffer)
    assert not centre.sniffer.payloads("/up/")

    true = centre.valid_from.timestamp() + HOUR
    guest.run("date", "-s", f"@{true:.0f}")
    guest.run("python3", "-c", SYNCHRONISED)  # what a time server's client does
    began, first = time.monotonic(), float(guest.read("/proc/uptime").split()[0])
    all_arrive(centre.sniffer, promised, guest.patience)
    assert guest.show("MainPID") == pid
    assert guest.show("NRestarts") == "0"
    wait_for(lambda: offsets(centre.sniffer), "the boot's offset in up/clock", 120)
    (offset,) = offsets(centre.sniffer)
    assert abs(offset - (true - first)) < 20 + time.monotonic() - began


SYNCHRONISED = """
import ctypes
found = (ctypes.c_ulong * 32)()
ctypes.CDLL(None).adjtimex(found)
found[0], found[3], found[4] = 0x4 | 0x8 | 0x10, 1000, 1000  # largest and likely error, status
found[5] = 1  # STA_PLL: no longer STA_UNSYNC
assert ctypes.CDLL(None).adjtimex(found) >= 0
"""


def offsets(centre: Sniffer) -> list[float]:
    """Offsets between wall and monotonic clocks in the latest up/clock."""
    said = centre.payloads("/up/clock")
    boots = json.loads(said[-1])["boots"] if said else []
    return [boot["offset"] for boot in boots if boot["offset"] is not None]


def test_a_camera_that_is_plugged_in_later(guest: Guest, centre: Centre) -> None:
    """A camera that appears after the service has started is opened, by the service that runs.

    systemd looks up device groups when it starts a unit, and leaves out those that the kernel does not know yet.
    """
    pid = restart(guest, settings(centre.url, "/dev/video0"))
    wait_for(lambda: guest.status()["health"]["cameras"]["cam0"]["state"] == "off", "a camera that is not there", 200)
    before = len(centre.sniffer.payloads("/up/camera/cam0"))
    guest.run("modprobe", "vivid", "n_devs=1")
    assert guest.run("stat", "-c", "%G", "/dev/video0").strip() == "video"

    def seen() -> bool:
        said = map(json.loads, centre.sniffer.payloads("/up/camera/cam0")[before:])
        return any(each["state"] == "ok" for each in said)

    wait_for(seen, "frames from the camera at the centre", guest.patience)
    assert guest.show("MainPID") == pid
    wait_for(lambda: b"view-frozen" in centre.sniffer.payloads("/up/camera/cam0")[-1], FROZEN, guest.patience)


def test_what_only_a_kernel_of_its_own_can_refuse(guest: Guest) -> None:
    """Under the unit's options the camera's device works; tunables, groups, clock, modules, disk and log are refused.

    So they are to root with all capabilities under the same options, but for sysfs and the clock's pace, which only the
    user and the missing capability keep; the control is root without them.
    """
    unit = guest.read(f"/usr/lib/systemd/system/{UNIT}.service")
    ours = probe(guest, unit)
    privileged = re.sub("^(User|Group|CapabilityBoundingSet|AmbientCapabilities)=.*\n", "", unit, flags=re.MULTILINE)
    root = probe(guest, privileged)
    free = probe(guest, "[Service]\nType=oneshot\nExecStart=/x\n")
    print(ours, root, free, sep="\n")
    assert {name for name, told in free.items() if told != "ok"} == set()
    assert {name for name, told in ours.items() if told == "ok"} == {"camera"}
    assert {name for name, told in root.items() if told == "ok"} == ONLY_FOR_WANT_OF_RIGHTS


def probe(guest: Guest, unit: str) -> dict[str, str]:
    """Run the kernel's part of the probe under a unit's options."""
    text = as_probe(unit).replace("/rig/tests/probe.py", "/rig/tests/probe.py kernel")
    guest.write("/etc/systemd/system/probe.service", text)
    guest.run("systemctl", "daemon-reload")
    guest.run("systemctl", "start", "probe.service")
    return dict(json.loads(guest.read("/run/probe.json")))


def test_limits_of_the_service(guest: Guest) -> None:
    """No more than its tasks are to be had in the service's group, and all of it is killed later than others.

    The control is the same attempt outside of it.
    """
    group = f"/sys/fs/cgroup{guest.show('ControlGroup')}"
    allowed = int(guest.show("TasksMax"))
    assert allowed == 128
    attempt = "import os, time\nn = 0\ntry:\n  while n < 300:\n    if os.fork() == 0: time.sleep(20); os._exit(0)\n"
    attempt += "    n += 1\nexcept BlockingIOError: pass\nprint(n)\n"
    outside = int(guest.run("python3", "-c", attempt))
    inside = int(guest.run("sh", "-c", f"echo $$ >{group}/cgroup.procs && exec python3 -c '{attempt}'"))
    print(f"{inside} tasks inside, {outside} outside")
    assert outside == 300
    assert inside < allowed
    assert int(guest.read(f"{group}/pids.events").split()[1]) > 0
    script = f"for pid in $(cat {group}/cgroup.procs); do cat /proc/$pid/oom_score_adj; done"
    wait_for(
        lambda: guest.run("sh", "-c", f"wc -l <{group}/cgroup.procs").strip() in {"2", "3"}, "the crowd to be gone", 120
    )
    assert set(guest.run("sh", "-c", script).split()) == {"-100"}
    assert guest.read("/proc/1/oom_score_adj").strip() == "0"  # the control
    guest.wait_active()


def test_an_eye_that_takes_too_much_memory_dies_alone(guest: Guest, centre: Centre) -> None:
    """A picture that does not fit into the service's share costs its eye, and nobody else; the centre is told why."""
    guest.run("mkdir", "-p", "/srv/pictures")
    guest.run("truncate", "-s", MONSTER, "/srv/pictures/0.png")
    pid = restart(guest, settings(centre.url, "/srv/pictures"))
    group = f"/sys/fs/cgroup{guest.show('ControlGroup')}"

    def killed() -> bool:
        return "oom_kill 0" not in guest.read(f"{group}/memory.events").splitlines()

    wait_for(killed, "the kernel to kill", 300)
    report = guest.run("dmesg")
    (where,) = set(re.findall("oom-kill:constraint=([A-Z_]+).*oom_memcg=([^,]+)", report))
    print(where, guest.read(f"{group}/memory.peak"))
    assert where == ("CONSTRAINT_MEMCG", guest.show("ControlGroup"))  # its own limit, not the machine's end
    wait_for(
        lambda: b"eye-died" in b"".join(centre.sniffer.payloads("/up/camera/cam0")), "the reason at the centre", 120
    )
    assert guest.show("MainPID") == pid
    assert guest.show("NRestarts") == "0"
    guest.run("rm", "/srv/pictures/0.png")
    restart(guest, settings(centre.url))
