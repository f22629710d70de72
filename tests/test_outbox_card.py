"""Whatever the card does, nobody waits for it, messages are numbered and delivered, and what is wrong is said."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from gateway.uplink import fallback, unwritten
from gateway.uplink.broker import Broker
from gateway.uplink.outbox import Outbox
from gateway.wire.draft import Rank
from tests.card import Card
from tests.conftest import ROOT, Gateway, message
from tests.mosquitto import Mosquitto, Sniffer, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.broker


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Card]:
    """A card that does what it is told."""
    made = Card(tmp_path)
    yield made
    made.remove()


def test_an_alarm_does_not_wait_for_a_stalled_card(card: Card, mosquitto: Mosquitto, sniffer: Sniffer) -> None:
    """While a flush hangs for as long as we like, offering returns at once and alarms arrive; then all is stored."""
    gateway = Gateway(card.path, mosquitto.broker).start()
    gateway.wait_connected()
    wait_for(lambda: not gateway.link.status()["behind"], "the lanes to be live")
    card.be("stall")
    began = time.monotonic()
    made = [gateway.make(Rank.ALARM) for _ in range(100)]
    offered = time.monotonic() - began
    sniffer.wait_payloads(ROOT, {alarm.payload for alarm in made})
    wait_for(lambda: gateway.spool.status()["stalled_s"] > 0.5, "the stall to be reported")
    print(f"100 alarms offered in {offered * 1000:.1f} ms, all there after {time.monotonic() - began:.2f} s")
    assert gateway.spool.status()["waiting_in_ram"] == 100
    card.be("ok")
    wait_for(lambda: gateway.spool.status()["delivered"] == 100, "the alarms to be stored")
    gateway.stop()


def test_the_stall_is_real(card: Card) -> None:
    """The control: a store that is used directly does wait for that card."""
    outbox = Outbox.open(card.path / "outbox.db", min_free=0)
    seq = outbox.reserve("alarm", 1)[0]
    card.be("stall")
    import threading

    release = threading.Timer(1.0, card.be, ["ok"])
    release.start()
    outbox.put([message(Rank.ALARM, seq, epoch=outbox.epoch)])
    assert card._mode.read_text() == "ok", "put returned while the card stalled"
    release.join()
    outbox.close()


def numbers_in(ranges: Iterable[tuple[int, int]]) -> set[int]:
    """Return all numbers of some ranges."""
    return {seq for first, last in ranges for seq in range(first, last + 1)}


@pytest.mark.parametrize("mode", ["full", "broken", "read-only"])
def test_a_card_that_cannot_be_written_stops_nothing(
    card: Card, mosquitto: Mosquitto, sniffer: Sniffer, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages go on being numbered and delivered, what is wrong is reported with a hint, and later all is stored."""
    monkeypatch.setattr(fallback, "GIVE_UP_SECONDS", 2.0)
    monkeypatch.setattr(fallback, "RETRY_SECONDS", 1.0)
    gateway = Gateway(card.path, mosquitto.broker).start()
    gateway.wait_connected()
    made = [gateway.make(Rank.END, size=400) for _ in range(50)]
    sniffer.wait_payloads(ROOT, {found.payload for found in made})
    card.be(mode)
    # More than the reserved block holds: numbers must come from somewhere.
    made += [gateway.make(rank, size=400) for _ in range(400) for rank in (Rank.ALARM, Rank.END)]
    sniffer.wait_payloads(ROOT, {found.payload for found in made})
    assert gateway.spool.status()["problem"]
    assert gateway.spool.status()["hint"]
    card.be("ok")
    first = made[0].epoch

    def back() -> bool:
        status = gateway.spool.status()
        return status["epoch"] == first and not status["volatile"]

    wait_for(back, "the store on the card to be used again, and no fresh one")
    status = gateway.spool.status()
    void = {(lane, seq) for lane, gaps in status["gaps"].items() for seq in numbers_in(gaps.get("void", []))}
    given = {(one.lane, one.seq) for one in made if one.epoch == status["epoch"]}
    assert not void & given, "numbers that messages have are told as void"
    made.append(gateway.make(Rank.ALARM))
    sniffer.wait_payloads(ROOT, {found.payload for found in made})
    wait_for(lambda: gateway.spool.status()["problem"] is None, "all to be well")
    gateway.stop()


def test_a_store_that_cannot_be_opened_is_replaced_by_memory(
    tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is missing at start costs durability only; when it appears, what is left moves there."""
    monkeypatch.setattr(fallback, "RETRY_SECONDS", 0.5)
    folder = tmp_path / "later"
    gateway = Gateway(folder, Broker(port=1))
    folder.rmdir()
    gateway.start()
    status = gateway.spool.status()
    assert status["volatile"]
    assert "outbox.db" in status["problem"]
    made = [gateway.make(rank, size=50) for _ in range(10) for rank in Rank]
    folder.mkdir()
    wait_for(lambda: not gateway.spool.status()["volatile"], "the store to be on the card")
    gateway.stop()
    again = Gateway(folder, mosquitto.broker).start()
    sniffer.wait_payloads(ROOT, {found.payload for found in made})
    again.stop()


def test_memory_is_bounded_and_every_drop_counted(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    """With card and network gone, memory keeps what is worth most; what it lets go is counted by kind and rank."""
    monkeypatch.setattr(unwritten, "RAM_COUNT", 100)
    gateway = Gateway(card.path, Broker(port=1)).start()
    card.be("stall")
    spool = gateway.spool
    ranks = [Rank.PICTURE, Rank.UPDATE, Rank.ALARM, Rank.END]
    lost = 0
    for _ in range(30):
        for rank in ranks:
            seq = spool.next_number({Rank.PICTURE: "media", Rank.ALARM: "alarm"}.get(rank, "event"))  # type: ignore[arg-type]
            assert seq is not None
            lost += not spool.offer(message(rank, seq, epoch=spool.epoch, size=10))
    status = spool.status()
    assert status["waiting_in_ram"] <= 100
    assert sum(status["dropped"].values()) >= 20
    assert set(status["dropped"]) == {"media/4"}
    card.be("ok")
    wait_for(lambda: spool.status()["waiting_in_ram"] == 0, "memory to be written")
    wait_for(lambda: spool.status()["rows"] == 120 - sum(status["dropped"].values()), "the rest to be stored")
    wait_for(lambda: "media" in spool.status()["gaps"], "the dropped numbers to be said")
    gateway.stop()
