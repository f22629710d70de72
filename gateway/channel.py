"""One end of the socket between the daemon and an eye: packets out, packets in, and no wait that nobody asked for.

Both ends are alike, so what neither may do stands here once: wait, raise for a partner that is gone, or take a signal
for it. Not here: what the packets mean (wire/draft.py, and whoever calls). The eye sends from two threads and hears on
one; the daemon does both on its main thread.
"""

from __future__ import annotations

import fcntl
import select
import socket
import termios
from typing import TYPE_CHECKING, Any

from gateway.wire.draft import PACKET_BYTES, Draft, pack_note, unpack

if TYPE_CHECKING:
    from typing import Self


class Channel:
    """One end of a pair; see the module."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(0.0)
        self._sock = sock
        self.closed = False
        """Whether the other side is gone, or this one was closed."""
        self.capacity = sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        """Bytes that may wait for the other side, as the kernel counts them."""

    @classmethod
    def pair(cls) -> tuple[Self, socket.socket]:
        """Return our end, and a socket for the other side's process.

        Raises:
            OSError: there is no descriptor or memory to be had.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), theirs

    def fileno(self) -> int:
        """Return the descriptor, for a selector; -1 after `close`."""
        return self._sock.fileno()

    def send(self, packet: bytes) -> bool:
        """Send a packet; False: there is no room now, or nobody is there any more (`closed`)."""
        try:
            self._sock.send(packet, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return False
        except OSError:
            self.closed = True
            return False
        return True

    def say(self, **note: Any) -> bool:
        """Send a control note; as `send`."""
        return self.send(pack_note(note))

    def hear(self) -> Draft | dict[str, Any] | None:
        """Return the next draft or note that has arrived; None: there is none, or the other side is gone (`closed`).

        Raises:
            ValueError, KeyError, TypeError, RecursionError: what came cannot be understood.
        """
        try:
            packet = self._sock.recv(PACKET_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            packet = b""
        if not packet:
            self.closed = True
            return None
        return unpack(packet)

    def wait(self, timeout: float) -> bool:
        """Wait until something has arrived or the other side is gone; whether that came before `timeout` seconds."""
        return bool(select.select([self._sock], [], [], max(0.0, timeout))[0])

    @property
    def waiting(self) -> bool:
        """Whether something has arrived that was not heard yet."""
        try:
            return bool(self._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:
            return False

    @property
    def unread(self) -> int:
        """Bytes that were sent and that the other side has not taken."""
        return int.from_bytes(fcntl.ioctl(self._sock, termios.TIOCOUTQ, b"\0\0\0\0"), "little")

    def close(self) -> None:
        """Let go; the other side notices."""
        self.closed = True
        self._sock.close()
