"""The daemon's side of an eye: start it, listen to it, and climb the recovery ladder when no sound picture comes.

    flush     the eye drops what is queued and reads again           a stall, garbage
    reopen    the eye closes the camera and opens it anew            also a frozen picture, a source that broke
    new-eye   its process is killed and another started              whatever else, with growing pauses, for ever
    reboot    the device is restarted, where the settings allow it   a camera of its own, after `reboot_after_s`

Never waits for an eye: a process that cannot be killed is reported, and the camera is tried again only when it is gone,
because it holds the device. Not here: the process (eye_process.py), what it has said (known.py), what becomes of its
drafts (daemon), when which step is due (ladder.py). Runs on the daemon's main thread.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from gateway.camera.opening import describe
from gateway.device.faults import Fault
from gateway.memory.sharpness import Sharpness
from gateway.recovery.eye_process import EyeProcess
from gateway.recovery.known import AGAIN, STARTING, Known
from gateway.recovery.ladder import FLAP_SECONDS, Ladder, Rung

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gateway.channel import Channel
    from gateway.recovery.reboot import Reboot
    from gateway.wire.draft import Draft

log = logging.getLogger(__name__)

START_SECONDS = 30.0
"""Most time from the start of an eye to its first frame: a Pi Zero needs ten for the imports and the sensor."""
PATIENT_SECONDS = 240.0
"""The same in the end: on a device that is too slow for the above, every eye would be killed, for ever."""
REOPEN_SECONDS = 10.0
"""The same for a camera that is opened anew by a process that is there, beside the time for a picture."""
PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
STEADY_SECONDS = 60.0
"""An outage is over when pictures have come for so long."""
UNKILLABLE_SECONDS = 5.0
"""A killed process that is still there after so long is called unkillable."""
PACKETS_A_ROUND = 64
"""Most packets that are taken from one eye before the others, and the timers, have their turn."""
ITS_OWN = frozenset({"picamera2", "v4l2"})
"""Kinds of camera that hang on this device: restarting it may help."""
IN_THE_EYE = {
    "camera-stalled": ("flush", "reopen"),
    "camera-garbled": ("flush", "reopen"),
    "camera-failed": ("reopen",),
    "view-frozen": ("reopen",),
}
"""What an eye that lives can do itself about what it says."""


def rungs(stall: float, reboot_after: float) -> tuple[Rung, ...]:
    """Return a camera's ladder; `stall` in seconds is how long a picture may take."""
    return (
        Rung("flush", deadline=1.5 * stall, an_hour=30),
        Rung("reopen", deadline=stall + REOPEN_SECONDS, an_hour=12),
        # More than there are minutes in an hour: with its pauses it never stops trying.
        Rung(
            "new-eye", deadline=START_SECONDS, patience=PATIENT_SECONDS, tries=5, an_hour=80, waits=PAUSES, again=True
        ),
        Rung("reboot", deadline=180.0, an_hour=1, after=reboot_after),
    )


class Eye:
    """One camera, as the daemon looks after it."""

    def __init__(
        self,
        camera: Mapping[str, Any],
        *,
        moved: bool = False,
        forgotten: bool = False,
        reboot: Reboot | None = None,
        sharpness: Sharpness | None = None,
    ) -> None:
        self.camera = camera
        self.name = str(camera["name"])
        self.known = Known(self.name, moved=moved, forgotten=forgotten)
        self.process = EyeProcess(self.name)
        self._sharpness = sharpness or Sharpness("")
        stall = float(camera["stall_s"])
        self.ladder = Ladder(rungs(stall, reboot.after if reboot else 0.0), STEADY_SECONDS)
        self.restarts = 0
        self._reboot = reboot if describe(str(camera.get("source", ""))) in ITS_OWN else None
        self._limit = 0
        self._share = 1.0
        self._silence_limit = 2.0 * stall + 1.0
        self._heard = 0.0
        self._lost_at = 0.0
        self._stopping = False

    @property
    def channel(self) -> Channel | None:
        """Our end of the socket, or None."""
        return self.process.channel

    def start(self) -> None:
        """Start the process and hand it its configuration."""
        self._heard = time.monotonic()
        self.known.begin()
        self._limit = int(self.camera["picture_kb"]) * 1024
        self._share = 1.0
        try:
            self.process.start({"camera": self.camera, "moved": self.known.moved})
        except OSError as error:  # no memory or descriptor to be had now
            self._not_started(error)

    def say(self, **note: Any) -> bool:
        """Send a control note; tell whether the eye took it. Never waits."""
        return self.channel is not None and self.channel.say(**note)

    def limit_pictures(self, limit: int) -> None:
        """Tell the eye how long its pictures may be, in bytes, when that has changed since it was started."""
        if self.known.running and limit != self._limit and self.say(note="picture-limit", bytes=limit):
            self._limit = limit

    def shed(self, share: float) -> None:
        """Tell the eye which share of its frame rate it may use, when that has changed since it was started."""
        if self.known.running and share != self._share and self.say(note="rate", share=share):
            self._share = share

    def hear(self) -> Iterator[Draft]:
        """Yield the drafts that have arrived; notes change what is known."""
        for _ in range(PACKETS_A_ROUND):
            if (channel := self.channel) is None:
                return
            try:
                news = channel.hear()
                if news is None:
                    if channel.closed:
                        self.process.hang_up()
                    return
                draft = self.known.take(news)
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                reason = f"the camera's process speaks nonsense: {type(error).__name__}: {error}"
                self.known.fail("eye-garbled", reason, f"{AGAIN}; otherwise reinstall the software")
                self.process.hang_up()
                return
            self._heard = time.monotonic()
            if draft is not None:
                yield draft
            elif self.known.running:
                self._sharpness.see(self.known.beat, self._heard)

    def tick(self, now: float) -> list[Draft]:
        """Look after the camera; return drafts that have to be made in its place. `now` on the monotonic clock."""
        error = self.process.tick()
        if error is not None:
            self._not_started(error)
        drafts = self._look(now)
        if not self._stopping and not self.known.ended:
            drafts += self._recover(now)
        return drafts

    def stop(self) -> None:
        """Ask the eye to end; it finishes what it has."""
        self._stopping = True
        self.say(note="stop")

    def kill(self) -> list[Draft]:
        """End it now; for the end of the daemon."""
        self._stopping = True
        return self._abandon(time.monotonic()) if self.process.there else []

    def facts(self) -> dict[str, Any]:
        """What up/health says of this camera."""
        known = self.known
        return {
            "state": known.state,
            "code": known.code,
            "reason": known.reason,
            "hint": known.hint,
            "pid": self.process.pid,
            "remnants": [process.pid for process in self.process.remnants],
            "restarts": self.restarts,
            "faults": sorted(known.faults),
            "lacks": list(known.lacks),
            "recovery": self.ladder.status(time.monotonic()),
            **{key: value for key, value in known.beat.items() if key != "note"},
            **self._sharpness.facts(),
        }

    def current_faults(self, now: float) -> dict[tuple[str, str], Fault]:
        """Return what is wrong with the camera now, by camera and code. `now` on the monotonic clock.

        One that fails again and again is one fault, from the third time on until it is calm: each time may be too
        short to be told, and a start and an end of each would hide what matters.
        """
        known = self.known
        current = {(self.name, code): Fault(*told) for code, told in known.faults.items()}
        if self.ladder.flapping(now):
            times = self.ladder.status(now)["outages"]
            why = f"the camera failed {times} times within {FLAP_SECONDS / 60:.0f} minutes, last: {self.ladder.cause}"
            hint = known.hint or "see its recovery in up/health, and the log"
            current[self.name, "camera-flapping"] = Fault(why, hint)
        elif known.state == "off" and known.code != STARTING:  # to open it may take long; a hang has its own code
            current[self.name, known.code] = Fault(known.reason, known.hint)
        return current

    def _look(self, now: float) -> list[Draft]:
        """See whether the process lives and speaks."""
        process, known = self.process, self.known
        if not process.there:
            if process.remnants and now - self._lost_at > UNKILLABLE_SECONDS and not self._stopping:
                pids = ", ".join(str(each.pid) for each in process.remnants)
                reason = f"process {pids} hangs in the kernel and cannot be killed; it still holds the camera"
                known.fail("eye-unkillable", reason, "unplug and plug the camera, or restart the device")
            return []
        if process.over:
            assert process.process is not None
            if known.alive:
                code = process.process.returncode
                how = f"signal {-code}" if code < 0 else f"exit code {code}"
                known.fail("eye-died", f"the camera's process ended with {how}", AGAIN)
            return self._abandon(now)
        if self._silent(now):
            return self._abandon(now)
        return []

    def _silent(self, now: float) -> bool:
        """Tell whether nothing more is to be expected of the process, and note why."""
        process, known, silent = self.process, self.known, now - self._heard
        limit = self._silence_limit if known.opened else START_SECONDS
        if silent > limit and not self.ladder.under_way(now):
            if self.channel is not None and self.channel.waiting:
                return False  # it was this process that slept; what the eye said is heard next
            if process.pid is None:
                known.fail("eye-start", "the camera's process does not start: the card does not answer", AGAIN)
            elif known.alive:  # otherwise it said itself why it ends, and hangs in its end
                known.fail("eye-silent", f"nothing was heard from the camera's process for {silent:.0f} s", AGAIN)
            return True
        if self.channel is None and process.pid is not None and silent > 1.0:  # it hung up and does not end
            if known.alive:
                known.fail("eye-died", "the camera's process fell silent and does not end", AGAIN)
            return True
        return False

    def _recover(self, now: float) -> list[Draft]:
        """Take the step that is due, if one is."""
        there = self.process.there
        if there and not self.known.opened and not self.known.waits and self.ladder.since() is None:
            return []  # its first start
        fault = self.known.fault or ("" if self.known.running else self.known.code)
        useful = set(IN_THE_EYE.get(fault, ()) if there and (self.known.waits or self.known.running) else ())
        if not self.process.blocked:
            useful.add("new-eye")
        if self._reboot is not None and self._reboot.possible:
            useful.add("reboot")
        # A new eye that says it has no picture has failed; a flush or a reopening may still succeed in its time.
        over = not there or (self.known.waits and self.ladder.last == "new-eye")
        step = self.ladder.see(fault, now, useful, over=over)
        if not step:
            return []
        log.warning("eye %s: %s: recovery takes the step %s", self.name, fault, step)
        drafts: list[Draft] = []
        match step:
            case "flush" | "reopen":
                self.say(note="recover", step=step)
            case "new-eye":
                drafts = self._abandon(now) if there else []
                self.restarts += 1
                self.start()
            case "reboot" if self._reboot is not None:
                self._reboot.ask(f"{self.name}: {fault}: {self.known.reason}")
        return drafts

    def _not_started(self, error: OSError) -> None:
        reason = f"the camera's process cannot be started: {error.strerror}"
        self.known.fail("eye-start", reason, "restart the device if it does not pass")
        self._lost_at = time.monotonic()

    def _abandon(self, now: float) -> list[Draft]:
        """Kill the process without waiting for its end."""
        self.process.abandon()
        self._lost_at = now
        return self.known.end(now)
