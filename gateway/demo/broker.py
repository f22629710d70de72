"""The demo's own broker: iotcore (rumqttd) in a child process, MQTT 5, on 127.0.0.1 and a free port only.

MQTT 5 and pictures over 20 KB need a configuration file; its keyword arguments know neither. In memory only, and wrong
for anything but a demo: tests use mosquitto. Not here: who connects (play.py).
"""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, Any, Self

from gateway.errors import LinkError

if TYPE_CHECKING:
    from pathlib import Path

CONFIGURATION = """\
id = 0

[router]
id = 0
max_connections = 100
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10

[v5.1]
name = "v5-1"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = 262144
max_inflight_count = 100
"""
TRIES = 3
"""A free port can be taken by another process before the broker listens on it."""


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class EmbeddedBroker:
    """A broker for as long as the demo runs; use it in a `with`."""

    def __init__(self, folder: Path) -> None:
        """Prepare.

        Args:
            folder: where its configuration file is written.
        """
        self._file = folder / "broker.toml"
        self._broker: Any = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"mqtt://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        """Start it, and return when it accepts connections.

        Raises:
            LinkError: it is not installed, or does not start.
        """
        try:
            from iotcore import Broker

            logging.getLogger("iotcore").setLevel(logging.WARNING)
        except ImportError as error:
            raise LinkError(
                f"the demo's broker is not installed ({error})",
                "pip install 'camera-gateway[demo]', or name a broker of yours with --broker mqtt://host:1883",
            ) from None
        problem: Exception | None = None
        for _ in range(TRIES):
            self.port = free_port()
            self._file.write_text(CONFIGURATION.format(port=self.port), encoding="utf-8")
            self._broker = Broker(config_path=str(self._file))
            try:
                self._broker.start(timeout=10.0)
            except (OSError, RuntimeError) as error:
                problem = error
            else:
                return self
        raise LinkError(
            f"the demo's broker does not start: {problem}", "name a broker of yours with --broker mqtt://host:1883"
        )

    def __exit__(self, *_: object) -> None:
        self._broker.stop()
