"""Reads the configuration: TOML, `GATEWAY_` environment, `--set key=value`, in rising order; and the last good one.

Not here: what can be set (settings.py), how a mistake in it is told (complaints.py), what is done with it (daemon).
Runs once, on the main thread, before a camera is touched.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource

from gateway.configuration.complaints import Origins, complaints
from gateway.configuration.settings import Settings
from gateway.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

DEFAULT_FILE = Path("/etc/camera-gateway/gateway.toml")
LAST_GOOD = "last-good.json"
MARK = "\ufeff"
"""Some editors put this before the first letter."""
STORE_DIR = re.compile(
    r"""^[ \t]*\[store\][^\[]*?^[ \t]*dir[ \t]*=[ \t]*["']([^"'\n]+)["'][ \t]*(?:#.*)?\r?$""", re.MULTILINE
)
"""Where a file says that its store is, though it is no TOML as a whole: a typing error elsewhere must not hide it."""


@dataclass(frozen=True)
class Loaded:
    """A configuration that can be used, and what has to be said about it."""

    settings: Settings
    in_force: Literal["file", "last-good", "defaults"]
    errors: list[str] = field(default_factory=list)
    """Why the file is not in force, a line each."""
    warnings: list[str] = field(default_factory=list)
    file: Path = DEFAULT_FILE
    """Where it was looked for, whether it is there or not."""

    @property
    def revision(self) -> str:
        """First twelve hexadecimal digits of the SHA-256 of the configuration's canonical JSON."""
        return hashlib.sha256(canonical(self.settings)).hexdigest()[:12]


def canonical(settings: Settings) -> bytes:
    """Return the configuration as JSON with sorted keys: equal settings give equal bytes."""
    return json.dumps(settings.model_dump(mode="json"), sort_keys=True, separators=(",", ":")).encode()


def load(
    file: Path | None,
    sets: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    must: Callable[[Settings], object] = lambda _settings: None,
) -> Loaded:
    """Return the configuration in force.

    Args:
        file: TOML file named by the user, who is told when it is not there; None: DEFAULT_FILE, and defaults if absent.
        sets: `key=value` with dotted keys and TOML values, e.g. `cameras.0.source="street"`.
        environ: for tests; None: the process's own.
        must: raises SettingsError for what cannot be run on, though each value is allowed.

    Raises:
        SettingsError: it cannot be used and there is no last good one; all complaints, a line each.
    """
    environ = os.environ if environ is None else environ
    try:
        loaded = load_strict(file, sets, environ)
        must(loaded.settings)
    except SettingsError as error:
        state = _state_dir(file, sets, environ)
        kept = state / LAST_GOOD
        try:
            settings = Settings.model_validate_json(kept.read_bytes())
            must(settings)
        except (OSError, ValidationError, ValueError, SettingsError) as refused:
            if isinstance(refused, FileNotFoundError | NotADirectoryError):
                why = "is not there"
            else:
                why = f"cannot be read: {refused.strerror}" if isinstance(refused, OSError) else "cannot be used either"
            where = f"the last good configuration, {kept}, {why}; for a store elsewhere: --set store.dir=DIR"
            raise SettingsError(str(error), f"{error.hint}; {where}") from None
        return Loaded(settings, "last-good", errors=str(error).splitlines(), file=file or DEFAULT_FILE)
    return loaded


def load_strict(file: Path | None, sets: Sequence[str], environ: Mapping[str, str]) -> Loaded:
    """Return the configuration as it is written, without falling back on the last good one.

    Raises:
        SettingsError: all complaints, a line each.
    """
    path = file or DEFAULT_FILE
    written: dict[str, Any] = {}
    in_force: Literal["file", "defaults"] = "defaults"
    if file is not None or not _absent(path):
        written, in_force = _read_toml(path), "file"
    from_env = _from_environment(environ)
    data = _merged(written, from_env)
    from_sets = [_apply(data, text) for text in sets]
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        lines = complaints(error, data, Origins(str(path) if written else "defaults", from_env, from_sets))
        hint = f"correct it, then try again with: gateway config check{f' --config {file}' if file else ''}"
        raise SettingsError("\n".join(lines), hint) from None
    return Loaded(settings, in_force, warnings=_unknown_environment(environ), file=path)


def keep_as_last_good(settings: Settings) -> None:
    """Write the configuration beside the store, atomically and durably, for a day when the file is broken.

    Raises:
        OSError: the folder cannot be written.
    """
    folder = settings.store.dir
    target, fresh = folder / LAST_GOOD, folder / (LAST_GOOD + ".new")
    text = canonical(settings)
    if target.exists() and target.read_bytes() == text:
        return  # spare the card
    with fresh.open("wb") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(target)


def as_toml(settings: Settings) -> str:
    """Return the configuration as TOML without comments, in the order of the sample."""
    return "\n".join(_toml_table(settings.model_dump(mode="json"), "")).strip() + "\n"


def _absent(path: Path) -> bool:
    """Tell whether there is nothing; what is there and cannot be looked at is told when it is read."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        pass
    return False


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8").removeprefix(MARK))
    except FileNotFoundError:
        raise SettingsError(
            f"{path}: there is no such file", "name the file with --config, or leave that away to run on defaults"
        ) from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}", "check its owner and mode") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SettingsError(
            f"{path}: line {line} holds a letter that is no UTF-8 (byte 0x{error.object[error.start]:02x})",
            "save the file as UTF-8, or write that line without accents",
        ) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(
            f"{path}: is not valid TOML: {error}",
            "correct that line; every key is shown in config/gateway.toml, on a device in "
            "/usr/share/doc/camera-gateway/examples/gateway.toml",
        ) from None


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    source = EnvSettingsSource(Settings)
    source.env_vars = {key.lower(): value for key, value in environ.items() if value}
    try:
        return source()
    except ValueError as error:  # pydantic-settings: a list or table that is no JSON
        raise SettingsError(
            f"environment: {error}", "lists and tables are written as JSON, e.g. GATEWAY_CAMERAS='[{...}]'"
        ) from None


def _unknown_environment(environ: Mapping[str, str]) -> list[str]:
    names = set(Settings.model_fields)
    return [
        f"environment: {key} is no setting and is ignored"
        for key in environ
        if key.startswith("GATEWAY_") and key.removeprefix("GATEWAY_").split("__")[0].lower() not in names
    ]


def _merged(low: dict[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(low)
    for key, value in high.items():
        old = result.get(key)
        result[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def _apply(data: dict[str, Any], text: str) -> str:
    """Set one `key=value` in data; return the dotted key."""
    key, equals, value = text.partition("=")
    if not equals:
        raise SettingsError(f"--set {text}: there is no '='", "write --set key=value, e.g. --set broker.url=mqtt://h")
    try:
        parsed = tomllib.loads(f"v = {value}")["v"]
    except tomllib.TOMLDecodeError:
        parsed = value  # a bare word is a string, as on every command line
    place: Any = data
    *path, last = key.strip().split(".")
    try:
        for part in path:
            if isinstance(place, list):
                place = place[int(part)]
            elif part == "cameras" and part not in place:
                place = place.setdefault(part, [{}])
            else:
                place = place.setdefault(part, {})
        if isinstance(place, list):
            place[int(last)] = parsed
        else:
            place[last] = parsed
    except (ValueError, IndexError, TypeError, AttributeError):
        raise SettingsError(
            f"--set {key}: there is no such place",
            "lists count from 0, e.g. cameras.0.source; see: gateway config show",
        ) from None
    return key.strip()


def _state_dir(file: Path | None, sets: Sequence[str], environ: Mapping[str, str]) -> Path:
    """Where the last good configuration would be, read from a configuration that may be broken."""
    for text in reversed(sets):
        if text.startswith("store.dir="):
            return Path(text.partition("=")[2].strip("\"'"))
    if named := environ.get("GATEWAY_STORE__DIR"):
        return Path(named)
    written = b""
    with contextlib.suppress(OSError):
        written = (file or DEFAULT_FILE).read_bytes()
    text = written.decode("utf-8", "replace").removeprefix(MARK)
    with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
        return Path(tomllib.loads(text)["store"]["dir"])
    if found := STORE_DIR.search(text):
        return Path(found[1])
    default = Settings.model_fields["store"].default.dir
    return Path(environ.get("STATE_DIRECTORY", default))


def _toml_value(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)  # TOML's strings, numbers and booleans are written as in JSON


def _toml_table(table: dict[str, Any], name: str) -> list[str]:
    lines = []
    nested = {
        key: value
        for key, value in table.items()
        if isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict))
    }
    for key, value in table.items():
        if key not in nested and value is not None:
            lines.append(f"{key} = {_toml_value(value)}")
    for key, value in nested.items():
        full = f"{name}.{key}" if name else key
        for item in value if isinstance(value, list) else [value]:
            lines += ["", f"[[{full}]]" if isinstance(value, list) else f"[{full}]", *_toml_table(item, full)]
    return lines
