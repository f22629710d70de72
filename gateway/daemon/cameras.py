"""The eyes of all cameras as the daemon holds them, with what outlives a restart of theirs.

Loaded before the eyes are started (start.py), so it imports neither store nor link. Not here: how one eye is kept alive
(recovery/eyes.py), what becomes of what they say (daemon.py). Runs on the main thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.device.identity import boot_id
from gateway.memory.sharpness import Record
from gateway.memory.state import Memory
from gateway.recovery.eyes import Eye
from gateway.recovery.reboot import Reboot

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.configuration.settings import Settings


class Cameras:
    """The eyes, and what has to be known before they are started: what outlives a restart."""

    def __init__(self, settings: Settings) -> None:
        """Read what the last run left; starts nothing."""
        self.later: Callable[[Callable[[], None]], None] = lambda _work: None
        """Has something done on the thread that may wait for the card; the daemon sets it, before anything is to be."""
        recovery = settings.recovery
        self.boot = boot_id()
        self.memory = Memory(settings.store.dir, self.boot, self._later)
        self.sharpness = Record(settings.store.dir, self._later)
        self.reboot = Reboot(self.memory, recovery.reboots_a_day, recovery.reboot_after_s)
        self.eyes = [
            Eye(
                camera.model_dump(mode="json"),
                moved=self.memory.moved(camera.name),
                forgotten=self.memory.unreadable,
                reboot=self.reboot,
                sharpness=self.sharpness.of(camera.name, "x".join(map(str, camera.analysis))),
            )
            for camera in settings.cameras
        ]

    def start(self) -> None:
        """Start every eye, without waiting for it."""
        for eye in self.eyes:
            eye.start()

    def kill(self) -> None:
        """End every eye now; one that is not up yet finds nobody at its socket, and ends by itself."""
        for eye in self.eyes:
            eye.process.tick()  # takes over what has come up
            eye.kill()

    def _later(self, work: Callable[[], None]) -> None:
        self.later(work)
