"""Faults: turns what is wrong now into events with a start and an end. Rank 0: a desk must know that it is blind.

Pure: states in, drafts out. Not here: who finds faults (recovery/eyes.py, device/problems.py, the spool, the link).
Runs on the daemon's main thread.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from gateway.wire.draft import Draft, Phase, Rank, random_uuid7

if TYPE_CHECKING:
    from collections.abc import Mapping

PERSIST_SECONDS = 10.0
"""A fault is told when it has lasted so long: a restarted eye is back in two seconds, and that is no news."""
RETURNS = 3
RETURN_SECONDS = 120.0
"""A fault that comes so often within this time is told, too, however short it is each time: an eye that dies every
eight seconds sees next to nothing. It is over when it has stayed away for as long."""


class Fault(NamedTuple):
    """What is wrong, and what to do about it."""

    message: str
    hint: str = ""


class _Seen:
    __slots__ = ("came", "episode", "fault", "gone", "returns", "since", "told")

    def __init__(self, fault: Fault, since: float) -> None:
        self.fault = fault
        self.since = since
        self.told = False
        self.returns = False
        """Whether it was told because it comes again and again."""
        self.episode = ""
        self.came = [since]
        """When it came, lately."""
        self.gone: float | None = None
        """Since when it is away."""


class Faults:
    """Remembers which faults are open, by camera (`gateway`: the device) and code."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], _Seen] = {}

    @property
    def codes(self) -> list[str]:
        """Codes of the faults that have been told and are not over, with the camera's name before them."""
        return sorted(f"{camera}/{code}" for (camera, code), seen in self._seen.items() if seen.told)

    def update(self, current: Mapping[tuple[str, str], Fault], now: float) -> list[Draft]:
        """Return the events that follow from the faults that are there now.

        Args:
            current: all faults that are there, by camera and code.
            now: monotonic clock in seconds.
        """
        drafts = []
        for key, fault in current.items():
            seen = self._seen.setdefault(key, _Seen(fault, now))
            if seen.gone is not None:
                seen.gone = None
                seen.came = [when for when in seen.came if now - when < RETURN_SECONDS] + [now]
                if not seen.told:
                    seen.since = now
            returns = len(seen.came) >= RETURNS
            if not seen.told and (returns or now - seen.since >= PERSIST_SECONDS):
                seen.told, seen.returns, seen.fault = True, returns, fault
                if returns:
                    seen.since = seen.came[0]
                    seen.fault = fault._replace(message=f"{fault.message}; it comes again and again")
                seen.episode = random_uuid7(time.time())
                drafts.append(_draft(key, seen, "start", seen.since))
        for key, seen in [(key, seen) for key, seen in self._seen.items() if key not in current]:
            seen.gone = now if seen.gone is None else seen.gone
            if seen.told and (not seen.returns or now - seen.gone >= RETURN_SECONDS):
                drafts.append(_draft(key, seen, "end", seen.gone))
                seen.told = seen.returns = False
            if not seen.told and now - seen.came[-1] >= RETURN_SECONDS:
                del self._seen[key]
        return drafts


def _draft(key: tuple[str, str], seen: _Seen, phase: Phase, mono: float) -> Draft:
    camera, code = key
    body = {"phase": phase, "code": code, "message": seen.fault.message}
    if seen.fault.hint:
        body["hint"] = seen.fault.hint
    return Draft(
        id=random_uuid7(time.time()),
        rank=Rank.ALARM,
        kind="health",
        camera=camera,
        mono=mono,
        episode=seen.episode,
        phase=phase,
        severity="medium",
        body=body,
        alarm=True,
    )
