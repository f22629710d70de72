"""Passwords and certificates: what opens the door, and each way in which it stays shut, told apart with a next step."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from gateway.uplink.broker import Broker, Protocol
from gateway.wire.draft import Rank
from tests.conftest import ADDRESS, Gateway
from tests.mosquitto import Mosquitto, find_mosquitto, wait_for
from tests.strange_broker import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.broker


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
        (lambda papers: replace(papers.client("gateway"), ca=papers.folder / ("x" * 300)), {"settings"}),
        (lambda papers: replace(papers.client("gateway"), key=papers.folder / ("x" * 300)), {"settings"}),
        (lambda papers: replace(papers.broker, tls=False, connect_timeout=1.0), {"lost", "silent", "network"}),
    ],
)
def test_certificate_faults_are_told_apart(
    papers: Papers, tmp_path: Path, change: Callable[[Papers], Broker], expected: set[str]
) -> None:
    """Each way in which certificates go wrong has its own word and its own hint."""
    status = reason_of(Gateway(tmp_path / "store", change(papers)))
    assert status["reason"] in expected, status


def test_a_paper_that_may_not_be_read_is_named(papers: Papers, tmp_path: Path) -> None:
    """A key in a folder that the service's user may not enter is a fault of the settings, and ends no thread."""
    if os.geteuid() == 0:
        pytest.skip("root may read everything; what the system refuses otherwise is among the faults above")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    status = reason_of(Gateway(tmp_path / "store", replace(papers.client("gateway"), key=closed / "device.key")))
    assert "cannot be read: Permission denied" in str(status["problem"])


def test_a_key_with_a_pass_phrase_asks_nobody(papers: Papers, tmp_path: Path) -> None:
    """Nobody is there to type a key's pass phrase: it is refused with what to do, and not asked for on the terminal."""
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    key = serialization.load_pem_private_key((papers.folder / "gateway.key").read_bytes(), None)
    locked = papers.folder / "locked.key"
    form, how = serialization.Encoding.PEM, serialization.BestAvailableEncryption(b"secret")
    locked.write_bytes(key.private_bytes(form, serialization.PrivateFormat.PKCS8, how))
    status = reason_of(Gateway(tmp_path / "store", replace(papers.client("gateway"), key=locked)))
    assert "pass phrase" in str(status["problem"])
    assert "openssl pkey" in str(status["hint"])


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
