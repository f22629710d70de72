"""Ten thousand gateways come back politely."""

from __future__ import annotations

import heapq
import random
from typing import TYPE_CHECKING

import pytest

from gateway.errors import LinkError
from gateway.uplink.backoff import Backoff
from gateway.uplink.broker import Broker, parse_broker_url

if TYPE_CHECKING:
    from collections.abc import Sequence

GATEWAYS = 10_000


def busiest_second(outage: float, delays: Sequence[Backoff], *, lost: bool = True) -> tuple[int, float]:
    """Simulate an outage; return the most connects that succeed or fail in any second after it, and when all are back.

    Args:
        outage: seconds from the loss until the broker is there again; every attempt before that fails.
        delays: one gateway each.
        lost: the gateways were connected; otherwise they are switched on at the beginning.
    """
    attempts = [(one.next() if lost else one.first(), number) for number, one in enumerate(delays)]
    heapq.heapify(attempts)
    came: list[float] = []
    while attempts:
        at, number = heapq.heappop(attempts)
        if at >= outage:
            came.append(at)
        else:
            heapq.heappush(attempts, (at + delays[number].next(), number))
    most, start = 0, 0
    for end, at in enumerate(came):
        while came[start] <= at - 1.0:
            start += 1
        most = max(most, end - start + 1)
    return most, came[-1] - outage


@pytest.mark.parametrize("outage", [3.0, 10.0, 30.0, 120.0, 600.0])
def test_no_outage_ends_in_a_storm(outage: float) -> None:
    """After any outage at most 200 of 10,000 gateways connect in any second, wherever that second begins."""
    delays = [Backoff(rng=random.Random(f"{outage}/{number}")) for number in range(GATEWAYS)]
    most, all_back = busiest_second(outage, delays)
    print(f"outage {outage:g} s: at most {most} connects in a second, all back after {all_back:.0f} s")
    assert most <= 200
    assert all_back <= 120


def test_a_wide_spread_loses_no_gateway_for_hours() -> None:
    """One whose id was taken stays away for long, but for no more than an hour, however far the city is spread."""
    for cap, least in ((120.0, 300.0), (3600.0, 1200.0)):
        delays = [Backoff(cap=cap, rng=random.Random(number)).long() for number in range(1000)]
        assert least <= min(delays)
        assert max(delays) <= 3600.0
        assert max(delays) - min(delays) > 500.0


def test_paho_alone_ends_in_a_storm() -> None:
    """The control: doubling without jitter, as paho reconnects, brings all of them in one second."""

    class Paho(Backoff):
        """1, 2, 4 ... 120 s."""

        def next(self) -> float:
            self._failures += 1
            return float(min(2 ** (self._failures - 1), 120))

    most, _ = busiest_second(600.0, [Paho() for _ in range(GATEWAYS)])
    assert most == GATEWAYS


def test_a_demo_connects_at_once_and_comes_back_soon() -> None:
    """Without a spread the first connection is at once, and the delays grow from a second to the cap."""
    delays = [Backoff(spread=0, cap=8, rng=random.Random(number)) for number in range(300)]
    assert {one.first() for one in delays} == {0.0}
    highest = [max(one.next() for one in delays) for _ in range(6)]
    for found, ceiling in zip(highest, (1, 2, 4, 8, 8, 8), strict=True):
        assert 0.8 * ceiling < found <= ceiling


def test_a_connection_that_lasted_ends_the_back_off() -> None:
    """After a reset the next loss is a new outage: the delay starts from nothing again."""
    one = Backoff(rng=random.Random(1))
    one.next()
    assert min(one.next() for _ in range(200)) >= 30
    lows = []
    for _ in range(200):
        one.reset()
        lows.append(one.next())
    assert min(lows) < 5


def test_a_taken_over_identity_waits_for_minutes() -> None:
    """Two devices with one identity do not throw each other out every few seconds."""
    one = Backoff()
    assert all(300 <= one.long() <= 900 for _ in range(100))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://broker", Broker("broker")),
        ("mqtt://127.0.0.1:1884", Broker("127.0.0.1", 1884)),
        ("mqtts://broker.city.example/", Broker("broker.city.example", 8883, tls=True)),
        ("mqtt://gw%40city:p%3Aw@broker", Broker("broker", username="gw@city", password="p:w")),
        ("mqtt://[::1]:1999", Broker("::1", 1999)),
    ],
)
def test_broker_urls_are_read(url: str, expected: Broker) -> None:
    """A URL names host, port, TLS and credentials."""
    assert parse_broker_url(url) == expected


@pytest.mark.parametrize(
    "url",
    ["broker", "http://broker", "mqtt://", "mqtt://b:x", "mqtt://b:99999", "mqtt://b/topic", "mqtt://u:secret@b/x"],
)
def test_wrong_broker_urls_say_what_is_expected(url: str) -> None:
    """What is no broker's URL is refused with an example, and without showing a password."""
    with pytest.raises(LinkError) as caught:
        parse_broker_url(url)
    assert "mqtt://host:1883" in caught.value.hint
    assert "secret" not in str(caught.value)
