"""A broker dies with what it had acknowledged: what of it comes again by itself, and what when the centre asks.

mosquitto keeps its state as most are set up: on the card, every half hour. It is killed while the centre is away, after
it has acknowledged messages that it keeps for the centre.
"""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from gateway.uplink.backoff import Backoff
from gateway.uplink.link import Link
from gateway.uplink.spool import Spool
from gateway.wire.draft import LANES
from tests.ledger import Number, acknowledged, heard_by, last_gap, unexplained
from tests.mosquitto import Mosquitto, Sniffer, wait_for
from tests.running import ROOT, Gateway, make_clip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.broker, pytest.mark.system]

ALARMS = f"{ROOT}/up/event/motion/cam0"


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker with persistence that saves every half hour: killed, it has forgotten all that came since."""
    folder = tmp_path / "mosquitto"
    saved = f"persistence true\npersistence_location {folder}/\nautosave_interval 1800"
    broker = Mosquitto(folder, saved, persistent=False)
    broker.start()
    yield broker
    broker.stop()


def gateway_in(folder: Path, broker: Mosquitto, confirm: str) -> Gateway:
    """Return a gateway with two cameras, not started; all that the first one sees is an alarm."""
    clips = [make_clip(folder / f"clip{number}.npy").replace("fps=15", "fps=60") for number in range(2)]
    gateway = Gateway(folder, broker, clips)
    text = gateway.config.read_text().replace("fps = 15", "fps = 60\nupdate_s = 1")
    first = 'name = "cam0"'
    text = text.replace(first, f'{first}\nzones = [{{id = "gate", alarm = true}}]')
    gateway.config.write_text(text + f'\n[delivery]\nconfirm = "{confirm}"\n')
    return gateway


def say(broker: Mosquitto, lanes: dict[str, tuple[int, list[Number]]], epoch: str) -> None:
    """Say as the centre, on down/ack, up to which number it has a lane, and what is missing."""
    said = {
        lane: {"upto": upto, "missing": [[seq, seq] for _, name, seq in missing if name == lane]}
        for lane, (upto, missing) in lanes.items()
    }
    speaker = Link(broker.broker, ROOT, "speaker", Spool(":memory:"), lambda *_: None, backoff=Backoff(spread=0))
    speaker.start()
    speaker.say("down/ack", json.dumps({"v": 1, "epoch": epoch, "lanes": said}).encode())
    wait_for(lambda: speaker.status()["answers"] > 0, "the broker to take the centre's word")
    speaker.stop(5)


@pytest.mark.parametrize("confirm", ["centre", "broker"])
def test_what_a_killed_broker_had_acknowledged_arrives(tmp_path: Path, forgetful: Mosquitto, confirm: str) -> None:
    """With confirm = centre the alarms come again without being asked for; all events do when the centre asks.

    The control is confirm = broker: there the alarms are missing until the centre asks.
    """
    gateway = gateway_in(tmp_path, forgetful, confirm)
    before = Sniffer(forgetful.broker, session=3600, client_id="centre").start()
    gateway.start()
    try:
        wait_for(lambda: any(lane == "alarm" for _, lane, _ in heard_by(before).ids), "an alarm")
        before.stop()  # away, with a session at the broker
        known = acknowledged(forgetful)[ALARMS]
        wait_for(lambda: acknowledged(forgetful)[ALARMS] >= known + 4, "alarms that the broker acknowledges")
        highest = max(seq for _, lane, seq in heard_by(before).ids if lane == "alarm")
        forgetful.signal(signal.SIGKILL)
        forgetful.start()
        after = Sniffer(forgetful.broker, session=3600, client_id="centre").start()
        try:
            check(gateway, forgetful, before, after, highest, confirm)
        finally:
            after.stop()
    finally:
        assert gateway.stop() == 0


def check(gateway: Gateway, broker: Mosquitto, before: Sniffer, after: Sniffer, highest: int, confirm: str) -> None:
    """Look what came of what the broker took into its grave: the alarms above `highest`, and more."""

    def missing() -> list[Number]:
        return unexplained(heard_by(before, after), last_gap(after))

    def newest(lane: str) -> int:
        return max((seq for _, name, seq in heard_by(after).ids if name == lane), default=0)

    wait_for(lambda: newest("alarm") > highest + 8 and newest("event") > 0, "messages after that")
    lost = [number for number in missing() if number[1] == "alarm" and number[2] > highest]
    if confirm == "centre":
        wait_for(lambda: not [number for number in missing() if number[1] == "alarm"], "the alarms, unasked for")
    else:
        assert len(lost) >= 4, "the control: the broker took alarms into its grave"
    asked = missing()
    assert asked, "the control: the broker took something into its grave"
    epoch = asked[0][0]
    upto = {lane: newest(lane) for lane in LANES}
    say(broker, {lane: (upto[lane], asked) for lane in LANES}, epoch)
    wait_for(lambda: not set(missing()) & set(asked), f"what was asked for, or why not; such as {asked[:3]}")
    heard = heard_by(before, after)
    assert heard.reused == []
    assert not [number for number in asked if number[1] != "media" and number not in heard.ids]
    print(f"{confirm}: {len(lost)} alarms missing unasked, {len(asked)} asked for, {heard.repetitions} repetitions")
    if confirm == "centre":  # what it has said to have leaves no more
        kept = gateway.status()["health"]["outbox"]["rows"]
        assert kept <= newest("alarm") - upto["alarm"] + 10
