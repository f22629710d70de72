"""The rules of the house: who may import whom, which library has its place where, what a process must never load.

Not here: reading the imports (architecture.py), and the tests (test_architecture.py).
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from tests.architecture import reach, room

if TYPE_CHECKING:
    from tests.architecture import Import

MAY_IMPORT = {
    "errors": set[str](),
    "logs": set(),
    "channel": {"wire"},
    "control": {"errors"},
    "wire": {"wire", "errors"},
    "motion": {"motion"},
    "camera": {"camera", "wire", "errors"},
    "events": {"events", "motion", "camera", "wire", "errors"},
    "uplink": {"uplink", "wire", "errors"},
    "device": {"device", "wire", "errors"},
    "contract": {"contract", "device", "wire", "errors"},
    "memory": {"memory", "logs"},
    "recovery": {"recovery", "memory", "device", "camera.opening", "channel", "wire"},
    "daemon": {
        "daemon",
        "recovery",
        "memory",
        "configuration",
        "uplink",
        "device",
        "camera.opening",
        "channel",
        "control",
        "waiting",
        "logs",
        "wire",
        "errors",
        "gateway",
    },
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
    "configuration.settings": {"camera.opening", "wire", "errors"},
    "configuration.complaints": {"configuration.settings", "camera.opening", "wire"},
    "configuration.loading": {"configuration.complaints", "configuration.settings", "errors"},
    "asking": {"configuration.settings", "control", "memory", "errors"},
    "listen": {"listen", "configuration", "uplink", "logs", "wire", "errors"},
    "listen.telling": {"logs", "wire"},
    "demo": {"demo", "replay.score", "configuration", "control", "camera", "uplink", "wire", "errors"},
}
"""Of each room or module, the rooms and modules of ours that it may import; the configuration stands in no stage's."""
ABOVE = {
    "demo": {"cli"},
    "selftest": {"cli"},
    "listen": {"cli"},
    "asking": {"cli"},
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
DAEMON, EYE = "gateway.daemon.daemon", "gateway.eye.eye"
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
        "gateway.daemon",
        "gateway.memory",
        "gateway.recovery",
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
