"""What can be wrong with a broker is told apart, said with a next step, and never ends the link."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import pytest

from gateway.uplink.broker import Broker, Protocol
from gateway.wire.draft import Rank
from tests.conftest import ADDRESS, ROOT, Gateway, Mosquitto, Sniffer, find_mosquitto, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.broker


def reason_of(gateway: Gateway) -> dict[str, object]:
    """Start a gateway that cannot connect, wait for the reason, stop it, and return its status."""
    gateway.start()
    wait_for(lambda: gateway.link.status()["reason"], "a reason")
    status = gateway.link.status()
    gateway.stop()
    assert not status["connected"]
    assert status["problem"]
    assert status["hint"]
    return status


# Credentials and certificates, against mosquitto


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize("password", ["wrong", None])
def test_refused_credentials_are_named(tmp_path: Path, protocol: Protocol, password: str | None) -> None:
    """A wrong password, or none, is recognised as that, with what to check."""
    exe = find_mosquitto()
    if exe is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    tool = exe.replace("/sbin/", "/bin/") + "_passwd"
    passwords = tmp_path / "passwords"
    made = subprocess.run(
        [tool, "-c", "-b", str(passwords), ADDRESS.gateway, "right"], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip(f"no mosquitto_passwd: {made.stderr.decode()}")
    passwords.chmod(0o644)
    mosquitto = Mosquitto(tmp_path / "mosquitto", f"allow_anonymous false\npassword_file {passwords}")
    mosquitto.start()
    broker = replace(
        mosquitto.broker, protocol=protocol, username=ADDRESS.gateway if password else None, password=password
    )
    status = reason_of(Gateway(tmp_path / "store", broker))
    assert status["reason"] in {"credentials", "forbidden"}
    assert "user name" in str(status["hint"])
    right = Gateway(tmp_path / "store", replace(broker, username=ADDRESS.gateway, password="right")).start()
    right.wait_connected()
    right.stop()
    mosquitto.stop()


@dataclass
class Papers:
    """Certificates of a small authority, and of one that nobody trusts."""

    folder: Path
    mosquitto: Mosquitto
    broker: Broker

    def client(self, tag: str) -> Broker:
        """Return the broker with the client certificate `tag`."""
        return replace(self.broker, cert=self.folder / f"{tag}.pem", key=self.folder / f"{tag}.key")


@pytest.fixture
def papers(tmp_path: Path) -> Iterator[Papers]:
    """A broker that wants client certificates, and knows a client by its common name."""
    trustme = pytest.importorskip("trustme")
    import datetime as dt

    folder = tmp_path / "papers"
    folder.mkdir()
    ca, rogue = trustme.CA(), trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    rogue.cert_pem.write_to_path(folder / "rogue-ca.pem")
    past = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    made = {
        "server": ca.issue_cert("127.0.0.1"),
        "old-server": ca.issue_cert("127.0.0.1", not_after=past),
        "gateway": ca.issue_cert("gw.example", common_name=ADDRESS.gateway),
        "expired": ca.issue_cert("gw.example", common_name=ADDRESS.gateway, not_after=past),
        "rogue": rogue.issue_cert("gw.example", common_name=ADDRESS.gateway),
    }
    for tag, cert in made.items():
        for number, pem in enumerate(cert.cert_chain_pems):
            pem.write_to_path(folder / f"{tag}.pem", append=number > 0)
        cert.private_key_pem.write_to_path(folder / f"{tag}.key")
    (folder / "acl").write_text("pattern readwrite citycam/v1/+/%u/up/#\npattern read citycam/v1/+/%u/down/#\n")
    mosquitto = Mosquitto(tmp_path / "mosquitto", _tls(folder, "server"))
    mosquitto.start()
    broker = Broker("127.0.0.1", mosquitto.port, tls=True, ca=folder / "ca.pem")
    yield Papers(folder, mosquitto, broker)
    mosquitto.stop()


def _tls(folder: Path, server: str) -> str:
    return "\n".join(
        [
            "allow_anonymous false",
            f"cafile {folder}/ca.pem",
            f"certfile {folder}/{server}.pem",
            f"keyfile {folder}/{server}.key",
            "require_certificate true",
            "use_identity_as_username true",
            f"acl_file {folder}/acl",
        ]
    )


def test_a_client_certificate_opens_the_door(papers: Papers, tmp_path: Path) -> None:
    """With its own certificate the gateway is let in, under the name in it, and may speak under that name only."""
    gateway = Gateway(tmp_path / "store", papers.client("gateway")).start()
    gateway.wait_connected()
    made = [gateway.make(Rank.PICTURE, size=40_000) for _ in range(5)]
    wait_for(lambda: gateway.link.status()["acked"] == len(made), f"pictures over TLS; {gateway.link.status()}")
    gateway.stop()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda papers: replace(papers.broker), {"our-cert-missing"}),
        (lambda papers: papers.client("rogue"), {"our-cert-refused"}),
        (lambda papers: papers.client("expired"), {"our-cert-expired", "our-cert-refused"}),
        (lambda papers: replace(papers.client("gateway"), ca=papers.folder / "rogue-ca.pem"), {"cert-untrusted"}),
        (lambda papers: replace(papers.client("gateway"), host="localhost"), {"cert-name"}),
        (lambda papers: replace(papers.client("gateway"), ca=papers.folder / "gone.pem"), {"settings"}),
        (lambda papers: replace(papers.client("gateway"), key=papers.folder / "rogue.key"), {"settings"}),
        (lambda papers: replace(papers.broker, tls=False, connect_timeout=1.0), {"lost", "silent", "network"}),
    ],
)
def test_certificate_faults_are_told_apart(
    papers: Papers, tmp_path: Path, change: Callable[[Papers], Broker], expected: set[str]
) -> None:
    """Each way in which certificates go wrong has its own word and its own hint."""
    status = reason_of(Gateway(tmp_path / "store", change(papers)))
    assert status["reason"] in expected, status


def test_an_expired_server_certificate_is_recovered_from(papers: Papers, tmp_path: Path) -> None:
    """The broker's certificate has expired: it is said; when it is renewed, the link comes up without a restart."""
    papers.mosquitto.stop()
    config = papers.mosquitto.folder / "mosquitto.conf"
    good = config.read_text()
    config.write_text(good.replace("/server.", "/old-server."))
    papers.mosquitto.start()
    gateway = Gateway(tmp_path / "store", papers.client("gateway")).start()
    wait_for(lambda: gateway.link.status()["reason"] == "cert-expired", "the reason")
    assert "clock" in gateway.link.status()["hint"]
    papers.mosquitto.stop()
    config.write_text(good)
    papers.mosquitto.start()
    gateway.wait_connected()
    gateway.stop()


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


# Brokers that do what mosquitto does not, on a socket of our own


@dataclass
class Strange:
    """A broker of a few lines: takes anybody, answers as told, and counts what it is sent on each connection."""

    properties: bytes = b""
    answer: int | None = 0
    """Reason code of each PUBACK; None: no answer at all."""
    verdicts: dict[bytes, int] = field(default_factory=dict)
    """Reason codes for payloads that start so."""
    goodbye: bytes = b""
    """Sent and hung up after the first publish."""
    silent: bool = False
    unacked: list[list[bytes]] = field(default_factory=list)
    published: list[bytes] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.broker = Broker(port=self._listener.getsockname()[1], ack_timeout=1.0, connect_timeout=1.0)
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            connection.close()
        for thread in self._threads:
            thread.join(10)

    def _start(self, what: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=what, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        mine: list[bytes] = []
        self.unacked.append(mine)
        try:
            while True:
                kind, body = _packet(connection)
                if kind == 1 and not self.silent:
                    connection.sendall(
                        bytes([0x20, 3 + len(self.properties), 0, 0, len(self.properties)]) + self.properties
                    )
                elif kind == 8:
                    connection.sendall(b"\x90\x04" + body[:2] + b"\x00\x01")
                elif kind == 3:
                    self._take(connection, body, mine)
                elif kind == 12:
                    connection.sendall(b"\xd0\x00")
        except (OSError, EOFError):
            connection.close()

    def _take(self, connection: socket.socket, body: bytes, mine: list[bytes]) -> None:
        size = struct.unpack("!H", body[:2])[0]
        mid, payload = body[2 + size : 4 + size], body[5 + size :]
        if b"/up/status" in body[: 2 + size]:
            connection.sendall(b"\x40\x03" + mid + b"\x00")
            return
        self.published.append(payload)
        if self.goodbye:
            connection.sendall(self.goodbye)
            raise EOFError
        code = next((code for start, code in self.verdicts.items() if start in payload), self.answer)
        if code is None:
            mine.append(payload)
        else:
            connection.sendall(b"\x40\x03" + mid + bytes([code]))


def _packet(connection: socket.socket) -> tuple[int, bytes]:
    head = _exactly(connection, 1)[0]
    size = shift = 0
    while True:
        byte = _exactly(connection, 1)[0]
        size |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return head >> 4, _exactly(connection, size)


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = connection.recv(size - len(found))
        if not more:
            raise EOFError
        found += more
    return found


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
