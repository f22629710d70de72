"""What the rigs share: the tree, a layer on it with the package, machines that boot it, a broker on this side."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.mosquitto import Mosquitto, Sniffer
from tests.rig import machine as rig
from tests.rig.machine import Cable, Machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TREE = Path(__file__).parent.parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Rigs take root, gigabytes and minutes: only on demand."""
    if os.environ.get("GATEWAY_RIG"):
        return
    skip = pytest.mark.skip(reason="takes root, 2 GB and minutes: scripts/test --all, or GATEWAY_RIG=1")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def tree() -> Path:
    """The Debian 13 tree of this machine's architecture."""
    return rig.tree()


def build(folder: Path, version: str, source: Path = TREE) -> Path:
    """Build the package from a checkout; return it."""
    command = [str(source / "scripts/build-deb"), "--no-lintian", "--version", version, str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=900)
    if done.returncode == 3:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of this checkout, as version 1.0."""
    return build(tmp_path_factory.mktemp("package"), "1.0")


@pytest.fixture(scope="session")
def installed(tree: Path, package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Path]]:
    """Layers of a machine on which the package was installed, as an image builder does it: nothing has run yet."""
    folder = tmp_path_factory.mktemp("installed")
    made = Machine(folder, [tree])
    try:
        made.boot()
        shutil.copy(package, made / "root/gateway.deb")
        made.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n")  # start nothing
        made.run("chmod", "755", "/usr/sbin/policy-rc.d")
        made.run("dpkg", "--install", "/root/gateway.deb")
        made.run("rm", "/usr/sbin/policy-rc.d", "/root/gateway.deb")
        made.shut_down()
    finally:
        made.kill()
    yield [made.upper, tree]
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def cable() -> Iterator[Cable]:
    """A cable to a machine that is booted later."""
    laid = Cable(f"gw{secrets.token_hex(3)}")
    yield laid
    laid.remove()


@pytest.fixture
def broker(tmp_path: Path, cable: Cable) -> Iterator[Mosquitto]:
    """The centre's broker on this side, which a machine reaches through the cable on `broker.outside`."""
    made = Mosquitto(tmp_path / "mosquitto")
    made.listen_also(cable.here)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def centre(broker: Mosquitto) -> Iterator[Sniffer]:
    """Everything that is said on the broker; it keeps for us what comes while we are not looking."""
    found = Sniffer(broker.broker, session=3600, client_id="centre").start()
    yield found
    found.stop()


@pytest.fixture
def machine(installed: list[Path], tmp_path: Path, cable: Cable) -> Iterator[Machine]:
    """A machine with the package, not booted yet."""
    made = Machine(tmp_path / "machine", installed, cable=cable)
    yield made
    made.kill()


def configuration(url: str, source: str = "street?scene=corner&seed=3", **more: str) -> str:
    """Return a configuration as a technician would write it, but that connects at once."""
    lines = ['area = "north"', 'id = "gw-0412"']
    lines += ["[broker]", f'url = "{url}"', "first_connect_spread_s = 0", "reconnect_spread_s = 1"]
    lines += [f"{key} = {value}" for key, value in more.items()]
    lines += ["[store]", "cap_mb = 16", "free_mb = 8", "[report]", "heartbeat_s = 1"]
    lines += ["[[cameras]]", 'name = "cam0"', f'source = "{source}"', "fps = 10", "analysis = [320, 180]"]
    lines += ["main = [640, 360]", "stall_s = 3"]
    lines += ["[[cameras.zones]]", 'id = "kerb"', 'purpose = "hydrant"', "alarm = true", 'severity = "high"']
    lines += ["polygon = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]"]
    return "\n".join(lines) + "\n"


@pytest.fixture
def gateway(machine: Machine, broker: Mosquitto) -> Callable[..., Machine]:
    """Writes a configuration for the broker and boots the machine; returns it, running."""

    def begin(*options: str, url: str = "", source: str = "street?scene=corner&seed=3") -> Machine:
        text = configuration(url or f"mqtt://{broker.outside}", source)
        machine.write("/etc/camera-gateway/gateway.toml", text)
        machine.boot(*options)
        return machine

    return begin
