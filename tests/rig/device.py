"""A virtual device with the package, as an image builder hands it over: slow, hence small pictures and patience.

Not here: the machine itself (guest.py), and what is asked of it (test_guest.py, test_resets.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.rig import guest as virtual
from tests.rig.conftest import configuration
from tests.rig.debian import UNIT
from tests.rig.guest import HERE, Guest
from tests.running import make_clip

if TYPE_CHECKING:
    from pathlib import Path

FIRST_CLOCK = "1970-01-01T00:00:10"
"""What a clock chip without a battery says."""
FLOOR = "/usr/lib/clock-epoch"
CLIP = "/srv/clip.npy"
"""Somebody crosses every fifteen seconds; the simulated corner would take most of the processor."""
PEOPLE = f"{CLIP}?loop=1&fps=4"
PACKAGES = "/usr/local/lib/python3.13/dist-packages"
PTH = 'import sys; sys.orig_argv[-1:] == ["run"] and __import__("patient")\n'
PATIENCE = (
    ("fps = 10", "fps = 4"),
    ("[640, 360]", "[320, 180]"),
    ("stall_s = 3", "stall_s = 60"),
    ("heartbeat_s = 1", "heartbeat_s = 5\nhealth_s = 30"),
    ("reconnect_spread_s = 1", "reconnect_spread_s = 10"),
)


def settings(url: str, source: str = PEOPLE, tail: str = "", **broker: str) -> str:
    """A configuration for a slow machine; `broker` are further lines of its section, `tail` is what follows it all."""
    text = configuration(url, source, **broker)
    for old, new in PATIENCE:
        assert old in text
        text = text.replace(old, new)
    return text + tail


def device(installed: list[Path], tree: Path, folder: Path, text: str) -> Guest:
    """Make a device with this configuration, not started; add to its disk what it needs, then `make_disk`."""
    kernel = virtual.kernel(tree)
    made = Guest(folder, [installed[0], kernel, tree], kernel)
    made.write("/etc/camera-gateway/gateway.toml", text)
    made.write(f"{PACKAGES}/patient.py", (HERE / "shim/patient.py").read_text())
    made.write(f"{PACKAGES}/patient.pth", PTH)
    made.place(CLIP).parent.mkdir(parents=True)
    make_clip(made.place(CLIP))
    return made


def restart(guest: Guest, text: str) -> str:
    """Give it another configuration; return the new process's id."""
    guest.write("/etc/camera-gateway/gateway.toml", text)
    old = guest.show("MainPID")
    guest.run("systemctl", "restart", UNIT)
    return guest.wait_active(not_pid=old)


def clock(guest: Guest) -> float:
    """The guest's wall clock, in seconds since 1970."""
    return float(guest.run("date", "+%s"))
