"""The gateway's link: the thread "deliver" that connects, greets, serves and comes back politely.

Nothing that is handed in waits for the network, and no failure of it ends the thread: it is named (reasons.py),
reported by `status`, and tried again after the back-off's delay. What leaves next is decided in dispatch.py. paho is
imported on the thread, because start-up time is measured.
"""

from __future__ import annotations

import json
import os
import select
import threading
import time
from typing import TYPE_CHECKING, Any

from gateway.errors import LinkError
from gateway.uplink import reasons
from gateway.uplink.backoff import Backoff
from gateway.uplink.dispatch import Dispatch
from gateway.uplink.happened import Acked, Connected, Heard, LostError
from gateway.uplink.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.uplink.broker import Broker
    from gateway.uplink.mqtt import Connection
    from gateway.uplink.receipts import Ack
    from gateway.uplink.spool import Spool
    from gateway.wire.message import Message

SESSION_SECONDS = 60
"""The broker keeps the session so long, and with it a command: an older command would be refused anyway."""
STEADY_SECONDS = 60.0
"""A connection that lasted so long ends the back-off."""
SOON_SECONDS = 10.0
CLOSED_SOON = 3
"""So many connections in a row that the broker closed, soon and without a word: another device has our client id.

Soon is as long as the other may wait before it comes back: it is a gateway like this one, with a copy of the card.
"""


class Link:
    """See the module."""

    def __init__(
        self,
        broker: Broker,
        root: str,
        client_id: str,
        spool: Spool,
        on_command: Callable[[str, bytes, bool], None],
        *,
        backoff: Backoff | None = None,
        backlog_rate: float = 50.0,
        confirm_centre: bool = False,
    ) -> None:
        """Prepare the link.

        Args:
            broker: where to.
            root: topic prefix of this gateway, without a slash at the end.
            client_id: the gateway's id.
            spool: where the backlog is fetched and acknowledgements go.
            on_command: called on the deliver thread with topic (from `down/` on), payload and whether it was retained;
                it only puts on a queue.
            backoff: delays before connections.
            backlog_rate: messages a second that leave from the store after an outage, alarms not counted.
            confirm_centre: alarms stay in the store until the centre itself confirms them (down/ack).
        """
        self._broker = broker
        self._root = root
        self._client_id = client_id
        self._spool = spool
        self._on_command = on_command
        self._backoff = backoff or Backoff()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._dispatch = Dispatch(root, spool, self._poke, backlog_rate, confirm_centre=confirm_centre)
        self._thread = threading.Thread(target=self._run, name="deliver", daemon=True)
        self._closed_soon = 0
        """Connections in a row that the broker closed soon and without a word. Of the deliver thread."""
        self._lock = threading.Lock()
        # Guarded by _lock.
        self._state: dict[str, Any] = {
            "connected": False,
            "since": None,
            "connects": 0,
            "session": "",
            "problem": None,
            "reason": None,
            "hint": None,
            "next_attempt_s": None,
        }
        self._stop_at: float | None = None
        self._farewell = ""

    # Any thread

    def start(self) -> None:
        """Start the thread; the first connection comes after the back-off's first delay."""
        self._thread.start()

    def offer(self, message: Message) -> None:
        """Send a message that the spool has been offered. Never waits."""
        self._dispatch.offer(message)
        self._poke()

    def say(self, topic: str, payload: bytes, *, retain: bool = True, qos: int = 1) -> None:
        """Publish a state: only the latest of each topic counts, and it is published again after each connect."""
        self._dispatch.say(topic, payload, retain=retain, qos=qos)
        self._poke()

    def beat(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 0, now or never."""
        if self._state["connected"]:
            self._dispatch.beat(topic, payload)
            self._poke()

    def confirmed(self, ack: Ack) -> None:
        """Have the store take the centre's word, and send again what it misses. Never waits."""

        def look() -> None:
            for lane, receipt in ack.lanes.items():
                if receipt.missing:
                    self._dispatch.look_again(lane)
            self._poke()

        self._spool.confirmed(ack, look)

    def spread(self, first: float, reconnect: float) -> None:
        """Set over how many seconds first connections, and those after a loss, are spread from now on."""
        self._backoff.spread, self._backoff.cap = first, reconnect

    def status(self) -> dict[str, Any]:
        """Return what the heartbeat and a maintainer ask; a copy, from any thread.

        connected; since (wall clock) or None; connects; session (the latest, or empty); problem, reason (a stable word)
        and hint, or None; next_attempt_s; inflight; rtt_ms (of the last acknowledgement); acked, refused, unheard,
        put_off, duplicates_possible (messages); behind (lanes with a backlog); centre_absent (for how many seconds
        nobody has heard our alarms, or None); alarms_forbidden.
        """
        with self._lock:
            state = dict(self._state)
        return state | self._dispatch.status(time.monotonic())

    def stop(self, timeout: float, reason: str = "") -> bool:
        """Send the alarms there are, say "stopped" with the reason, and disconnect; whether that was done in time."""
        with self._lock:
            self._farewell = reason
            self._stop_at = time.monotonic() + timeout
        self._poke()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _poke(self) -> None:
        os.eventfd_write(self._wake, 1)

    # The deliver thread

    def _run(self) -> None:
        delay = self._backoff.first()
        while self._sleep(delay):
            began = time.monotonic()
            try:
                self._connect_and_serve()
            except LinkError as error:
                delay = self._ended(error, time.monotonic() - began)
            else:
                return

    def _sleep(self, delay: float) -> bool:
        """Wait before the next attempt; False: there will be none, the link was stopped."""
        until = time.monotonic() + delay
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        while True:
            left = until - time.monotonic()
            with self._lock:
                if self._stop_at is not None:
                    return False
                self._state["next_attempt_s"] = round(max(0.0, left), 1)
            if left <= 0:
                return True
            if poll.poll(left * 1000):
                os.eventfd_read(self._wake)

    def _ended(self, error: LinkError, lasted: float) -> float:
        """Note the end of a connection; return the delay before the next."""
        reason = error.reason if isinstance(error, LostError) else Reason("settings", str(error), error.hint)
        self._dispatch.closed()
        soon = lasted < max(SOON_SECONDS, self._backoff.longest)
        self._closed_soon = self._closed_soon + 1 if soon and reason.code == "closed" else 0
        if self._closed_soon >= CLOSED_SOON:
            reason = reasons.of_repeated_close(self._closed_soon)
        with self._lock:
            was_connected = self._state["connected"]
            self._state |= {"connected": False, "since": None}
            self._state |= {"problem": reason.text, "reason": reason.code, "hint": reason.hint}
        if was_connected:
            self._backoff.arrived()
            if lasted >= STEADY_SECONDS:
                self._backoff.reset()
        return self._backoff.long() if reason.code == "taken-over" else self._backoff.next()

    def _connect_and_serve(self) -> None:
        """Connect and serve until the link is stopped.

        Raises:
            LinkError: the connection could not be made, or broke.
        """
        from gateway.uplink.mqtt import Connection

        session = os.urandom(4).hex()
        will = (f"{self._root}/up/status", _status("offline", session))
        connection = Connection(self._broker, self._client_id, will, session=SESSION_SECONDS)
        try:
            connection.open()
            self._await_welcome(connection)
            self._greet(connection, session)
            self._serve(connection, session)
        finally:
            connection.close()

    def _await_welcome(self, connection: Connection) -> None:
        until = time.monotonic() + self._broker.connect_timeout
        while (left := until - time.monotonic()) > 0:
            for found in connection.wait(left, self._wake):
                if isinstance(found, Connected):
                    self._dispatch.opened(found.window, found.largest, time.monotonic())
                    return
            if self._stop_at is not None:
                raise LostError(Reason("stopped", "stopped while connecting", ""))
        raise LostError(
            Reason(
                "silent", "the broker took the connection and did not answer", "is it frozen, or of another protocol?"
            )
        )

    def _greet(self, connection: Connection, session: str) -> None:
        connection.subscribe([f"{self._root}/down/#"], as_published=True)
        with self._lock:
            self._state |= {"connected": True, "since": time.time(), "session": session, "next_attempt_s": None}
            self._state |= {"problem": None, "reason": None, "hint": None}
            self._state["connects"] += 1
        birth = _status("online", session, wall=time.time())
        self._dispatch.publish_state(connection.publish, "up/status", birth, time.monotonic())

    def _serve(self, connection: Connection, session: str) -> None:
        dispatch = self._dispatch
        goodbye: int | None = None
        while True:
            now = time.monotonic()
            oldest = dispatch.oldest()
            if oldest is not None and now - oldest > self._broker.ack_timeout:
                raise LostError(Reason("frozen", "the broker has stopped acknowledging", reasons.IT_PASSES))
            stop_at = self._stop_at
            if stop_at is None:
                dispatch.send(connection.publish, now)
            elif goodbye is None:
                dispatch.send(connection.publish, now, only_alarms=True)
                # The last second is kept for the goodbye itself.
                if dispatch.oldest() is None or now > stop_at - 1.0:
                    payload = _status("stopped", session, wall=time.time(), reason=self._farewell)
                    goodbye = dispatch.publish_state(connection.publish, "up/status", payload, now)
            elif not dispatch.under_way(goodbye) or now > stop_at:
                with self._lock:
                    self._state |= {"connected": False, "since": None}
                return
            for found in connection.wait(dispatch.pause(now) if stop_at is None else 0.05, self._wake):
                if isinstance(found, Acked):
                    dispatch.acknowledged(found.mid, found.code, time.monotonic())
                elif isinstance(found, Heard):
                    self._on_command(found.topic.removeprefix(f"{self._root}/"), found.payload, found.retained)


def _status(state: str, session: str, **more: Any) -> bytes:
    """Return up/status; the same session stands in the birth and in the will."""
    found = {name: value for name, value in more.items() if value != ""}
    return json.dumps({"v": 1, "state": state, "session": session} | found, separators=(",", ":")).encode()
