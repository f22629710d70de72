"""A real mosquitto that can be stopped, killed and frozen, a sniffer that hears everything on it, and how to wait.

Not here: fixtures and messages (conftest.py). A sniffer's messages come on its subscriber's thread.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from gateway.uplink.broker import Broker
from gateway.uplink.subscriber import Subscriber

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEADLINE = 20.0
"""Seconds that a test waits for what must happen; a slow machine is no failure."""


def wait_for(what: Callable[[], object], reason: str, deadline: float = DEADLINE) -> None:
    """Wait until `what()` is true; for things that can only be looked at, such as a file or a status."""
    until = time.monotonic() + deadline
    gate = threading.Event()
    while not what():
        assert time.monotonic() < until, f"waited {deadline:g} s for: {reason}"
        gate.wait(0.01)


def find_mosquitto() -> str | None:
    """Return the broker's path, or None."""
    return os.environ.get("MOSQUITTO") or shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Mosquitto:
    """A real broker on a random port of loopback, which can be stopped, killed, frozen and started again."""

    def __init__(self, folder: Path, extra: str = "", *, persistent: bool = True) -> None:
        """Prepare a broker whose files live in `folder`; `extra` is added to its configuration."""
        exe = find_mosquitto()
        if exe is None:
            pytest.skip("mosquitto is not installed: apt-get install mosquitto")
        self._exe = exe
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.outside = f"127.0.0.1:{self.port}"
        lines = [
            f"listener {self.port} 127.0.0.1",
            "max_queued_messages 0",
            "max_inflight_messages 20",
            f"log_dest file {folder}/mosquitto.log",
            "log_type all",
        ]
        if os.getuid() == 0:
            lines.append("user root")
        if persistent:
            lines += [
                "persistence true",
                f"persistence_location {folder}/",
                "autosave_interval 1",
                "autosave_on_changes true",
            ]
        if "allow_anonymous" not in extra:
            lines.append("allow_anonymous true")
        self._config = folder / "mosquitto.conf"
        self._config.write_text("\n".join([*lines, extra]) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def listen_also(self, address: str) -> None:
        """Before it is started: listen on another address too, for one that is behind a cable."""
        self.outside = f"{address}:{self.port}"
        with self._config.open("a") as config:
            config.write(f"listener {self.port} {address}\n")

    @property
    def broker(self) -> Broker:
        """How to reach it."""
        return Broker(host="127.0.0.1", port=self.port)

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._process = subprocess.Popen([self._exe, "-c", str(self._config)], stderr=subprocess.DEVNULL)

        def listens() -> bool:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return True
            return False

        wait_for(listens, f"mosquitto to listen; see {self.folder}/mosquitto.log")

    def signal(self, number: int) -> None:
        """Send a signal: SIGKILL, SIGSTOP, SIGCONT, SIGTERM."""
        assert self._process is not None
        self._process.send_signal(number)
        if number in {signal.SIGKILL, signal.SIGTERM}:
            self._process.wait(10)
            self._process = None

    def stop(self) -> None:
        """End it, whatever state it is in."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)


class Sniffer:
    """A subscriber that keeps every message it hears, with the time at which it came."""

    def __init__(self, broker: Broker, topics: tuple[str, ...] = ("#",), session: int = 0, client_id: str = "") -> None:
        """Prepare a sniffer; with a session, the broker keeps for it what comes while it is away."""
        self.seen: list[tuple[str, bytes, bool, float]] = []
        self._news = threading.Condition()
        self._subscriber = Subscriber(broker, topics, self._on_message, session=session, client_id=client_id)

    def start(self) -> Sniffer:
        """Connect, and wait until the broker has taken the subscription."""
        self._subscriber.start()
        assert self._subscriber.wait_ready(DEADLINE), self._subscriber.error
        return self

    def stop(self) -> None:
        """Disconnect."""
        assert self._subscriber.stop(DEADLINE)

    def _on_message(self, topic: str, payload: bytes, retained: bool, mono: float) -> None:
        with self._news:
            self.seen.append((topic, payload, retained, mono))
            self._news.notify_all()

    def wait_until(self, what: Callable[[list[tuple[str, bytes, bool, float]]], object], reason: str) -> None:
        """Wait until what was seen satisfies `what`."""
        with self._news:
            assert self._news.wait_for(lambda: what(self.seen), DEADLINE), f"not seen in time: {reason}"

    def payloads(self, part: str) -> list[bytes]:
        """Return the payloads of topics that contain `part`, in the order in which they came."""
        with self._news:
            return [payload for topic, payload, _, _ in self.seen if part in topic]

    def wait_payloads(self, part: str, wanted: set[bytes]) -> Counter[bytes]:
        """Wait until every wanted payload came under topics that contain `part`; return how often each came."""
        with self._news:
            if not self._news.wait_for(lambda: wanted <= self._came(part), DEADLINE * 2):
                missing = wanted - self._came(part)
                pytest.fail(f"{len(missing)} of {len(wanted)} never came, such as {sorted(missing)[:1]}")
            return Counter(payload for topic, payload, _, _ in self.seen if part in topic)

    def _came(self, part: str) -> set[bytes]:
        return {payload for topic, payload, _, _ in self.seen if part in topic}
