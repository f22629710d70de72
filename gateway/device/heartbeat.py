"""Builds what the device says of itself: plain values in, payloads of gateway/wire/payloads.py out.

Not here: when it is sent and with what quality of service (daemon, uplink), where the values come from. Pure; any
thread.
"""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

from gateway.wire.message import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gateway.device.health import Facts
    from gateway.wire.fields import CameraState
    from gateway.wire.payloads import (
        BootOffset,
        Camera,
        CameraInfo,
        Clock,
        Health,
        Heartbeat,
        Info,
        Status,
    )

HEARTBEAT_BYTES = 400
"""No heartbeat is longer, whatever the values."""
JITTER = 0.1
"""Heartbeats are due a tenth earlier or later, so that ten thousand devices do not speak in step."""
CONTRACT = "1"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the outbox holds."""

    messages: int = 0
    size: int = 0
    """Bytes of these messages."""
    oldest_s: float = 0.0
    dead: int = 0
    """Messages that the broker refused for good."""


def next_due(now: float, interval: float, chance: float) -> float:
    """Return when the next report is due.

    Args:
        now: when the last one was sent, in seconds on any clock.
        interval: mean time between two in seconds.
        chance: a random number, 0..1.
    """
    return now + interval * (1 - JITTER + 2 * JITTER * chance)


def heartbeat(
    *,
    number: int,
    session: str,
    wall: float,
    boot: str,
    mono: float,
    synced: bool,
    up: float,
    temperature_c: float | None,
    memory_mb: int | None,
    disk_mb: int | None,
    fps: Mapping[str, float],
    shed: float = 0.0,
    waiting: Waiting,
    dropped: int,
    connections: int,
) -> Heartbeat:
    """Return a heartbeat of at most HEARTBEAT_BYTES as plain JSON, whatever the values.

    Numbers stop at limits that no device reaches, what is no number becomes 0. Of cameras whose names do not fit the
    slowest are told: these are the ones that somebody must see.
    """
    rates = sorted((round(_within(rate, 0, 9999), 1), name) for name, rate in fps.items())
    beat: Heartbeat = {
        "v": 1,
        "n": _whole(number),
        "session": _token(session, 36),
        "wall": round(_within(wall, 0, 1e11), 3),
        "boot": _token(boot, 8).rjust(8, "0"),
        "mono": round(_within(mono, 0, 1e10), 3),
        "synced": synced,
        "up": _whole(up),
        "temp": None if temperature_c is None else round(_within(temperature_c, -99, 999), 1),
        "mem": None if memory_mb is None else _whole(memory_mb),
        "disk": None if disk_mb is None else _whole(disk_mb),
        "fps": {},
        "shed": _whole(100 * _within(shed, 0, 1)),
        "out": [_whole(each) for each in (waiting.messages, waiting.size, waiting.oldest_s, waiting.dead)],
        "drop": _whole(dropped),
        "link": _whole(connections),
    }
    room = HEARTBEAT_BYTES - len(plain(cast("Mapping[str, Any]", beat))) + 1  # the first needs no comma
    chosen: dict[str, float] = {}
    for rate, name in rates:
        room -= len(plain({name: rate})) - 1  # its braces less the comma
        if room < 0:
            break
        chosen[name] = rate
    beat["fps"] = {name: chosen[name] for name in fps if name in chosen}
    return beat


def health(
    *,
    wall: float,
    facts: Facts,
    problems: Iterable[str],
    outbox: Mapping[str, Any],
    link: Mapping[str, Any],
    cameras: Mapping[str, Mapping[str, Any]],
    recovery: Mapping[str, Any] | None = None,
    rate_share: float | None = None,
) -> Health:
    """Return the full report; `problems` are the codes of the faults that are open."""
    report: Health = {
        "v": 1,
        "wall": round(wall, 3),
        "problems": sorted(set(problems)),
        "device": asdict(facts),
        "outbox": dict(outbox),
        "link": dict(link),
        "cameras": {name: dict(counts) for name, counts in cameras.items()},
    }
    if rate_share is not None:
        report["rate_share"] = rate_share
    if recovery is not None:
        report["recovery"] = dict(recovery)
    return report


def info(
    *,
    software: str,
    facts: Facts,
    cameras: Iterable[CameraInfo],
    capabilities: Iterable[str],
    boot: str,
    last_exit: str = "",
) -> Info:
    """Return what this device is; `software` is the product's version."""
    report: Info = {
        "v": 1,
        "software": software,
        "contract": CONTRACT,
        "model": facts.model or "unknown",
        "serial": facts.serial or "unknown",
        "boot": boot,
        "cameras": list(cameras),
        "capabilities": sorted(capabilities),
    }
    if last_exit:
        report["last_exit"] = last_exit
    return report


def status(state: str, session: str, *, wall: float | None = None, reason: str = "") -> Status:
    """Return whether the device is there.

    Args:
        state: online, stopped or offline (the last will, which is written beforehand and therefore has no time).
        session: of the connection, the same in its will.
        wall: wall time in seconds since 1970.
        reason: why it stops, or nothing.

    Raises:
        ValueError: there is no such state.
    """
    if state not in {"online", "stopped", "offline"}:
        raise ValueError(f"status is {state!r}: allowed are online, stopped, offline")
    report = cast("Status", {"v": 1, "state": state, "session": session})
    if wall is not None:
        report["wall"] = round(wall, 3)
    if reason:
        report["reason"] = reason
    return report


def clock(boots: Sequence[BootOffset]) -> Clock:
    """Return the offsets of the boots that are still in the store, as they are kept there."""
    return {"v": 1, "boots": list(boots)}


def boot_offset(boot: str, *, wall: float, mono: float, synced: bool) -> BootOffset:
    """Return the offset of this boot: wall clock less monotonic clock, or unknown before it is synchronised."""
    if not synced:
        return {"boot": boot, "offset": None, "since": None}
    return {"boot": boot, "offset": round(wall - mono, 3), "since": round(wall, 3)}


def camera(
    state: CameraState,
    *,
    motion: bool,
    since: float,
    code: str = "",
    reason: str = "",
    hint: str = "",
    step: str = "",
    simulated: bool = False,
) -> Camera:
    """Return the state of a camera.

    Args:
        state: as in the contract.
        motion: whether an episode is open.
        since: wall time in seconds at which the state came to be.
        code: stable word for why it is not ok.
        reason: the same for people.
        hint: what to do next.
        step: what recovery did last about it.
        simulated: whether what it sees did not happen.
    """
    report: Camera = {"v": 1, "state": state, "motion": motion, "since": round(since, 3)}
    if code and code != "ok":
        report["code"] = code
    if reason:
        report["reason"] = reason
    if hint:
        report["hint"] = hint
    if step:
        report["step"] = cast("Any", step)
    if simulated:
        report["simulated"] = True
    return report


def _within(value: float, low: float, high: float) -> float:
    value = min(max(value, low), high)  # first, as a huge whole number is no float
    return 0.0 if math.isnan(value) else value


def _whole(value: float) -> int:
    return int(_within(value, 0, 999_999_999_999))


def _token(text: str, length: int) -> str:
    return re.sub("[^A-Za-z0-9_-]", "", text)[:length]
