"""The link against a real broker: everything arrives, in order, through every kind of broken connection."""

from __future__ import annotations

import json
import signal
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gateway.uplink.backoff import Backoff
from gateway.uplink.broker import Broker
from gateway.uplink.link import Link
from gateway.uplink.receipts import read_ack
from gateway.wire.draft import Rank
from gateway.wire.message import inflate, read_label
from tests.conftest import ADDRESS, ROOT, Gateway
from tests.mosquitto import Mosquitto, Sniffer, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.wire.message import Message


pytestmark = pytest.mark.broker


@pytest.fixture
def gateway(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Gateway]:
    """A gateway that is connected to a real broker."""
    made = Gateway(tmp_path / "store", mosquitto.broker).start()
    made.wait_connected()
    yield made
    made.stop()


def numbers(sniffer: Sniffer, lane: str) -> list[int]:
    """Return the numbers of a lane's messages in the order in which they came, repetitions left out."""
    seen = []
    for topic, payload, _, _ in list(sniffer.seen):
        if f"{ROOT}/up/event/" in topic or f"{ROOT}/up/media/" in topic:
            said = read_label(payload) if "/media/" in topic else inflate(payload)
            seq = int(said["seq"] if "seq" in said else said["sequence"])
            if said["lane"] == lane and seq not in seen:
                seen.append(seq)
    return seen


def test_everything_arrives_once_and_in_order(gateway: Gateway, sniffer: Sniffer) -> None:
    """Each lane arrives complete, without repetition, in the order of its numbers; the store is empty afterwards."""
    ranks = [Rank.ALARM, Rank.START, Rank.UPDATE, Rank.END, Rank.PICTURE]
    made = [gateway.make(rank, size=2000) for _ in range(60) for rank in ranks]
    counted = sniffer.wait_payloads(ROOT, {found.payload for found in made})
    assert max(counted[found.payload] for found in made) == 1
    assert numbers(sniffer, "alarm") == list(range(1, 61))
    assert numbers(sniffer, "event") == list(range(1, 181))
    assert numbers(sniffer, "media") == list(range(1, 61))
    gateway.stop()
    assert gateway.spool.status()["rows"] == 0
    again = Gateway(gateway.folder, Broker(port=1)).start()
    assert again.spool.status()["delivered"] == 240
    again.spool.stop(5)


def test_birth_will_and_goodbye_belong_together(tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer) -> None:
    """Online is retained; a cut gives the will of the same session; an orderly end says stopped and gives no will."""
    broker = replace(mosquitto.broker, protocol="3.1.1")  # without a will delay
    gateway = Gateway(tmp_path / "store", broker).start()
    gateway.wait_connected()
    sniffer.wait_until(lambda seen: any(b"online" in payload for _, payload, _, _ in seen), "online")
    # A second client with our id: the broker throws the first one out, as a cut does.
    intruder = Sniffer(broker, client_id=ADDRESS.gateway).start()
    sniffer.wait_until(lambda seen: any(b"offline" in payload for _, payload, _, _ in seen), "offline")
    intruder.stop()
    wait_for(lambda: gateway.link.status()["connects"] >= 2, "a second connection")
    gateway.wait_connected()
    gateway.link.stop(5, "end of the test")
    gateway.spool.stop(5)
    said = [json.loads(payload) for payload in sniffer.payloads("up/status")]
    first, will, *_, last = said
    assert [first["state"], will["state"], last["state"]] == ["online", "offline", "stopped"]
    assert first["session"] == will["session"] != last["session"]
    assert last["reason"] == "end of the test"
    late = Sniffer(mosquitto.broker).start()
    late.wait_until(lambda seen: any(retained and b"stopped" in payload for _, payload, retained, _ in seen), "stopped")
    late.stop()


def test_states_are_said_again_after_each_connection(gateway: Gateway, mosquitto: Mosquitto) -> None:
    """A broker that forgot everything knows every state again, and only the latest of each."""
    for revision in range(5):
        gateway.link.say("up/config", b'{"revision":%d}' % revision)
    gateway.link.say("up/info", b"{}")
    mosquitto.stop()
    for file in mosquitto.folder.glob("mosquitto.db*"):
        file.unlink()
    gateway.link.say("up/info", b'{"new":1}')
    mosquitto.start()
    late = Sniffer(mosquitto.broker).start()
    late.wait_payloads("up/info", {b'{"new":1}'})
    assert set(late.payloads("up/config")) <= {b'{"revision":4}'}
    late.wait_payloads("up/config", {b'{"revision":4}'})
    late.stop()


def test_commands_come_with_whether_they_were_retained(gateway: Gateway, mosquitto: Mosquitto, tmp_path: Path) -> None:
    """What is said to this gateway under down/ reaches the callback, without the root."""
    centre = Link(mosquitto.broker, ROOT, "centre", gateway.spool, lambda *_: None, backoff=Backoff(spread=0))
    centre.start()
    centre.say("down/cmd/ping", b'{"id":"x"}', retain=False)
    assert gateway.heard.wait(10)
    assert gateway.commands == [("down/cmd/ping", b'{"id":"x"}', False)]
    centre.stop(5)


@pytest.mark.parametrize("how", ["restart", "kill", "freeze"])
def test_nothing_is_lost_while_the_broker_is_away(tmp_path: Path, mosquitto: Mosquitto, how: str) -> None:
    """Whatever befalls the broker, every message arrives; what comes twice is a repetition and no gap."""
    centre = Sniffer(mosquitto.broker, session=3600, client_id="centre").start()
    broker = replace(mosquitto.broker, ack_timeout=1.5, connect_timeout=1.5)
    gateway = Gateway(tmp_path / "store", broker).start()
    gateway.wait_connected()
    made = []
    for round_ in range(3):
        ranks = [Rank.ALARM, Rank.END] if how == "kill" else [Rank.ALARM, Rank.END, Rank.PICTURE]
        made += [gateway.make(rank, size=500) for _ in range(20) for rank in ranks]
        if how == "freeze":
            mosquitto.signal(signal.SIGSTOP)
            made += [gateway.make(Rank.ALARM) for _ in range(20)]
            wait_for(lambda: not gateway.link.status()["connected"], "the frozen broker to be noticed")
            assert gateway.link.status()["reason"] in {"frozen", "silent", "timeout"}
            mosquitto.signal(signal.SIGCONT)
        else:
            mosquitto.signal(signal.SIGKILL if how == "kill" else signal.SIGTERM)
            made += [gateway.make(Rank.ALARM) for _ in range(20)]
            wait_for(lambda: gateway.link.status()["reason"] in {"refused", "lost", "closed"}, "the loss to be noticed")
            mosquitto.start()
        wait_for(lambda: gateway.link.status()["connected"], f"connection {round_}")
    if how == "kill":
        ask_for_what_is_missing(gateway, centre, made)
    counted = centre.wait_payloads(ROOT, {found.payload for found in made})
    repeated = sum(counted[found.payload] - 1 for found in made)
    print(f"{how}: {len(made)} messages, {repeated} repetitions")
    gateway.stop()
    centre.stop()


def ask_for_what_is_missing(gateway: Gateway, centre: Sniffer, made: list[Message]) -> None:
    """A broker that was killed may lose what it had acknowledged: the centre sees the gap and asks, once all left."""
    wait_for(lambda: gateway.link.status()["inflight"] == 0 and not gateway.link.status()["behind"], "all to have left")
    lanes = {}
    for lane in ("alarm", "event"):
        have = numbers(centre, lane)
        upto = max(found.seq for found in made if found.lane == lane)
        missing = [[seq, seq] for seq in range(1, upto + 1) if seq not in have]
        print(f"{lane}: the broker lost {len(missing)}")
        lanes[lane] = {"upto": upto, "missing": missing}
    payload = json.dumps({"epoch": gateway.spool.epoch, "lanes": lanes}).encode()
    gateway.link.confirmed(read_ack(payload))


def test_a_backlog_longer_than_memory_leaves_in_order(tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer) -> None:
    """A lane that overflowed in memory is fetched from the store: complete, in order, and then live again."""
    gateway = Gateway(tmp_path / "store", replace(mosquitto.broker, port=_closed_port()))
    gateway.start()
    made = [gateway.make(Rank.END) for _ in range(700)]
    gateway.stop()
    again = Gateway(tmp_path / "store", mosquitto.broker).start()
    more = [again.make(Rank.END) for _ in range(700)]
    sniffer.wait_payloads(ROOT, {found.payload for found in made + more})
    assert numbers(sniffer, "event") == list(range(1, 1401))
    wait_for(lambda: again.link.status()["behind"] == [], "the lanes to be live again")
    again.stop()


def test_a_live_alarm_overtakes_the_backlog(tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer) -> None:
    """While a backlog drains slowly, a new alarm is there before the backlog's end."""
    gateway = Gateway(tmp_path / "store", replace(mosquitto.broker, port=_closed_port()))
    gateway.start()
    backlog = [gateway.make(Rank.PICTURE, size=4000) for _ in range(200)]
    gateway.stop()
    again = Gateway(tmp_path / "store", mosquitto.broker, rate=40).start()
    sniffer.wait_payloads(ROOT, {backlog[0].payload})
    alarm = again.make(Rank.ALARM)
    sniffer.wait_payloads(ROOT, {alarm.payload})
    assert backlog[-1].payload not in sniffer.payloads("/media/")
    again.stop()


def test_alarms_are_kept_while_nobody_hears_them(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """The broker says that no subscriber heard: an alarm stays and comes later, in order; an event is done."""
    gateway = Gateway(tmp_path / "store", mosquitto.broker).start()
    gateway.wait_connected()
    alarms = [gateway.make(Rank.ALARM) for _ in range(30)]
    event = gateway.make(Rank.END)
    wait_for(lambda: gateway.link.status()["centre_absent"] is not None, "the centre to be missed")
    wait_for(lambda: gateway.link.status()["acked"] >= 1, "the event to be done")
    centre = Sniffer(mosquitto.broker).start()
    alarms.append(gateway.make(Rank.ALARM))  # tries the oldest again at once
    centre.wait_payloads(ROOT, {alarm.payload for alarm in alarms})
    assert numbers(centre, "alarm") == list(range(1, 32))
    assert event.payload not in centre.payloads("event")
    wait_for(lambda: gateway.link.status()["centre_absent"] is None, "the centre to be found")
    gateway.stop()
    centre.stop()


def test_mqtt_311_carries_everything_too(tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer) -> None:
    """Nothing of what we mean lives in MQTT 5 only."""
    gateway = Gateway(tmp_path / "store", replace(mosquitto.broker, protocol="3.1.1")).start()
    made = [gateway.make(rank, size=100) for _ in range(20) for rank in Rank]
    counted = sniffer.wait_payloads(ROOT, {found.payload for found in made})
    assert max(counted[found.payload] for found in made) == 1
    gateway.stop()


def test_stop_flushes_alarms_and_keeps_the_rest(tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer) -> None:
    """An orderly end sends the alarms there are; whatever else was made is in the store for the next start."""
    gateway = Gateway(tmp_path / "store", mosquitto.broker).start()
    gateway.wait_connected()
    made = [gateway.make(rank, size=300) for _ in range(50) for rank in (Rank.ALARM, Rank.END)]
    assert gateway.link.stop(10)
    assert gateway.spool.stop(10)
    sniffer.wait_payloads(ROOT, {found.payload for found in made if found.lane == "alarm"})
    again = Gateway(tmp_path / "store", mosquitto.broker).start()
    sniffer.wait_payloads(ROOT, {found.payload for found in made})
    again.stop()


def test_stop_without_a_broker_is_quick_and_loses_nothing(
    tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer
) -> None:
    """With nobody to talk to the link ends at once, and the store has everything."""
    gateway = Gateway(tmp_path / "store", Broker(port=_closed_port())).start()
    made = [gateway.make(rank) for rank in Rank]
    gateway.stop()
    again = Gateway(tmp_path / "store", mosquitto.broker).start()
    sniffer.wait_payloads(ROOT, {found.payload for found in made})
    again.stop()


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
