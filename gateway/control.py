"""The small unix socket through which the command line asks the running daemon.

One JSON object on a line each way, then the connection is closed. Mode 0660 in the runtime directory: who may ask is a
matter of the group. Not here: what is answered (daemon/answers.py). The server's part runs on the daemon's main thread
and waits for nobody; `ask` runs in the command line's process.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
from typing import TYPE_CHECKING, Any

from gateway.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Answer = Callable[[dict[str, Any], Callable[..., None]], None]

SOCKET_NAME = "control.sock"
_LONGEST = 108  # bytes of a socket's path, the closing zero included
REQUEST_BYTES = 64 * 1024
CONNECTIONS = 8
"""Most askers at the same time; more are turned away, silent ones first."""


class NotRunning(GatewayError):
    """No daemon answers on the socket."""


class NotAllowed(GatewayError):
    """A daemon may listen on the socket; whoever asks has no right to know."""


class ControlServer:
    """Accepts askers on the main loop's selector."""

    def __init__(
        self,
        path: Path,
        selector: selectors.BaseSelector,
        answer: Callable[[dict[str, Any], Callable[..., None]], None],
    ) -> None:
        """Bind the socket.

        Args:
            path: where; an old socket there is replaced.
            selector: the main loop's; entries carry a callable as data.
            answer: gets the request and a function that takes the response, now or later.

        Raises:
            OSError: the folder cannot be written.
        """
        self._path = path
        self._selector = selector
        self._answer = answer
        self._open = 0
        self._silent: dict[socket.socket, None] = {}
        """Askers that have not finished their question, the longest waiting first."""
        path.unlink(missing_ok=True)
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        with _within_reach(path) as near:
            self._server.bind(near)
        path.chmod(0o660)
        self._server.listen(8 * CONNECTIONS)  # a full queue would turn askers away before we see them
        selector.register(self._server, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """Stop listening and remove the socket."""
        for asker in list(self._silent):
            self._turn_out(asker)
        self._selector.unregister(self._server)
        self._server.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        asker, _ = self._server.accept()
        if self._open >= CONNECTIONS and self._silent:  # whoever says nothing must not shut out who asks
            self._turn_out(next(iter(self._silent)))
        if self._open >= CONNECTIONS:
            asker.close()
            return
        asker.settimeout(0.0)
        self._open += 1
        self._silent[asker] = None
        heard = bytearray()
        self._selector.register(asker, selectors.EVENT_READ, lambda: self._read(asker, heard))

    def _turn_out(self, asker: socket.socket) -> None:
        self._heard_out(asker)
        asker.close()
        self._open -= 1

    def _heard_out(self, asker: socket.socket) -> None:
        self._selector.unregister(asker)
        del self._silent[asker]

    def _read(self, asker: socket.socket, heard: bytearray) -> None:
        if asker not in self._silent:  # turned out in this very round of the loop
            return
        try:
            part = asker.recv(REQUEST_BYTES)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        heard += part
        if part and b"\n" not in heard and len(heard) < REQUEST_BYTES:
            return
        self._heard_out(asker)
        try:
            request = json.loads(heard)
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict):
            self._respond(asker, error="a request is one JSON object on one line")
            return
        self._answer(request, lambda **response: self._respond(asker, **response))

    def _respond(self, asker: socket.socket, **response: Any) -> None:
        self._open -= 1
        with contextlib.suppress(OSError):  # who asked may have gone
            asker.settimeout(0.2)  # a response fits the socket's buffer; an asker that does not read loses it
            asker.sendall(json.dumps(response).encode() + b"\n")
        asker.close()


@contextlib.contextmanager
def _within_reach(path: Path) -> Iterator[str]:
    """Give a socket's path in the 108 bytes that the kernel allows: a long one through a descriptor of its folder."""
    if len(os.fsencode(path)) < _LONGEST:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def ask(path: Path, request: dict[str, Any], timeout: float = 10.0) -> dict[str, Any]:
    """Return the running daemon's answer.

    Raises:
        NotRunning: no daemon listens there.
        NotAllowed: we may not ask.
        GatewayError: it listens and does not answer.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asker:
        asker.settimeout(timeout)
        try:
            with _within_reach(path) as near:
                asker.connect(near)
            asker.sendall(json.dumps(request).encode() + b"\n")
            heard = bytearray()
            while part := asker.recv(REQUEST_BYTES):
                heard += part
        except (FileNotFoundError, ConnectionRefusedError):
            raise NotRunning(
                f"no gateway is running (nobody listens on {path})",
                "sudo systemctl start camera-gateway; one with a configuration of its own: --config FILE",
            ) from None
        except PermissionError:
            raise NotAllowed(
                f"{path}: permission denied", "run it with sudo, or as a member of the group camera-gateway"
            ) from None
        except TimeoutError:
            raise GatewayError(
                f"the running gateway does not answer within {timeout:.0f} s", "systemctl restart camera-gateway"
            ) from None
        except OSError as error:  # it ends just now, or too many ask: never to be taken for a pipe that nobody reads
            raise GatewayError(f"the running gateway does not answer: {error.strerror}", "ask again") from None
    try:
        answer = json.loads(heard)
    except ValueError:
        raise GatewayError("the running gateway closed the connection without an answer", "ask again") from None
    return dict(answer)
