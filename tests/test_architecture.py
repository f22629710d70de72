"""The house keeps its shape: who may import whom, and what each process must never load."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture import Import, imports, modules
from tests.rooms import DAEMON, EYE, NEVER, circle, forbidden, wrong_directions, wrong_places

TREE = Path(__file__).parent.parent


def house(folder: Path, files: dict[str, str]) -> list[Import]:
    """Imports of a made-up tree: paths in the package without their ending, and their text."""
    for name, text in ({"__init__": ""} | files).items():
        path = folder / "gateway" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return imports(folder)


def test_rooms_import_only_what_lies_below_them() -> None:
    """Wire is at the bottom, motion imports nothing of ours, no stage the settings, nobody what stands on top."""
    assert wrong_directions(imports(TREE)) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("motion/detector", "from gateway.wire.draft import Draft"),
        ("motion/detector", "from gateway import errors"),
        ("wire/message", "import gateway.uplink.outbox"),
        ("camera/mask", "from gateway.configuration.settings import CameraSettings"),
        ("uplink/spool", "def f():\n    from gateway import configuration"),
        ("events/episode", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from gateway.uplink import x"),
        ("device/health", "from ..configuration.loading import load"),
        ("configuration/settings", "from gateway.configuration import loading"),
        ("uplink/mqtt", "from .. import device"),
        ("errors", "import gateway.wire"),
        ("daemon/answers", "from gateway import cli"),
        ("daemon/reporting", "def f():\n    from gateway.selftest import run"),
        ("recovery/eyes", "from gateway.daemon import daemon"),
        ("eye/eye", "from gateway.recovery import ladder"),
        ("selftest/alone", "from gateway.daemon import daemon"),
        ("demo/play", "import gateway.recovery.eyes"),
    ],
)
def test_control_a_wrong_direction_is_caught(tmp_path: Path, name: str, text: str) -> None:
    """An import that leads upwards is caught: at the top of a file, in a function, for types, relative."""
    rooms = [f"{room}/__init__" for room in ("configuration", "daemon", "device", "recovery", "selftest")]
    rooms += ["configuration/loading", "daemon/daemon", "recovery/eyes", "recovery/ladder"]
    below = dict.fromkeys(["errors", "cli", *rooms], "")
    assert len(wrong_directions(house(tmp_path, below | {name: text}))) == 1


def test_nothing_is_imported_in_a_circle() -> None:
    """Of any two modules one can be understood without the other: no circle, not in functions and not for types."""
    assert circle(imports(TREE)) == []


@pytest.mark.parametrize(
    "back",
    [
        "from gateway.uplink import link",
        "def f():\n    from gateway.uplink.link import Link",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .link import Link",
    ],
)
def test_control_a_circle_is_caught(tmp_path: Path, back: str) -> None:
    """A circle over three modules is caught, at the start, in a function and for types."""
    files = {"uplink/__init__": "", "uplink/link": "from gateway.uplink import spool", "uplink/mqtt": back}
    found = circle(house(tmp_path, files | {"uplink/spool": "from gateway.uplink import mqtt"}))
    assert set(found) == {"gateway.uplink.link", "gateway.uplink.spool", "gateway.uplink.mqtt"}


def test_libraries_have_their_places() -> None:
    """Only picam.py knows picamera2, only mqtt.py knows paho, only the uplink knows SQLite; nobody uses asyncio."""
    assert wrong_places(imports(TREE)) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("uplink/link", "import paho.mqtt.client as mqtt"),
        ("demo/centre", "from paho.mqtt import client"),
        ("camera/video", "def f():\n    import picamera2"),
        ("daemon", "import sqlite3"),
        ("uplink/mqtt2", "import paho"),
        ("device/health", "import pydantic"),
        ("daemon", "import asyncio"),
    ],
)
def test_control_a_library_out_of_place_is_caught(tmp_path: Path, name: str, text: str) -> None:
    """A library that is imported elsewhere is caught, in a function as well."""
    assert len(wrong_places(house(tmp_path, {name: text}))) == 1


def test_control_a_library_in_its_place_is_not(tmp_path: Path) -> None:
    """The rule does not complain of the right places."""
    assert (
        wrong_places(house(tmp_path, {"uplink/mqtt": "import paho.mqtt.client", "uplink/store": "import sqlite3"}))
        == []
    )


@pytest.mark.parametrize("start", [DAEMON, EYE])
def test_processes_never_load_what_is_not_theirs(start: str) -> None:
    """No way leads from the daemon to NumPy or OpenCV, nor from the eye to paho, SQLite, pydantic or the settings."""
    assert start in modules(TREE)
    assert forbidden(imports(TREE), start) == []


def test_control_a_long_way_is_found(tmp_path: Path) -> None:
    """What is imported modules away, in a function, or by a package on the way, is found with the way there."""
    files = {
        "daemon/daemon": "from gateway.daemon.reporting import Reports\nimport gateway.tools.clock",
        "daemon/reporting": "def f():\n    from gateway.marks import box",
        "marks": "import numpy as np",
        "tools/__init__": "import cv2",
        "tools/clock": "",
        "eye/eye": "from gateway.wire import draft",
        "wire/draft": "",
        "wire/__init__": "import sqlite3",
    }
    found = house(tmp_path, files)
    assert set(forbidden(found, DAEMON)) == {
        "gateway.daemon.daemon > gateway.daemon.reporting > gateway.marks > numpy",
        "gateway.daemon.daemon > gateway.tools > cv2",
    }
    assert forbidden(found, EYE) == ["gateway.eye.eye > gateway.wire > sqlite3"]


def test_control_types_are_not_loaded(tmp_path: Path) -> None:
    """An import for the type checker only loads nothing, and neither does one that is never called."""
    types = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import numpy\n"
    files = {
        "daemon/daemon": types + "import gateway.camera.opening",
        "camera/opening": "def open_camera():\n    import cv2",
    }
    found = house(tmp_path, files)
    assert forbidden(found, DAEMON) == []


def loaded(start: str, tree: Path) -> set[str]:
    """Modules that a fresh interpreter has loaded after importing `start`."""
    script = f"import sys; import {start}; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", script], cwd=tree, capture_output=True, text=True, check=True)
    return set(told.stdout.split())


@pytest.mark.parametrize("start", [DAEMON, EYE])
def test_importing_a_process_loads_nothing_of_the_others(start: str) -> None:
    """A fresh interpreter that imports the process really has none of it in memory, not even through a library."""
    assert loaded(start, TREE) & NEVER[start] == set()


def test_the_eyes_are_started_before_store_and_link_are_loaded() -> None:
    """What starts the eyes loads neither the store nor the link nor what they need: an eye would wait for it."""
    late = {"sqlite3", "ssl", "paho", "gateway.uplink", "gateway.daemon.daemon"}
    assert loaded("gateway.daemon.start", TREE) & late == set()


def test_control_what_is_loaded_is_seen(tmp_path: Path) -> None:
    """The look into a fresh interpreter sees a library that is imported two modules away."""
    shutil.copytree(TREE / "gateway", tmp_path / "gateway", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "gateway/device/faults.py").open("a") as out:
        out.write("\nimport numpy\n")
    assert "numpy" in loaded(DAEMON, tmp_path)


def unpackaged(text: str) -> set[str]:
    """Return the rooms that a pyproject.toml does not have installed, and those that it names in vain."""
    rooms = {".".join(path.parent.relative_to(TREE).parts) for path in TREE.glob("gateway/**/__init__.py")}
    return rooms ^ set(tomllib.loads(text)["tool"]["setuptools"]["packages"])


def test_every_room_is_installed() -> None:
    """A room that the tree has and an installed gateway has not would be missed on the device only."""
    text = (TREE / "pyproject.toml").read_text(encoding="utf-8")
    assert unpackaged(text) == set()
    assert unpackaged(text.replace('    "gateway.wire",\n', "")) == {"gateway.wire"}  # the control
