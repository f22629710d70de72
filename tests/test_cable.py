"""The link over a cable that is slow, lossy or cut, between two real TCP stacks: nothing lost, nothing too much."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from gateway.configuration.credentials import broker_of
from gateway.configuration.settings import BrokerSettings
from gateway.uplink.broker import Broker
from gateway.wire.draft import Rank
from tests.cable import FAR, Cable, traffic, why_not
from tests.conftest import ROOT, Gateway
from tests.mosquitto import Mosquitto, Sniffer, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.broker

PORT = 1883
WINDOW = 8
KEEPALIVE = 2
PATIENCE = "GATEWAY_TEST_PATIENCE"
NOTICED = 45 / 20
"""A dead link is to be noticed within 45 s at the default keepalive of 20 s; the time scales with it."""
SLACK = 1.0
"""For the machine; the kernel's timers are in whole seconds as well."""


@pytest.fixture
def cable(tmp_path: Path) -> Iterator[Cable]:
    """A cable that carries everything at once."""
    if reason := why_not():
        pytest.skip(reason)
    try:
        made = Cable(tmp_path)
    except OSError as error:
        pytest.skip(f"no network namespaces here: {error}")
    yield made
    made.remove()


@pytest.fixture
def mosquitto(tmp_path: Path, cable: Cable) -> Iterator[Mosquitto]:
    """A broker at the far end."""
    broker = Mosquitto(tmp_path / "mosquitto", f"listener {PORT} {FAR}")
    with cable.far():
        broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def centre(cable: Cable, mosquitto: Mosquitto) -> Iterator[Sniffer]:
    """A subscriber at the far end, whose session outlives the broker."""
    with cable.far():
        found = Sniffer(mosquitto.broker, session=3600, client_id="centre").start()
    yield found
    found.stop()


@pytest.fixture
def gateway(tmp_path: Path, cable: Cable, centre: Sniffer) -> Iterator[Gateway]:
    """A gateway at the near end, with times that are a tenth of the defaults."""
    broker = Broker(FAR, PORT, keepalive=KEEPALIVE, ack_timeout=KEEPALIVE, connect_timeout=2, inflight=WINDOW)
    with cable.near():
        made = Gateway(tmp_path / "store", broker).start()
    made.wait_connected()
    yield made
    made.stop()


def test_a_slow_and_lossy_cable_loses_nothing(cable: Cable, gateway: Gateway, centre: Sniffer) -> None:
    """0.3 s there and back, one packet in ten lost, 64 kB/s: all arrives, and the window is kept on the wire."""
    cable.be(delay=0.15, jitter=0.02, loss=0.1, rate=64_000)
    made = [gateway.make(rank, size=1500) for _ in range(15) for rank in (Rank.ALARM, Rank.END, Rank.PICTURE)]
    counted = centre.wait_payloads(ROOT, {found.payload for found in made})
    cable.be()
    seen = traffic(cable.record)
    print(f"{len(made)} messages, {sum(counted[found.payload] - 1 for found in made)} repetitions, {seen}")
    assert seen.most_in_flight <= WINDOW
    assert seen.published >= len(made)


@pytest.mark.parametrize("way", ["up", "down", "both"])
def test_a_cut_cable_is_noticed_and_loses_nothing(cable: Cable, gateway: Gateway, centre: Sniffer, way: str) -> None:
    """Cut under load, one way or both: noticed in time, and when it is mended all arrives, the window kept."""
    cable.be(delay=0.1)
    made = [gateway.make(Rank.ALARM) for _ in range(20)]
    cable.cut(way)
    began = time.monotonic()
    made += [gateway.make(rank, size=500) for _ in range(10) for rank in (Rank.ALARM, Rank.END, Rank.PICTURE)]
    wait_for(lambda: not gateway.link.status()["connected"], "the cut to be noticed")
    took = time.monotonic() - began
    made += [gateway.make(Rank.ALARM) for _ in range(10)]
    cable.mend()
    counted = centre.wait_payloads(ROOT, {found.payload for found in made})
    seen = traffic(cable.record)
    print(f"{way}: noticed after {took:.1f} s; {sum(counted.values()) - len(made)} repetitions, {seen}")
    assert took <= NOTICED * KEEPALIVE + SLACK
    assert seen.most_in_flight <= WINDOW
    assert seen.connections >= 2


@pytest.mark.parametrize("way", ["up", "down", "both"])
def test_an_idle_link_that_is_cut_is_noticed(cable: Cable, gateway: Gateway, way: str) -> None:
    """With nothing to send: noticed within 45 s at the default keepalive, here in the same proportion; then back."""
    wait_for(lambda: gateway.link.status()["inflight"] == 0, "the greeting to be acknowledged")
    cable.cut(way)
    began = time.monotonic()
    wait_for(lambda: not gateway.link.status()["connected"], "the cut to be noticed")
    took = time.monotonic() - began
    print(f"{way}: noticed after {took:.1f} s; {gateway.link.status()['reason']}")
    assert took <= NOTICED * KEEPALIVE + SLACK
    cable.mend()
    gateway.wait_connected()


@pytest.mark.parametrize("busy", [False, True])
def test_a_dead_link_is_noticed_within_45_seconds(cable: Cable, centre: Sniffer, tmp_path: Path, busy: bool) -> None:
    """With the product's own settings and nothing scaled: a cut in both directions, with and without work."""
    if PATIENCE not in os.environ:
        pytest.skip(f"takes a minute and a half: {PATIENCE}=1 runs it; above it is shown in proportion")
    broker = broker_of(BrokerSettings(url=f"mqtt://{FAR}:{PORT}"))
    with cable.near():
        gateway = Gateway(tmp_path / "store", broker).start()
    gateway.wait_connected()
    made = [gateway.make(Rank.ALARM)]
    centre.wait_payloads(ROOT, {made[0].payload})
    cable.cut("both")
    began = time.monotonic()
    if busy:
        made += [gateway.make(rank) for _ in range(10) for rank in (Rank.ALARM, Rank.END)]
    wait_for(lambda: not gateway.link.status()["connected"], "the cut to be noticed", 90.0)
    took = time.monotonic() - began
    print(f"{'busy' if busy else 'idle'}: noticed after {took:.1f} s; {gateway.link.status()['reason']}")
    cable.mend()
    gateway.wait_connected()
    centre.wait_payloads(ROOT, {found.payload for found in made})
    gateway.stop()
    assert took <= 45.0


def test_a_client_without_keepalive_does_not_notice(
    cable: Cable, gateway: Gateway, centre: Sniffer, tmp_path: Path
) -> None:
    """The control: a socket that only waits believes in a cut cable for as long as one that promises something may."""
    import socket

    with cable.near(), socket.create_connection((FAR, PORT), 5) as silent:
        cable.cut("both")
        wait_for(lambda: not gateway.link.status()["connected"], "the gateway to notice")
        silent.settimeout(NOTICED * KEEPALIVE)
        with pytest.raises(TimeoutError):
            silent.recv(1)
    cable.mend()


def test_a_broker_that_is_killed_behind_a_long_cable(
    cable: Cable, mosquitto: Mosquitto, gateway: Gateway, centre: Sniffer
) -> None:
    """The broker is killed while the window is full: no connection carries more than the window."""
    cable.be(delay=0.2)
    made = [gateway.make(Rank.ALARM) for _ in range(60)]
    wait_for(lambda: gateway.link.status()["inflight"] >= WINDOW, "the window to be full")
    mosquitto.signal(signal.SIGKILL)
    wait_for(lambda: not gateway.link.status()["connected"], "the loss to be noticed")
    with cable.far():
        mosquitto.start()
    centre.wait_payloads(ROOT, {found.payload for found in made})
    seen = traffic(cable.record)
    print(seen)
    assert seen.most_in_flight == WINDOW


def test_paho_alone_passes_the_window_on_the_same_cable(cable: Cable, mosquitto: Mosquitto) -> None:
    """The control: the same kill and cable, with reconnecting left to paho, is seen to pass the window."""
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    cable.be(delay=0.2)
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="control", protocol=paho.MQTTv5)
    client.max_inflight_messages_set(WINDOW)
    client.reconnect_delay_set(1, 1)
    with cable.near():
        client.connect(FAR, PORT)
        client.loop_start()
    try:
        for number in range(60):
            client.publish("t", b"%d" % number, 1)
        wait_for(lambda: traffic(cable.record).most_in_flight >= WINDOW, "the window to be full")
        mosquitto.signal(signal.SIGKILL)
        with cable.far():
            mosquitto.start()
        wait_for(lambda: traffic(cable.record).most_in_flight > 2 * WINDOW, "paho to pass the window")
    finally:
        client.disconnect()
        client.loop_stop()


def test_without_mending_nothing_arrives(cable: Cable, gateway: Gateway, centre: Sniffer) -> None:
    """The control: a cut cable carries nothing, so that what arrived elsewhere came over it."""
    cable.cut("up")
    alarm = gateway.make(Rank.ALARM)
    wait_for(lambda: not gateway.link.status()["connected"], "the cut to be noticed")
    assert alarm.payload not in centre.payloads(ROOT)
    cable.mend()
    centre.wait_payloads(ROOT, {alarm.payload})
