"""What `up/camera/{cam}` says, and when: a camera's state with its reason, and what recovery did about it.

Not here: the rest of the reports (reporting.py), how the payload is built (device/heartbeat.py). Runs on the daemon's
main thread.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from gateway.device import heartbeat

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.recovery.eyes import Eye
    from gateway.wire.payloads import Camera

log = logging.getLogger(__name__)

MOTION_SECONDS = 5.0
"""`motion` changes at most so often: a busy street must not publish with every passer-by."""

CLOCK_SECONDS = 2.0
"""By so much the wall clock must have been wrong before it is said anew since when a camera is how it is."""


class CameraReports:
    """Remembers what was said of each camera, and says what has changed."""

    def __init__(self, say: Callable[[str, Mapping[str, Any]], None]) -> None:
        """Take what publishes a payload under a topic."""
        self._say = say
        self._said: dict[str, tuple[Camera, float]] = {}
        self._since: dict[str, float] = {}
        """Since when each camera is how it is, on the monotonic clock."""
        self._again: set[str] = set()
        """Cameras that are to be told though nothing has changed."""

    def forget(self) -> None:
        """Say everything anew, with the next look."""
        self._again = set(self._said)  # since when a camera is how it is stays known

    def look(self, eye: Eye, now: float) -> None:
        """Publish a camera's state when it has changed. `now` on the monotonic clock."""
        known = eye.known
        said = self._said.get(eye.name)
        if said is None or said[0]["state"] != known.state:
            self._since[eye.name] = now
        since = time.time() - (now - self._since[eye.name])
        if said is not None and abs(since - said[0]["since"]) < CLOCK_SECONDS and self._since[eye.name] != now:
            since = said[0]["since"]
        step = eye.ladder.last if eye.ladder.since() is not None else ""
        if said is not None and eye.name not in self._again:
            before, when = said
            told = (before["state"], before.get("reason", ""), before.get("step", ""))
            same = told == (known.state, known.reason, step)
            if same and since == before["since"] and (before["motion"] == known.motion or now - when < MOTION_SECONDS):
                return
        state: Any = known.state
        report = heartbeat.camera(
            state,
            motion=known.motion,
            since=since,
            code=known.code,
            reason=known.reason,
            hint=known.hint,
            step=step,
            simulated=known.simulated,
        )
        if known.state != "off" and (said is None or said[0]["state"] != known.state):  # why it is off was told at once
            log.info("camera %s: %s", eye.name, known.state)
        self._said[eye.name] = (report, now)
        self._again.discard(eye.name)
        self._say(f"up/camera/{eye.name}", report)
