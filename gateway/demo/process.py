"""The demo's gateway: the production daemon as a process of its own, its configuration, and what it costs.

Nothing here knows how a gateway works inside: it gets a configuration file, signals, and questions on its control
socket, as on a pole. Not here: what it sends (centre.py). Runs on the main thread.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from gateway.camera.opening import parse
from gateway.configuration.loading import as_toml
from gateway.configuration.settings import Settings
from gateway.control import SOCKET_NAME, ask
from gateway.errors import GatewayError

if TYPE_CHECKING:
    from pathlib import Path

    import psutil

    from gateway.uplink.broker import Broker

AREA = "demo"
CAMERA = "cam0"
FPS = 30
TRUTH = "truth.jsonl"
LOG = "daemon.log"
STOP_SECONDS = 7.0
"""SIGTERM ends a daemon within five seconds; what is still there then is killed."""
ZONES = [
    {"id": "far-side", "purpose": "footway", "polygon": [[0, 0], [1, 0], [1, 0.57], [0, 0.57]]},
    {"id": "road", "purpose": "carriageway", "polygon": [[0, 0.57], [1, 0.57], [1, 0.76], [0, 0.76]]},
    {"id": "pavement", "purpose": "footway", "polygon": [[0, 0.76], [1, 0.76], [1, 1], [0, 1]]},
]
"""Of the simulated corner: three bands, which together leave out nothing."""


def street_source(camera: str | None, seed: int) -> str | None:
    """Return the simulated corner's source with seed and truth filled in, or None when `camera` is another one.

    The truth file's name is relative: the daemon runs in the demo's folder.
    """
    source = parse(camera or "street")
    if source.kind != "street":
        return None
    options = {"seed": str(seed), "fps": str(FPS), "truth": TRUTH} | source.options
    return "street?" + "&".join(f"{key}={value}" for key, value in options.items())


def configuration(folder: Path, name: str, source: str, broker: Broker, *, simulated: bool) -> Settings:
    """Return the configuration of a gateway that lives in `folder`; the broker's password is written there, too."""
    camera: dict[str, Any] = {"name": CAMERA, "source": source}
    if simulated:
        camera |= {"fps": FPS, "zones": ZONES}
    link: dict[str, Any] = {
        "url": str(broker),
        "username": broker.username or "",
        "first_connect_spread_s": 0,
        "reconnect_spread_s": 1,
    }
    if broker.password:
        secret = folder / "password"
        secret.touch(mode=0o600)
        secret.write_text(broker.password, encoding="utf-8")
        link["password_file"] = secret
    return Settings.model_validate(
        {
            "area": AREA,
            "id": name,
            "runtime_dir": folder / "run",
            "broker": link,
            "store": {"dir": folder / "store", "cap_mb": 64},
            "report": {"heartbeat_s": 5},
            "cameras": [camera],
        }
    )


class Gateway:
    """The running daemon and its eye."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        """Start it.

        Args:
            folder: where configuration, log, store and truth stand.
            settings: from `configuration`.
        """
        self._socket = settings.runtime_dir / SOCKET_NAME
        self.log = folder / LOG
        file = folder / "gateway.toml"
        file.write_text(as_toml(settings), encoding="utf-8")
        # The file alone decides: what is exported for another gateway on this computer does not count here.
        environ = {key: value for key, value in os.environ.items() if not key.startswith("GATEWAY_")}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [*_ends_with_us(), sys.executable, "-m", "gateway", "run", "--config", str(file)],
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is ours: we stop it in order
            )
        self.cost = Cost(self._process.pid)

    def check(self) -> None:
        """Complain when the daemon has ended by itself.

        Raises:
            GatewayError: it has; with the last lines of its log.
        """
        code = self._process.poll()
        if code is not None:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
            raise GatewayError("\n    ".join([f"the daemon ended with exit code {code}:", *lines]), f"see {self.log}")

    def camera(self) -> dict[str, Any]:
        """Return what the daemon says of its camera now (frames, fps, state, code); empty when it says nothing."""
        with contextlib.suppress(GatewayError, KeyError, TypeError, OSError):
            return dict(ask(self._socket, {"ask": "status"}, timeout=1.0)["health"]["cameras"][CAMERA])
        return {}

    def stop(self) -> bool:
        """End it as systemd does; tell whether it ended in time and in order."""
        if self._process.poll() is not None:
            return False
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_SECONDS) == 0
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return False


def _ends_with_us() -> list[str]:
    """Return the prefix that ends the daemon in order even when the demo is killed; Debian always has the program."""
    setpriv = shutil.which("setpriv", path=f"{os.environ.get('PATH', '')}:/usr/bin:/bin")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []


class Cost:
    """Processor time and memory of a process and its children."""

    def __init__(self, pid: int) -> None:
        """Prepare to measure the process `pid` and all that it starts."""
        import psutil

        self._root = psutil.Process(pid)
        self._known: dict[psutil.Process, float] = {}
        self._began = time.monotonic()
        self._before = 0.0
        self.share = 0.0
        """Mean use of one core since `begin`, as of the last measurement."""
        self.rss_mb = 0.0
        """Most resident memory of all together that was seen, in units of 1,000,000 bytes."""

    def begin(self) -> None:
        """What was used so far does not count: imports, opening the camera."""
        self._before = self._used()
        self._began = time.monotonic()

    def measure(self) -> None:
        """Take a measurement; cheap enough for once a second."""
        used = self._used() - self._before
        self.share = used / max(time.monotonic() - self._began, 0.001)

    def _used(self) -> float:
        """Return the seconds of processor time of all processes, those that have ended since included."""
        import psutil

        rss = 0
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in [self._root, *self._root.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess), process.oneshot():
                    times = process.cpu_times()
                    self._known[process] = times.user + times.system
                    rss += process.memory_info().rss
        self.rss_mb = max(self.rss_mb, rss / 1e6)
        return sum(self._known.values())
