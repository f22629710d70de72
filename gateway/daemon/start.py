"""The daemon's start: whether another one runs, then the eyes, and only then what the rest of the daemon needs.

An eye takes longest to be of use: Python, NumPy, OpenCV, a sensor. So it is started before store and link are even
imported, and loads its own while they are; this module imports neither. Not here: how an eye is kept alive
(recovery/eyes.py), all that follows (daemon.py). Runs on the main thread.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.control import SOCKET_NAME, NotAllowed, ask
from gateway.daemon.cameras import Cameras
from gateway.device.holder import hold, holder_of
from gateway.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.configuration.loading import Loaded

LOCK = "gateway.lock"
"""Beside the store: whose it is from its first moment on."""
ALONE_SECONDS = 1.0
"""A gateway that runs answers so soon."""
LOOK_SECONDS = 3.0
"""Who only looks into the store, as `gateway outbox status` does where no gateway runs, has done so by then."""


def run(loaded: Loaded, asked: Sequence[str] = (), root: Path = Path("/")) -> int:
    """Run the daemon until a signal or a failure ends it; return the exit code.

    Args:
        loaded: the configuration in force.
        asked: the command line's arguments that name it, for a self-test.
        root: where /proc and /sys are, for the device's health.

    Raises:
        SettingsError: this device has no name, or the broker's papers cannot be used.
        GatewayError: another gateway runs, as far as its socket or the lock on the store tells.
    """
    settings = loaded.settings
    _stay_alone(settings.runtime_dir, settings.store.dir / "outbox.db")
    cameras = Cameras(settings)
    cameras.start()
    try:
        from gateway.daemon.daemon import Daemon

        daemon = Daemon(loaded, cameras, asked, root)
    except BaseException:
        cameras.kill()
        raise
    return daemon.run()


def _stay_alone(folder: Path, store: Path) -> None:
    """Two gateways would take camera, store and client id from each other; a dead one's socket answers nothing.

    One that may not be asked, because it is another user's, may be alive. One with a runtime folder of its own, or too
    busy to answer, is known by the store that it has open.
    """
    path = folder / SOCKET_NAME
    try:
        ask(path, {"ask": "status"}, ALONE_SECONDS)
    except NotAllowed as error:
        raise GatewayError(
            f"{error}: another gateway runs here, or sudo was forgotten",
            "ask the one that runs: sudo gateway status; where none does: sudo systemctl start camera-gateway",
        ) from None
    except GatewayError:
        _leave_the_store(store)
        return
    raise GatewayError(
        f"another gateway is running (it answers on {path})",
        "stop it first: systemctl stop camera-gateway; or ask it: gateway status",
    )


def _holder(store: Path) -> int | None:
    """The process whose the store is; None: it is ours from now on."""
    starting = hold(store.with_name(LOCK))
    return holder_of(store) if starting is None else starting


def _leave_the_store(path: Path) -> None:
    until = time.monotonic() + LOOK_SECONDS
    with contextlib.suppress(OSError):  # the store will say so
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    while (holder := _holder(path)) is not None:
        if time.monotonic() >= until:
            raise GatewayError(
                f"another gateway runs here: process {holder} has the store {path}",
                f"look at it: ps -fp {holder}; stop it first: sudo systemctl stop camera-gateway",
            )
        time.sleep(0.1)
