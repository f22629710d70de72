"""Commands from the centre: which are let in, and why others are refused. Carried out: test_orders.py."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from gateway.configuration.loading import load
from gateway.daemon.cameras import Cameras
from gateway.daemon.daemon import Daemon
from gateway.daemon.orders import FLOOD_SECONDS, Orders
from gateway.uplink.commands import BURST, REFUSALS, REMEMBERED, Command, Gate, Refusal
from gateway.wire.draft import Draft
from tests.running import Gateway

WALL = 1_790_000_000.0


def order(**changes: Any) -> bytes:
    """Return a command's payload with some fields changed; a field that is None is left out."""
    said = {"id": str(uuid.uuid4()), "not_after": WALL + 30, "args": {}, "by": "anna"} | changes
    return json.dumps({name: value for name, value in said.items() if value is not None}).encode()


def admit(gate: Gate, payload: bytes, **changes: Any) -> Command | Refusal | None:
    """Let a ping pass the gate, with a right clock."""
    state: dict[str, Any] = {"retained": False, "wall": WALL, "synced": True, "mono": 100.0}
    topic = changes.pop("topic", "down/cmd/ping")
    return gate.admit(topic, payload, **(state | changes))


def test_a_good_command_is_let_in() -> None:
    """A fresh command of a known name is let in with its arguments."""
    found = admit(Gate(), order(args={"camera": "cam0"}))
    assert isinstance(found, Command)
    assert (found.name, found.args, found.by) == ("ping", {"camera": "cam0"}, "anna")


@pytest.mark.parametrize(
    ("payload", "changes", "code"),
    [
        (order(), {"retained": True}, "retained"),
        (order(not_after=WALL - 1), {}, "stale"),
        (order(not_after=WALL + 100_000), {}, "stale"),
        (order(), {"topic": "down/cmd/format"}, "unknown"),
        (order(args=[1]), {}, "malformed"),
        (order(not_after=None), {}, "malformed"),
        (order(not_after="soon"), {}, "malformed"),
    ],
    ids=["retained", "stale", "far ahead", "unknown", "no arguments", "no limit", "no time"],
)
def test_a_refusal_says_why(payload: bytes, changes: dict[str, Any], code: str) -> None:
    """Retained, stale, unknown and malformed commands are refused, each with a reason of its own."""
    found = admit(Gate(), payload, **changes)
    assert isinstance(found, Refusal)
    assert found.code == code
    assert found.message


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"{}", order(id="x"), order(id=5), order(id="../../etc")])
def test_what_has_no_usable_id_is_not_answered(payload: bytes) -> None:
    """Without an id that fits into a topic there is nowhere to answer to."""
    assert admit(Gate(), payload) is None


def test_a_command_is_carried_out_once() -> None:
    """The same id is refused when it comes again, also by a gate of the next run that knows the earlier ids."""
    gate, payload = Gate(), order()
    assert isinstance(admit(gate, payload), Command)
    for again in (gate, Gate(gate.seen)):
        found = admit(again, payload)
        assert isinstance(found, Refusal)
        assert found.code == "repeated"


@pytest.mark.parametrize("why", ["rate", "malformed", "unknown"])
def test_what_was_refused_may_be_sent_again(why: str) -> None:
    """A command that was not carried out is let in when it comes again in order, as its refusal says."""
    gate, name = Gate(), str(uuid.uuid4())
    if why == "rate":
        for _ in range(BURST):
            admit(gate, order())
    wrong = {"malformed": order(id=name, args=[]), "unknown": order(id=name)}.get(why, order(id=name))
    refused = admit(gate, wrong, topic="down/cmd/pong" if why == "unknown" else "down/cmd/ping")
    assert isinstance(refused, Refusal)
    assert refused.code == why
    assert name not in gate.seen  # and none of these pushes out the id of one that was
    assert isinstance(admit(gate, order(id=name), mono=200.0), Command)


def test_what_is_remembered_is_bounded() -> None:
    """Only the latest ids are remembered."""
    gate = Gate()
    for number in range(REMEMBERED + 10):
        admit(gate, order(), mono=1000.0 * number)
    assert len(gate.seen) == REMEMBERED


def test_too_many_commands_are_refused() -> None:
    """A burst is let in, more is not, and a minute later some are again."""
    gate = Gate()
    found = [admit(gate, order()) for _ in range(BURST + 2)]
    assert [isinstance(each, Command) for each in found] == [True] * BURST + [False] * 2
    assert isinstance(found[-1], Refusal)
    assert found[-1].code == "rate"
    assert isinstance(admit(gate, order(), mono=160.0), Command)


def test_an_id_in_capitals_is_the_same_id() -> None:
    """A desk that writes UUIDs in capitals is answered, under small letters, and cannot do the same twice."""
    gate, name = Gate(), str(uuid.uuid4())
    found = admit(gate, order(id=name.upper()))
    assert isinstance(found, Command)
    assert found.id == name
    again = admit(gate, order(id=name))
    assert isinstance(again, Refusal)
    assert again.code == "repeated"


def test_a_flood_of_commands_is_no_flood_of_answers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of very many refused commands some are answered, the rest is counted: events must not wait behind them."""
    loaded = load(Gateway(tmp_path, None, ["street"]).config, (), {})
    daemon = Daemon(loaded, Cameras(loaded.settings))
    replies: list[Draft] = []
    gate = Gate()
    orders = Orders(gate, daemon._reports, daemon._eyes, replies.append, lambda _: None)
    with contextlib.closing(daemon._waking):
        for number in range(2000):
            payload = order(not_after=time.time() + 30) if number % 2 else b"nonsense"
            orders.take("down/cmd/ping", payload, retained=False, synced=True)
        orders.tick(time.monotonic())
        assert "were refused and not answered" not in caplog.text
        orders.tick(time.monotonic() + FLOOD_SECONDS + 1)
        assert caplog.text.count("were refused and not answered") == 1
    done = [reply for reply in replies if reply.body["status"] == "done"]
    refused = [reply for reply in replies if reply.body["status"] == "refused"]
    assert len(done) == BURST
    assert 5 <= len(refused) <= REFUSALS
    assert {reply.body["code"] for reply in refused} == {"rate"}


def test_a_wrong_clock_cannot_judge_staleness() -> None:
    """While the clock is not synchronised a command is let in whatever its time; once it is, the same is stale."""
    assert isinstance(admit(Gate(), order(), synced=False, wall=5.0), Command)
    assert isinstance(admit(Gate(), order(), synced=True, wall=5.0), Refusal)
