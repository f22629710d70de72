"""A centre with TLS: a broker whose certificate begins to be valid when the test says so, and one who hears it all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.mosquitto import Mosquitto, Sniffer

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


class Centre:
    """Both; the broker listens with TLS on another port."""

    def __init__(self, folder: Path, host: str, valid_from: datetime, listens_on: str = "127.0.0.1") -> None:
        """Start both; devices call the broker `host`, an address, and it listens for them on `listens_on`."""
        trustme = pytest.importorskip("trustme")
        folder.mkdir(exist_ok=True)
        authority = trustme.CA()
        papers = authority.issue_cert(host, not_before=valid_from)
        papers.private_key_pem.write_to_path(folder / "key.pem")
        papers.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        self.authority = authority.cert_pem.bytes().decode()
        """PEM, for a device to trust."""
        port = Mosquitto(folder / "unused").port
        extra = f"listener {port} {listens_on}\ncertfile {folder}/cert.pem\nkeyfile {folder}/key.pem\n"
        self.broker = Mosquitto(folder / "mosquitto", extra)
        self.url = f"mqtts://{host}:{port}"
        self.valid_from = valid_from
        self.broker.start()
        self.sniffer = Sniffer(self.broker.broker, session=3600, client_id="centre").start()

    def stop(self) -> None:
        """End both."""
        self.sniffer.stop()
        self.broker.stop()
