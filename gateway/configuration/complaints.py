"""What is wrong with a configuration, for people: where the value came from, the key, what was found, what is allowed.

Not here: reading it (loading.py), what can be set (settings.py). Pure; on the main thread.
"""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from pydantic import BaseModel

from gateway.camera.opening import without_password
from gateway.configuration.settings import BROKER_URL, INTERFACE, OPTIONAL_ID, Settings
from gateway.wire.fields import ID

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import ValidationError
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


def complaints(error: ValidationError, origins: Origins) -> list[str]:
    """Return a line for each mistake, MOST at the most."""
    lines = list(dict.fromkeys(_complaint(detail, origins) for detail in error.errors()))
    if len(lines) > MOST:
        lines[MOST:] = [f"and {len(lines) - MOST} more"]
    return lines


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
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "string_pattern_mismatch":
        pattern = detail.get("ctx", {}).get("pattern", "")
        message = PATTERNS.get(pattern, f"must match {pattern}")
    return f"{where}: {key or 'the configuration'}: found {found}; {message[:1].lower() + message[1:]}"


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
