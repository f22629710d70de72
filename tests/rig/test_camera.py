"""End to end on the real picamera2: virtual camera, eye, daemon, mosquitto, under the options of the installed unit."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import cv2
import numpy as np

from gateway.wire.message import inflate
from tests.mosquitto import wait_for
from tests.rig.debian import UNIT
from tests.rig.machine import HERE, Machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.mosquitto import Sniffer

SHOWN = 120.0
"""Seconds within which somebody crosses the picture at least once, also on a slow machine."""


def put_camera(machine: Machine) -> None:
    """Give the machine a virtual camera that shows a street which somebody crosses, again and again."""
    frames = machine.upper / "rig/frames"
    frames.mkdir(parents=True)
    subprocess.run([sys.executable, str(HERE / "make_frames.py"), str(frames), "crossing"], check=True)
    machine.write("/usr/share/libcamera/pipeline/virtual/virtual.yaml", (HERE / "virtual.yaml").read_text())


def test_from_picamera2_to_the_centre(machine: Machine, gateway: Callable[..., Machine], centre: Sniffer) -> None:
    """Who crosses the picture becomes an episode and a picture at the centre; kill the eye, and it comes back."""
    put_camera(machine)
    gateway(source="picamera2")
    machine.wait_active()

    def ends() -> list[dict[str, object]]:
        said = [inflate(payload) for payload in centre.payloads("/up/event/motion/")]
        return [event for event in said if event["data"].get("phase") == "end"]

    wait_for(ends, f"the end of an episode; {machine.journal()[-2000:]}", SHOWN)
    assert "simulated" not in str(ends()[0]) or ends()[0].get("simulated") is not True
    wait_for(lambda: centre.payloads("/up/media/cam0"), "its picture", SHOWN)
    picture = cv2.imdecode(np.frombuffer(centre.payloads("/up/media/cam0")[0], np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.min() < 70  # the one who crosses is darker than any of the street
    assert picture.std() > 10

    told = machine.run("gateway", "selftest", check=False)
    print(told)
    assert "[ ok ] camera.cam0" in told, told

    eye = machine.run("pgrep", "-f", "gateway eye").split()[0]
    machine.run("kill", "-9", eye)
    # the daemon itself ends what the dead one left open: only what comes later is the new one's
    wait_for(lambda: set(machine.run("pgrep", "-f", "gateway eye", check=False).split()) - {eye}, "a new eye", SHOWN)
    wait_for(lambda: machine.status()["health"]["cameras"]["cam0"]["state"] == "ok", "its first picture", SHOWN)
    so_far = len(ends())
    wait_for(lambda: len(ends()) > so_far, "episodes from the new eye", SHOWN)
    assert machine.show("NRestarts") == "0"


def test_self_test_of_a_technician_without_the_daemon(machine: Machine, gateway: Callable[..., Machine]) -> None:
    """With the service stopped, `gateway selftest` opens the real camera itself, and gives it back."""
    put_camera(machine)
    gateway(source="picamera2")
    machine.wait_active()
    machine.run("systemctl", "stop", UNIT)
    for _ in range(2):
        told = machine.run("gateway", "selftest", check=False)
        print(told)
        assert "[ ok ] camera.cam0" in told, told
        assert machine.code in {0, 1}, told
        assert "INFO" not in told  # a dozen lines of libraries would hide what a technician looks for
    machine.run("systemctl", "start", UNIT)
    machine.wait_active()
