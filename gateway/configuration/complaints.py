"""What is wrong with a configuration, for people: where the value came from, the key, what was found, what is allowed.

Not here: reading it (loading.py), what can be set (settings.py). Pure; on the main thread.
"""

from __future__ import annotations

import copy
import difflib
import json
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from pydantic import BaseModel, ValidationError

from gateway.camera.opening import without_password
from gateway.configuration.settings import BROKER_URL, INTERFACE, OPTIONAL_ID, Settings
from gateway.wire.fields import ID

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

MOST = 20
"""Most that is told of one file."""
PATTERNS = {
    ID: "allowed are a-z, 0-9 and hyphens, 1 to 64 of them",
    OPTIONAL_ID: "allowed are a-z, 0-9 and hyphens, at most 64 of them, or nothing",
    INTERFACE: "allowed is the name of a network interface, such as wlan0 or eth0, or nothing",
    BROKER_URL: "allowed is mqtt://host:port or mqtts://host:port, without user or password",
}
"""What a pattern says, for people."""
SIZE = "allowed are two numbers, width and height in pixels, such as [640, 360]"
CORNERS = "[[x, y], [x, y], [x, y], ...] with x and y from 0 to 1"
SHAPES = {
    "analysis": SIZE,
    "main": SIZE,
    "masks": f"allowed is a list of polygons, each {CORNERS}",
    "polygon": f"allowed is {CORNERS}",
    "cameras": "allowed is a table for each, headed [[cameras]]",
    "zones": "allowed is a table for each, headed [[cameras.zones]]",
}
"""How a value that is a list is written."""
KINDS = {
    "string": "allowed is text in quotes",
    "path": "allowed is a path in quotes",
    "bool": "allowed is true or false",
    "model": "allowed is a table of keys",
    "dict": "allowed is a table of keys",
}
"""How a value of a kind is written, by the first word of what the validation calls the mistake."""
ROUNDS = 4
"""Values are judged before tables, tables before lists of them, and the whole last."""


class Origins(NamedTuple):
    """Where the values of a configuration came from."""

    file: str
    """The file's name, or `defaults` where there is none."""
    environment: dict[str, Any]
    """What the environment says, as a tree."""
    sets: list[str]
    """Dotted keys that --set named."""

    def of(self, location: Sequence[int | str]) -> str:
        """Return where the value at a place came from."""
        key = ".".join(map(str, location))
        if any(key == name or key.startswith(name + ".") or name.startswith(key + ".") for name in self.sets):
            return "--set"
        if location and str(location[0]) in self.environment and _reaches(self.environment, location):
            return "environment GATEWAY_" + "__".join(map(str, location)).upper()
        return self.file


def complaints(error: ValidationError, data: dict[str, Any], origins: Origins) -> list[str]:
    """Return a line for each mistake in what was read, MOST at the most."""
    lines = list(dict.fromkeys(_complaint(detail, origins) for detail in _mistakes(error, data)))
    if len(lines) > MOST:
        lines[MOST:] = [f"and {len(lines) - MOST} more"]
    return lines


def _mistakes(error: ValidationError, data: dict[str, Any]) -> list[ErrorDetails]:
    """Return every mistake, also those that are looked for only where there is no other.

    What is wrong is left out and the rest judged again; a judgement over what was left out says nothing.
    """
    rest = copy.deepcopy(data)
    found: list[ErrorDetails] = []
    gone: list[tuple[int | str, ...]] = []
    for _ in range(ROUNDS):
        fresh = [detail for detail in error.errors() if not any(_bears_on(each, detail["loc"]) for each in gone)]
        if not fresh:
            break
        found += fresh
        gone += [_leave_out(rest, detail["loc"]) for detail in fresh]
        try:
            Settings.model_validate(rest)
        except ValidationError as another:
            error = another
        else:
            break
    return found


def _bears_on(gone: tuple[int | str, ...], location: tuple[int | str, ...]) -> bool:
    """Tell whether a value that was left out is part of what a table, or a list of named tables, is judged by."""
    if gone[: len(location)] != location:
        return False
    more = gone[len(location) :]
    return len(more) <= 1 or (len(more) == 2 and more[1] in {"name", "id"})


def _leave_out(data: Any, location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Take out the key under which a mistake is, or of a table in a list all but its name; return the place."""
    place = holder = data
    last = location[:0]
    for depth, part in enumerate(location):
        if isinstance(place, dict) and part in place:
            holder, last = place, location[: depth + 1]
        elif not (isinstance(place, list) and isinstance(part, int) and part < len(place)):
            break  # what lacks, or what was left out already
        elif depth == len(location) - 1 and last[-1] in {"cameras", "zones"}:
            table = place[part] if isinstance(place[part], dict) else {}
            place[part] = {key: table[key] for key in ("name", "id") if key in table}
            return (*location, "") if table else location
        place = place[part]
    if last:
        holder.pop(last[-1])
    return last


def _complaint(detail: ErrorDetails, origins: Origins) -> str:
    location = [part for part in detail["loc"] if not (isinstance(part, str) and part.startswith("function-"))]
    key, where = ".".join(map(str, location)), origins.of(location)
    if detail["type"] == "extra_forbidden":
        allowed = _keys_beside(location)
        near = _meant(str(location[-1]), allowed)
        guess = f" (did you mean {near}?)" if near else ""
        return f"{where}: {key}: there is no such key{guess}; allowed: {', '.join(allowed)}"
    found = json.dumps(_without_secrets(detail["input"]), default=str)
    if len(found) > 80:
        found = found[:77] + "..."
    message = _allowed(detail, location)
    return f"{where}: {key or 'the configuration'}: found {found}; {message[:1].lower() + message[1:]}"


def _allowed(detail: ErrorDetails, location: Sequence[int | str]) -> str:
    """Return what is allowed in place of what was found."""
    mistake, context = detail["type"], detail.get("ctx", {})
    names = [part for part in location if isinstance(part, str)]
    shape = SHAPES.get(names[-1]) if names else None
    allowed = detail["msg"]
    match mistake.split("_"):
        case ["value", "error"]:
            allowed = detail["msg"].removeprefix("Value error, ")
        case ["string", "pattern", "mismatch"]:
            allowed = PATTERNS.get(context["pattern"], f"must match {context['pattern']}")
        case ["literal", "error"]:
            allowed = f"allowed is {context['expected']}"
        case ["string", "too", "short"]:
            allowed = "it must not be empty"
        case ["too", "long"] if shape and shape != SIZE:
            allowed = f"allowed are at most {context['max_length']}, these are {context['actual_length']}"
        case [kind, *_] if kind in KINDS:
            allowed = KINDS[kind]
        case _ if shape:
            allowed = shape
        case ["int" | "float" | "greater" | "less" | "finite", *_] if field := _field(location):
            number = "a whole number" if field.annotation is int else "a number"
            limits = [getattr(each, name) for name in ("ge", "le") for each in field.metadata if hasattr(each, name)]
            allowed = (
                f"allowed is {number} from {limits[0]} to {limits[1]}" if len(limits) == 2 else f"it must be {number}"
            )
    return allowed


def _field(location: Sequence[int | str]) -> FieldInfo | None:
    """Return the field of a place, where there is one."""
    model, field = Settings, None
    for part in location:
        if isinstance(part, str):
            field = model.model_fields.get(part)
            inner, _ = _inner(field.annotation) if field else (None, "")
            model = inner or BaseModel  # type: ignore[assignment]
    return field


def _without_secrets(found: Any) -> Any:
    """Return what was found without passwords in addresses: a complaint goes into logs, and to the centre."""
    match found:
        case str():
            shown = without_password(found)
            return found if shown == found else f"{shown} (user, password and query left out)"
        case dict():
            return {key: _without_secrets(value) for key, value in found.items()}
        case list() | tuple():
            return [_without_secrets(value) for value in found]
    return found


def _meant(name: str, beside: Sequence[str]) -> str:
    """Return the key that was probably meant: of this name where only one other place has it, or a similar one here."""
    elsewhere = [key for key in _keys(Settings) if key.rpartition(".")[2] == name]
    if len(elsewhere) == 1:
        return elsewhere[0]
    return next(iter(difflib.get_close_matches(name, beside, 1)), "")


def _keys(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """Yield every dotted key that there is; of lists those of the first item."""
    for name, field in model.model_fields.items():
        inner, item = _inner(field.annotation)
        if inner is None:
            yield above + name
        else:
            yield from _keys(inner, f"{above}{name}.{item}")


def _inner(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """Return the table that a field holds, or a list of which it holds, with what stands before its keys; or None."""
    for found, item in ((annotation, ""), *((each, "0.") for each in get_args(annotation))):
        if isinstance(found, type) and issubclass(found, BaseModel):
            return found, item
    return None, ""


def _reaches(data: Any, location: Sequence[int | str]) -> bool:
    for part in location:
        if isinstance(data, dict) and part in data:
            data = data[part]
        else:
            return False
    return True


def _keys_beside(location: Sequence[int | str]) -> list[str]:
    """Names that are allowed where an unknown one was found."""
    model: type[BaseModel] = Settings
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        inner, _ = _inner(model.model_fields[part].annotation)
        assert inner is not None  # pydantic has looked for a key there
        model = inner
    return list(model.model_fields)
