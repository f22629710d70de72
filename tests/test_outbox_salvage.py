"""A damaged store costs what lies on the damage: the rest is saved in the background, under its own numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.uplink import beside, store
from gateway.uplink.broker import Broker
from gateway.wire.draft import Rank
from tests.conftest import ROOT, Gateway
from tests.mosquitto import Mosquitto, Sniffer, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.wire.message import Message

pytestmark = pytest.mark.broker


def stored(folder: Path) -> list[Message]:
    """Make a store with a backlog, and end in order."""
    gateway = Gateway(folder, Broker(port=1)).start()
    made = [gateway.make(rank, size=900) for _ in range(60) for rank in (Rank.ALARM, Rank.END, Rank.PICTURE)]
    gateway.stop()
    return made


def spoil(path: Path, page: int) -> None:
    """Zero what lies there: some pages, of which one at least is no picture's."""
    with path.open("r+b") as file:
        file.seek(page * store.PAGE)
        file.write(bytes(8 * store.PAGE))


@pytest.mark.parametrize("part", [0.3, 0.5, 0.8])
def test_undamaged_messages_arrive_in_spite_of_a_bad_page(
    tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer, part: float
) -> None:
    """With a page gone the gateway runs at once under a new epoch, and nearly all of the backlog still arrives."""
    made = stored(tmp_path / "store")
    path = tmp_path / "store" / "outbox.db"
    spoil(path, int(path.stat().st_size / store.PAGE * part))
    gateway = Gateway(tmp_path / "store", mosquitto.broker).start()
    alarm = gateway.make(Rank.ALARM)
    assert alarm.epoch != made[0].epoch
    sniffer.wait_payloads(ROOT, {alarm.payload})
    wait_for(lambda: gateway.spool.status()["saved"] >= len(made) - 20, f"the salvage: {gateway.spool.status()}")
    wait_for(lambda: gateway.spool.status()["rows"] == 0, "what was saved to be delivered", 90)
    sent = {found.payload for found in made}
    wait_for(lambda: len(sent & set(sniffer.payloads(""))) >= len(made) - 20, "nearly all to arrive")
    print(f"{len(sent & set(sniffer.payloads('')))} of {len(made)} arrived")
    assert beside.aside_of(path, "damaged").exists()
    gateway.stop()


def test_salvage_ends_and_is_not_begun_again(tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer) -> None:
    """When all is read, the next start sends nothing twice."""
    made = stored(tmp_path / "store")
    path = tmp_path / "store" / "outbox.db"
    spoil(path, int(path.stat().st_size / store.PAGE * 0.5))
    gateway = Gateway(tmp_path / "store", mosquitto.broker).start()
    wait_for(lambda: not gateway.spool.status()["salvaging"], "the salvage to end")
    wait_for(lambda: gateway.spool.status()["rows"] == 0, "what was saved to be delivered", 90)
    gateway.stop()
    before = len(sniffer.payloads("/event/"))
    again = Gateway(tmp_path / "store", mosquitto.broker).start()
    last = again.make(Rank.ALARM)
    sniffer.wait_payloads(ROOT, {last.payload})
    assert again.spool.status()["saved"] == 0
    assert len(sniffer.payloads("/event/")) == before + 1
    assert len(made) >= before
    again.stop()
