"""The daily byte budget: smaller, rarer, summed up; alarms always pass; nothing is withheld uncounted."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from gateway.daemon.budget import DAY_SECONDS, SMALL_PICTURE, STORM_SECONDS, Budget
from gateway.wire.draft import Draft, Kind, Rank, uuid7
from gateway.wire.message import Address, Message, Moment, make_message
from tests.mosquitto import Mosquitto, Sniffer, wait_for
from tests.running import Gateway, check_contract, make_clip

ZONE = {"id": "lane", "purpose": "bus-lane"}


def budget(daily: int = 100_000) -> Budget:
    """Return a budget with a fixed wall clock."""
    return Budget(daily, lambda: 1_790_000_000.0)


def draft(kind: Kind = "motion", *, alarm: bool = False, episode: int = 1) -> Draft:
    """Return a draft of an episode in a zone."""
    return Draft(
        uuid7(1, bytes(10)),
        Rank.ALARM if alarm else Rank.END,
        kind,
        "cam0",
        10.0,
        uuid7(episode, bytes(10)),
        "end",
        subject="lane",
        body={"phase": "end", "zones": [ZONE]},
        alarm=alarm,
    )


def message(size: int) -> Message:
    """Return a message whose payload has `size` bytes."""
    made = make_message(draft(), Address("a", "b"), "0000aaaa", 1, Moment(0.0, synced=False, mono=0.0, boot="00000000"))
    return Message(made.epoch, made.lane, made.seq, made.id, made.rank, made.topic, bytes(size), 0.0)


@pytest.mark.parametrize(
    ("part", "stage", "limit"),
    [(0.0, "full", 40_000), (0.49, "full", 40_000), (0.6, "smaller", SMALL_PICTURE), (0.8, "rarer", SMALL_PICTURE)],
)
def test_stages_follow_what_is_used(part: float, stage: str, limit: int) -> None:
    """As the day's bytes are used up, pictures become smaller, then rarer."""
    found = budget()
    found.spend(message(int(100_000 * part)), 1000.0)
    assert found.stage == stage
    assert found.picture_limit(40_000) == limit


def test_without_a_cap_nothing_is_withheld() -> None:
    """A cap of 0 is none (control): a thousand times as much changes nothing."""
    found = budget(0)
    found.spend(message(100_000_000), 1000.0)
    assert found.stage == "full"
    assert found.admit(draft("media"), 1000.0)


@pytest.mark.parametrize("part", [0.0, 0.6, 0.8, 0.95, 5.0])
def test_alarms_always_pass(part: float) -> None:
    """Whatever is used up: alarms, their pictures, views, faults and replies pass."""
    found = budget()
    found.spend(message(int(100_000 * part)), 1000.0)
    kinds: tuple[Kind, ...] = ("motion", "media", "view", "health", "reply")
    assert all(found.admit(draft(kind, alarm=True), 1000.0) for kind in kinds)
    assert all(found.admit(draft(kind), 1000.0) for kind in kinds[2:])
    assert found.withheld == {"pictures": 0, "events": 0}


def test_pictures_go_before_events() -> None:
    """When most is used up pictures are withheld and counted, and events still pass."""
    found = budget()
    found.spend(message(80_000), 1000.0)
    assert not found.admit(draft("media"), 1000.0)
    assert found.admit(draft(), 1000.0)
    assert found.withheld == {"pictures": 1, "events": 0}


def test_one_storm_stands_for_many_episodes() -> None:
    """Near the cap the episodes of a zone are summed up in one event that says how many there were, and since when."""
    found = budget()
    found.spend(message(95_000), 1000.0)
    for number in range(30):
        assert not found.admit(draft(episode=number % 10 + 1), 1000.0 + number)
    assert found.tick(1000.0 + STORM_SECONDS - 1) == []
    (storm,) = found.tick(1000.0 + STORM_SECONDS)
    assert storm.kind == "storm"
    assert storm.body["episodes"] == 10
    assert storm.body["zones"] == [ZONE]
    assert found.withheld == {"pictures": 0, "events": 30}
    assert found.tick(1000.0 + 2 * STORM_SECONDS) == []


def test_yesterdays_bytes_are_forgotten() -> None:
    """After 24 hours the budget is whole again; before, it is not (control)."""
    found = budget()
    found.spend(message(95_000), 1000.0)
    assert not found.admit(draft(), 1000.0 + DAY_SECONDS / 2)
    assert found.admit(draft(), 1000.0 + DAY_SECONDS + 3600)
    assert found.used == 0


def test_the_day_slides() -> None:
    """Bytes spread over the day leave the sum one hour at a time."""
    found = budget(1_000_000)
    for hour in range(24):
        found.spend(message(1000), hour * 3600.0 + 10_000)
    whole = found.used
    found.tick(24 * 3600.0 + 10_000)
    assert found.used == pytest.approx(whole * 23 / 24)


def test_a_gap_of_days_is_no_trouble() -> None:
    """Time that leaps by many days empties the day once and goes on."""
    found = budget()
    found.spend(message(95_000), 1000.0)
    found.tick(1000.0 + 400 * DAY_SECONDS)
    assert found.used == 0
    found.spend(message(95_000), 1000.0 + 400 * DAY_SECONDS)
    assert found.stage == "storm"


def test_spending_is_noted_now_and_then() -> None:
    """A day's messages are noted some twenty times and not one by one, and never is more than a twentieth unknown."""
    found = budget(100_000)
    notes, unknown, noted = 0, 0, 0
    for number in range(950):
        found.spend(message(40), 1000.0 + number)
        unknown = max(unknown, found.used - noted)
        if found.to_be_noted():
            notes, noted = notes + 1, found.used
    assert 15 <= notes <= 20
    assert unknown <= 5_100
    assert not budget(0).to_be_noted()


@pytest.mark.broker
@pytest.mark.system
def test_a_restart_gives_no_new_budget(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """A gateway that is killed when its budget is nearly used up has not another one after the start."""
    gateway = Gateway(tmp_path, mosquitto, [make_clip(tmp_path / "clip.npy")])
    gateway.config.write_text(gateway.config.read_text() + "\n[delivery]\ndaily_mb = 0.004\n")
    gateway.start()
    wait_for(lambda: budget_of(gateway)["stage"] == "storm", "the budget to be used up")
    state = tmp_path / "state" / "state.json"
    wait_for(lambda: sum(json.loads(state.read_text())["spent"]) >= 3600, "that to be noted")
    gateway.stop(signal.SIGKILL)
    gateway.start()
    try:
        assert budget_of(gateway)["stage"] == "storm"
    finally:
        assert gateway.stop() == 0


def budget_of(gateway: Gateway) -> dict[str, Any]:
    """Ask a running gateway for its budget."""
    return dict(gateway.status()["health"]["link"]["budget"])


@pytest.mark.broker
@pytest.mark.system
def test_a_small_budget_holds_the_gateway_back(tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer) -> None:
    """A running gateway stops pictures, then episodes, when its budget is used up, and says what it withheld."""
    gateway = Gateway(tmp_path, mosquitto, [make_clip(tmp_path / "clip.npy")])
    gateway.config.write_text(gateway.config.read_text() + "\n[delivery]\ndaily_mb = 0.004\n")
    gateway.start()
    try:
        wait_for(
            lambda: gateway.status()["health"]["link"]["budget"]["withheld"]["events"] >= 2, "the budget to be used"
        )
        found = gateway.status()["health"]["link"]["budget"]
        assert found["stage"] == "storm"
        assert found["used_bytes"] < 3 * 4000  # what was under way when the cap was passed, and no more
    finally:
        assert gateway.stop() == 0
    assert check_contract(sniffer) > 0
