"""`gateway demo` as processes: it shows a corner end to end, sums up when interrupted, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from gateway.demo.broker import EmbeddedBroker, free_port
from gateway.uplink.broker import parse_broker_url
from gateway.uplink.subscriber import Subscriber
from tests.running import DEMO_NUMBERS

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.system
def test_embedded_broker_listens_on_loopback_only_and_carries_large_pictures(tmp_path: Path) -> None:
    """Nobody from outside can connect; a picture of 60 KiB passes over MQTT 5; its process is gone afterwards."""
    from gateway.uplink.mqtt import Connection

    arrived = threading.Event()
    got: list[bytes] = []

    def take(_topic: str, payload: bytes, _retained: bool, _mono: float) -> None:
        got.append(payload)
        arrived.set()

    with EmbeddedBroker(tmp_path) as broker:
        listening = [
            at.laddr
            for child in psutil.Process().children()
            for at in child.net_connections("tcp")
            if at.status == psutil.CONN_LISTEN
        ]
        assert listening == [("127.0.0.1", broker.port)]
        there = parse_broker_url(broker.url)
        subscriber = Subscriber(there, ["x/#"], take)
        subscriber.start()
        assert subscriber.wait_ready(10.0)
        connection = Connection(there, "publisher")
        connection.open()
        connection.wait(5.0)
        connection.publish("x/y", bytes(61_440))
        while not arrived.is_set():
            connection.wait(0.1)
        connection.close()
        subscriber.stop()
    assert [len(payload) for payload in got] == [61_440]
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", broker.port)) != 0


def start_demo(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start the demo as a user does; its temporary folder is the test's."""
    return subprocess.Popen(
        [sys.executable, "-m", "gateway", "demo", *arguments],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=Path(__file__).parents[1],
    )


@pytest.mark.system
def test_demo_shows_the_corner_end_to_end(tmp_path: Path) -> None:
    """Frames become events that arrive and agree with the scene; the numbers are written; no process is left behind.

    What was asked to be kept is kept.
    """
    demo = start_demo(tmp_path, "--keep", "--seconds", "8", "--seed", "1", "--summary", str(tmp_path / "s.json"))
    out, _ = demo.communicate(timeout=90)
    assert demo.returncode == 0, out
    numbers = json.loads((tmp_path / "s.json").read_text())
    assert list(numbers) == DEMO_NUMBERS
    assert numbers["frames"] > 10
    assert numbers["episodes_found"] >= 1
    assert numbers["messages_received"] > 5
    assert 0 < numbers["latency_p50_ms"] <= numbers["latency_p99_ms"]
    assert numbers["bytes_per_episode"] > 100
    assert "scene: yes: person 1" in out
    (folder,) = tmp_path.glob("gateway-demo-*")
    assert list((folder / "pictures").glob("*.jpg"))
    left = [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(folder)]
    assert left == []


@pytest.mark.system
def test_demo_that_is_interrupted_still_sums_up(tmp_path: Path) -> None:
    """Ctrl-C ends the daemon in order, the summary is of what has been, and the demo's folder is gone."""
    demo = start_demo(tmp_path, "--seconds", "600", "--summary", str(tmp_path / "s.json"))
    assert demo.stdout is not None
    for line in demo.stdout:
        if "scene:" in line:
            break
    demo.send_signal(signal.SIGINT)
    out, _ = demo.communicate(timeout=60)
    assert demo.returncode == 0, out
    assert json.loads((tmp_path / "s.json").read_text())["episodes_found"] >= 1
    assert list(tmp_path.glob("gateway-demo-*")) == []


@pytest.mark.system
def test_demo_that_is_killed_leaves_no_gateway_behind(tmp_path: Path) -> None:
    """Nobody is left to stop the daemon and its eye: they end by themselves, and so does the broker."""
    demo = start_demo(tmp_path, "--seconds", "600")
    assert demo.stdout is not None
    for line in demo.stdout:
        if "scene:" in line:
            break
    started = psutil.Process(demo.pid).children(recursive=True)
    assert len(started) >= 3, "daemon, eye and broker"
    demo.kill()
    demo.communicate(timeout=30)
    _, alive = psutil.wait_procs(started, timeout=30)
    for process in alive:
        process.kill()
    assert alive == []


@pytest.mark.system
@pytest.mark.parametrize(
    ("arguments", "complaints"),
    [
        (lambda: ["--broker", f"mqtt://127.0.0.1:{free_port()}"], ["the broker cannot be used", "what to do"]),
        (lambda: ["--camera", "/no/such/clip.mp4"], ["/no/such/clip.mp4", "what to do"]),
        (lambda: ["--camera", "street?scene=moon"], ["moon", "what to do"]),
    ],
    ids=["broker", "clip", "scene"],
)
def test_demo_that_cannot_be_shown_says_why(
    tmp_path: Path, arguments: Callable[[], list[str]], complaints: list[str]
) -> None:
    """A broker or a camera that is not there is named, with what to do; a failed daemon's log is kept, and no more."""
    demo = start_demo(tmp_path, *arguments())
    out, _ = demo.communicate(timeout=90)
    assert demo.returncode == 1
    assert [complaint in out for complaint in complaints] == [True] * len(complaints), out
    assert [name for name in tmp_path.glob("gateway-demo-*") if str(name) not in out] == []
    assert all((name / "daemon.log").exists() for name in tmp_path.glob("gateway-demo-*"))
