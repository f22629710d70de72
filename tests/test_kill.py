"""Killed at any moment: daemon, eye or broker. What was committed or acknowledged arrives, once after de-duplication.

The centre here does what a centre has to do: it keeps one of each event id, and tells missing numbers from lost ones by
`up/gap`. Everything that was heard stays in `raw.jsonl` in the test's folder.
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway.uplink.backoff import Backoff
from gateway.uplink.link import Link
from gateway.uplink.spool import Spool
from gateway.wire.message import inflate
from tests.ledger import Heard, Number, committed, hand_over, heard_by, keep, last_gap, unexplained
from tests.mosquitto import Mosquitto, Sniffer, wait_for
from tests.running import ROOT, Gateway, make_clip

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.broker, pytest.mark.system]


@pytest.fixture
def centre(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[Sniffer]:
    """A centre with a session: the broker keeps for it what comes while one of the two is away."""
    found = Sniffer(mosquitto.broker, session=3600, client_id="centre").start()
    yield found
    found.stop()
    keep(found, tmp_path)


@pytest.fixture
def corner(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Gateway]:
    """A busy gateway, not started: four cameras, an episode a second each, about 12 messages; cam0's are alarms."""
    clips = [make_clip(tmp_path / f"clip{number}.npy").replace("fps=15", "fps=60") for number in range(4)]
    gateway = Gateway(tmp_path, mosquitto, clips)
    text = gateway.config.read_text().replace("fps = 15", "fps = 60\nupdate_s = 1")
    first = 'name = "cam0"'
    gateway.config.write_text(text.replace(first, f'{first}\nzones = [{{id = "gate", alarm = true}}]'))
    yield gateway
    if gateway.process is not None:
        gateway.stop(signal.SIGKILL)


def test_kill_of_the_daemon_loses_nothing_that_was_committed(
    corner: Gateway, centre: Sniffer, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """SIGKILL at random moments, also without a broker: what the store held and what was acknowledged all arrives."""
    rng = random.Random(8)
    promised: dict[Number, str] = {}
    later = 1.0
    for broker in (True, False, True, False, True):
        if not broker:  # with nobody to take it, more has to be kept
            mosquitto.signal(signal.SIGSTOP)
        corner.start()
        threading.Event().wait(later * rng.uniform(2.8, 4.5))  # the random moment: nothing is waited for
        corner.stop(signal.SIGKILL)
        mosquitto.signal(signal.SIGCONT)
        found = committed(corner.state, tmp_path / "copy")
        assert all(promised.get(number, id_) == id_ for number, id_ in found.items()), "a number was used again"
        promised |= found
        later *= 1.0 if found else 1.5  # a busy machine had nothing to lose yet
    corner.start()
    wait_for(lambda: promised.keys() <= heard_by(centre).ids.keys(), "everything that was committed")
    count = len(heard_by(centre).ids)
    wait_for(lambda: len(heard_by(centre).ids) > count, "new messages")
    assert corner.stop() == 0
    hand_over(mosquitto, centre)
    corner.start()  # what was not sent before the goodbye comes now
    wait_for(lambda: not unexplained(heard_by(centre), last_gap(centre)), f"every gap to be said: {last_gap(centre)}")
    assert corner.stop() == 0
    heard = heard_by(centre)
    print(f"{len(promised)} committed, {len(heard.ids)} messages, {heard.repetitions} repetitions")
    assert promised
    assert heard.reused == []
    assert all(heard.ids[number] == {id_} for number, id_ in promised.items())


def test_kill_of_an_eye_loses_nothing_that_it_said(corner: Gateway, centre: Sniffer, mosquitto: Mosquitto) -> None:
    """SIGKILL of eyes at random moments: what the daemon had heard arrives, without repetition; every start ends."""
    rng = random.Random(6)
    corner.start()
    wait_for(lambda: heard_by(centre).raw > 5, "messages")
    for name in ("cam0", "cam1", "cam0"):
        eye = corner.wait_camera("ok", name)["pid"]
        threading.Event().wait(rng.uniform(0.0, 1.5))  # the random moment
        os.kill(eye, signal.SIGKILL)
        wait_for(lambda name=name, eye=eye: corner.camera(name)["pid"] not in {None, eye}, "another eye")  # type: ignore[misc]
    corner.wait_camera("ok", "cam0")
    assert corner.stop() == 0
    hand_over(mosquitto, centre)
    corner.start()  # what was not sent before the goodbye comes now
    corner.wait_camera("ok", "cam3")
    wait_for(lambda: not unexplained(heard_by(centre), last_gap(centre)), "every number")
    assert corner.stop() == 0
    hand_over(mosquitto, centre)
    heard = heard_by(centre)
    print(f"{dict(Counter(lane for _, lane, _ in heard.ids))}, {heard.repetitions} repetitions")
    assert heard.reused == []
    assert heard.repetitions == 0
    assert [episode for episode, phases in phases_of(centre).items() if "end" not in phases] == []


def phases_of(centre: Sniffer) -> dict[str, set[str]]:
    """Return the phases of each episode that came."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for payload in centre.payloads("/up/event/motion/"):
        event = inflate(payload)
        found[event["correlationid"]].add(event["data"]["phase"])
    return found


def test_nothing_is_lost_while_the_broker_is_killed_or_frozen(
    corner: Gateway, centre: Sniffer, mosquitto: Mosquitto
) -> None:
    """Each under load: every number arrives or is explained, repetitions are counted, none stands for two."""
    rng = random.Random(3)
    corner.start()
    for how in ("kill", "freeze"):
        count = heard_by(centre).raw
        wait_for(lambda count=count: heard_by(centre).raw > count + 8, "messages")  # type: ignore[misc]
        threading.Event().wait(rng.uniform(0.0, 0.5))  # the random moment
        mosquitto.signal(signal.SIGSTOP if how == "freeze" else signal.SIGKILL)
        threading.Event().wait(rng.uniform(1.0, 2.0))
        if how == "freeze":
            mosquitto.signal(signal.SIGCONT)
        else:
            mosquitto.start()
    count = heard_by(centre).raw
    wait_for(lambda: heard_by(centre).raw > count + 8, "messages")
    assert corner.stop() == 0
    hand_over(mosquitto, centre)
    corner.start()
    wait_for(lambda: not unexplained(heard_by(centre), last_gap(centre)), "every number")
    assert corner.stop() == 0
    heard = heard_by(centre)
    print(f"{len(heard.ids)} messages, {heard.repetitions} repetitions")
    assert heard.reused == []


def test_a_broker_that_forgot_everything_is_made_up_for(
    corner: Gateway, centre: Sniffer, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """What only the broker had is gone with its state: the centre names the numbers, and gets them or the reason."""

    def acked() -> int:
        return int(corner.status()["health"]["link"]["acked"])

    corner.start()
    wait_for(lambda: heard_by(centre).raw >= 5, "messages")
    centre.stop()  # away, with a session at the broker
    handed_over = acked()
    wait_for(lambda: acked() > handed_over + 10, "messages that the broker keeps for it")
    mosquitto.signal(signal.SIGKILL)
    for file in mosquitto.folder.glob("mosquitto.db*"):
        file.unlink()
    mosquitto.start()
    again = Sniffer(mosquitto.broker, session=3600, client_id="centre").start()
    try:
        wait_for(lambda: heard_by(again).raw >= 5, "messages after that")
        lost = unexplained(heard_by(centre, again), last_gap(again))
        assert lost, "the control: the broker took something into its grave"
        spool = Spool(":memory:")
        speaker = Link(mosquitto.broker, ROOT, "speaker", spool, lambda *_: None, backoff=Backoff(spread=0))
        speaker.start()
        speaker.say("down/ack", _ack(lost))
        wait_for(lambda: not _still(lost, centre, again), f"{len(lost)} lost ones, or why not; such as {lost[:3]}")
        speaker.stop(5)
        assert corner.stop() == 0
        heard = heard_by(centre, again)
        came = [number for number in lost if number in heard.ids]
        print(f"{len(lost)} lost with the broker: {len(came)} came again, {len(lost) - len(came)} were explained")
        assert heard.reused == []
        assert not [number for number in lost if number[1] != "media" and number not in heard.ids]
    finally:
        again.stop()
        keep(again, tmp_path)


def _still(lost: list[Number], *centres: Sniffer) -> list[Number]:
    missing = set(unexplained(heard_by(*centres), last_gap(centres[-1])))
    return [number for number in lost if number in missing]


def _ack(lost: list[Number]) -> bytes:
    lanes: dict[str, Any] = {}
    for _, lane, seq in lost:
        said = lanes.setdefault(lane, {"upto": 0, "missing": []})
        said["upto"] = max(said["upto"], seq)
        said["missing"].append([seq, seq])
    return json.dumps({"v": 1, "epoch": lost[0][0], "lanes": lanes}).encode()


def test_the_centre_here_sees_losses_and_numbers_used_twice() -> None:
    """The control: a number that never came is told unless a gap explains it, and one that stands for two is told."""
    heard = Heard()
    for seq, id_ in ((1, "a"), (2, "b"), (5, "c"), (5, "d")):
        heard.ids["0000aaaa", "alarm", seq].add(id_)
    heard.raw = 6
    assert unexplained(heard, {}) == [("0000aaaa", "alarm", 3), ("0000aaaa", "alarm", 4)]
    assert unexplained(heard, {"lanes": {"alarm": {"void": [[3, 3]]}}}) == [("0000aaaa", "alarm", 4)]
    assert unexplained(heard, {"lanes": {"event": {"void": [[3, 4]]}}}) != []
    assert heard.reused == [("0000aaaa", "alarm", 5)]
    assert heard.repetitions == 2
