"""One connection to the broker: the only file that imports paho.

paho is driven by our own loop on our own thread, with a new client object for each connection: its reconnecting passes
the in-flight window, its loop thread can die unseen, and its queue keeps what we no longer want. So a publish is always
from the thread that reads the acknowledgements, and everything unacknowledged stays in our hands. Not here: what is
sent when (link.py, dispatch.py), and the words for failures (reasons.py).
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.errors import LinkError
from gateway.uplink import reasons
from gateway.uplink.happened import Acked, Connected, Heard, LostError, Occurrence, Subscribed
from gateway.uplink.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gateway.uplink.broker import Broker

WILL_DELAY_SECONDS = 20
"""A connection that comes back so soon was never away: MQTT 5 brokers keep the will back."""

LARGEST = 1 << 20
"""Bytes of the longest message that we take: a longer one fills a small device's memory, a retained one each time."""

UNSPECIFIED = 0x80
"""What paho says of a connection that just ended; of an error on the socket it logs what that was."""
BABBLE, NO_COMMAND = 0x82, "Unrecognised command"
"""What it says, or logs, of packets that are none."""


class Connection:
    """One connection to the broker, from CONNECT to the end; used by the thread that made it only."""

    def __init__(
        self, broker: Broker, client_id: str, will: tuple[str, bytes] | None = None, *, session: int = 0
    ) -> None:
        """Prepare a connection.

        Args:
            broker: where to.
            client_id: ours.
            will: topic and payload that the broker publishes, retained, when the connection breaks.
            session: seconds for which the broker keeps the session after the connection ended.
        """
        self._broker = broker
        self._five = broker.protocol == "5"
        self._session = session
        self._found: deque[Occurrence] = deque()
        self._end: Reason | None = None
        self._alert = ""
        self._welcome = False
        self._poll = select.poll()
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if self._five else True,
            protocol=paho.MQTTv5 if self._five else paho.MQTTv311,
            reconnect_on_failure=False,
        )
        client.suppress_exceptions = True
        client.connect_timeout = broker.connect_timeout
        client.max_inflight_messages_set(65535)  # the window is ours to keep, and below the broker's
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_log = self._on_log
        client.on_socket_open = _tune
        if broker.username is not None:
            client.username_pw_set(broker.username, broker.password)
        if will is not None:
            properties = None
            if self._five:
                properties = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]
                properties.WillDelayInterval = WILL_DELAY_SECONDS
            client.will_set(will[0], will[1], 1, retain=True, properties=properties)
        self._client = client

    def open(self) -> None:
        """Connect, as far as our CONNECT packet; waits for the network.

        Raises:
            LinkError: it did not work; says why.
        """
        broker = self._broker
        if broker.tls:
            self._client.tls_set_context(_tls(broker))
        properties = None
        if self._five:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = self._session
            properties.MaximumPacketSize = LARGEST  # MQTT 3.1.1 has no word for it
        try:
            self._client.connect(
                broker.host,
                broker.port,
                broker.keepalive,
                clean_start=self._session == 0 if self._five else paho.MQTT_CLEAN_START_FIRST_ONLY,
                properties=properties,
            )
        except (OSError, UnicodeError, ValueError) as error:
            raise LostError(reasons.of_error(error, broker.host, broker.port)) from error

    def wait(self, timeout: float, wake: int | None = None) -> list[Occurrence]:
        """Return what happened, after at most `timeout` seconds, or when the file descriptor `wake` is readable.

        Raises:
            LinkError: the connection is over, and nothing that came before its end is left to be returned.
        """
        if not self._found and self._end is None:
            self._exchange(timeout, wake)
        found = list(self._found)
        self._found.clear()
        if not found and self._end is not None:
            raise LostError(self._end)
        return found

    def _exchange(self, timeout: float, wake: int | None) -> None:
        client = self._client
        handle = client.socket()
        if handle is None:
            self._end = self._end or reasons.of_code(0x80, "closed")
            return
        number = handle.fileno()
        self._poll.register(number, select.POLLIN | (select.POLLOUT if client.want_write() else 0))
        if wake is not None:
            self._poll.register(wake, select.POLLIN)
        try:
            ready = dict(self._poll.poll(max(0.0, timeout) * 1000))
        finally:
            self._poll.unregister(number)
        if wake in ready:
            os.eventfd_read(wake)
        if ready.get(number, 0) & ~select.POLLOUT:
            client.loop_read()
            # What TLS has already decrypted is not seen by poll.
            while client.socket() is handle and isinstance(handle, ssl.SSLSocket) and handle.pending():
                client.loop_read()
        if client.want_write():
            client.loop_write()
        client.loop_misc()

    def publish(self, topic: str, payload: bytes, qos: int = 1, *, retain: bool = False) -> int:
        """Send a message; return its id on this connection, which comes back in `Acked`.

        Raises:
            LinkError: the connection is over.
        """
        info = self._client.publish(topic, payload, qos, retain)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise LostError(self._end or reasons.of_code(0x80, paho.error_string(info.rc)))
        return info.mid

    def subscribe(self, topics: Sequence[str], *, as_published: bool = False) -> None:
        """Ask for topics with QoS 1.

        With `as_published`, a message that its sender wanted retained says so also when it comes through a session that
        was there before; MQTT 3.1.1 cannot do that, and has no such session here.
        """
        if as_published and self._five:
            options = SubscribeOptions(qos=1, retainAsPublished=True)
            self._client.subscribe([(topic, options) for topic in topics])
        else:
            self._client.subscribe([(topic, 1) for topic in topics])

    def close(self) -> None:
        """Say goodbye, if there still is anyone, and close the socket."""
        self._client.disconnect()
        handle = self._client.socket()
        if handle is not None:
            if self._client.want_write():
                self._client.loop_write()
            handle.close()

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, code: Any, properties: Any) -> None:
        if code.is_failure:
            self._end = reasons.of_code(code.value, str(code))
            return
        window = getattr(properties, "ReceiveMaximum", 65535)
        if getattr(properties, "MaximumQoS", 1) < 1:
            self._end = Reason("qos", "the broker takes QoS 0 only", "use a broker that takes QoS 1")
            return
        largest = getattr(properties, "MaximumPacketSize", 1 << 28)
        self._welcome = True
        self._found.append(Connected(min(window, self._broker.inflight), largest))

    def _on_disconnect(self, _client: Any, _data: Any, flags: Any, code: Any, _properties: Any) -> None:
        if self._end is None:
            alert = reasons.of_alert(self._alert)
            if alert is None and self._broker.tls and not self._welcome:
                alert = reasons.of_silent_tls(with_certificate=self._broker.cert is not None)
            said = flags.is_disconnect_packet_from_server
            if alert is None and code.value == UNSPECIFIED and not (said or self._alert):
                alert = reasons.of_silent_close(welcome=self._welcome)
            if alert is None and not (said or self._welcome) and (code.value == BABBLE or NO_COMMAND in self._alert):
                alert = reasons.of_babble()
            self._end = alert or reasons.of_code(
                code.value, "the broker closed it" if said else self._alert or str(code)
            )

    def _on_publish(self, _client: Any, _data: Any, mid: int, code: Any, _properties: Any) -> None:
        self._found.append(Acked(mid, code.value))

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        self._found.append(Heard(message.topic, bytes(message.payload), bool(message.retain), time.monotonic()))

    def _on_subscribe(self, _client: Any, _data: Any, _mid: int, codes: Any, _properties: Any) -> None:
        if any(code.is_failure for code in codes):
            self._end = Reason(
                "forbidden", "the broker refused a subscription", "check this client's rights at the broker"
            )
        else:
            self._found.append(Subscribed())

    def _on_log(self, _client: Any, _data: Any, level: int, text: str) -> None:
        if level == paho.MQTT_LOG_ERR:
            self._alert = text


class _Socket(ssl.SSLSocket):
    """paho leaves the socket open when the handshake fails."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 (the standard library's signature)
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def _tune(_client: Any, _data: Any, handle: Any) -> None:
    """Send at once, and let the kernel notice a dead link."""
    if handle.family in {socket.AF_INET, socket.AF_INET6}:
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 20_000)


def _tls(broker: Broker) -> ssl.SSLContext:
    """Return the TLS context with our papers.

    Raises:
        LinkError: a file cannot be used; names it.
    """
    if broker.ca is not None:
        _look("ca", broker.ca, "copy the certificate of the broker's authority there")
    try:
        context = ssl.create_default_context(cafile=broker.ca)
    except ssl.SSLError as error:
        raise LinkError(f"ca {broker.ca} is no certificate in PEM form: {error}", "copy it again") from error
    context.sslsocket_class = _Socket
    if broker.cert is not None:
        for name, file in (("cert", broker.cert), ("key", broker.key)):
            if file is not None:
                _look(name, file, "provision this gateway again")

        def nobody() -> str:  # OpenSSL would ask on the terminal, and wait
            raise LinkError(
                f"key {broker.key} has a pass phrase, and nobody is here to type it",
                "keep it without one, readable for the service only: openssl pkey -in OLD -out NEW",
            )

        try:
            context.load_cert_chain(broker.cert, broker.key, nobody)
        except (ssl.SSLError, OSError) as error:
            raise LinkError(
                f"cert {broker.cert} and key {broker.key} do not fit or cannot be read: {error}",
                "both must be PEM, of one pair, and readable for the service",
            ) from error
    return context


def _look(name: str, file: Path, hint: str) -> None:
    """Look whether one of our papers can be read: an SSL library would not say which cannot, and why.

    Raises:
        LinkError: it cannot; `hint` is for one that is not there.
    """
    try:
        if not file.is_file():
            raise LinkError(f"{name} {file} is not there", hint)
        file.open("rb").close()
    except OSError as error:
        raise LinkError(
            f"{name} {file} cannot be read: {error.strerror}",
            "let the service's user enter its folder and read it: chgrp camera-gateway, mode 0750 and 0640",
        ) from error
