"""A gateway that really runs: the daemon and its eyes as processes, against a real broker. Used by several tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from gateway.contract.check import validate
from gateway.control import SOCKET_NAME, ask
from gateway.errors import GatewayError
from gateway.wire.message import inflate
from tests.mosquitto import Mosquitto, Sniffer, wait_for

ROOT = "citycam/v1/north/gw-0412"
STREET = "street?scene=corner&seed=3"

DEMO_NUMBERS = [
    "frames",
    "fps",
    "episodes_true",
    "episodes_found",
    "events_false",
    "messages_received",
    "duplicates",
    "bytes_per_episode",
    "latency_p50_ms",
    "latency_p99_ms",
    "cpu_share",
    "rss_mb",
]
"""What the demo's summary tells, in its order."""


ON_A_MACHINE = """
import sys; from pathlib import Path; from gateway import logs; from gateway.configuration.loading import load
from gateway.daemon.start import run
logs.start(); sys.exit(run(load(Path(sys.argv[1])), ["--config", sys.argv[1]], Path(sys.argv[2])))
"""


AS_SOMEBODY_ELSE = """
import codecs, ctypes, os, sys, gateway.cli, gateway.daemon.daemon, gateway.daemon.start, gateway.uplink.mqtt
from gateway import logs
[codecs.lookup(name) for name in ("ascii", "idna")]  # this Python's folder may be shut for the other user
if os.getuid() == 0: os.setgid(65534); os.setuid(65534)
sys.exit(gateway.cli.main(["run", "--config", sys.argv[1]]))
"""


def make_clip(file: Path, quiet: int = 10) -> str:
    """Write a short grey clip in which a person-sized thing crosses, for ever; return it as a camera's source.

    The first `quiet` of its frames and the last 15 show nobody; 35 show the thing.
    """
    rng = np.random.default_rng(4)
    height, width, frames = 180, 320, quiet + 50
    ground = (
        rng.integers(90, 130, (height // 6, width // 8), np.uint8).repeat(6, axis=0).repeat(8, axis=1)[:height, :width]
    )
    noise = rng.integers(-2, 3, (frames, height, width), np.int16)
    clip = np.clip(ground.astype(np.int16) + noise, 0, 255).astype(np.uint8)
    for number in range(quiet, quiet + 35):
        left = (number - quiet) * 9
        clip[number, 70:120, left : left + 18] = 30 + noise[number, 70:120, left : left + 18]
    np.save(file, clip)
    return f"{file}?loop=1&fps=15"


class Gateway:
    """One running `gateway run`, with its own folders."""

    def __init__(self, folder: Path, broker: Mosquitto | None, sources: list[str], **changes: Any) -> None:
        """Write a configuration: a camera for each source; `changes` are further settings of every camera."""
        self.folder = folder
        self.state = folder / "state"
        port = broker.port if broker is not None else 1
        lines = [
            'area = "north"',
            'id = "gw-0412"',
            f'runtime_dir = "{folder}/run"',
            "[broker]",
            f'url = "mqtt://127.0.0.1:{port}"',
            "first_connect_spread_s = 0",
            "reconnect_spread_s = 1",
            "[store]",
            f'dir = "{self.state}"',
            "cap_mb = 16",
            "free_mb = 0",
            "[report]",
            "heartbeat_s = 1",
        ]
        for number, source in enumerate(sources):
            lines += [
                "[[cameras]]",
                f'name = "cam{number}"',
                f'source = "{source}"',
                "fps = 15",
                "analysis = [320, 180]",
                "main = [640, 360]",
                "stall_s = 1",
                *(f"{key} = {value}" for key, value in changes.items()),
            ]
        self.config = folder / "gateway.toml"
        self.config.write_text("\n".join(lines) + "\n")
        self.log = folder / "gateway.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.root: Path | None = None
        """A made-up machine whose /proc and /sys the daemon reads, see device_trees.py."""

    def start(self) -> Gateway:
        """Start it and wait until it answers."""
        environ = {key: value for key, value in os.environ.items() if not key.startswith("GATEWAY_")}
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "gateway", "run", "--config", str(self.config)]
            if self.root is not None:  # the same daemon, on a made-up machine
                command[1:] = ["-c", ON_A_MACHINE, str(self.config), str(self.root)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environ)
        try:
            wait_for(self.answers, f"the gateway to answer; see {self.log}")
        except AssertionError:
            self.stop()  # the test has no chance to
            raise
        return self

    def answers(self) -> bool:
        """Whether it answers on its socket."""
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            self.status()
        except GatewayError:
            return False
        return True

    def status(self) -> dict[str, Any]:
        """Ask it how it is."""
        return ask(self.folder / "run" / SOCKET_NAME, {"ask": "status"}, 5.0)

    def link(self) -> dict[str, Any]:
        """Ask it how its connection is."""
        return dict(self.status()["health"]["link"])

    def camera(self, name: str = "cam0") -> dict[str, Any]:
        """Ask it how a camera is."""
        return dict(self.status()["health"]["cameras"][name])

    def wait_camera(self, state: str, name: str = "cam0") -> dict[str, Any]:
        """Wait until a camera is in a state; return what is said of it."""
        wait_for(lambda: self.camera(name)["state"] == state, f"{name} to be {state}; see {self.log}")
        return self.camera(name)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal it and wait for its end; return its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(15)


def events(sniffer: Sniffer, kind: str = "motion") -> list[dict[str, Any]]:
    """Return all events of a kind that were heard, inflated, each once."""
    found = {}
    for payload in sniffer.payloads(f"/up/event/{kind}/"):
        event = inflate(payload)
        found[event["id"]] = event
    return list(found.values())


def states(sniffer: Sniffer, topic: str) -> list[dict[str, Any]]:
    """Return what was said on a state topic, in order."""
    return [json.loads(payload) for payload in sniffer.payloads(f"/up/{topic}")]


def check_contract(sniffer: Sniffer) -> int:
    """Hold every message that was heard against the contract; return how many there were."""
    heard = [(topic, payload) for topic, payload, _, _ in sniffer.seen if topic.startswith("citycam/v1/")]
    heard = [(topic, payload) for topic, payload in heard if payload or "/down/" not in topic]  # it takes back
    for topic, payload in heard:
        validate(topic.split("/", 4)[4], payload)
    return len(heard)
