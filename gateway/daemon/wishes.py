"""What the centre sets from afar on `down/config`: over how many seconds the gateways of a city come back.

    {"v": 1, "broker": {"first_connect_spread_s": 300, "reconnect_spread_s": 600}}

It stands beside the configuration and beats it until the centre takes it back: with an empty `broker`, which a broker
keeps for a gateway that is away, or with an empty message, which reaches only those that are connected. Only these two
can be set, and only within limits: a centre that errs must not storm itself, nor lose a gateway for hours.
Not here: carrying it out (daemon.py), remembering it (memory/state.py). Pure.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

LIMITS = {"first_connect_spread_s": (10.0, 3600.0), "reconnect_spread_s": (30.0, 3600.0)}
"""What may be set, and from where to where, in seconds."""


class Spread(NamedTuple):
    """Seconds, or None: the configuration's counts."""

    first_connect_spread_s: float | None = None
    reconnect_spread_s: float | None = None

    def over(self, first: float, reconnect: float) -> tuple[float, float]:
        """Return what is in force where the configuration says `first` and `reconnect`."""
        return (
            first if self.first_connect_spread_s is None else self.first_connect_spread_s,
            reconnect if self.reconnect_spread_s is None else self.reconnect_spread_s,
        )


def read(payload: bytes) -> Spread:
    """Return what a payload of down/config sets; an empty one sets nothing.

    Raises:
        ValueError: it cannot be used, and nothing of it is; says why, and what is allowed.
    """
    if not payload.strip():
        return Spread()
    said = json.loads(payload)
    broker = said.get("broker") if isinstance(said, dict) else None
    if not isinstance(broker, dict) or set(said) - {"v", "broker"}:
        raise ValueError(f"down/config: an object with `broker` is expected, which may hold {', '.join(LIMITS)}")
    return Spread(**{name: _seconds(name, value) for name, value in broker.items()})


def _seconds(name: str, value: Any) -> float:
    if name not in LIMITS:
        raise ValueError(f"down/config: broker.{name[:40]} cannot be set from afar: allowed are {', '.join(LIMITS)}")
    least, most = LIMITS[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise ValueError(f"down/config: broker.{name} is {value!r}: allowed is {least:g}..{most:g} s")
    return float(value)
