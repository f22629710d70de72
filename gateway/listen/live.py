"""Hears what gateways say to a broker, and prints a line for each message as it comes.

A guest: with a client id of its own, no session that stays, and nothing published, so that no gateway and no centre
notices. Not here: the words (telling.py), the connection (uplink/subscriber.py). The subscriber's thread only hands
over; all else runs on the main thread.
"""

from __future__ import annotations

import queue
import signal
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gateway.configuration.credentials import broker_of
from gateway.errors import LinkError
from gateway.listen.telling import in_print, tell
from gateway.logs import printable
from gateway.uplink.broker import parse_broker_url
from gateway.uplink.subscriber import Subscriber

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.configuration.settings import BrokerSettings
    from gateway.uplink.broker import Broker

EVERYTHING = "citycam/v1/+/+/up/#"
LOOK_SECONDS = 0.2

Heard = tuple[str, bytes, bool]


def broker_named(url: str | None, settings: BrokerSettings) -> Broker:
    """Return the broker of a URL, with the name, password and certificates of the settings where it names none.

    Raises:
        SettingsError, LinkError: it is no such URL, or the password's file cannot be read.
    """
    ours = broker_of(settings)
    if url is None:
        return ours
    given = parse_broker_url(url)
    if given.username is not None:
        ours = replace(ours, username=given.username, password=given.password)
    return replace(ours, host=given.host, port=given.port, tls=given.tls)


def listen(broker: Broker, topics: Sequence[str], *, as_json: bool = False, seconds: float | None = None) -> int:
    """Print a line for each message until Ctrl-C or SIGTERM, or for so many seconds; return the exit code.

    Only on the main thread: it takes both signals for as long as it runs.

    Raises:
        LinkError: the broker cannot be reached now, or refuses us. One that is lost later is waited for.
    """
    heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()
    subscriber = Subscriber(broker, topics, lambda topic, payload, kept, _mono: heard.put((topic, payload, kept)))
    # Asked for in so many words: SIGINT is ignored in what a script starts in the background, and by what it inherits.
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    subscriber.start()
    try:
        _wait_for(subscriber, broker)
        sys.stderr.write(f"gateway: listening to {', '.join(topics)} on {broker}; end with Ctrl-C\n")
        _print_all(heard, subscriber, broker, as_json=as_json, until=None if seconds is None else _now() + seconds)
    except KeyboardInterrupt:
        pass  # that is how it ends
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        subscriber.stop()
    return 0


def _wait_for(subscriber: Subscriber, broker: Broker) -> None:
    until = _now() + 2 * broker.connect_timeout
    while not subscriber.wait_ready(LOOK_SECONDS):
        if subscriber.error is not None:
            raise subscriber.error
        if _now() > until:
            raise LinkError(f"{broker} does not answer", "is it a broker, and not frozen?")


def _print_all(
    heard: queue.SimpleQueue[Heard], subscriber: Subscriber, broker: Broker, *, as_json: bool, until: float | None
) -> None:
    told: LinkError | None = None
    while until is None or _now() < until:
        if subscriber.error is not told:
            told = subscriber.error
            news = f"{told}; {told.hint}" if told is not None else "connected again"
            sys.stderr.write(f"gateway: {broker}: {news}\n")
        try:
            topic, payload, kept = heard.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            continue
        line = as_object(topic, payload, kept=kept) if as_json else as_line(topic, payload, kept=kept)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()  # the reader may be a pipe


def as_line(topic: str, payload: bytes, *, kept: bool) -> str:
    """Return a message as people read it, with the time at which it came (UTC)."""
    told = tell(topic, payload)
    channel = "/".join(told.channel.split("/")[:2]) if told.channel.startswith(("media/", "reply/")) else told.channel
    mark = " (kept)" if kept else ""
    when = datetime.now(UTC).strftime("%H:%M:%S")
    who, channel = printable(told.who), printable(channel.removeprefix("event/"))
    return f"{when} {who:<20} {channel:<18} {told.words()} [{told.size} bytes]{mark}"


def as_object(topic: str, payload: bytes, *, kept: bool) -> str:
    """Return a message as a line of JSON, for programs."""
    told = tell(topic, payload)
    found: dict[str, Any] = {"topic": topic, "bytes": told.size, "retained": kept}
    return in_print(found | ({"broken": told.broken} if told.broken else {"said": told.said}))


def _now() -> float:
    return time.monotonic()
