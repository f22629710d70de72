"""The few things that the daemon remembers over a restart: how the last run ended, moved views, reboots, spending.

One small JSON file beside the store, written atomically. Not here: messages (the store), the configuration. `read` runs
at the start on the main thread; `write` runs on the thread that may wait for the card (`spool`), or at the very end.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger(__name__)

FILE = "state.json"
HOUR, DAY = 3600.0, 86400.0
AGAIN_SECONDS = 60.0
"""What could not be written is written again so often: else a latched view would be forgotten with this run."""
MOST_REBOOTS = 10
"""No setting allows more a day, and no more are remembered."""
UPKEEP_SECONDS = 3600.0
"""While a reboot is less than a day ago the running time is noted so often: a power cut loses no more of it."""


@dataclass(frozen=True, slots=True)
class State:
    """What is remembered."""

    boot: str = ""
    """Boot id of the run that wrote it."""
    ended: str = ""
    """Why that run ended; empty while it runs."""
    moved: tuple[str, ...] = ()
    """Cameras whose view has moved and that nobody has confirmed since: no pictures of them leave."""
    commands: tuple[str, ...] = ()
    """Ids of the latest commands: none is carried out twice, not even the restart that ended the last run."""
    reboots: tuple[float, ...] = ()
    """Of each reboot that recovery asked for: for how many seconds the device has run since, as far as is known."""
    mono: float = 0.0
    """When this was written, on that boot's monotonic clock: wall clocks jump, and running time needs none."""
    spread: tuple[float | None, float | None] = (None, None)
    """What the centre has set of the link; see daemon/wishes.py."""
    spent: tuple[int, ...] = ()
    """Bytes of the daily budget, hour by hour, the latest first; see daemon/budget.py."""


def read(folder: Path) -> State | None:
    """Return what was remembered; None: nothing, this is the first run. A damaged file counts as moved views unknown.

    Fails closed: when the file is there and cannot be read, every camera's view counts as moved ("*"), and the budget
    of reboots as spent just now.
    """
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
        moved, commands = tuple(map(str, found["moved"])), tuple(map(str, found["commands"]))
        reboots = tuple(max(0.0, float(age)) for age in found.get("reboots", ()))  # files of older versions lack it
        mono = float(found.get("mono", 0.0))
        if not all(map(math.isfinite, (mono, *reboots))):
            raise ValueError("a time that is none")
        return State(
            str(found["boot"]),
            str(found["ended"]),
            moved,
            commands,
            reboots,
            mono,
            _spread(found.get("spread")),
            _spent(found.get("spent")),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return State(moved=("*",), reboots=(0.0,) * MOST_REBOOTS)


def _spread(found: object) -> tuple[float | None, float | None]:
    match found:
        case [None | int() | float() as first, None | int() | float() as reconnect]:
            return first, reconnect
        case _:  # not worth a closed eye: the configuration's counts
            return None, None


def _spent(found: object) -> tuple[int, ...]:
    if isinstance(found, list) and all(isinstance(each, int) and each >= 0 for each in found):
        return tuple(found[:24])
    return ()


def write(folder: Path, state: State) -> None:
    """Remember `state`, durably: the old file stays until the new one is on the card.

    Raises:
        OSError: the folder cannot be written.
    """
    fresh = folder / (FILE + ".new")
    with fresh.open("w", encoding="utf-8") as out:
        json.dump(asdict(state), out)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(folder / FILE)
    _sync(folder)


def _sync(folder: Path) -> None:
    """Have the card know the file under its new name: otherwise a power cut in the next seconds brings the old back."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def last_exit(state: State | None, boot: str) -> str:
    """Return how the last run ended, in words for up/info; empty at the first run."""
    if state is None:
        return ""
    if state.ended:
        return state.ended
    if state.boot == boot:
        return "it died without a word: killed, or out of memory"
    return "the power was cut, or the device restarted by itself"


class Memory:
    """Keeps the file in step with the running daemon, without ever making its main thread wait for the card."""

    def __init__(self, folder: Path, boot: str, later: Callable[[Callable[[], None]], None]) -> None:
        """Read what the last run left.

        Args:
            folder: where the file is.
            boot: this boot's id.
            later: has a function called soon, on a thread that may wait for the card; it tells the OSError that comes.
        """
        before = read(folder)
        self._folder = folder
        self._boot = boot
        self._later = later
        self._moved = before.moved if before is not None else ()
        self.unreadable = "*" in self._moved
        """Whether there is something that cannot be read: every view then counts as moved."""
        self.commands = before.commands if before is not None else ()
        """Ids of the latest commands."""
        self.spread = before.spread if before is not None else (None, None)
        """What the centre has set of the link."""
        self.spent = _spent_by_now(before, boot, time.monotonic())
        """Bytes of the daily budget that earlier runs have used, hour by hour, the latest first."""
        self.spending: Callable[[], tuple[int, ...]] = tuple
        """Says what is used now; whoever keeps the budget sets it."""
        self.last_exit = last_exit(before, boot)
        """How the last run ended, in words."""
        now = time.monotonic()
        self._reboots = [now - age for age in _ages(before, boot, now)]
        """When they were, on this boot's monotonic clock: before its start, less than 0."""
        self._upkeep_at = now + UPKEEP_SECONDS
        self._failed = False
        """Whether the file is not what it should be; set by the thread that writes."""
        self._again_at = now

    def moved(self, camera: str) -> bool:
        """Tell whether a camera's view had moved when the file was written."""
        return camera in self._moved or "*" in self._moved

    def begin(self) -> None:
        """Note that a run goes on: whoever finds the file so knows that it died without a word."""
        self._write("")

    def latch(self, moved: set[str]) -> None:
        """Note which views have moved; writes only when that has changed."""
        names = tuple(sorted(moved))
        if names != self._moved:
            self._moved = names
            self._write("")

    def note_commands(self, ids: tuple[str, ...]) -> None:
        """Note the ids of the latest commands; writes only when they have changed."""
        if ids != self.commands:
            self.commands = ids
            self._write("")

    def reboots(self, now: float) -> int:
        """Return how many reboots recovery has asked for in the last day of running time."""
        return sum(now - at < DAY for at in self._reboots)

    def note_reboot(self, now: float, then: Callable[[bool], None]) -> None:
        """Note that a reboot is about to be asked for; calls `then` on another thread with whether that is on the card.

        What is not on the card must not be done: after the reboot nobody would know of it, and it would go on for ever.
        """
        self._reboots = [*self._reboots, now][-MOST_REBOOTS:]
        self._write("", then)

    def tick(self, now: float) -> None:
        """Write again what could not be written; and the running time, while that decides about a reboot.

        `now` on the monotonic clock.
        """
        if self._failed and now >= self._again_at:
            self._again_at = now + AGAIN_SECONDS
            self._write("")
        if now >= self._upkeep_at:
            self._upkeep_at = now + UPKEEP_SECONDS
            if self.reboots(now):
                self._write("")

    def note_spread(self, spread: tuple[float | None, float | None]) -> None:
        """Note what the centre has set of the link; writes only when that has changed."""
        if tuple(spread) != self.spread:
            self.spread = (spread[0], spread[1])
            self._write("")

    def note_spending(self) -> None:
        """Note what is used of the daily budget."""
        self._write("")

    def end(self, why: str) -> None:
        """Note why this run ends."""
        self._write(why)

    def _write(self, ended: str, then: Callable[[bool], None] = lambda _written: None) -> None:
        mono = time.monotonic()
        reboots = tuple(round(mono - at, 1) for at in self._reboots if mono - at < DAY)
        now = State(self._boot, ended, self._moved, self.commands, reboots, mono, self.spread, self.spending())

        def work() -> None:
            try:
                write(self._folder, now)
            except OSError:
                self._failed = True
                then(False)  # noqa: FBT003 (whether it was written)
                raise
            self._failed = False
            then(True)  # noqa: FBT003

        self._later(work)


def _spent_by_now(before: State | None, boot: str, now: float) -> tuple[int, ...]:
    """Return what was used of the budget, with a zero for each hour since; for how long it was off, nobody knows."""
    if before is None:
        return ()
    hours = int(now // HOUR) - int(before.mono // HOUR) if before.boot == boot else 0
    return (0,) * min(24, max(0, hours)) + before.spent


def _ages(before: State | None, boot: str, now: float) -> list[float]:
    """Return for how many seconds the device has run since each reboot, at least; never more than it has."""
    if before is None:
        return []
    since = max(0.0, now - before.mono) if before.boot == boot else now
    return [age + since for age in before.reboots]
