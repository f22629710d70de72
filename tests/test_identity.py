"""Identity: a name that is always the same, fits the wire, and tells no secret."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from gateway.device.identity import (
    board_serial,
    boot_id,
    gateway_id,
    name_from_machine_id,
    name_from_serial,
)
from gateway.errors import SettingsError
from gateway.wire.fields import ID
from tests.device_trees import MACHINES, board, no_pi, plant

if TYPE_CHECKING:
    from pathlib import Path

MACHINE_ID = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("machine", MACHINES)
def test_every_machine_has_a_name_for_the_wire(tmp_path: Path, machine: str) -> None:
    """Every board has a name that may stand in a topic, and has it again at the next start."""
    root = plant(tmp_path, MACHINES[machine]())
    name = gateway_id(root=root)
    assert re.fullmatch(ID, name)
    assert gateway_id(root=root) == name


def test_settings_then_serial_then_machine_id(tmp_path: Path) -> None:
    """The settings' name wins over the serial number, and that over the machine id."""
    both = plant(tmp_path / "both", board("Pi", "10000000ABCDEF01") | {"etc/machine-id": MACHINE_ID})
    assert gateway_id("corner-7", both) == "corner-7"
    assert gateway_id("", both) == "10000000abcdef01"
    bare = plant(tmp_path / "bare", no_pi())
    assert re.fullmatch("gw-[0-9a-f]{16}", gateway_id("", bare))


def test_serial_from_cpuinfo(tmp_path: Path) -> None:
    """Where the device tree is hidden, the serial number in cpuinfo is the same."""
    root = plant(
        tmp_path, {"proc/cpuinfo": "Revision\t: c03112\nSerial\t\t: 10000000abcdef01\nModel\t\t: Raspberry Pi\n"}
    )
    assert board_serial(root) == "10000000abcdef01"


def test_a_serial_of_zeros_is_no_name(tmp_path: Path) -> None:
    """Boards without a serial number say zeros: that would give a whole street the same name."""
    root = plant(tmp_path, no_pi() | board("Some board", "0000000000000000"))
    assert gateway_id(root=root).startswith("gw-")


def test_the_machine_id_never_leaves() -> None:
    """No eight digits of the machine id stand in the name, and another machine has another name."""
    name = name_from_machine_id(MACHINE_ID)
    assert not any(MACHINE_ID[at : at + 8] in name for at in range(24))
    assert name != name_from_machine_id(MACHINE_ID[::-1])


@pytest.mark.parametrize("text", ["", "uninitialized", "0" * 32, "abc", "0123456789ABCDEF0123456789ABCDEF"])
def test_no_machine_id(tmp_path: Path, text: str) -> None:
    """An image that was never started has no identity: it says so and what to do, rather than share a name."""
    root = plant(tmp_path, {"etc/machine-id": text})
    with pytest.raises(SettingsError, match="has no name") as caught:
        gateway_id(root=root)
    assert "id =" in caught.value.hint


@given(st.text(max_size=200))
def test_any_serial_gives_a_name_for_the_wire_or_none(serial: str) -> None:
    """Whatever the firmware says, the name fits a topic or is empty."""
    name = name_from_serial(serial)
    assert name == "" or re.fullmatch(ID, name)


def test_a_long_serial_is_cut() -> None:
    """A serial number that is longer than a name may be keeps its beginning."""
    assert name_from_serial("AB" * 50) == "ab" * 32


def test_boot_id(tmp_path: Path) -> None:
    """The boot id is eight hexadecimal digits, zeros where the kernel does not tell it."""
    assert boot_id(plant(tmp_path / "pi", no_pi())) == "5d1c8f00"
    assert boot_id(tmp_path / "absent") == "00000000"
    assert boot_id(plant(tmp_path / "odd", {"proc/sys/kernel/random/boot_id": "not a boot id"})) == "00000000"
