"""A whole city comes back at once: the broker after an outage, or the current in every street."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gateway.uplink.backoff import Backoff
from tests.test_link_backoff import GATEWAYS, busiest_second

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 200
"""Connects in any second that a city's broker is promised never to pass."""


class Paho(Backoff):
    """The delays that paho itself chooses: its own code is asked, only its sleeping is left out."""

    _delays: tuple[float, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self._place = -1

    def next(self) -> float:
        """Return the next delay."""
        self._place += 1
        return self._delays[min(self._place, len(self._delays) - 1)]


@pytest.fixture
def paho_delays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let paho wait twelve times, and note for how long."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr("paho.mqtt.client.time.sleep", sleep)
    monkeypatch.setattr("paho.mqtt.client.time_func", lambda: now[0])
    client = paho.Client(CallbackAPIVersion.VERSION2)
    found = []
    for _ in range(12):
        before = now[0]
        client._reconnect_wait()
        found.append(now[0] - before)
    monkeypatch.undo()
    assert found[:3] == [1, 2, 4]
    assert found[-1] == 120
    Paho._delays = tuple(found)
    yield
    Paho._delays = ()


@pytest.mark.parametrize("outage", [3.0, 10.0, 30.0, 600.0])
def test_paho_alone_is_a_storm_after_any_outage(outage: float, paho_delays: None) -> None:
    """The control, for each outage that our gateways survive politely: paho's own code brings all in one second."""
    most, _ = busiest_second(outage, [Paho() for _ in range(GATEWAYS)])
    assert most == GATEWAYS


def test_a_broker_that_falls_again_is_not_stormed() -> None:
    """Gateways that had just come back are lost again, before their connections counted as steady: still polite."""
    gateways = [Backoff(rng=random.Random(f"twice/{number}")) for number in range(GATEWAYS)]
    first, _ = busiest_second(30.0, gateways)
    second, back = busiest_second(3.0, gateways)  # nobody was reset: these delays go on where they were
    print(f"at most {first}, then {second} connects in a second; all back after {back:.0f} s")
    assert max(first, second) <= MOST


@pytest.mark.parametrize("broker_after", [0.0, 3.0, 10.0, 30.0, 60.0, 90.0, 110.0, 600.0])
def test_the_current_comes_back_everywhere(broker_after: float) -> None:
    """10,000 are switched on in one instant, and the broker is there then or later: well below 200 in any second."""
    cities = []
    for city in range(5):
        gateways = [Backoff(rng=random.Random(f"{city}/{number}")) for number in range(GATEWAYS)]
        cities.append(busiest_second(broker_after, gateways, lost=False)[0])
    print(f"the busiest second of {len(cities)} cities: {cities}")
    assert max(cities) <= 0.95 * MOST


def test_a_shorter_first_spread_is_caught() -> None:
    """The control: with 60 s the busiest second of some city passes 200."""
    cities = []
    for city in range(10):
        gateways = [Backoff(spread=60, rng=random.Random(f"{city}/{number}")) for number in range(GATEWAYS)]
        cities.append(busiest_second(0.0, gateways, lost=False)[0])
    assert max(cities) > MOST


def test_meeting_those_that_come_first_is_caught() -> None:
    """The control: those that found nobody and come back as after a loss meet those that were not there yet."""

    class Hasty(Backoff):
        """Takes a failed first attempt for a loss."""

        def next(self) -> float:
            self.arrived()
            return super().next()

    gateways = [Hasty(rng=random.Random(f"0/{number}")) for number in range(GATEWAYS)]
    assert busiest_second(75.0, gateways, lost=False)[0] > MOST


def test_a_spread_that_the_centre_sets_is_kept() -> None:
    """After `down/config` with 300 and 600 s the same city comes back with a third of it."""
    for outage, lost, most in ((0.0, False, 60), (30.0, True, 40)):
        gateways = [Backoff(rng=random.Random(f"set/{number}")) for number in range(GATEWAYS)]
        for gateway in gateways:
            gateway.spread, gateway.cap = 300.0, 600.0
        assert busiest_second(outage, gateways, lost=lost)[0] <= most
