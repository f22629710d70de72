"""`gateway outbox`: the same answers from the running daemon and from the store itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.uplink.outbox import Outbox
from gateway.wire.message import inflate
from tests.mosquitto import Mosquitto, Sniffer, wait_for
from tests.running import Gateway, events, make_clip

pytestmark = [pytest.mark.broker, pytest.mark.system]


def outbox(gateway: Gateway, *arguments: str) -> tuple[int, str, str]:
    """Run `gateway outbox`; return exit code, output and complaints."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("GATEWAY_")}
    command = [sys.executable, "-m", "gateway", "outbox", *arguments, "--config", str(gateway.config)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60, env=environ, text=True)
    return done.returncode, done.stdout, done.stderr


def test_what_waits_can_be_seen_and_taken_along(tmp_path: Path) -> None:
    """With no broker, events and pictures wait: list and export show the same messages, running or not."""
    gateway = Gateway(tmp_path, Mosquitto(tmp_path / "never"), [make_clip(tmp_path / "clip.npy")]).start()
    try:
        wait_for(lambda: gateway.status()["health"]["outbox"]["rows"] >= 5, "messages to wait")
        code, listed, _ = outbox(gateway, "list")
        assert code == 0
        running = [line.split("rank")[0] for line in listed.splitlines()]
        assert len(running) >= 5
        code, said, _ = outbox(gateway, "export", str(tmp_path / "a"))
        assert code == 0
        assert "nothing was removed" in said
    finally:
        gateway.stop()
    code, listed, _ = outbox(gateway, "list")
    assert code == 0
    stopped = [line.split("rank")[0] for line in listed.splitlines()]
    assert set(running) <= set(stopped)
    assert outbox(gateway, "export", str(tmp_path / "b"))[0] == 0
    lines = (tmp_path / "a" / "events.jsonl").read_text().splitlines()
    assert lines
    assert set(lines) <= set((tmp_path / "b" / "events.jsonl").read_text().splitlines())
    pictures = list((tmp_path / "b").glob("*.jpg"))
    assert pictures
    assert all(file.read_bytes()[:2] == b"\xff\xd8" for file in pictures)
    code, counts, _ = outbox(gateway, "status")
    assert code == 0
    assert json.loads(counts)["rows"] == len(stopped)


def test_looking_takes_nothing_away(tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer) -> None:
    """What was listed and exported still reaches the centre, in order and without a gap."""
    gateway = Gateway(tmp_path, mosquitto, [make_clip(tmp_path / "clip.npy")])
    port = f'url = "mqtt://127.0.0.1:{mosquitto.port}"'
    gateway.config.write_text(gateway.config.read_text().replace(port, 'url = "mqtt://127.0.0.1:1"'))
    gateway.start()
    wait_for(lambda: gateway.status()["health"]["outbox"]["rows"] >= 3, "messages to wait")
    gateway.stop()
    assert outbox(gateway, "export", str(tmp_path / "a"))[0] == 0
    waiting = {json.loads(line)["id"] for line in (tmp_path / "a" / "events.jsonl").read_text().splitlines()}
    gateway.config.write_text(gateway.config.read_text().replace('url = "mqtt://127.0.0.1:1"', port))
    gateway.start()
    sniffer.wait_until(lambda _: waiting <= {event["id"] for event in events(sniffer)}, "what waited")
    gateway.stop()
    numbers = [int(inflate(payload)["sequence"]) for payload in sniffer.payloads("/up/event/motion/")]
    assert numbers == list(range(1, len(numbers) + 1))


def test_looking_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    """No number is lost by a look, and a damaged store stays where it is for the daemon to deal with."""
    gateway = Gateway(tmp_path, None, [make_clip(tmp_path / "clip.npy")])
    gateway.state.mkdir()
    path = gateway.state / "outbox.db"
    store = Outbox.open(path, 16_000_000, 0)
    store.reserve("event", 100)
    store.close(unused={"event": 41})
    assert outbox(gateway, "list") == (0, "", "gateway: nothing waits for the centre\n")
    assert outbox(gateway, "status")[0] == 0
    store = Outbox.open(path, 16_000_000, 0)
    assert store.reserve("event", 1)[0] == 41
    assert store.gaps() == {}
    store.close(unused={})
    path.write_bytes(b"rubbish" * 1000)
    code, _, said = outbox(gateway, "list")
    assert code == 1
    assert "start the gateway" in said
    assert path.read_bytes() == b"rubbish" * 1000
    assert not list(gateway.state.glob("*.damaged"))


def test_no_store_and_no_folder_are_said_in_words(tmp_path: Path) -> None:
    """Without a store there is nothing to list, and export wants a folder; both say what to do."""
    gateway = Gateway(tmp_path, None, [make_clip(tmp_path / "clip.npy")])
    code, _, said = outbox(gateway, "list")
    assert code == 1
    assert "there is no store yet" in said
    assert "what to do" in said
    assert outbox(gateway, "export")[0] == 2
