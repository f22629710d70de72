"""Tells systemd that we are ready, alive, stopping, and what we do (sd_notify(3), without libsystemd).

Not here: when it is said; the daemon's main thread decides, and is the only one that calls. Never waits: what the
socket does not take now goes along with the next call, so feed the watchdog often.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class ServiceManager:
    """Our side of the service manager's datagram socket. Without a service manager every call does nothing."""

    def __init__(self, environ: MutableMapping[str, str] | None = None) -> None:
        """Take the address and the watchdog's time out of the environment, so that no child speaks for us."""
        environ = os.environ if environ is None else environ
        address, microseconds, pid = (environ.pop(name, "") for name in VARIABLES)
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._pending: dict[str, str] = {}
        self._socket: socket.socket | None = None
        if address.startswith(("/", "@")):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.settimeout(0)
        ours = microseconds.isdigit() and int(microseconds) > 0 and pid in {"", str(os.getpid())}
        self.watchdog_s = int(microseconds) / 1e6 if ours else None
        """Seconds of silence after which systemd kills us, or None; feed at least twice as often."""

    def ready(self, status: str = "") -> bool:
        """Say that the start is over. Returns whether it has been said."""
        return self._say(READY="1", **({"STATUS": status} if status else {}))

    def feed(self) -> bool:
        """Say that we make progress. Returns whether it has been said."""
        return self._say(WATCHDOG="1")

    def status(self, text: str) -> bool:
        """Say in a line what we do, for `systemctl status`. Returns whether it has been said."""
        return self._say(STATUS=text)

    def stopping(self) -> bool:
        """Say that we are about to end. Returns whether it has been said."""
        return self._say(STOPPING="1")

    def close(self) -> None:
        """Let go of the socket; what is said later is not heard."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _say(self, **assignments: str) -> bool:
        if self._socket is None:
            return False
        # A line break in a status would end it and begin an assignment of its own.
        self._pending |= {name: " ".join(value.split()) for name, value in assignments.items()}
        text = "\n".join(f"{name}={value}" for name, value in self._pending.items())
        try:
            self._socket.sendto(text.encode(), self._address)
        except OSError:  # full, or systemd is being executed anew: the next call says it again
            return False
        self._pending.clear()
        return True
