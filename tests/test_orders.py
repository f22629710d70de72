"""Commands from the centre at a gateway that runs: what each does, and that it is answered once."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.memory.diary import kept
from gateway.uplink.broker import Broker
from gateway.uplink.mqtt import Connection
from gateway.wire.message import inflate, read_label
from tests.mosquitto import Mosquitto, Sniffer, wait_for
from tests.running import ROOT, Gateway, check_contract, make_clip, states

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
