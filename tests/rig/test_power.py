"""Power cuts of a whole machine: everything that a booted Debian 13 writes goes to a recording block device.

Work, a start with messages that wait, commits and an upgrade are recorded once; then the power is cut at instants of
the recording, and each wreck is booted. What is modelled is the card alone: what was written and not flushed is there,
or not, sector by sector. The control is the same with a store that is synchronised less.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.mosquitto import wait_for
from tests.recorder import Device, cuts, mounted, run, why_not
from tests.rig.conftest import TREE, build, configuration
from tests.rig.machine import Machine
from tests.rig.promises import all_arrive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.mosquitto import Mosquitto, Sniffer
    from tests.rig.machine import Cable

CARD = 256 << 20
CUTS = {"start": 4, "commit": 4, "upgrade": 5}
CONTROL_CUTS = {"start": 2, "commit": 4}
WORK_SECONDS = 15.0
LEAST = 3
"""So many messages wait at least before the start that is cut: without any nothing could be lost in it."""
WEAKER = 'import sys; sys.path.append("/rig/shim"); import weaker\n'
PTH = "/usr/local/lib/python3.13/dist-packages/weaker.pth"


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


@dataclass
class Recording:
    """What was promised, and when what was done; monotonic seconds."""

    promised: list[tuple[float, set[tuple[str, str]]]] = field(default_factory=list)
    """What was committed by this time, as the product itself said."""
    spans: dict[str, tuple[float, float]] = field(default_factory=dict)

    def work(self, machine: Machine, seconds: float) -> None:
        """Let it work, and write down what is committed."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = machine.waiting()
            self.promised.append((time.monotonic(), found))

    def before(self, instant: float) -> set[tuple[str, str]]:
        """What was promised before an instant; nothing is delivered, as the cable is out."""
        return set().union(*(found for when, found in self.promised if when < instant))

    def instants(self, rng: random.Random, count: dict[str, int]) -> list[float]:
        """So many instants of each span."""
        return [rng.uniform(*self.spans[name]) for name, number in count.items() for _ in range(number)]

    def span(self, instant: float) -> str:
        """What was being done at an instant."""
        return next(name for name, (first, last) in self.spans.items() if first <= instant <= last)


def record(machine: Machine, newer: Path | None) -> Recording:
    """Boot, work, boot again with what waits, work, upgrade; everything is on the recording card."""
    found = Recording()
    try:
        if newer is not None:
            shutil.copy(newer, machine.upper / "newer.deb")
        run("sync")
        machine.boot()
        machine.wait_active()
        wait_for(lambda: len(machine.waiting()) >= LEAST, "messages that wait", 120)
        found.work(machine, 1.0)
        machine.shut_down()
        begun = time.monotonic()
        machine.boot()
        machine.wait_active()
        found.spans["start"] = (begun, time.monotonic())
        found.work(machine, WORK_SECONDS)
        found.spans["commit"] = (found.spans["start"][1], time.monotonic())
        if newer is not None:
            machine.run("dpkg", "--install", "/newer.deb")
            machine.wait_active()
            found.spans["upgrade"] = (found.spans["commit"][1], time.monotonic())
            found.work(machine, 5.0)
    finally:
        machine.kill()
    assert len(found.before(found.spans["start"][0])) >= LEAST
    return found


def test_power_cuts_of_the_machine(
    installed: list[Path], another: Path, card: Device, tmp_path: Path, cable: Cable, broker: Mosquitto, centre: Sniffer
) -> None:
    """After each cut, in start, commit and upgrade, the service runs, what was committed is there, and arrives."""
    rng = random.Random(5)
    machine = Machine(tmp_path / "recorded", installed, cable=cable, upper=card.path / "upper")
    machine.write("/etc/camera-gateway/gateway.toml", configuration(f"mqtt://{broker.outside}"))
    cable.pull()
    try:
        recording = record(machine, another)
    finally:
        card.remove()
    image, wreck = tmp_path / "image", tmp_path / "wreck"
    wreck.mkdir()
    versions = set()
    for number, instant in enumerate(cuts(card.log, recording.instants(rng, CUTS), image, rng, CARD)):
        expected = recording.before(instant)
        with mounted(image, wreck):
            again = Machine(tmp_path / f"again{number}", installed, cable=cable, upper=wreck / "upper")
            centre.seen.clear()
            cable.pull()
            try:
                again.boot()
                again.wait_active()
                assert expected - again.waiting() == set()
                cable.plug()
                all_arrive(centre, expected)
                told = sorted(path.name for path in (again / "usr/share/camera-gateway").iterdir())
                versions.add(tuple(told))
                where = recording.span(instant)
                print(f"cut in {where}: {len(expected)} promised, all there; modules of {', '.join(told)}")
            finally:
                again.kill()
    print(versions)


def test_a_store_that_is_synchronised_less_loses(
    installed: list[Path], card: Device, tmp_path: Path, cable: Cable, broker: Mosquitto
) -> None:
    """The control: the same recording, cuts and question with NORMAL, which the product does not offer, find losses."""
    rng = random.Random(6)
    machine = Machine(tmp_path / "recorded", installed, cable=cable, upper=card.path / "upper")
    machine.write("/etc/camera-gateway/gateway.toml", configuration(f"mqtt://{broker.outside}"))
    machine.write(PTH, WEAKER)
    cable.pull()
    try:
        recording = record(machine, None)
    finally:
        card.remove()
    image, wreck = tmp_path / "image", tmp_path / "wreck"
    wreck.mkdir()
    losses = []
    for number, instant in enumerate(cuts(card.log, recording.instants(rng, CONTROL_CUTS), image, rng, CARD)):
        expected = recording.before(instant)
        with mounted(image, wreck):
            again = Machine(tmp_path / f"again{number}", installed, cable=cable, upper=wreck / "upper")
            try:
                again.boot()
                again.wait_active()
                losses.append(len(expected - again.waiting()))
                print(f"cut in {recording.span(instant)}: {len(expected)} promised, {losses[-1]} lost")
            finally:
                again.kill()
    assert any(losses), losses
