"""Commands from the centre: read, and refused when they must be. Executing them is not here (daemon/orders.py).

A command is JSON on `down/cmd/{name}`: {"id": UUID, "args": {}, "not_after": unix seconds, "by": "who"}. It is
refused when it was retained (it would come again after every connect), stale, repeated, too many, or unknown; each with
a reason that the reply says. Pure but for what it remembers of earlier commands; runs on the daemon's main thread.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Name = Literal["ping", "snapshot", "confirm-view", "rebirth", "restart", "selftest", "logs"]
NAMES: tuple[Name, ...] = ("ping", "snapshot", "confirm-view", "rebirth", "restart", "selftest", "logs")
UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
REMEMBERED = 256
"""Ids of commands that were let in, which are refused when they come again; a broker repeats soon, if at all."""
BURST = 5
PER_MINUTE = 12.0
"""Commands in a row, and a minute in the long run; more are refused."""
REFUSALS = 20
REFUSALS_A_MINUTE = 60.0
"""Refused commands in a row, and a minute, that are answered and logged: events must not wait behind the rest."""
LONGEST_SECONDS = 86_400.0
"""A command that claims to be good for longer than a day was made by a wrong clock."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command that is to be carried out."""

    id: str
    name: Name
    args: dict[str, Any] = field(default_factory=dict)
    by: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A command that is not carried out, and why."""

    id: str
    name: str
    code: Literal["retained", "stale", "repeated", "rate", "unknown", "malformed"]
    message: str


class Bucket:
    """Lets some through at once, and then so many a minute."""

    def __init__(self, burst: int, per_minute: float) -> None:
        """Begin full."""
        self._burst, self._per_second = float(burst), per_minute / 60.0
        self._tokens, self._at = float(burst), 0.0

    def spend(self, mono: float) -> bool:
        """Tell whether one more may pass now, at `mono` seconds on the monotonic clock."""
        self._tokens = min(self._burst, self._tokens + (mono - self._at) * self._per_second)
        self._at = mono
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class Gate:
    """Lets commands in, once each."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        """Take the ids that earlier runs have carried out."""
        self._seen: OrderedDict[str, None] = OrderedDict.fromkeys(known)
        self._bucket = Bucket(BURST, PER_MINUTE)

    @property
    def seen(self) -> tuple[str, ...]:
        """The ids of the latest commands, oldest first; to be remembered over a restart."""
        return tuple(self._seen)

    def admit(  # noqa: PLR0911 (each way out is a reason of its own)
        self, topic: str, payload: bytes, *, retained: bool, wall: float, synced: bool, mono: float
    ) -> Command | Refusal | None:
        """Return the command, or why it is refused; None when it cannot even be answered (it has no usable id).

        Args:
            topic: from `down/` on.
            payload: as it came.
            retained: whether the broker had kept it.
            wall: wall clock in seconds since 1970.
            synced: whether that clock is right. While it is not, staleness cannot be judged; nothing is lost by that,
                because the broker keeps commands for us for a minute at most.
            mono: monotonic clock in seconds.
        """
        name = topic.removeprefix("down/cmd/")
        try:
            said = json.loads(payload)
        except ValueError:
            return None
        if not isinstance(said, dict) or not isinstance(said.get("id"), str):
            return None
        command = said["id"].lower()  # capitals mean the same (RFC 9562, section 4); topics must not differ by them
        if not UUID.fullmatch(command):
            return None
        if retained:
            return Refusal(command, name, "retained", "commands must not be retained: they would come again for ever")
        if command in self._seen:
            return Refusal(command, name, "repeated", "this id was seen before")
        args, not_after = said.get("args", {}), said.get("not_after")
        if not isinstance(args, dict) or not _number(not_after):
            return Refusal(command, name, "malformed", "args must be an object, and not_after a time in unix seconds")
        assert isinstance(not_after, (int, float))
        if synced and not wall <= not_after <= wall + LONGEST_SECONDS:
            return Refusal(command, name, "stale", f"not_after is {not_after - wall:+.0f} s from this device's clock")
        known = next((each for each in NAMES if each == name), None)
        if known is None:
            return Refusal(command, name, "unknown", f"allowed are: {', '.join(NAMES)}")
        if not self._bucket.spend(mono):
            reason = f"at most {BURST} commands at once and {PER_MINUTE:.0f} a minute: send it again later"
            return Refusal(command, name, "rate", reason)
        self._remember(command)
        by = "".join(each if each.isprintable() else "?" for each in str(said.get("by", ""))[:64])
        return Command(command, known, args, by)

    def _remember(self, command: str) -> None:
        self._seen[command] = None
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)


def _number(found: Any) -> bool:
    return isinstance(found, (int, float)) and not isinstance(found, bool) and abs(found) < 1e11
