"""Restarts the device, as the last step of a recovery ladder: where the settings allow it, and within a budget a day.

The budget is on the card before the reboot is asked for, and counts running time: no clock that jumps and no boot loop
gets round it. Asked for through `systemctl reboot`, which asks systemd-logind; the package's polkit rule lets the
gateway's own user do that. Not here: when it is due (ladder.py). Runs on the daemon's main thread and never waits.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from gateway.recovery.launch import Errand

if TYPE_CHECKING:
    from gateway.memory.state import Memory

log = logging.getLogger(__name__)

LINE = ("systemctl", "--no-ask-password", "reboot")
PATIENCE_SECONDS = 120.0
"""A device that was told to restart and is still there after so long has not done it."""


class Reboot:
    """Asks for reboots and counts them."""

    def __init__(self, memory: Memory, a_day: int, after: float) -> None:
        """Take what survives a reboot, how many are allowed a day (0: none), and after how many seconds of trouble."""
        self._memory = memory
        self._a_day = a_day
        self.after = after
        self.why = ""
        """Why a reboot was asked for that has not failed yet; empty: none was."""
        self.problem = ""
        """Why the last one did not happen."""
        self._noted = threading.Event()
        self._unnoted = threading.Event()
        self._errand: Errand | None = None
        self._until = 0.0

    @property
    def possible(self) -> bool:
        """Whether one may be asked for now."""
        return not self.why and self._memory.reboots(time.monotonic()) < self._a_day

    def ask(self, why: str) -> None:
        """Ask for one; `tick` does it as soon as it is on the card that it was asked for."""
        log.error("the device is restarted: %s", why)
        self.why, self.problem = why, ""
        self._until = time.monotonic() + PATIENCE_SECONDS
        self._noted.clear()
        self._unnoted.clear()
        self._memory.note_reboot(time.monotonic(), lambda written: (self._noted if written else self._unnoted).set())

    def tick(self, now: float) -> None:
        """Go on with what was asked for. `now` on the monotonic clock."""
        if not self.why:
            return
        if self._unnoted.is_set():
            self._fail("it cannot be noted on the card, so it would be done for ever")
        elif self._errand is None and self._noted.is_set():
            self._errand = Errand(LINE)
        elif now >= self._until:
            self._fail(f"nothing happened within {PATIENCE_SECONDS:.0f} s")
        elif self._errand is not None and self._errand.result:
            self._fail(self._errand.result)

    def status(self) -> dict[str, Any]:
        """Return what up/health says of it."""
        done = self._memory.reboots(time.monotonic())
        return {"allowed_a_day": self._a_day, "done_today": done, "asked": self.why, "problem": self.problem}

    def _fail(self, problem: str) -> None:
        log.error("the device was not restarted: %s", problem)
        self.why, self.problem, self._errand = "", problem, None
