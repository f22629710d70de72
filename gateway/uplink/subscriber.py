"""A plain subscriber, for the demo and for tests, on a thread of its own. The gateway itself listens in link.py."""

from __future__ import annotations

import os
import select
import threading
from typing import TYPE_CHECKING

from gateway.errors import LinkError
from gateway.uplink.happened import Connected, Heard, Subscribed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.uplink.broker import Broker


class Subscriber:
    """Hears topics on a thread of its own, and connects again when the broker was away; for the demo and for tests."""

    def __init__(
        self,
        broker: Broker,
        topics: Sequence[str],
        on_message: Callable[[str, bytes, bool, float], None],
        *,
        client_id: str = "",
        session: int = 0,
    ) -> None:
        """Prepare a subscriber.

        Args:
            broker: where to.
            topics: filters, heard with QoS 1.
            on_message: called on the subscriber's thread with topic, payload, whether it was retained, and the
                monotonic time in seconds at which it came.
            client_id: ours; made up when empty.
            session: seconds for which the broker keeps messages for us while we are away.
        """
        self._broker = broker
        self._topics = list(topics)
        self._on_message = on_message
        self._client_id = client_id or f"subscriber-{os.urandom(4).hex()}"
        self._session = session
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._stopping = False
        self._subscribed = threading.Event()
        self.error: LinkError | None = None
        """Why there is no connection now."""
        self._thread = threading.Thread(target=self._run, name="subscriber", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wait_ready(self, timeout: float) -> bool:
        """Wait until the broker has confirmed the subscription; whether it has."""
        return self._subscribed.wait(timeout)

    def stop(self, timeout: float = 5.0) -> bool:
        """Disconnect and end the thread; whether it ended in time."""
        self._stopping = True
        os.eventfd_write(self._wake, 1)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        while not self._stopping:
            try:
                self._hear()
            except LinkError as error:
                self.error = error
                self._subscribed.clear()
                poll.poll(500)

    def _hear(self) -> None:
        from gateway.uplink.mqtt import Connection

        connection = Connection(self._broker, self._client_id, session=self._session)
        try:
            connection.open()
            while not self._stopping:
                for found in connection.wait(1.0, self._wake):
                    if isinstance(found, Connected):
                        connection.subscribe(self._topics)
                        self.error = None
                    elif isinstance(found, Heard):
                        self._on_message(found.topic, found.payload, found.retained, found.mono)
                    elif isinstance(found, Subscribed):
                        self._subscribed.set()
        finally:
            connection.close()
