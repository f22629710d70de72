"""Power cuts of a whole machine: everything that a booted Debian 13 writes goes to a recording block device.

Start, commits and an upgrade are recorded once; then the power is cut at instants of the recording, and each wreck is
booted. What is modelled is the card alone: what was written and not flushed is there, or not, sector by sector.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.conftest import wait_for
from tests.recorder import Device, cuts, mounted, run, why_not
from tests.rig.conftest import TREE, build, configuration
from tests.rig.machine import Machine
from tests.rig.test_faults import arrived, waiting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Mosquitto, Sniffer
    from tests.rig.machine import Cable

CARD = 256 << 20
CUTS = {"start": 3, "commit": 3, "upgrade": 5}
WORK_SECONDS = 15.0


@pytest.fixture
def another(tmp_path: Path) -> Path:
    """A later version that cannot be mixed with this one: a module that everything needs has another name."""
    copy = tmp_path / "another"
    subprocess.run(["git", "clone", "--quiet", "--local", str(TREE), str(copy)], check=True)
    (copy / "gateway/errors.py").rename(copy / "gateway/mistakes.py")
    for file in (copy / "gateway").rglob("*.py"):
        file.write_text(file.read_text().replace("gateway.errors", "gateway.mistakes"))
    subprocess.run(["git", "-C", str(copy), "add", "--all"], check=True)
    return build(tmp_path / "newer", "2.0", copy)


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Device]:
    """A recording card; what the system does not let us have is the reason for a skip."""
    if reason := why_not():
        pytest.skip(reason)
    try:
        made = Device(tmp_path, CARD)
    except OSError as error:
        pytest.skip(f"no recording device here: {error}")
    yield made
    made.remove()


def test_power_cuts_of_the_machine(
    installed: list[Path], another: Path, card: Device, tmp_path: Path, cable: Cable, broker: Mosquitto, centre: Sniffer
) -> None:
    """After each cut, in start, commit and upgrade, the service runs, and what was committed arrives."""
    rng = random.Random(5)
    promised: list[tuple[float, set[tuple[str, str]]]] = []
    spans: dict[str, tuple[float, float]] = {}
    machine = Machine(tmp_path / "recorded", installed, cable=cable, upper=card.path / "upper")
    cable.pull()
    try:
        machine.write("/etc/camera-gateway/gateway.toml", configuration(f"mqtt://{broker.outside}"))
        shutil.copy(another, machine.upper / "newer.deb")
        run("sync")
        begun = time.monotonic()
        machine.boot()
        machine.wait_active()
        spans["start"] = (begun, time.monotonic())

        def work(seconds: float) -> None:
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                found = waiting(machine)
                promised.append((time.monotonic(), found))

        work(WORK_SECONDS)
        spans["commit"] = (spans["start"][1], time.monotonic())
        machine.run("dpkg", "--install", "/newer.deb")
        machine.wait_active()
        spans["upgrade"] = (spans["commit"][1], time.monotonic())
        work(5.0)
    finally:
        machine.kill()
        card.remove()
    cable.plug()
    assert promised[-1][1], "nothing was committed"
    instants = [rng.uniform(*spans[name]) for name, count in CUTS.items() for _ in range(count)]
    image, wreck = tmp_path / "image", tmp_path / "wreck"
    wreck.mkdir()
    versions = set()
    for number, instant in enumerate(cuts(card.log, instants, image, rng, CARD)):
        expected = set().union(*(found for when, found in promised if when < instant))
        with mounted(image, wreck):
            again = Machine(tmp_path / f"again{number}", installed, cable=cable, upper=wreck / "upper")
            centre.seen.clear()
            try:
                again.boot()
                again.wait_active()
                wait_for(lambda: expected <= arrived(centre), f"{len(expected)} committed messages", 90)  # noqa: B023
                told = [path.name for path in (again / "usr/share/camera-gateway").iterdir()]
                versions.add(tuple(sorted(told)))
                name = next(name for name, (first, last) in spans.items() if first <= instant <= last)
                print(f"cut in {name}: {len(expected)} promised, all there; modules of {', '.join(sorted(told))}")
            finally:
                again.kill()
    print(versions)
