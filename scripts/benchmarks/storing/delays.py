"""How long an alarm takes through the real spool and link, when card or network are busy; and how fast all drains."""

from __future__ import annotations

import socket
import statistics
import threading
import time
from pathlib import Path
from typing import Any

from gateway.uplink.broker import Broker
from gateway.uplink.outbox import Outbox
from gateway.wire.draft import Rank
from tests.card import Card
from tests.conftest import ROOT, Gateway, message
from tests.mosquitto import Mosquitto, Sniffer, wait_for

ALARMS = 20
STALL_SECONDS = 7.0
PAUSE = 0.3
BACKLOG_RATE = 50.0
"""The default: messages a second that leave from the store after an outage."""


def alarm_delays(folder: Path, backlog: int) -> dict[str, Any]:
    """Milliseconds from offering an alarm to the subscriber's callback: at rest, card stalled, with a backlog, both."""
    found: dict[str, Any] = {"alarms": ALARMS, "stall_s": STALL_SECONDS, "backlog": backlog}
    for name, stalled, behind in (
        ("at_rest", False, False),
        ("card_stalled", True, False),
        ("backlog", False, True),
        ("both", True, True),
    ):
        place = folder / name
        place.mkdir()
        found[name] = _delays(place, backlog if behind else 0, stalled=stalled)
    return found


def _delays(folder: Path, backlog: int, *, stalled: bool) -> dict[str, Any]:
    card = Card(folder)
    mosquitto = Mosquitto(folder / "mosquitto", persistent=False)
    mosquitto.start()
    sniffer = Sniffer(mosquitto.broker).start()
    _fill(card.path, backlog)
    gateway = Gateway(card.path, mosquitto.broker, rate=BACKLOG_RATE).start()
    gateway.wait_connected()
    if backlog:
        wait_for(lambda: len(sniffer.payloads("/up/event/")) > 10, "the backlog to drain")
    else:
        wait_for(lambda: not gateway.link.status()["behind"], "the lanes to be live")
    release = threading.Timer(STALL_SECONDS, card.be, ["ok"])
    if stalled:
        card.be("stall")
        release.start()
    took = []
    for _ in range(ALARMS):
        began = time.monotonic()
        alarm = gateway.make(Rank.ALARM)
        sniffer.wait_payloads(ROOT, {alarm.payload})
        came = next(mono for _, payload, _, mono in sniffer.seen if payload == alarm.payload)
        took.append((came - began) * 1000)
        threading.Event().wait(PAUSE)
    left = gateway.spool.status()["rows"]
    if stalled:
        release.join()
    card.be("ok")
    gateway.stop()
    sniffer.stop()
    mosquitto.stop()
    card.remove()
    return {"median_ms": round(statistics.median(took), 1), "worst_ms": round(max(took), 1), "backlog_left": left}


def _fill(folder: Path, count: int) -> None:
    """Put a backlog into a store: of four messages three are events and one is a picture of 6 KB."""
    outbox = Outbox.open(folder / "outbox.db", min_free=0)
    events, pictures = list(outbox.reserve("event", count)), list(outbox.reserve("media", count))
    ranks = [Rank.PICTURE if number % 4 == 3 else Rank.END for number in range(count)]
    batch = []
    for rank in ranks:
        seq = (pictures if rank == Rank.PICTURE else events).pop(0)
        batch.append(message(rank, seq, epoch=outbox.epoch, size=6000 if rank == Rank.PICTURE else 0))
        if len(batch) == 50:
            outbox.put(batch)
            batch = []
    outbox.put(batch)
    outbox.close()


def drain(folder: Path, count: int) -> dict[str, Any]:
    """Seconds in which a backlog arrives at the subscriber, without a limit to the rate."""
    mosquitto = Mosquitto(folder / "mosquitto", persistent=False)
    mosquitto.start()
    sniffer = Sniffer(mosquitto.broker).start()
    store = folder / "store"
    store.mkdir()
    _fill(store, count)
    gateway = Gateway(store, mosquitto.broker, rate=1e6).start()
    gateway.wait_connected()
    began = time.monotonic()

    def came() -> list[bytes]:
        return [*sniffer.payloads("/up/event/"), *sniffer.payloads("/up/media/")]

    wait_for(lambda: len(sniffer.seen) >= count and len(came()) >= count, "the backlog", 120.0)
    took = time.monotonic() - began
    repetitions = len(came()) - len(set(came()))
    gateway.stop()
    sniffer.stop()
    mosquitto.stop()
    return {
        "messages": count,
        "seconds": round(took, 2),
        "per_second": round(count / took),
        "repetitions": repetitions,
        "at_the_default_rate_s": round(count / BACKLOG_RATE),
    }


def closed_port() -> Broker:
    """A broker that nobody is."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Broker(port=int(probe.getsockname()[1]))
