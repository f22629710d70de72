"""What can be wrong with a broker is told apart, said with a next step, and never ends the link."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest

from gateway.configuration.settings import BrokerSettings
from gateway.recovery.linkage import OUT_OF_REACH
from gateway.uplink.broker import Broker
from gateway.uplink.happened import LostError
from gateway.uplink.mqtt import Connection
from gateway.uplink.reasons import of_alert, of_code, of_error, of_silent_close, of_silent_tls
from gateway.wire.draft import Rank
from tests.conftest import ADDRESS, ROOT, Gateway
from tests.mosquitto import Mosquitto, Sniffer, wait_for
from tests.strange_broker import Strange, reason_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.broker


# Networks


def test_a_name_that_does_not_resolve_is_named(tmp_path: Path) -> None:
    """No such host, and a host name that is none, are both told as that."""
    for host in ("broker.invalid", "a" * 70 + ".example", "white space"):
        assert reason_of(Gateway(tmp_path / "store", Broker(host)))["reason"] == "dns"


def test_a_port_where_nobody_listens_is_named(tmp_path: Path) -> None:
    """Refused is told from no answer."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        assert reason_of(Gateway(tmp_path / "store", Broker(port=probe.getsockname()[1])))["reason"] == "refused"


def test_the_window_is_never_passed_after_a_reconnect(tmp_path: Path) -> None:
    """A broker that asks for 5 at a time and answers none gets 5 on each connection, never more; paho gives all."""
    with Strange(properties=b"\x21\x00\x05", answer=None) as strange:
        gateway = Gateway(tmp_path / "store", strange.broker).start()
        for _ in range(60):
            gateway.make(Rank.ALARM)
        wait_for(lambda: len(strange.unacked) >= 4, "a fourth connection")
        gateway.stop()
        assert max(len(unacked) for unacked in strange.unacked) == 5
        first = strange.unacked[0]
        assert strange.unacked[1][: len(first)] == first


def test_paho_alone_passes_the_window(tmp_path: Path) -> None:
    """The control: the same broker gets more than it asked for from a client that leaves reconnecting to paho."""
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    with Strange(properties=b"\x21\x00\x05", answer=None) as strange:
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id="control", protocol=paho.MQTTv5)
        client.max_inflight_messages_set(5)
        client.reconnect_delay_set(1, 1)
        client.connect("127.0.0.1", strange.broker.port)
        client.loop_start()
        for number in range(60):
            client.publish("t", b"%d" % number, 1)
        wait_for(lambda: len(strange.unacked[:1]) and len(strange.unacked[0]) >= 5, "the first window")
        strange._connections[0].shutdown(socket.SHUT_RDWR)
        wait_for(lambda: len(strange.unacked) > 1 and len(strange.unacked[1]) > 5, "paho to pass the window")
        client.disconnect()
        client.loop_stop()


def test_a_message_that_is_refused_for_good_is_buried(tmp_path: Path) -> None:
    """One message that the broker will never take does not stop those behind it, and is not tried for ever."""
    with Strange(properties=b"\x27\x00\x00\x10\x00", answer=0, verdicts={b"\xff\xd8": 0x99}) as strange:
        gateway = Gateway(tmp_path / "store", strange.broker).start()
        gateway.make(Rank.PICTURE, size=100)
        gateway.make(Rank.PICTURE, size=5000)  # longer than the 4096 bytes that the broker announced
        gateway.make(Rank.END)
        wait_for(lambda: gateway.link.status()["refused"] == 2, "two to be refused")
        wait_for(lambda: gateway.spool.status()["dead"] == 2, "two to be buried")
        wait_for(lambda: gateway.link.status()["acked"] == 1, "the other to be done")
        assert all(len(payload) < 4096 for payload in strange.published)
        gateway.stop()


def test_an_alarm_that_is_not_allowed_is_kept(tmp_path: Path) -> None:
    """A broker whose rights are wrong is asked again and again, and it is said; when they are right, all arrives."""
    with Strange(answer=0x87) as strange:
        gateway = Gateway(tmp_path / "store", strange.broker).start()
        alarm = gateway.make(Rank.ALARM)
        event = gateway.make(Rank.END)
        wait_for(lambda: gateway.link.status()["alarms_forbidden"], "the refusal to be said")
        wait_for(lambda: gateway.spool.status()["dead"] == 1, "the event to be buried")
        strange.answer = 0
        another = gateway.make(Rank.ALARM)
        wait_for(lambda: gateway.link.status()["acked"] == 2, "both alarms to be taken")
        assert not gateway.link.status()["alarms_forbidden"]
        assert strange.published[-2:] == [alarm.payload, another.payload]
        assert strange.published.count(event.payload) == 1
        gateway.stop()


def test_try_later_keeps_the_order(tmp_path: Path) -> None:
    """A broker whose quota is used up gets the same event later, before those behind it."""
    with Strange(answer=0x97) as strange:
        gateway = Gateway(tmp_path / "store", replace(strange.broker, inflight=3)).start()
        made = [gateway.make(Rank.END) for _ in range(6)]
        wait_for(lambda: gateway.link.status()["put_off"] >= 1, "the first to be put off")
        strange.answer = 0
        wait_for(lambda: gateway.link.status()["acked"] == 6, "all to be taken")
        assert sorted(set(strange.published[-6:])) == sorted(found.payload for found in made)
        gateway.stop()


def test_a_taken_over_client_id_is_told_and_waited_for(tmp_path: Path) -> None:
    """Another device with our id: said as what it probably is, and no fight over the connection."""
    with Strange(goodbye=b"\xe0\x02\x8e\x00") as strange:
        gateway = Gateway(tmp_path / "store", strange.broker).start()
        gateway.make(Rank.ALARM)
        wait_for(lambda: gateway.link.status()["reason"] == "taken-over", "the reason")
        assert "copy of this card" in gateway.link.status()["hint"]
        wait_for(lambda: gateway.link.status()["next_attempt_s"], "the next attempt to be known")
        assert gateway.link.status()["next_attempt_s"] > gateway.backoff.cap
        gateway.stop()


def test_a_client_id_that_is_taken_again_and_again_is_told(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """A real broker that takes us off without a word is told as that at first, and then as what it probably is."""
    gateway = Gateway(tmp_path / "store", mosquitto.broker).start()
    reasons = []
    for times in range(1, 4):
        wait_for(lambda: gateway.link.status()["connects"] == times, "a connection")  # noqa: B023 (called in this round)
        if times == 3:
            gateway.link.spread(3600.0, 3600.0)  # so that the last reason stays for as long as we look at it
        other = Connection(mosquitto.broker, ADDRESS.gateway)
        other.open()
        wait_for(lambda: other.wait(0.1), "the other to be taken in")  # noqa: B023
        wait_for(lambda: gateway.link.status()["reason"] or gateway.link.status()["connects"] > times, "the loss")  # noqa: B023
        reasons.append(gateway.link.status())
        other.close()
    assert "Unspecified" not in str(reasons)
    assert reasons[0]["reason"] in {"closed", None}  # None: it is back already
    assert reasons[-1]["reason"] == "probably-taken-over"
    assert "copy of this card" in reasons[-1]["hint"]
    gateway.stop()


def test_no_reason_is_without_a_next_step() -> None:
    """What is told of a broker always has a hint that somebody can follow: the self-test prints it below a failure."""
    told = [of_code(code, "x") for code in range(0x80, 0xA3)]
    told += [of_silent_close(welcome=welcome) for welcome in (True, False)]
    assert [reason for reason in told if not reason.hint or "nothing to do" in reason.hint] == []


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n<html>" + bytes(99), b"\x15\x03\x01\x00\x02\x02\x46"],
    ids=["HTTP", "TLS"],
)
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_what_is_no_broker_is_told_as_that(answer: bytes, protocol: Literal["5", "3.1.1"]) -> None:
    """On the wrong port something else answers: whoever stands on the ladder looks at the port, not at the cable."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = Connection(Broker(port=listener.getsockname()[1], protocol=protocol), "ladder")
        connection.open()
        other, _ = listener.accept()
        with other:
            other.recv(4096)
            other.sendall(answer)
            with pytest.raises(LostError) as caught:  # noqa: PT012 (in several turns)
                while True:
                    connection.wait(5.0)
        connection.close()
    assert caught.value.reason.code == "protocol"
    assert "port" in caught.value.hint


def test_tls_on_a_port_without_it_is_no_matter_of_the_network(tmp_path: Path) -> None:
    """Who breaks off TLS is there: the port is named as what to look at, and recovery leaves the interface alone."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def break_off() -> None:
            other, _ = listener.accept()
            other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closed with a reset
            other.recv(10)
            other.close()

        breaker = threading.Thread(target=break_off)
        breaker.start()
        connection = Connection(Broker(port=listener.getsockname()[1], tls=True), "ladder")
        with pytest.raises(LostError) as caught:
            connection.open()
        breaker.join(10)
    assert caught.value.reason.code not in OUT_OF_REACH
    assert "port" in caught.value.hint


def test_hints_about_papers_name_the_settings() -> None:
    """What has to be set is told by the name that it has in the file."""
    untrusted = ssl.SSLCertVerificationError("unknown")
    untrusted.verify_code, untrusted.verify_message = 20, "unable to get local issuer certificate"
    alert = of_alert("tlsv13 alert certificate required")
    assert alert is not None
    reasons = (of_silent_tls(with_certificate=False), alert, of_error(untrusted, "h", 1), of_code(0x84, "x"))
    told = [reason.hint for reason in reasons]
    keys = [set(re.findall(r"broker\.(\w+)", hint)) for hint in told]
    assert all(keys), told
    assert set().union(*keys) <= set(BrokerSettings.model_fields)


def test_a_broker_that_says_nothing_is_not_waited_for(tmp_path: Path) -> None:
    """TCP is taken and MQTT never answered: given up, said, and tried again."""
    with Strange(silent=True) as strange:
        assert reason_of(Gateway(tmp_path / "store", strange.broker))["reason"] == "silent"


def test_an_idle_link_that_died_is_noticed(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """A frozen broker is noticed by keepalive though nothing is on its way; within 40 s by default."""
    gateway = Gateway(tmp_path / "store", replace(mosquitto.broker, keepalive=1)).start()
    gateway.wait_connected()
    mosquitto.signal(signal.SIGSTOP)
    wait_for(lambda: not gateway.link.status()["connected"], "the dead link to be noticed")
    mosquitto.signal(signal.SIGCONT)
    gateway.wait_connected()
    gateway.stop()


def test_kill_of_the_gateway_loses_nothing(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """SIGKILL at random moments under load: every message whose `put` had returned arrives."""
    import random
    import sys

    centre = Sniffer(mosquitto.broker, (f"{ROOT}/up/event/#",), session=3600, client_id="centre").start()
    rng = random.Random(5)
    committed: set[bytes] = set()
    duplicates = 0
    for round_ in range(6):
        script = f"""
import sys, threading
from pathlib import Path
from tests.conftest import Gateway, Broker, Rank
gateway = Gateway(Path({str(tmp_path / "store")!r}), Broker(port={mosquitto.port})).start()
while True:
    made = gateway.make(Rank.ALARM)
    kept = threading.Event()
    gateway.spool.call(lambda outbox: kept.set())  # runs behind the commit
    kept.wait()
    sys.stdout.write(made.payload.hex() + "\\n")
    sys.stdout.flush()
"""
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(rng.randrange(20, 120)):
            line = process.stdout.readline()
            committed.add(bytes.fromhex(line.strip()))
        os.kill(process.pid, signal.SIGKILL)
        rest = process.stdout.read().split("\n")[:-1]
        committed |= {bytes.fromhex(line) for line in rest}
        process.stdout.close()
        process.wait(10)
        print(f"round {round_}: {len(committed)} committed")
    last = Gateway(tmp_path / "store", mosquitto.broker).start()
    counted = centre.wait_payloads(ROOT, committed)
    duplicates = sum(counted[payload] - 1 for payload in committed)
    print(f"{len(committed)} committed, {duplicates} repetitions")
    last.stop()
    centre.stop()
