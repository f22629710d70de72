"""The centre's own word: what it misses comes again, what is gone is said, and alarms can wait for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gateway.uplink.mqtt import LARGEST, Connection
from gateway.uplink.receipts import read_ack
from gateway.wire.draft import Rank
from tests.conftest import ADDRESS, ROOT, Gateway
from tests.mosquitto import Mosquitto, Sniffer, wait_for

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.broker


def ack(gateway: Gateway, epoch: str | None = None, **lanes: tuple[int, list[list[int]]]) -> None:
    """Say on behalf of the centre what it has."""
    said = {lane: {"upto": upto, "missing": missing} for lane, (upto, missing) in lanes.items()}
    payload = json.dumps({"v": 1, "epoch": epoch or gateway.spool.epoch, "lanes": said}).encode()
    gateway.link.confirmed(read_ack(payload))


def test_what_the_centre_misses_comes_again(tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer) -> None:
    """Delivered events in a gap are sent again, delivered pictures are gone and said to be, and live events go on."""
    gateway = Gateway(tmp_path / "store", mosquitto.broker).start()
    made = [gateway.make(Rank.END) for _ in range(20)]
    pictures = [gateway.make(Rank.PICTURE, size=100) for _ in range(5)]
    sniffer.wait_payloads(ROOT, {found.payload for found in made + pictures})
    wait_for(lambda: gateway.link.status()["acked"] == 25, "all to be acknowledged")
    ack(gateway, event=(20, [[4, 6], [9, 9], [300, 400]]), media=(5, [[2, 3]]))
    wanted = [made[index].payload for index in (3, 4, 5, 8)]
    sniffer.wait_until(lambda seen: sum(found[1] in wanted for found in seen) == 8, "the missing ones, a second time")
    assert [payload for payload in sniffer.payloads("event") if payload in wanted][4:] == wanted
    wait_for(lambda: gateway.spool.status()["gaps"] == {"media": {"expired": [(2, 3)]}}, "the gap to be said")
    more = gateway.make(Rank.END)
    sniffer.wait_payloads(ROOT, {more.payload})
    assert len(sniffer.payloads("/event/")) == 25
    ack(gateway, media=(5, []))
    wait_for(lambda: gateway.spool.status()["gaps"] == {}, "a gap that the centre knows to be forgotten")
    gateway.stop()


def test_the_broker_keeps_what_is_too_long_for_us(mosquitto: Mosquitto) -> None:
    """A retained message of megabytes would fill a small device's memory with each connect: it never comes here."""

    def heard() -> list[int]:
        sniffer = Sniffer(mosquitto.broker, (f"{ROOT}/down/#",)).start()
        sniffer.wait_until(lambda seen: any(payload == b"short" for _, payload, _, _ in seen), "the short one")
        sniffer.stop()
        return [len(payload) for _, payload, _, _ in sniffer.seen]

    centre = Connection(mosquitto.broker, "keeper")
    centre.open()
    wait_for(lambda: centre.wait(0.1), "the connection")
    for topic, payload in (("ack", bytes(LARGEST + 1)), ("config", bytes(LARGEST // 2)), ("last", b"short")):
        centre.publish(f"{ROOT}/down/{topic}", payload, 1, retain=True)
        wait_for(lambda: centre.wait(0.1), "the broker's answer")
    centre.close()
    assert sorted(heard()) == [5, LARGEST // 2]


def test_an_ack_of_another_epoch_is_ignored(tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer) -> None:
    """Numbers of another store say nothing about ours."""
    gateway = Gateway(tmp_path / "store", mosquitto.broker).start()
    made = gateway.make(Rank.END)
    sniffer.wait_payloads(ROOT, {made.payload})
    ack(gateway, epoch="ffffffff", event=(1, [[1, 1]]))
    ack(gateway, epoch="ffffffff", media=(9, [[1, 9]]))
    last = gateway.make(Rank.END)
    sniffer.wait_payloads(ROOT, {last.payload})
    assert sniffer.payloads("/event/") == [made.payload, last.payload]
    assert gateway.spool.status()["gaps"] == {}
    gateway.stop()


def test_alarms_wait_for_the_centre_when_it_is_to_confirm(
    tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer
) -> None:
    """With delivery.confirm = centre a broker's acknowledgement keeps the alarm; the centre's lets it go."""
    gateway = Gateway(tmp_path / "store", mosquitto.broker, confirm_centre=True).start()
    made = [gateway.make(Rank.ALARM) for _ in range(5)]
    sniffer.wait_payloads(ROOT, {found.payload for found in made})
    wait_for(lambda: gateway.link.status()["acked"] == 5, "the broker to acknowledge")
    wait_for(lambda: gateway.spool.status()["waiting_in_ram"] == 0, "the alarms to be stored")
    ack(gateway, alarm=(3, []))
    wait_for(lambda: gateway.spool.status()["rows"] == 2, "two to be unconfirmed")
    gateway.stop()
    again = Gateway(tmp_path / "store", mosquitto.broker, confirm_centre=True).start()
    sniffer.wait_until(
        lambda seen: sum(found[1] == made[4].payload for found in seen) == 2, "the unconfirmed ones again"
    )
    assert sniffer.payloads("/event/")[5:] == [made[3].payload, made[4].payload]
    again.make(Rank.ALARM)
    ack(again, alarm=(5, []))
    wait_for(lambda: again.spool.status()["rows"] == 1, "only the newest to be unconfirmed")
    again.stop()


def test_unconfirmed_alarms_leave_again_after_each_connect(
    tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer
) -> None:
    """A broker may die with what it had acknowledged: what the centre has not confirmed is sent again, the rest not."""
    gateway = Gateway(tmp_path / "store", mosquitto.broker, confirm_centre=True).start()
    made = [gateway.make(Rank.ALARM) for _ in range(3)]
    event = gateway.make(Rank.END)
    sniffer.wait_payloads(ROOT, {found.payload for found in [*made, event]})
    wait_for(lambda: gateway.link.status()["acked"] == 4, "the broker to acknowledge")
    wait_for(lambda: gateway.spool.status()["waiting_in_ram"] == 0, "the alarms to be stored")
    ack(gateway, alarm=(1, []))
    wait_for(lambda: gateway.spool.status()["rows"] == 2, "two to be unconfirmed")
    other = Connection(mosquitto.broker, ADDRESS.gateway)  # takes our place, and goes
    other.open()
    wait_for(lambda: other.wait(1.0), "the other to be taken in")
    other.close()
    sniffer.wait_until(
        lambda seen: sum(found[1] == made[2].payload for found in seen) == 2, "the unconfirmed ones again"
    )
    assert sniffer.payloads("/event/")[4:] == [made[1].payload, made[2].payload]
    gateway.stop()


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b'{"epoch": 5, "lanes": {}}',
        b'{"epoch": "0000aaaa", "lanes": {"alarm": {}}}',
        b'{"epoch": "0000aaaa", "lanes": {"alarm": {"upto": -1}}}',
        b'{"epoch": "0000aaaa", "lanes": {"alarm": {"upto": true}}}',
        b'{"epoch": "0000aaaa", "lanes": {"alarm": {"upto": 5, "missing": [[5, 3]]}}}',
        b'{"epoch": "0000aaaa", "lanes": {"alarm": {"upto": 5, "missing": [3]}}}',
        b'{"epoch": "0000aaaa", "lanes": {"alarm": {"upto": 5, "missing": 3}}}',
        b'{"epoch": "0000aaaa", "lanes": {"alarm": {"upto": 1e300}}}',
    ],
)
def test_nonsense_from_the_centre_is_refused(payload: bytes) -> None:
    """A payload that is no acknowledgement is a ValueError that says why, and nothing else."""
    with pytest.raises(ValueError, match=r"down/ack|Expecting"):
        read_ack(payload)
