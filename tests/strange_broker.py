"""Brokers that do what mosquitto does not, on a socket of our own; and what a gateway says that cannot connect."""

from __future__ import annotations

import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from gateway.uplink.broker import Broker
from tests.conftest import Gateway
from tests.mosquitto import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable


def reason_of(gateway: Gateway) -> dict[str, object]:
    """Start a gateway that cannot connect, wait for the reason, stop it, and return its status."""
    gateway.start()
    wait_for(lambda: gateway.link.status()["reason"], "a reason")
    status = gateway.link.status()
    gateway.stop()
    assert not status["connected"]
    assert status["problem"]
    assert status["hint"]
    return status


# Brokers that do what mosquitto does not, on a socket of our own


@dataclass
class Strange:
    """A broker of a few lines: takes anybody, answers as told, and counts what it is sent on each connection."""

    properties: bytes = b""
    answer: int | None = 0
    """Reason code of each PUBACK; None: no answer at all."""
    verdicts: dict[bytes, int] = field(default_factory=dict)
    """Reason codes for payloads that start so."""
    goodbye: bytes = b""
    """Sent and hung up after the first publish."""
    silent: bool = False
    unacked: list[list[bytes]] = field(default_factory=list)
    published: list[bytes] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.broker = Broker(port=self._listener.getsockname()[1], ack_timeout=1.0, connect_timeout=1.0)
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            connection.close()
        for thread in self._threads:
            thread.join(10)

    def _start(self, what: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=what, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        mine: list[bytes] = []
        self.unacked.append(mine)
        try:
            while True:
                kind, body = _packet(connection)
                if kind == 1 and not self.silent:
                    connection.sendall(
                        bytes([0x20, 3 + len(self.properties), 0, 0, len(self.properties)]) + self.properties
                    )
                elif kind == 8:
                    connection.sendall(b"\x90\x04" + body[:2] + b"\x00\x01")
                elif kind == 3:
                    self._take(connection, body, mine)
                elif kind == 12:
                    connection.sendall(b"\xd0\x00")
        except (OSError, EOFError):
            connection.close()

    def _take(self, connection: socket.socket, body: bytes, mine: list[bytes]) -> None:
        size = struct.unpack("!H", body[:2])[0]
        mid, payload = body[2 + size : 4 + size], body[5 + size :]
        if b"/up/status" in body[: 2 + size]:
            connection.sendall(b"\x40\x03" + mid + b"\x00")
            return
        self.published.append(payload)
        if self.goodbye:
            connection.sendall(self.goodbye)
            raise EOFError
        code = next((code for start, code in self.verdicts.items() if start in payload), self.answer)
        if code is None:
            mine.append(payload)
        else:
            connection.sendall(b"\x40\x03" + mid + bytes([code]))


def _packet(connection: socket.socket) -> tuple[int, bytes]:
    head = _exactly(connection, 1)[0]
    size = shift = 0
    while True:
        byte = _exactly(connection, 1)[0]
        size |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return head >> 4, _exactly(connection, size)


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = connection.recv(size - len(found))
        if not more:
            raise EOFError
        found += more
    return found
