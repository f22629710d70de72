"""The centre sets how fast a city comes back: within limits, over a restart, and it hears what is in force."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gateway.daemon import wishes
from gateway.daemon.wishes import Spread
from gateway.memory.state import Memory
from gateway.uplink.backoff import Backoff
from gateway.uplink.link import Link
from gateway.uplink.spool import Spool
from tests.mosquitto import Mosquitto, Sniffer, wait_for
from tests.running import ROOT, Gateway, check_contract, make_clip, states

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"", Spread()),
        (b'{"v": 1, "broker": {}}', Spread()),
        (b'{"broker": {"reconnect_spread_s": 30}}', Spread(None, 30.0)),
        (b'{"v": 1, "broker": {"first_connect_spread_s": 300, "reconnect_spread_s": 3600}}', Spread(300.0, 3600.0)),
    ],
)
def test_what_can_be_set_is_set(payload: bytes, expected: Spread) -> None:
    """Both, one, or none; what is not set follows the configuration."""
    assert wishes.read(payload) == expected
    assert expected.over(1.0, 2.0) == tuple(
        mine if theirs is None else theirs for theirs, mine in zip(expected, (1.0, 2.0), strict=True)
    )


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"[]", "an object with `broker`"),
        (b'{"v": 1}', "an object with `broker`"),
        (b'{"v": 1, "broker": {}, "store": {"cap_mb": 9}}', "an object with `broker`"),
        (b'{"broker": {"url": "mqtt://elsewhere"}}', "broker.url cannot be set from afar"),
        (b'{"broker": {"reconnect_spread_s": 0}}', "allowed is 30..3600"),
        (b'{"broker": {"first_connect_spread_s": 0}}', "allowed is 10..3600"),
        (b'{"broker": {"reconnect_spread_s": 1e9}}', "allowed is 30..3600"),
        (b'{"broker": {"reconnect_spread_s": NaN}}', "allowed is 30..3600"),
        (b'{"broker": {"reconnect_spread_s": true}}', "allowed is 30..3600"),
        (b'{"broker": {"reconnect_spread_s": "60"}}', "allowed is 30..3600"),
        (b"{", "line 1"),
    ],
)
def test_what_cannot_be_set_is_refused_with_the_limits(payload: bytes, words: str) -> None:
    """Nothing of it is used, and the answer says what is allowed."""
    with pytest.raises(ValueError, match=words):
        wishes.read(payload)


@pytest.mark.parametrize("damaged", ["5", '["a", "b"]', "[1]", "[[], {}]", '{"first": 1}'])
def test_a_damaged_memory_of_it_closes_no_eye(tmp_path: Path, damaged: str) -> None:
    """What the centre has set is not worth a latched view: the configuration counts."""
    state = f'{{"boot": "b", "ended": "", "moved": [], "commands": [], "spread": {damaged}}}'
    (tmp_path / "state.json").write_text(state)
    memory = Memory(tmp_path, "b", lambda work: work())
    assert memory.spread == (None, None)
    assert not memory.moved("cam0")


@pytest.fixture
def centre(mosquitto: Mosquitto) -> Iterator[Link]:
    """The centre, as far as it speaks."""
    link = Link(mosquitto.broker, ROOT, "speaker", Spool(":memory:"), lambda *_: None, backoff=Backoff(spread=0))
    link.start()
    yield link
    link.stop(5)


@pytest.mark.broker
def test_the_centre_sets_the_spread(tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer, centre: Link) -> None:
    """It is in force and told, refused when it is wrong, there after a restart, and gone when it is taken back."""
    gateway = Gateway(tmp_path, mosquitto, [make_clip(tmp_path / "clip.npy")]).start()

    def last() -> dict[str, Any]:
        return (states(sniffer, "config") or [{}])[-1]

    ours = {"first_connect_spread_s": 0.0, "reconnect_spread_s": 1.0}
    wait_for(lambda: last().get("broker") == ours, "the configuration's own")
    theirs = {"first_connect_spread_s": 10.0, "reconnect_spread_s": 45.0}
    centre.say("down/config", json.dumps({"v": 1, "broker": theirs}).encode())
    wait_for(lambda: last().get("broker") == theirs, "the centre's")
    centre.say("down/config", b'{"v": 1, "broker": {"reconnect_spread_s": 5}}')
    wait_for(lambda: "30..3600" in last().get("refused", ""), "a refusal")
    assert last()["broker"] == theirs
    centre.say("down/config", json.dumps({"v": 1, "broker": theirs}).encode())
    wait_for(lambda: "refused" not in last(), "the refusal to end")

    # A broker that stays away: how long the gateway waits is what was set, and not its configuration.
    mosquitto.stop()
    wait_for(lambda: (gateway.link()["next_attempt_s"] or 0) > 3, "a delay that the configuration does not know")
    assert gateway.stop() == 0
    mosquitto.start()
    gateway.start()
    first = gateway.link()
    assert not first["connected"], "the control: without the centre's word it connects at once"
    assert 0 < first["next_attempt_s"] <= 10
    wait_for(lambda: gateway.link()["connected"], "the first connection")
    centre.say("down/config", b"")
    wait_for(lambda: last().get("broker") == ours, "the configuration's own again")
    assert gateway.stop() == 0
    assert check_contract(sniffer) > 10
