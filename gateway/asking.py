"""`gateway status`, `logs` and `confirm-view`: what a person asks the running daemon, or what it has left behind.

Not here: the socket (control.py), the daemon's answers (daemon/answers.py), what waits in the store (waiting.py). Runs
in the command line's process.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from gateway.control import SOCKET_NAME, NotRunning, ask
from gateway.errors import GatewayError
from gateway.memory import diary

if TYPE_CHECKING:
    from gateway.configuration.settings import Settings


def status(settings: Settings) -> int:
    """Print everything that the daemon knows, as JSON; return the exit code.

    Raises:
        GatewayError: none runs, or it does not answer.
    """
    sys.stdout.write(json.dumps(ask(settings.runtime_dir / SOCKET_NAME, {"ask": "status"}), indent=2) + "\n")
    return 0


def logs(settings: Settings) -> int:
    """Print the latest log lines, from the daemon or, where none runs, from what it has left; return the exit code."""
    try:
        found = ask(settings.runtime_dir / SOCKET_NAME, {"ask": "logs"})["lines"]
    except NotRunning:
        found = diary.kept(settings.store.dir, settings.runtime_dir)
    if not found:
        sys.stderr.write(f"gateway: no log lines are kept in {settings.store.dir} or {settings.runtime_dir}\n")
    sys.stdout.writelines(f"{diary.readable(line)}\n" for line in found)
    return 0


def confirm_view(settings: Settings, camera: str | None) -> int:
    """Say that masks and zones fit what a camera sees now; None: the only one. Return the exit code.

    Raises:
        GatewayError: none runs, or it has no such camera now.
    """
    path = settings.runtime_dir / SOCKET_NAME
    if camera is None:
        names = list(ask(path, {"ask": "status"})["cameras"])
        if len(names) > 1:
            sys.stderr.write(f"gateway: name the camera, one of {', '.join(names)}: gateway confirm-view CAMERA\n")
            return 2
        camera = names[0]
    if camera not in ask(path, {"ask": "confirm-view", "camera": camera})["confirmed"]:
        hint = "look for its name and its fault in: sudo gateway status"
        raise GatewayError(f"{camera}: there is no such camera, or its process does not run now", hint)
    sys.stdout.write(f"{camera}: masks and zones fit what it sees now; its pictures may leave\n")
    return 0
