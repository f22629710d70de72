"""Makes the broker's address and papers of the settings, and reads the password from its file.

Not here: connecting (uplink). Runs once, on the main thread, before the link is made.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.errors import SettingsError
from gateway.uplink.broker import Broker, parse_broker_url

if TYPE_CHECKING:
    from gateway.settings import BrokerSettings


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
            raise SettingsError(
                f"broker.password_file: {settings.password_file} cannot be read: {error}",
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
