"""What wakes the daemon's main thread: signals, threads that die, the eyes' sockets, the control socket.

Not here: what is done then (daemon.py). Runs on the main thread, but for `poke`.
"""

from __future__ import annotations

import contextlib
import selectors
import signal
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gateway.channel import Channel
    from gateway.recovery.eyes import Eye
    from gateway.wire.draft import Draft

DRAIN_BYTES = 4096


class Waking:
    """A selector whose entries carry what is to be called."""

    def __init__(self, accept: Callable[[Draft], None]) -> None:
        """Take what takes the drafts of eyes."""
        self.selector = selectors.DefaultSelector()
        self._accept = accept
        self._watched: dict[str, tuple[Channel, int]] = {}
        self._poked, self._woken = socket.socketpair()
        self._poked.settimeout(0.0)
        self._woken.settimeout(0.0)
        self.selector.register(self._woken, selectors.EVENT_READ, self._drain)

    def at_signals(self, handler: Callable[[int, object], None]) -> None:
        """Have SIGTERM and SIGINT call `handler`, and end a `wait`."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._poked.fileno(), warn_on_full_buffer=False)

    def poke(self) -> None:
        """End a `wait`; from any thread."""
        with contextlib.suppress(OSError):
            self._poked.send(b"!")

    def watch(self, eyes: Iterable[Eye]) -> None:
        """Keep in step with the sockets of eyes that were started or are gone.

        Told apart by the channel and not by its descriptor: the kernel gives a new eye the number of the one before,
        or another eye's, and had forgotten the number when it was closed.
        """
        changed = [eye for eye in eyes if eye.channel is not self._watched.get(eye.name, (None, -1))[0]]
        for eye in changed:  # all of them before any is registered: numbers change hands
            _, number = self._watched.pop(eye.name, (None, -1))
            if number >= 0:
                with contextlib.suppress(KeyError):
                    self.selector.unregister(number)
        for eye in changed:
            if eye.channel is not None:
                number = eye.channel.fileno()
                self.selector.register(number, selectors.EVENT_READ, self._listener(eye))
                self._watched[eye.name] = (eye.channel, number)

    def wait(self, until: float) -> None:
        """Wait until something happens, or until `until` on the monotonic clock, and call what belongs to it."""
        for key, _ in self.selector.select(max(0.0, until - time.monotonic())):
            key.data()

    def close(self) -> None:
        """Let go of the sockets that are ours."""
        self.selector.close()
        self._poked.close()
        self._woken.close()

    def _listener(self, eye: Eye) -> Callable[[], None]:
        def listen() -> None:
            for draft in eye.hear():
                self._accept(draft)
            if eye.channel is None:
                self.watch([eye])

        return listen

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(DRAIN_BYTES)
