"""Carries out the centre's commands and answers each with one reply through the outbox.

What takes time (a picture, a self-test) is answered by a later `tick`. Not here: which commands are let in
(uplink/commands.py). Runs on the daemon's main thread and waits for nothing.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from typing import IO, TYPE_CHECKING, Any

from gateway import logs
from gateway.recovery.launch import Launch
from gateway.uplink.commands import REFUSALS, REFUSALS_A_MINUTE, Bucket, Command, Gate, Refusal
from gateway.wire.draft import Draft, Rank, random_uuid7

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.daemon.reporting import Reports
    from gateway.recovery.eyes import Eye

log = logging.getLogger(__name__)

SNAPSHOT_SECONDS = 10.0
SELFTEST_SECONDS = 90.0
FLOOD_SECONDS = 10.0
"""A flood of commands is over when none was passed over for so long."""
REPLY_BYTES = 16 * 1024
"""No reply is longer: of log lines the latest are sent."""


class Orders:
    """The commands that are known, and those that are being carried out."""

    def __init__(
        self,
        gate: Gate,
        reports: Reports,
        eyes: Sequence[Eye],
        accept: Callable[[Draft], None],
        stop: Callable[[str], None],
        config: Sequence[str] = (),
    ) -> None:
        """Take whom to ask.

        Args:
            gate: which commands are let in.
            reports: says everything anew.
            eyes: the cameras.
            accept: takes a reply.
            stop: ends the daemon; the service manager starts it again.
            config: the arguments with which a self-test finds the same configuration.
        """
        self._gate = gate
        self._reports = reports
        self._eyes = eyes
        self._accept = accept
        self._stop = stop
        self._config = list(config)
        self._refusals = Bucket(REFUSALS, REFUSALS_A_MINUTE)
        self._passed_over = 0
        """Refused commands since the last that was answered."""
        self._passed_at = 0.0
        self._snapshots: dict[str, tuple[Command, float]] = {}
        self._selftest: tuple[Command, Launch, IO[bytes], float] | None = None

    def take(self, topic: str, payload: bytes, *, retained: bool, synced: bool) -> None:
        """Carry out what came on `down/cmd/...`, or say why not."""
        found = self._gate.admit(
            topic, payload, retained=retained, wall=time.time(), synced=synced, mono=time.monotonic()
        )
        if isinstance(found, Command):
            log.info("command %s (%s)%s", found.name, found.id, f" by {found.by}" if found.by else "")
            self._carry_out(found)
        elif not self._refusals.spend(time.monotonic()):
            self._passed_over += 1
            self._passed_at = time.monotonic()
        else:
            self._refuse(found, topic, payload)

    def _refuse(self, found: Refusal | None, topic: str, payload: bytes) -> None:
        self._tell_passed_over()
        if found is None:
            log.warning("%s: a command without a usable id is ignored: %.80r", topic, payload)
            return
        log.warning("command %s (%s) refused: %s", found.name, found.id, found.message)
        self._reply(found.id, found.name, "refused", found.code, found.message)

    def _tell_passed_over(self) -> None:
        if self._passed_over:
            log.warning("%d more commands were refused and not answered: there were too many", self._passed_over)
            self._passed_over = 0

    def _carry_out(self, command: Command) -> None:
        match command.name:
            case "ping":
                self._done(command)
            case "rebirth":
                self._reports.rebirth()
                self._done(command)
            case "restart":
                self._done(command)
                self._stop(f"command {command.id}")
            case "logs":
                self._done(command, lines=logs.latest(REPLY_BYTES - 1024))
            case "selftest":
                self._start_selftest(command)
            case "confirm-view" | "snapshot":
                self._ask_camera(command)

    def tick(self, now: float) -> None:
        """Answer what has come to an end. `now` on the monotonic clock."""
        if now > self._passed_at + FLOOD_SECONDS:
            self._tell_passed_over()
        for eye in self._eyes:
            while eye.known.snapshots:
                found, refused = eye.known.snapshots.popleft()
                command, _ = self._snapshots.pop(found, (None, 0.0))
                if command is None:
                    continue
                if refused:
                    self._reply(command.id, command.name, "refused", refused, "no picture may leave this camera now")
                else:
                    self._done(command, topic=f"up/media/{eye.name}/{command.id}")
        for command, until in list(self._snapshots.values()):
            if now > until:
                del self._snapshots[command.id]
                self._failed(command, "timeout", f"no picture came within {SNAPSHOT_SECONDS:.0f} s")
        if self._selftest is not None:
            self._look_at_selftest(now)

    def close(self) -> None:
        """Leave nothing running."""
        if self._selftest is not None:
            self._selftest[1].kill()
            self._selftest[2].close()
            self._selftest = None

    def _ask_camera(self, command: Command) -> None:
        name = command.args.get("camera", self._eyes[0].name)
        eye = next((eye for eye in self._eyes if eye.name == name), None)
        if eye is None:
            names = ", ".join(eye.name for eye in self._eyes)
            self._failed(command, "no-camera", f"there is no camera {str(name)[:80]!r}; there are: {names}")
        elif not eye.known.running or not eye.say(note=command.name, id=command.id):
            self._failed(command, "camera-off", f"{eye.name} is off: {eye.known.reason}")
        elif command.name == "snapshot":
            self._snapshots[command.id] = (command, time.monotonic() + SNAPSHOT_SECONDS)
        else:
            self._done(command)

    def _start_selftest(self, command: Command) -> None:
        if self._selftest is not None:
            self._failed(command, "busy", "a self-test is running")
            return
        out = os.fdopen(os.memfd_create("selftest"), "w+b")  # in memory: this thread must not wait for the card
        line = [sys.executable, "-m", "gateway", "selftest", "--json", *self._config]
        launch = Launch(line, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL)
        self._selftest = (command, launch, out, time.monotonic() + SELFTEST_SECONDS)

    def _look_at_selftest(self, now: float) -> None:
        assert self._selftest is not None
        command, launch, out, until = self._selftest
        if launch.runs and now < until:
            return
        launch.kill()
        self._selftest = None
        with out:
            out.seek(0)
            try:
                report = json.loads(out.read(REPLY_BYTES))
            except ValueError:
                self._failed(command, "selftest", "the self-test gave no report in time")
                return
        self._done(command, **report)

    def _done(self, command: Command, **result: Any) -> None:
        self._reply(command.id, command.name, "done", "ok", "", result)

    def _failed(self, command: Command, code: str, message: str) -> None:
        self._reply(command.id, command.name, "failed", code, message)

    def _reply(
        self, command: str, name: str, status: str, code: str, message: str, result: dict[str, Any] | None = None
    ) -> None:
        body: dict[str, Any] = {"command": name, "status": status, "code": code}
        if message:
            body["message"] = message
        if result:
            body["result"] = result
        now = time.monotonic()
        reply = Draft(random_uuid7(time.time()), Rank.END, "reply", "gateway", now, command, body=body)
        self._accept(reply)
