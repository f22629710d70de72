"""The daemon: supervises the eyes, numbers what they say, hands it to store and link, reports how the device is.

Main thread only: signals, service manager, timers, eyes, the control socket; nothing here waits longer than a second,
and no card and no network is touched (threads `spool` and `deliver` do that). Not here: how all begins (start.py), what
is reported (reporting.py), how drafts are numbered (intake.py), faults (device/faults.py), how an eye is kept alive
(recovery/eyes.py), what the centre says (inbox.py), what wakes it (waking.py). Imports neither numpy nor cv2.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.configuration.credentials import broker_of
from gateway.configuration.loading import keep_as_last_good
from gateway.control import SOCKET_NAME, ControlServer
from gateway.daemon.answers import Answers
from gateway.daemon.budget import Budget
from gateway.daemon.condition import Condition
from gateway.daemon.inbox import Inbox
from gateway.daemon.intake import Intake
from gateway.daemon.orders import Orders
from gateway.daemon.reporting import Reports
from gateway.daemon.waking import Waking
from gateway.device.faults import Faults
from gateway.device.identity import gateway_id
from gateway.device.notify import ServiceManager
from gateway.memory.diary import Diary
from gateway.recovery.linkage import Linkage
from gateway.uplink.backoff import Backoff
from gateway.uplink.beside import FOLDER, MEMORY
from gateway.uplink.commands import Gate
from gateway.uplink.link import Link
from gateway.uplink.room import Kept
from gateway.uplink.spool import Spool
from gateway.wire.message import Address

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.configuration.loading import Loaded
    from gateway.daemon.cameras import Cameras
    from gateway.uplink.outbox import Outbox

log = logging.getLogger(__name__)

ROUND_SECONDS = 0.25
"""The main loop turns at least so often: hung eyes, due reports and the watchdog are seen to."""
LONGEST_REASON = 200
"""Characters of why the daemon failed, in up/status and for the next run."""
LINK_STOP_SECONDS = 1.2
SPOOL_STOP_SECONDS = 1.2


class Daemon:
    """The process behind `gateway run`."""

    def __init__(self, loaded: Loaded, cameras: Cameras, asked: Sequence[str] = (), root: Path = Path("/")) -> None:
        """Prepare everything that needs no card, no network and no camera.

        Args:
            loaded: the configuration in force.
            cameras: theirs are the eyes, which may have been started already.
            asked: the command line's arguments that name it, for a self-test.
            root: where /proc and /sys are, for the device's health.

        Raises:
            SettingsError: this device has no name, or the broker's papers cannot be used.
        """
        settings = loaded.settings
        self._loaded = loaded
        self._settings = settings
        self._started = time.monotonic()
        self._address = Address(settings.area, gateway_id(settings.id))
        self._boot = cameras.boot
        self._service = ServiceManager()
        self._reason = ""
        """Why the daemon stops; empty while it does not."""
        self._line = ""
        """What the service manager was told last."""
        self._fatal = False
        with contextlib.suppress(OSError):  # the store will say so, and the corner is watched and reported all the same
            settings.store.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._unkept: set[tuple[str, int]] = set()
        """Files that could not be written, and why: each is told once. Of the thread `spool`."""
        self._spool = Spool(
            settings.store.dir / "outbox.db",
            cap_bytes=settings.store.cap_mb * 1_000_000,
            min_free=settings.store.free_mb * 1_000_000,
            kept=Kept(settings.store.replay_hours * 3600, settings.store.picture_hours * 3600),
        )
        cameras.later = self._later
        self._memory, self._sharpness = cameras.memory, cameras.sharpness
        self._reboot, self._eyes = cameras.reboot, cameras.eyes
        self._inbox = Inbox(self._memory, settings.broker)
        first, reconnect = self._inbox.spread()
        self._link = Link(
            broker_of(settings.broker),
            self._address.root,
            self._address.gateway,
            self._spool,
            self._inbox.put,
            backoff=Backoff(spread=first, cap=reconnect),
            backlog_rate=settings.delivery.backlog_per_s,
            confirm_centre=settings.delivery.confirm == "centre",
        )
        self._diary = Diary(settings.store.dir, settings.runtime_dir, self._boot, self._later)
        recovery = settings.recovery
        self._linkage = Linkage(self._reboot, recovery.link_reboot_after_s, recovery.interface, root=root)
        self._faults = Faults()
        self._budget = Budget(int(settings.delivery.daily_mb * 1e6), time.time)
        store = settings.store
        self._condition = Condition(root, store.dir, store.free_mb, self._boot, self._spool)
        self._budget.resume(self._memory.spent, time.monotonic())
        self._memory.spending = lambda: self._budget.hours(time.monotonic())
        self._reports = Reports(
            loaded,
            self._address,
            self._boot,
            self._link,
            self._spool,
            self._eyes,
            self._budget,
            self._reboot,
            self._linkage,
            self._condition,
            last_exit=self._memory.last_exit,
        )
        self._reports.spread = self._inbox.spread()
        self._answers = Answers(
            self._reports, self._link, self._spool, self._eyes, lambda: (self._faults.codes, self.intake.dropped)
        )
        self.intake = Intake(
            self._address,
            self._boot,
            self._spool,
            self._link,
            self._budget,
            lambda: self._condition.synced,
            compress=settings.delivery.compression == "deflate",
        )
        self._waking = Waking(self.intake.take)
        self._gate = Gate(self._memory.commands)
        self._orders = Orders(self._gate, self._reports, self._eyes, self.intake.take, self._stop, config=asked)
        self._control: ControlServer | None = None

    def run(self) -> int:
        """Work until a signal or a failure ends it; return the exit code."""
        for complaint in self._loaded.errors:  # up/config says it to the centre; this to whoever reads the log
            log.warning("the last good configuration is in force, because of: %s", complaint)
        for warning in self._loaded.warnings:
            log.warning("%s", warning)
        threading.excepthook = self._thread_died
        self._waking.at_signals(self._signalled)
        self._open_control()
        self._spool.start()
        self._link.start()
        self._reports.begin()
        self._later(self._keep_settings)
        self._memory.begin()
        self._service.ready("watching")
        try:
            while not self._reason:
                self._turn(time.monotonic() + ROUND_SECONDS)
        except Exception as error:
            self._reason = f"{type(error).__name__}: {error}"[:LONGEST_REASON]
            log.critical("the daemon failed: %s", self._reason)  # the traceback reaches only whoever reads stderr
            raise
        finally:
            self._shut_down()
        return 1 if self._fatal else 0

    def _turn(self, until: float) -> None:
        """One round of the main loop, ending at `until` on the monotonic clock or when something happened."""
        self._waking.watch(self._eyes)
        self._waking.wait(until)
        now = time.monotonic()
        link = self._reports.look()
        for eye in self._eyes:
            for draft in eye.tick(now):
                self.intake.take(draft)
        self.intake.number()
        self._memory.latch({eye.name for eye in self._eyes if eye.known.moved})
        self._memory.tick(now)
        self._sharpness.tick()
        self._diary.tick(now)
        self._linkage.spread = self._reports.spread[1]
        self._linkage.tick(link, now)
        self._reboot.tick(now)
        self._inbox.tick(self._link, self._reports, self._orders, self._gate)
        self._answers.tick(now)
        self._orders.tick(now)
        for draft in self._faults.update(self._reports.faults(), now):
            self.intake.take(draft)
        for draft in self._budget.tick(now):
            self.intake.take(draft)
        if self._budget.to_be_noted():
            self._memory.note_spending()
        for eye in self._eyes:
            eye.shed(self._condition.share)
            eye.limit_pictures(self._budget.picture_limit(int(eye.camera["picture_kb"]) * 1024))
        self._reports.tick(now, self._faults.codes, sum(self.intake.dropped.values()))
        self._service.feed()
        if (line := self._reports.line()) != self._line:
            self._line = line
            self._service.status(line)

    def _later(self, work: Callable[[], None]) -> None:
        """Have something done on the thread that may wait for the card, and tell when it failed."""

        def tried(outbox: Outbox) -> None:
            try:
                work()
            except OSError as error:
                told = (str(error.filename or ""), error.errno or 0)
                if outbox.path != MEMORY and told not in self._unkept:  # otherwise the store has told it for all
                    self._unkept.add(told)
                    log.warning("what must survive a restart cannot be written: %s; %s", error, FOLDER)

        self._spool.call(tried)

    def _keep_settings(self) -> None:
        """On the thread `spool`: this configuration is good, as far as a start can tell."""
        if self._loaded.in_force != "last-good":
            keep_as_last_good(self._settings)

    def _open_control(self) -> None:
        folder = self._settings.runtime_dir
        try:
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._control = ControlServer(folder / SOCKET_NAME, self._waking.selector, self._answers.answer)
        except OSError as error:
            log.warning("%s: no control socket: %s; `gateway selftest` cannot ask this daemon", folder, error)

    def _stop(self, reason: str) -> None:
        self._reason = self._reason or reason

    def _signalled(self, number: int, _frame: object) -> None:
        name = signal.Signals(number).name
        self._reason = f"the device is restarted: {self._reboot.why}" if self._reboot.why else name

    def _thread_died(self, args: threading.ExceptHookArgs) -> None:
        """A thread that dies takes the process down: half a daemon looks alive and is not."""
        name = args.thread.name if args.thread else "?"
        died = (args.exc_type, args.exc_value, args.exc_traceback)
        log.critical("thread %s died: %s", name, args.exc_value, exc_info=died)  # type: ignore[arg-type]
        self._fatal = True
        self._reason = self._reason or f"thread {name} died: {args.exc_value}"[:LONGEST_REASON]
        self._waking.poke()

    def _shut_down(self) -> None:
        """End in order, in less than five seconds: eyes, link (says "stopped"), store."""
        log.info("stopping: %s", self._reason or "an error")
        self._service.stopping()
        for eye in self._eyes:
            eye.stop()
        deadline = time.monotonic() + 2.0
        while time.monotonic() < deadline and not all(eye.process.gone for eye in self._eyes):
            self._waking.watch(self._eyes)
            self._waking.wait(time.monotonic() + 0.05)
        for eye in self._eyes:
            for draft in eye.kill():
                self.intake.take(draft)
        self.intake.number()
        self._memory.end(self._reason or "an error")
        self._diary.end()
        self._link.stop(LINK_STOP_SECONDS, self._reason)
        if not self._spool.stop(SPOOL_STOP_SECONDS):
            log.error("the store did not take everything in time: what was not written is lost with this process")
        if self._control is not None:
            self._control.close()
        self._orders.close()
        self._service.close()
