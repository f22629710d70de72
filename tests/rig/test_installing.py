"""The package in a booted Debian 13: installed, upgraded, removed, purged, installed again, as a technician does it."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from tests.mosquitto import wait_for
from tests.rig.conftest import build, configuration
from tests.rig.debian import UNIT
from tests.rig.machine import Machine

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

APT = ("apt-get", "-y", "-o", "Dpkg::Use-Pty=0", "install")
DEAD_BROKER = "mqtt://127.0.0.1:1"


def waiting(machine: Machine) -> tuple[str, set[tuple[str, str]]]:
    """The store's epoch, and stream and number of each message that waits in it."""
    found = (line.split() for line in machine.run("gateway", "outbox", "list").splitlines())
    return epoch(machine), {(words[0], words[1]) for words in found}


def epoch(machine: Machine) -> str:
    """The store's epoch: it changes when a store is made anew."""
    return str(json.loads(machine.run("gateway", "status"))["health"]["outbox"]["epoch"])


def test_install_upgrade_remove_purge_reinstall(
    tree: Path, package: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It runs after each step in which it should; configuration, identity, keys and store survive what they should."""
    newer = build(tmp_path_factory.mktemp("newer"), "2.0")
    machine = Machine(tmp_path / "machine", [tree])
    try:
        machine.boot()
        for file in (package, newer):
            shutil.copy(file, machine / "root" / file.name)

        # Installed: it runs on its defaults at once, and at every boot.
        machine.run(*APT, f"/root/{package.name}")
        first = machine.wait_active()
        assert machine.run("systemctl", "is-enabled", UNIT).strip() == "enabled"
        assert "gateway" in machine.run("sh", "-c", "zcat /usr/share/man/man1/gateway.1.gz")
        assert "dpkg" not in machine.run("sh", "-c", "dpkg --verify camera-gateway; true")

        # The technician's work, and something that waits for the centre.
        config = machine / "etc/camera-gateway/gateway.toml"
        config.write_text(configuration(DEAD_BROKER))
        (machine / "etc/camera-gateway/device.key").write_text("a secret")
        machine.run("systemctl", "restart", UNIT)
        second = machine.wait_active(not_pid=first)
        wait_for(lambda: len(waiting(machine)[1]) >= 2, "events that wait", 90)
        born, kept = waiting(machine)

        # Upgraded: same store, same configuration; the key that was copied carelessly is closed.
        machine.run(*APT, f"/root/{newer.name}")
        third = machine.wait_active(not_pid=second)
        told = machine.run("dpkg-query", "-W", "-f", "${Version} ${Status}", "camera-gateway")
        assert told == "2.0 install ok installed"
        assert config.read_text() == configuration(DEAD_BROKER)
        assert (
            machine.run("stat", "-c", "%a %U %G", "/etc/camera-gateway/device.key").strip() == "640 root camera-gateway"
        )
        assert [path.name for path in (machine / "usr/share/camera-gateway").iterdir()] == ["2.0"]
        wait_for(lambda: kept <= waiting(machine)[1], "what waited before the upgrade")
        assert epoch(machine) == born

        # Removed: nothing runs, nothing is lost; installed again it goes on.
        machine.run("apt-get", "-y", "remove", "camera-gateway")
        assert machine.show("ActiveState") == "inactive"
        assert config.read_text() == configuration(DEAD_BROKER)
        assert not (machine / "usr/share/camera-gateway").exists()
        machine.run(*APT, f"/root/{newer.name}")
        fourth = machine.wait_active(not_pid=third)
        wait_for(lambda: kept <= waiting(machine)[1], "what waited before the removal")
        assert epoch(machine) == born

        # Purged: configuration and store are gone, a person's own files are not; installed again it starts anew.
        machine.run("apt-get", "-y", "purge", "camera-gateway")
        assert not (machine / "var/lib/camera-gateway").exists()
        assert not config.exists()
        assert (machine / "etc/camera-gateway/device.key").read_text() == "a secret"
        machine.run(*APT, f"/root/{newer.name}")
        machine.wait_active(not_pid=fourth)
        assert epoch(machine) != born
        assert 'area = "unassigned"' in config.read_text()
    finally:
        machine.kill()


def test_upgrades_and_downgrades_leave_one_version(installed: list[Path], package: Path, tmp_path: Path) -> None:
    """An older version over a newer one works as well: a bad upgrade is taken back with the same command."""
    older = build(tmp_path / "older", "0.9")
    machine = Machine(tmp_path / "machine", installed)
    try:
        machine.boot()
        machine.wait_active()
        shutil.copy(older, machine / "root/older.deb")
        machine.run("dpkg", "--install", "/root/older.deb")
        machine.wait_active()
        assert [path.name for path in (machine / "usr/share/camera-gateway").iterdir()] == ["0.9"]
        assert machine.run("gateway", "--version").startswith("gateway ")
    finally:
        machine.kill()
