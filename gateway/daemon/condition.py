"""How the device is: its facts with what follows from them for heat, for the clock, and as faults.

Not here: how facts are read (device/health.py) and judged (device/problems.py), what is said of them (reporting.py).
Runs on the daemon's main thread; reads /proc and /sys only.
"""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING

from gateway.device import health
from gateway.device.faults import Fault
from gateway.device.heartbeat import boot_offset
from gateway.device.heat import Heat
from gateway.device.problems import problems

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from gateway.uplink.outbox import Outbox
    from gateway.uplink.spool import Spool

log = logging.getLogger(__name__)

FACTS_SECONDS = 5.0
NOTE_SECONDS = 60.0
"""What the store was asked to note and does not know is noted again so often."""
QUIET = frozenset({"clock-unsynchronised"})
"""Problems that stand in up/health only: every device without a clock chip has this one after every boot."""


class Condition:
    """Looks every few seconds."""

    def __init__(self, root: Path, store: Path, free_mb: int, boot: str, spool: Spool) -> None:
        """Take what is looked at.

        Args:
            root: where /proc and /sys are.
            store: folder of the store, for the space beside it.
            free_mb: how much of it should stay free.
            boot: this boot's id, of which the store remembers when its clock was set.
            spool: takes that to the store.
        """
        self._root, self._store, self._free_mb = root, store, free_mb
        self._boot, self._spool = boot, spool
        self.facts = health.Facts()
        self.share = 1.0
        """The share of the frame rate that heat leaves."""
        self.synced = False
        """Whether the wall clock is synchronised."""
        self.quiet: list[str] = []
        """Codes of problems that are no fault events, with `gateway/` before them."""
        self._heat = Heat()
        self._due = 0.0
        self._asked: float | None = None
        """The offset that the store was last asked to note."""
        self._note_at = -math.inf

    def tick(self, now: float) -> None:
        """Look again when it is time. `now` on the monotonic clock."""
        if now < self._due:
            return
        self._due = now + FACTS_SECONDS
        self.facts = health.read(self._root, self._store)
        if self._heat.see(self.facts, now) != self.share:
            log.warning("%s degrees: %.0f %% of the frame rate", self.facts.temperature_c, self._heat.share * 100)
        self.share = self._heat.share
        self.synced = bool(self.facts.clock_synced)
        self._note_clock(now)

    def faults(self, told: Collection[str]) -> dict[tuple[str, str], Fault]:
        """Return what is wrong with the device now, by `gateway` and code.

        Args:
            told: codes of the faults that are open, with the camera's name or `gateway` before them.
        """
        open_codes = [code.partition("/")[2] for code in told if code.startswith("gateway/")]
        found = problems(self.facts, self._free_mb, open_codes)
        self.quiet = [f"gateway/{problem.code}" for problem in found if problem.code in QUIET]
        loud = [problem for problem in found if problem.code not in QUIET]
        return {("gateway", problem.code): Fault(problem.message, problem.hint) for problem in loud}

    def _note_clock(self, now: float) -> None:
        """Have the store remember by how much this boot's clocks differ, once that is known, and when it changes.

        A store that could not write it is asked again, and so is another one that is in its place since.
        """
        offset = time.time() - time.monotonic() if self.synced else None
        known = {each["boot"]: each["offset"] for each in self._spool.status()["boots"]}
        if self._boot in known and (offset is None or _same(offset, known[self._boot])):
            return
        if now < self._note_at and (offset is None or _same(offset, self._asked)):
            return
        self._note_at = now + NOTE_SECONDS
        self._asked = offset
        if offset is None:
            self._spool.call(lambda outbox: note_boot(outbox, self._boot))
        else:
            self._spool.remember(**boot_offset(self._boot, wall=time.time(), mono=time.monotonic(), synced=True))


def _same(offset: float, known: float | None) -> bool:
    return known is not None and abs(offset - known) < 1.0


def note_boot(outbox: Outbox, boot: str) -> None:
    """Note a boot whose clock nobody has set yet; what an earlier run of it has learnt of its clock stays known.

    Raises:
        StoreError: it could not be written.
    """
    if all(each["boot"] != boot for each in outbox.boots()):
        outbox.remember(boot, None)
