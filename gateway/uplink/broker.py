"""Which broker, and with which papers: a plain value and its URL. Pure; does not import paho. Connecting: mqtt.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote, urlsplit

from gateway.errors import LinkError

if TYPE_CHECKING:
    from pathlib import Path

Protocol = Literal["5", "3.1.1"]
_HINT = "write mqtt://host:1883, or mqtts://host:8883 for TLS"


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is and how to speak with it."""

    host: str = "127.0.0.1"
    port: int = 1883
    protocol: Protocol = "5"
    username: str | None = None
    password: str | None = None
    tls: bool = False
    """Encrypted; the broker's certificate is checked against `ca`, or against the system's authorities."""
    ca: Path | None = None
    cert: Path | None = None
    """Our own certificate (PEM, with its chain); its common name is the gateway's id."""
    key: Path | None = None
    """Private key of `cert`."""
    keepalive: int = 20
    """Seconds. A dead link is noticed within twice this."""
    inflight: int = 16
    """Most messages that are on their way unacknowledged; the broker may ask for fewer."""
    ack_timeout: float = 20.0
    """Seconds without an acknowledgement after which the connection is taken for dead."""
    connect_timeout: float = 10.0
    """Seconds for TCP and TLS, and again for the broker's answer."""

    def __str__(self) -> str:
        """Name the broker without secrets."""
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


def parse_broker_url(url: str) -> Broker:
    """Return the broker that a URL names: mqtt://[user[:password]@]host[:port] or mqtts://...

    Raises:
        LinkError: it is no such URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise LinkError(f"broker URL {_shown(url)!r}: {error}", _HINT) from error
    if parts.scheme not in {"mqtt", "mqtts"}:
        raise LinkError(f"broker URL {_shown(url)!r}: its scheme is neither mqtt nor mqtts", _HINT)
    if not parts.hostname:
        raise LinkError(f"broker URL {_shown(url)!r} names no host", _HINT)
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise LinkError(f"broker URL {_shown(url)!r} has more than host and port", _HINT)
    tls = parts.scheme == "mqtts"
    return Broker(
        host=parts.hostname,
        port=port or (8883 if tls else 1883),
        tls=tls,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


def _shown(url: str) -> str:
    """Return the URL without what may be a password: it will stand in a log."""
    head, at, tail = url.rpartition("@")
    return f"{head.partition('//')[0]}//...@{tail}" if at else url
