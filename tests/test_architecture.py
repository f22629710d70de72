"""The house keeps its shape: who may import whom, and what each process must never load."""

from __future__ import annotations

import shutil
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.architecture import Import, imports, modules, reach, room

TREE = Path(__file__).parent.parent
MAY_IMPORT = {
    "errors": set[str](),
    "wire": {"wire", "errors"},
    "motion": {"motion"},
    "camera": {"camera", "wire", "errors"},
    "events": {"events", "motion", "camera", "wire", "errors"},
    "uplink": {"uplink", "wire", "errors"},
    "device": {"device", "wire", "errors"},
    "contract": {"contract", "device", "wire", "errors"},
    "eye": {"eye", "events", "motion", "camera", "channel", "logs", "wire", "errors"},
    "eye.pipeline": {"events", "motion", "camera", "wire", "errors"},
    "replay": {
        "replay",
        "eye.pipeline",
        "motion",
        "camera",
        "configuration.settings",
        "wire",
        "errors",
        "gateway",
    },
    "replay.score": set(),
    "configuration": {"configuration", "camera.opening", "uplink.broker", "wire", "errors"},
    "configuration.settings": {"wire"},
    "configuration.complaints": {"configuration.settings", "wire"},
    "configuration.loading": {"configuration.complaints", "configuration.settings", "errors"},
    "demo": {"demo", "replay.score", "configuration", "control", "camera", "uplink", "wire", "errors"},
}
"""Of each room or module, the rooms and modules of ours that it may import; the configuration stands in no stage's."""
ABOVE = {
    "demo": {"cli"},
    "selftest": {"cli"},
    "eye": {"__main__"},
    "eye.pipeline": {"replay", "selftest"},
    "eye.source": {"selftest"},
    "replay": {"cli"},
    "replay.score": {"demo"},
    "daemon": {"cli"},
    "cli": {"__main__"},
}
"""Of what stands on top, who else may import it: it can be taken away, and nothing else would notice."""
ONLY = {
    "picamera2": ("gateway.camera.picam",),
    "libcamera": ("gateway.camera.picam",),
    "paho": ("gateway.uplink.mqtt",),
    "sqlite3": ("gateway.uplink.",),
    "cv2": (
        "gateway.camera.",
        "gateway.motion.",
        "gateway.events.",
        "gateway.replay.",
        "gateway.demo.",
    ),
    "pydantic": (
        "gateway.configuration.settings",
        "gateway.configuration.loading",
        "gateway.configuration.complaints",
        "gateway.contract.",
    ),
    "pydantic_settings": ("gateway.configuration.settings", "gateway.configuration.loading"),
    "jsonschema": ("gateway.contract.",),
    "iotcore": ("gateway.demo.",),
    "rich": ("gateway.demo.",),
    "psutil": ("gateway.demo.",),
    "asyncio": (),
}
"""Of each library, who may import it: modules, or whole rooms where the name ends with a full stop."""
DAEMON, EYE = "gateway.daemon", "gateway.eye.eye"
NEVER = {
    DAEMON: {
        "numpy",
        "cv2",
        "picamera2",
        "gateway.motion",
        "gateway.events",
        "gateway.eye",
        "gateway.demo",
        "gateway.replay",
    },
    EYE: {
        "paho",
        "sqlite3",
        "pydantic",
        "pydantic_settings",
        "gateway.configuration",
        "gateway.uplink",
        "gateway.demo",
        "gateway.replay",
    },
}
"""What a process must never load, however far away it is imported; inside functions as well."""
NOT_CALLED = {DAEMON: frozenset({"gateway.camera.opening", "gateway.__main__"}), EYE: frozenset[str]()}
"""The daemon asks opening.py only for a source's name; what that imports to open one, it never imports."""


def lies_in(module: str, name: str) -> bool:
    """Whether a module is the one of that name, or lies in the room of that name; `gateway` is the package alone."""
    return module == "gateway" if name == "gateway" else f"{module}.".startswith(f"gateway.{name}.")


def the_rule(rules: dict[str, set[str]], module: str) -> set[str] | None:
    """The rule for a module: its own before its room's; none where there is none."""
    names = [name for name in rules if lies_in(module, name)]
    return rules[max(names, key=len)] if names else None


def wrong_directions(found: list[Import]) -> list[str]:
    """Imports of ours that lead where they may not, even for types only."""
    wrong = []
    for each in found:
        if not room(each.of):
            continue
        below, above = the_rule(MAY_IMPORT, each.by), the_rule(ABOVE, each.of)
        down = below is None or any(lies_in(each.of, name) for name in below)
        up = above is None or any(lies_in(each.by, name) for name in above | {room(each.of)})
        if not (down and up):
            wrong.append(f"{each.by} imports {each.of}")
    return wrong


def wrong_places(found: list[Import]) -> list[str]:
    """Imports of a library where it may not be imported."""
    return [
        f"{each.by} imports {each.of}"
        for each in found
        if (library := each.of.partition(".")[0]) in ONLY
        and not any(each.by.startswith(place) if place.endswith(".") else each.by == place for place in ONLY[library])
    ]


def forbidden(found: list[Import], start: str) -> list[str]:
    """Ways from a process's first module to what it must never load."""
    ways = reach(found, start, calls=True, closed=NOT_CALLED[start])
    return [
        " > ".join(way)
        for of, way in ways.items()
        if any(of == name or of.startswith(name + ".") for name in NEVER[start])
    ]


def circle(found: list[Import]) -> list[str]:
    """One circle of modules of ours, the types that they take from each other included; empty where there is none."""
    of: dict[str, set[str]] = {}
    for each in found:
        if room(each.of):
            of.setdefault(each.by, set()).add(each.of)
    try:
        TopologicalSorter(of).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


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
        ("answers", "from gateway import cli"),
        ("reporting", "def f():\n    from gateway.selftest import run"),
        ("demo/play", "import gateway.eyes"),
    ],
)
def test_control_a_wrong_direction_is_caught(tmp_path: Path, name: str, text: str) -> None:
    """An import that leads upwards is caught: at the top of a file, in a function, for types, relative."""
    rooms = ["device/__init__", "selftest/__init__", "configuration/__init__", "configuration/loading"]
    below = dict.fromkeys(["errors", "cli", "eyes", *rooms], "")
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
        "daemon": "from gateway.reporting import Reports\nimport gateway.tools.clock",
        "reporting": "def f():\n    from gateway.marks import box",
        "marks": "import numpy as np",
        "tools/__init__": "import cv2",
        "tools/clock": "",
        "eye/eye": "from gateway.wire import draft",
        "wire/draft": "",
        "wire/__init__": "import sqlite3",
    }
    found = house(tmp_path, files)
    assert set(forbidden(found, DAEMON)) == {
        "gateway.daemon > gateway.reporting > gateway.marks > numpy",
        "gateway.daemon > gateway.tools > cv2",
    }
    assert forbidden(found, EYE) == ["gateway.eye.eye > gateway.wire > sqlite3"]


def test_control_types_are_not_loaded(tmp_path: Path) -> None:
    """An import for the type checker only loads nothing, and neither does one that is never called."""
    types = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import numpy\n"
    files = {
        "daemon": types + "import gateway.camera.opening",
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


def test_control_what_is_loaded_is_seen(tmp_path: Path) -> None:
    """The look into a fresh interpreter sees a library that is imported two modules away."""
    shutil.copytree(TREE / "gateway", tmp_path / "gateway", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "gateway/faults.py").open("a") as out:
        out.write("\nimport numpy\n")
    assert "numpy" in loaded(DAEMON, tmp_path)
