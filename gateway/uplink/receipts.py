"""What the centre says it has: down/ack, as it is read.

    {"v": 1, "epoch": "0f3a...", "lanes": {"alarm": {"upto": 17, "missing": [[3, 5]]}}}

The centre has everything up to `upto` except what is missing: that is sent again, and what is no longer here stands in
up/gap from then on. A broker's acknowledgement says less: that the broker had it, once. Pure. Not here: what follows
from it (Link.confirmed, Outbox.confirm).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.wire.draft import LANES, Lane

if TYPE_CHECKING:
    from gateway.uplink.ranges import Range

MISSING_RANGES = 256
"""Of a longer list the first are taken; the centre asks again for the rest."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the centre has of one lane."""

    upto: int
    missing: tuple[Range, ...] = ()

    def within(self, highest: int) -> list[Range]:
        """Return what is missing, without numbers that were never used."""
        return [(first, min(last, highest)) for first, last in self.missing if first <= highest]


@dataclass(frozen=True, slots=True)
class Ack:
    """What the centre has of one epoch."""

    epoch: str
    lanes: dict[Lane, Receipt]


def read_ack(payload: bytes) -> Ack:
    """Return what a payload of down/ack says; fields that are not known are ignored.

    Raises:
        ValueError: it is none; says why.
    """
    said = json.loads(payload)
    if not isinstance(said, dict) or not isinstance(said.get("epoch"), str) or not isinstance(said.get("lanes"), dict):
        raise ValueError("down/ack: an object with epoch and lanes is expected")  # noqa: TRY004 (it is input)
    return Ack(said["epoch"], {lane: _receipt(lane, said["lanes"][lane]) for lane in LANES if lane in said["lanes"]})


def _receipt(lane: Lane, said: Any) -> Receipt:
    if not isinstance(said, dict) or not _number(said.get("upto")):
        raise ValueError(f"down/ack: lane {lane}: `upto` is expected, a number from 0")
    missing = said.get("missing", [])
    if not isinstance(missing, list):
        raise ValueError(f"down/ack: lane {lane}: `missing` is expected to be a list of [first, last]")  # noqa: TRY004
    ranges = []
    for found in missing[:MISSING_RANGES]:
        match found:
            case [first, last] if _number(first) and _number(last) and 1 <= first <= last:
                ranges.append((first, last))
            case _:
                raise ValueError(f"down/ack: lane {lane}: {found!r} is no range [first, last]")
    return Receipt(said["upto"], tuple(sorted(ranges)))


def _number(found: Any) -> bool:
    return isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 1 << 47
