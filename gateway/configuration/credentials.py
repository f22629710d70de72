"""Makes the broker's address and papers of the settings; finds what the settings name and is not there.

Not here: connecting (uplink), opening cameras. Runs once, on the main thread, before the link is made.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.camera.opening import OPTIONS, parse, without_password
from gateway.errors import SettingsError
from gateway.uplink.broker import Broker, parse_broker_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.configuration.settings import BrokerSettings, CameraSettings, Settings


def broker_of(settings: BrokerSettings) -> Broker:
    """Return the broker of these settings, with the password from its file.

    Raises:
        SettingsError: the password's file cannot be read.
    """
    password = None
    if settings.password_file is not None:
        try:
            lines = settings.password_file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            raise SettingsError(
                f"broker.password_file: {settings.password_file} cannot be read: {why}",
                "put the password on its first line, readable by the user camera-gateway only (mode 0600)",
            ) from None
        password = lines[0].strip() if lines else ""
    return replace(
        parse_broker_url(settings.url),
        protocol=settings.protocol,
        username=settings.username or None,
        password=password,
        ca=settings.ca_file,
        cert=settings.cert_file,
        key=settings.key_file,
        keepalive=settings.keepalive_s,
        inflight=settings.inflight,
    )


def without_passwords(settings: Settings) -> Settings:
    """Return the configuration as it may be shown: of cameras' addresses user, password and query are left out."""
    cameras = [camera.model_copy(update={"source": without_password(camera.source)}) for camera in settings.cameras]
    return settings.model_copy(update={"cameras": cameras})


def unmasked(camera: CameraSettings) -> str:
    """Return what has to be known of a camera without privacy masks; nothing, where it has some."""
    return "" if camera.masks or camera.mask_file else "no privacy masks: whole pictures leave"


def doubts(settings: Settings) -> list[str]:
    """Return what is allowed and will hardly work: files that are not there, a camera that is none; a line each."""
    found = []
    if settings.area == "unassigned":
        found.append("area: unassigned; set it to the district's name, as the centre has it")
    files = {f"broker.{name}": getattr(settings.broker, name) for name in ("ca_file", "cert_file", "key_file")}
    for number, camera in enumerate(settings.cameras):
        files[f"cameras.{number}.mask_file"] = camera.mask_file
        source = parse(camera.source)
        if source.kind != "street" and unmasked(camera):
            found.append(
                f"cameras.{number}.masks: {unmasked(camera)}; draw what must not be seen, or leave it so knowingly"
            )
        if source.kind == "v4l2" and not Path(source.place).exists():
            found.append(f"cameras.{number}.source: there is no device {source.place}; see which are: ls /dev/video*")
        if source.kind == "recording" and not Path(source.place).exists():
            meant = "".join(difflib.get_close_matches(source.place, OPTIONS, 1))
            guess = f" (did you mean {meant}?)" if meant else ""
            found.append(f"cameras.{number}.source: there is no file or folder {without_password(source.place)}{guess}")
    found += [
        f"{key}: {path} is not there, or may not be read"
        + ("; no picture leaves this camera until it is" if key.endswith("mask_file") else "")
        for key, path in files.items()
        if path is not None and not os.access(path, os.R_OK)
    ]
    found += _half_a_login(settings.broker)
    if settings.broker.ca_file is not None and settings.broker.url.startswith("mqtt://"):
        found.append("broker.ca_file: not used, as broker.url does not begin with mqtts://")
    if not settings.store.dir.is_absolute():
        found.append(f"store.dir: {settings.store.dir} is relative to wherever the gateway is started")
    return found


def _half_a_login(settings: BrokerSettings) -> Iterator[str]:
    """Yield what is missing of name and password: the broker would only say that it refuses."""
    if settings.username and settings.password_file is None and settings.cert_file is None:
        yield "broker.username: no password is sent; name the file that holds it: broker.password_file"
    if settings.password_file is None:
        return
    if not settings.username:
        yield "broker.password_file: not used, as broker.username is empty"
    elif not broker_of(settings).password:
        yield f"broker.password_file: {settings.password_file}: its first line is empty; the password belongs there"
