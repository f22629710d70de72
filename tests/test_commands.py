"""Commands from the centre: which are let in, what they do, and that each is answered once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.configuration.loading import load
from gateway.daemon.cameras import Cameras
from gateway.daemon.daemon import Daemon
from gateway.daemon.orders import Orders
from gateway.memory.diary import kept
from gateway.uplink.broker import Broker
from gateway.uplink.commands import BURST, REFUSALS, REMEMBERED, Command, Gate, Refusal
from gateway.uplink.mqtt import Connection
from gateway.wire.draft import Draft
from gateway.wire.message import inflate, read_label
from tests.mosquitto import Mosquitto, Sniffer, wait_for
from tests.running import ROOT, Gateway, check_contract, make_clip, states

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


def test_a_flood_of_commands_is_no_flood_of_answers(tmp_path: Path) -> None:
    """Of very many refused commands some are answered, then some a minute: events must not wait behind the rest."""
    loaded = load(Gateway(tmp_path, None, ["street"]).config, (), {})
    daemon = Daemon(loaded, Cameras(loaded.settings))
    replies: list[Draft] = []
    gate = Gate()
    orders = Orders(gate, daemon._reports, daemon._eyes, replies.append, lambda _: None)
    with contextlib.closing(daemon._waking):
        for number in range(2000):
            payload = order(not_after=time.time() + 30) if number % 2 else b"nonsense"
            orders.take("down/cmd/ping", payload, retained=False, synced=True)
    done = [reply for reply in replies if reply.body["status"] == "done"]
    refused = [reply for reply in replies if reply.body["status"] == "refused"]
    assert len(done) == BURST
    assert 5 <= len(refused) <= REFUSALS
    assert {reply.body["code"] for reply in refused} == {"rate"}


def test_a_wrong_clock_cannot_judge_staleness() -> None:
    """While the clock is not synchronised a command is let in whatever its time; once it is, the same is stale."""
    assert isinstance(admit(Gate(), order(), synced=False, wall=5.0), Command)
    assert isinstance(admit(Gate(), order(), synced=True, wall=5.0), Refusal)


Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def corner(tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer) -> Iterator[Gateway]:
    """A running gateway; at the end all that was heard obeys the contract."""
    gateway = Gateway(tmp_path, mosquitto, [make_clip(tmp_path / "clip.npy")]).start()
    gateway.wait_camera("ok")
    sniffer.wait_until(lambda _: states(sniffer, "status"), "the connection")
    yield gateway
    gateway.stop()
    assert check_contract(sniffer) > 0


@pytest.fixture
def ask(corner: Gateway, mosquitto: Mosquitto, sniffer: Sniffer) -> Iterator[Ask]:
    """Return a function that sends a command as the centre does and returns the data of its reply."""
    connection = Connection(Broker(host="127.0.0.1", port=mosquitto.port), "centre")
    connection.open()
    wait_for(lambda: connection.wait(0.1), "the centre's connection")

    def send(name: str, *, command: str = "", retain: bool = False, by: str = "test", **args: Any) -> dict[str, Any]:
        command = command or str(uuid.uuid4())
        before = len(sniffer.payloads(f"/up/reply/{command}"))
        said = {"id": command, "not_after": time.time() + 30, "args": args} | ({"by": by} if by else {})
        connection.publish(f"{ROOT}/down/cmd/{name}", json.dumps(said).encode(), 1, retain=retain)
        connection.wait(0.1)
        sniffer.wait_until(lambda _: len(sniffer.payloads(f"/up/reply/{command}")) > before, f"the reply to {name}")
        reply = inflate(sniffer.payloads(f"/up/reply/{command}")[-1])
        assert reply["correlationid"] == command
        return dict(reply["data"])

    yield send
    connection.close()


@pytest.mark.broker
@pytest.mark.system
def test_the_first_commands_are_answered(corner: Gateway, sniffer: Sniffer, ask: Ask) -> None:
    """ping, logs, rebirth and confirm-view are done; an unknown camera and an unknown name are told."""
    assert ask("ping")["status"] == "done"
    assert any("started as process" in line for line in ask("logs")["result"]["lines"])
    births = len(states(sniffer, "info"))
    assert ask("rebirth")["status"] == "done"
    sniffer.wait_until(lambda _: len(states(sniffer, "info")) > births, "info, said anew")
    assert ask("confirm-view", camera="cam0")["status"] == "done"
    wrong = ask("confirm-view", camera="cam7")
    assert (wrong["status"], wrong["code"]) == ("failed", "no-camera")
    assert "cam0" in wrong["message"]


@pytest.mark.broker
@pytest.mark.system
def test_the_log_says_who_asked_where_that_is_known(corner: Gateway, ask: Ask) -> None:
    """A command stands in the log with the name that it bears; one without a name has none made up."""
    signed, unsigned = str(uuid.uuid4()), str(uuid.uuid4())
    ask("ping", command=signed)
    ask("ping", command=unsigned, by="")
    wait_for(lambda: unsigned in corner.log.read_text(), "both to be logged")
    lines = corner.log.read_text().splitlines()
    assert [line.partition(f"({signed})")[2] for line in lines if signed in line] == [" by test"]
    assert [line.partition(f"({unsigned})")[2] for line in lines if unsigned in line] == [""]


@pytest.mark.broker
@pytest.mark.system
def test_a_name_that_is_no_text_harms_nobody(corner: Gateway, ask: Ask) -> None:
    """Half a character and a terminal's commands in who asks: answered, logged in print, told when asked for logs."""
    command = str(uuid.uuid4())
    assert ask("ping", command=command, by="\ud800\x1b[2J\nERROR all is lost")["status"] == "done"
    lines = [line for line in ask("logs")["result"]["lines"] if command in line]
    assert len(lines) == 1
    assert lines[0].isprintable()
    wait_for(lambda: any(command in line for line in kept(corner.state, corner.folder / "run")), "it to be kept")
    assert not any(line.startswith("ERROR") for line in corner.log.read_text(errors="replace").splitlines())
    assert ask("ping")["status"] == "done"


@pytest.mark.broker
@pytest.mark.system
def test_a_snapshot_comes_back_as_media(corner: Gateway, sniffer: Sniffer, ask: Ask) -> None:
    """A snapshot is a JPEG under the command's id; asking again with the same id gives no second picture."""
    command = str(uuid.uuid4())
    reply = ask("snapshot", command=command)
    assert reply["result"] == {"topic": f"up/media/cam0/{command}"}
    sniffer.wait_until(lambda _: sniffer.payloads(f"/up/media/cam0/{command}"), "the picture")
    (jpeg,) = sniffer.payloads(f"/up/media/cam0/{command}")
    assert read_label(jpeg)["crop"] == [0.0, 0.0, 1.0, 1.0]
    again = ask("snapshot", command=command)
    assert (again["status"], again["code"]) == ("refused", "repeated")
    assert len(sniffer.payloads(f"/up/media/cam0/{command}")) == 1


@pytest.mark.broker
@pytest.mark.system
def test_a_retained_command_is_refused(corner: Gateway, mosquitto: Mosquitto, sniffer: Sniffer, ask: Ask) -> None:
    """A command that the broker kept is refused when the gateway connects: it would be carried out for ever."""
    command = str(uuid.uuid4())
    said = {"id": command, "not_after": time.time() + 30, "args": {}}
    corner.stop()
    keeper = Connection(Broker(host="127.0.0.1", port=mosquitto.port), "keeper")
    keeper.open()
    wait_for(lambda: keeper.wait(0.1), "the connection")
    keeper.publish(f"{ROOT}/down/cmd/restart", json.dumps(said).encode(), 1, retain=True)
    wait_for(lambda: keeper.wait(0.1), "the broker's answer")
    keeper.close()
    corner.start()
    sniffer.wait_until(lambda _: sniffer.payloads(f"/up/reply/{command}"), "the refusal")
    data = inflate(sniffer.payloads(f"/up/reply/{command}")[0])["data"]
    assert (data["status"], data["code"]) == ("refused", "retained")


@pytest.mark.broker
@pytest.mark.system
def test_no_snapshot_while_masks_fail(tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer) -> None:
    """With a broken mask a snapshot is refused with the reason, and no picture leaves."""
    mask = json.dumps(str(tmp_path / "gone.png"))
    gateway = Gateway(tmp_path, mosquitto, [make_clip(tmp_path / "clip.npy")], mask_file=mask).start()
    try:
        gateway.wait_camera("ok")
        sniffer.wait_until(lambda _: states(sniffer, "status"), "the connection")
        centre = Connection(Broker(host="127.0.0.1", port=mosquitto.port), "centre")
        centre.open()
        wait_for(lambda: centre.wait(0.1), "the connection")
        command = str(uuid.uuid4())
        said = {"id": command, "not_after": time.time() + 30}
        centre.publish(f"{ROOT}/down/cmd/snapshot", json.dumps(said).encode(), 1)
        centre.wait(0.1)
        sniffer.wait_until(lambda _: sniffer.payloads(f"/up/reply/{command}"), "the reply")
        data = inflate(sniffer.payloads(f"/up/reply/{command}")[0])["data"]
        assert (data["status"], data["code"]) == ("refused", "mask")
        assert sniffer.payloads("/up/media/") == []
        centre.close()
    finally:
        assert gateway.stop() == 0


@pytest.mark.broker
@pytest.mark.system
def test_a_restart_ends_the_daemon_in_order_and_only_once(corner: Gateway, sniffer: Sniffer, ask: Ask) -> None:
    """`restart` is answered, the daemon ends with 0, and the same command does not restart the next run."""
    command = str(uuid.uuid4())
    assert ask("restart", command=command)["status"] == "done"
    assert corner.process is not None
    assert corner.process.wait(15) == 0
    assert states(sniffer, "status")[-1]["reason"] == f"command {command}"
    corner.start()
    corner.wait_camera("ok")
    again = ask("restart", command=command)
    assert (again["status"], again["code"]) == ("refused", "repeated")
    assert corner.process.poll() is None
    sniffer.wait_until(lambda _: states(sniffer, "info")[-1].get("last_exit") == f"command {command}", "the last exit")


@pytest.mark.broker
@pytest.mark.system
def test_a_selftest_can_be_asked_from_afar(corner: Gateway, ask: Ask) -> None:
    """`selftest` answers with the same checks as the command line, while the gateway goes on."""
    reply = ask("selftest")
    results = {check["id"]: check["result"] for check in reply["result"]["checks"]}
    assert results["camera.cam0"] == "ok"
    assert results["broker.roundtrip"] == "ok"
    assert corner.camera()["restarts"] == 0


@pytest.mark.broker
@pytest.mark.system
def test_an_acknowledgement_of_the_centre_is_heard(
    corner: Gateway, mosquitto: Mosquitto, sniffer: Sniffer, ask: Ask
) -> None:
    """The centre asks for a range again: those events come a second time, byte for byte; another epoch is ignored."""
    sniffer.wait_until(lambda _: len(sniffer.payloads("/up/event/motion/")) >= 3, "some events")
    first = sniffer.payloads("/up/event/motion/")[0]
    event = inflate(first)
    wait_for(lambda: corner.status()["health"]["outbox"]["rows"] == 0, "the store to be empty")
    centre = Connection(Broker(host="127.0.0.1", port=mosquitto.port), "acks")
    centre.open()
    wait_for(lambda: centre.wait(0.1), "the connection")
    number = int(event["sequence"])
    for epoch in ("00000000", event["epoch"]):
        said = {"epoch": epoch, "lanes": {event["lane"]: {"upto": number, "missing": [[number, number]]}}}
        centre.publish(f"{ROOT}/down/ack", json.dumps(said).encode(), 1)
        centre.wait(0.1)
    sniffer.wait_until(lambda _: sniffer.payloads("/up/event/motion/").count(first) == 2, "the event, again")
    digests = [hashlib.sha256(payload).hexdigest() for payload in sniffer.payloads("/up/event/motion/")]
    assert digests.count(hashlib.sha256(first).hexdigest()) == 2
    centre.close()
