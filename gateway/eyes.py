"""The daemon's side of an eye: start it, listen to it, kill it when it hangs, start it again with back-off.

Never waits for an eye: a process that cannot be killed (stuck in the kernel) is left as a remnant, reported, and the
camera is tried again only when it is gone, because it holds the device. Not here: what an eye does (eye.py), what
becomes of its drafts (daemon.py). Runs on the daemon's main thread.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gateway.wire.draft import PACKET_BYTES, Draft, pack_note, random_uuid7, rank_of, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

log = logging.getLogger(__name__)

START_SECONDS = 30.0
"""Most time from the start of an eye to its first frame: a Pi Zero needs ten for the imports and the sensor."""
BACKOFF_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
HEALTHY_SECONDS = 60.0
"""An eye that ran so long starts its back-off anew."""
STOP_SECONDS = 2.5
"""An eye that was asked to stop and is still there is killed."""
UNKILLABLE_SECONDS = 5.0
"""A killed process that is still there so long after the next start was due is called unkillable."""
PACKETS_A_ROUND = 64
"""Most packets that are taken from one eye before the others, and the timers, have their turn."""


class Eye:
    """One camera, as the daemon sees it."""

    def __init__(self, camera: Mapping[str, Any], *, simulated: bool = False, moved: bool = False) -> None:
        self.camera = camera
        self.name = str(camera["name"])
        self.simulated = simulated
        self.moved = moved
        """The view has moved and nobody has confirmed it: latched by the daemon over restarts."""
        self.socket: socket.socket | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.remnants: list[subprocess.Popen[bytes]] = []
        self.state = "off"
        """ok, covered, defocused, moved, frozen, off: as in up/camera."""
        self.code = "starting"
        self.reason = "the camera is being opened"
        self.hint = ""
        self.restarts = 0
        self.faults: dict[str, tuple[str, str]] = {}
        """Faults that the eye reports while it runs: code -> message, hint."""
        self.beat: dict[str, Any] = {}
        self.snapshots: deque[tuple[str, str]] = deque(maxlen=32)
        """Pictures that were asked for and are made: the command's id, and why it was refused or nothing."""
        self.running = False
        """Whether frames come."""
        self.ended = False
        """Whether the source is over: a recording. Not started again."""
        self._limit = 0
        self._silence_limit = 2.0 * float(camera["stall_s"]) + 1.0
        self._started = 0.0
        self._heard = 0.0
        self._again = 0.0
        self._failures = 0
        self._lost = 0
        self._stopping = False
        self._open: dict[str, Draft] = {}

    @property
    def motion(self) -> bool:
        """Whether an episode is open."""
        return any(draft.kind == "motion" for draft in self._open.values())

    @property
    def lost(self) -> int:
        """Drafts and pictures that this camera's processes had to drop since the daemon started."""
        return self._lost + self._lost_now

    @property
    def _lost_now(self) -> int:
        drafts: dict[str, int] = self.beat.get("dropped", {})
        return sum(drafts.values()) + int(self.beat.get("pictures_dropped", 0))

    def start(self) -> None:
        """Start the process and hand it its configuration."""
        now = time.monotonic()
        self._started = self._heard = now
        self.running = False
        self.faults.clear()
        self._limit = int(self.camera["picture_kb"]) * 1024
        ours = None
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                ours.settimeout(0.0)
                # Before there is a process: one that dies at once must not take us along.
                ours.send(json.dumps({"camera": self.camera, "moved": self.moved}).encode(), socket.MSG_DONTWAIT)
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "gateway", "eye", "--fd", str(theirs.fileno()), "--name", self.name],
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    # One BLAS thread: the pools of NumPy's library would cost memory and are never used.
                    env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                )
        except OSError as error:  # no memory, process or descriptor to be had now
            if ours is not None:
                ours.close()
            reason = f"the camera's process cannot be started: {error.strerror}"
            self._fail("eye-start", reason, "restart the device if it does not pass")
            self._release(now)
            return
        self.socket = ours
        log.info("eye %s: started as process %d", self.name, self.process.pid)

    def say(self, **note: Any) -> bool:
        """Send a control note; tell whether the eye took it. Never waits."""
        if self.socket is None:
            return False
        try:
            self.socket.send(pack_note(note), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except OSError:
            return False
        return True

    def limit_pictures(self, limit: int) -> None:
        """Tell the eye how long its pictures may be, in bytes, when that has changed since it was started."""
        if self.running and limit != self._limit and self.say(note="picture-limit", bytes=limit):
            self._limit = limit

    def hear(self) -> Iterator[Draft]:
        """Yield the drafts that have arrived; notes change this object's state."""
        for _ in range(PACKETS_A_ROUND):
            if self.socket is None:
                return
            try:
                packet = self.socket.recv(PACKET_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if not packet:
                self.socket.close()
                self.socket = None
                return
            try:
                news = unpack(packet)
                if not isinstance(news, Draft):
                    self._note(news)
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                reason = f"the camera's process speaks nonsense: {type(error).__name__}: {error}"
                self._fail("eye-garbled", reason, "it is started again by itself; otherwise reinstall the software")
                self.socket.close()
                self.socket = None
                return
            self._heard = time.monotonic()
            if isinstance(news, Draft):
                self._remember(news)
                yield news

    def tick(self, now: float) -> list[Draft]:
        """Look after the process; return drafts that have to be made in its place. `now` on the monotonic clock."""
        self.remnants = [process for process in self.remnants if process.poll() is None]
        if self.process is None:
            if self.remnants and now - self._again > UNKILLABLE_SECONDS and self.code != "eye-unkillable":
                pids = ", ".join(str(process.pid) for process in self.remnants)
                reason = f"process {pids} hangs in the kernel and cannot be killed; it still holds the camera"
                self._fail("eye-unkillable", reason, "unplug and plug the camera, or restart the device")
            if not self._stopping and not self.ended and not self.remnants and now >= self._again:
                self.start()
            return []
        if self.process.poll() is not None and self.socket is None:
            return self._gone(now, self.process.returncode)
        limit = self._silence_limit if self.running else START_SECONDS
        if now - self._heard > limit:
            if self._speaks:  # it was this process that slept; what it said is heard next
                return []
            if self._alive:  # otherwise it said itself why it ends, and hangs in its end
                silence = f"nothing was heard from the camera's process for {now - self._heard:.0f} s"
                self._fail("eye-silent", silence, "it is started again by itself")
            return self._abandon(now)
        if self.socket is None and now - self._heard > 1.0:  # it closed the socket and does not end
            if self._alive:
                self._fail("eye-died", "the camera's process fell silent and does not end", "it is started again")
            return self._abandon(now)
        return []

    def stop(self) -> None:
        """Ask the eye to end; it finishes what it has."""
        self._stopping = True
        self.say(note="stop")

    def kill(self) -> list[Draft]:
        """End it now; for the end of the daemon."""
        self._stopping = True
        return self._abandon(time.monotonic()) if self.process is not None else []

    @property
    def _speaks(self) -> bool:
        """Whether something waits to be heard."""
        if self.socket is None:
            return False
        try:
            return bool(self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:
            return False

    @property
    def _alive(self) -> bool:
        """Whether the last that is known is no failure."""
        return self.code in {"ok", "starting"} or self.code.startswith("view-")

    @property
    def gone(self) -> bool:
        """Whether no process is left to wait for."""
        return self.process is None or (self.process.poll() is not None and self.socket is None)

    def facts(self) -> dict[str, Any]:
        """What up/health says of this camera."""
        return {
            "state": self.state,
            "code": self.code,
            "reason": self.reason,
            "hint": self.hint,
            "pid": self.process.pid if self.process else None,
            "remnants": [process.pid for process in self.remnants],
            "restarts": self.restarts,
            "faults": sorted(self.faults),
            **{key: value for key, value in self.beat.items() if key != "note"},
        }

    def _remember(self, draft: Draft) -> None:
        if draft.kind not in {"motion", "view"}:
            return
        if draft.kind == "view" and draft.phase == "start" and draft.body.get("state") == "moved":
            self.moved = True  # now: an eye that dies before its next beat must not come back with pictures
        if draft.phase == "end":
            self._open.pop(draft.episode, None)
        else:
            self._open[draft.episode] = draft

    def _note(self, note: dict[str, Any]) -> None:
        match note.get("note"):
            case "open":
                self.simulated = bool(note["simulated"])
            case "beat":
                self.beat = note
                self.running = True
                self.moved = bool(note["moved"])
                self.state = note["view"] if note["view"] != "ok" or not self.moved else "moved"
                self.code = "ok" if self.state == "ok" else f"view-{self.state}"
                self.reason = "" if self.state == "ok" else f"the picture is {self.state}"
                self.hint = "confirm that masks and zones still fit" if self.moved else ""
            case "snapshot":
                self.snapshots.append((str(note["id"]), str(note["refused"])))
            case "fault":
                log.warning("eye %s: %s: %s; %s", self.name, note["code"], note["message"], note["hint"])
                self.faults[str(note["code"])] = (str(note["message"]), str(note["hint"]))
            case "failed":
                self._fail(str(note["code"]), str(note["message"]), str(note["hint"]))
            case "ended":
                self.ended = True
                self._fail("camera-ended", str(note["message"]), str(note["hint"]))

    def _fail(self, code: str, reason: str, hint: str) -> None:
        self.state, self.code, self.reason, self.hint = "off", code, reason, hint
        log.warning("eye %s: %s: %s", self.name, code, reason)

    def _gone(self, now: float, returncode: int) -> list[Draft]:
        if self._alive:
            how = f"signal {-returncode}" if returncode < 0 else f"exit code {returncode}"
            self._fail("eye-died", f"the camera's process ended with {how}", "it is started again by itself")
        return self._release(now)

    def _abandon(self, now: float) -> list[Draft]:
        """Kill the process without waiting for its end."""
        assert self.process is not None
        self.process.kill()
        if self.process.poll() is None:
            self.remnants.append(self.process)
        return self._release(now)

    def _release(self, now: float) -> list[Draft]:
        if self.socket is not None:
            self.socket.close()
            self.socket = None
        self.process = None
        self._failures = 0 if self.running and now - self._started > HEALTHY_SECONDS else self._failures + 1
        self.running = False
        self._lost += self._lost_now
        self.beat = {}
        self.state = "off"
        delay = BACKOFF_SECONDS[min(self._failures, len(BACKOFF_SECONDS)) - 1] if self._failures else BACKOFF_SECONDS[0]
        self._again = now + delay
        if not self._stopping and not self.ended:
            self.restarts += 1
            log.warning("eye %s: %s; trying again in %.0f s", self.name, self.reason, delay)
        drafts = [self._interrupted(draft, now) for draft in self._open.values()]
        self._open.clear()
        return drafts

    def _interrupted(self, draft: Draft, now: float) -> Draft:
        """The end of an episode whose eye died before it could say so."""
        if draft.kind == "view":
            body = draft.body | {"phase": "end", "state": "off"}
        else:
            body = {"picture": None} | draft.body | {"phase": "end", "outcome": "interrupted"}
        return replace(
            draft,
            id=random_uuid7(time.time()),
            rank=rank_of("end", alarm=draft.alarm),
            phase="end",
            mono=now,
            body=body,
            picture=None,
        )
