"""The states that a gateway says of itself, as types; with events.py and requests.py what the centre may rely on.

Typed dictionaries, so that the daemon builds plain JSON and nothing is imported for it; `gateway.contract` generates
the JSON schemas and the AsyncAPI document from these same types. Unknown fields are to be ignored by whoever reads.
Pure; any thread.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from typing_extensions import NotRequired, TypedDict  # noqa: UP035 (pydantic wants this one below Python 3.12)

from gateway.wire.events import ZoneRef  # noqa: TC001 (pydantic reads the annotations)
from gateway.wire.fields import (
    Boot,
    CameraState,
    Doc,
    Epoch,
    Fraction,
    LaneName,
    Mono,
    Name,
    Seq,
    Version,
    Wall,
)
from gateway.wire.requests import Spreads  # noqa: TC001


class Status(TypedDict):
    """up/status: retained; the broker says `offline` for us when the link breaks (last will)."""

    v: Version
    state: Literal["online", "stopped", "offline"]
    session: Annotated[
        str, Doc("Of the connection; a will whose session is not the last online one is late: ignore it")
    ]
    wall: NotRequired[Wall]
    reason: NotRequired[str]


class CameraInfo(TypedDict):
    """A camera as configured."""

    name: Name
    source: Annotated[str, Doc("Kind of source, without addresses or passwords")]
    zones: list[ZoneRef]


class Info(TypedDict):
    """up/info: retained; what this device is."""

    v: Version
    software: str
    contract: Annotated[str, Doc("Version of the contract")]
    model: Annotated[str, Doc("The board's model, or unknown")]
    serial: str
    boot: Boot
    cameras: list[CameraInfo]
    capabilities: list[str]
    last_exit: NotRequired[Annotated[str, Doc("How the last run ended, and why")]]


class Heartbeat(TypedDict):
    """up/heartbeat: QoS 0, every 30 s with jitter, at most 400 bytes, plain JSON."""

    v: Version
    n: Annotated[int, Doc("Counts from 1 in each run")]
    session: str
    wall: Wall
    boot: Boot
    mono: Mono
    synced: bool
    up: Annotated[int, Doc("Seconds since the daemon started")]
    temp: Annotated[float | None, Doc("Processor temperature in degrees Celsius")]
    mem: Annotated[int | None, Doc("Available memory in MB")]
    disk: Annotated[int | None, Doc("Free space beside the store in MB")]
    fps: Annotated[dict[str, float], Doc("Analysed frames per second of each camera")]
    shed: Annotated[int, Doc("Percent of the frame rate that is not used because the processor is hot", maximum=100)]
    out: Annotated[list[int], Doc("Outbox: messages waiting, their bytes, age of the oldest in s, dead letters")]
    drop: Annotated[int, Doc("Messages and pictures dropped since the start, all ranks")]
    link: Annotated[int, Doc("Connections made since the start")]


class Health(TypedDict):
    """up/health: retained; everything else that a maintainer asks, every 15 minutes and on change."""

    v: Version
    wall: Wall
    problems: Annotated[list[str], Doc("Codes of the faults that are open now")]
    device: Annotated[dict[str, Any], Doc("What /proc and /sys say; absent facts are null")]
    outbox: Annotated[dict[str, Any], Doc("Counts of the store")]
    link: Annotated[dict[str, Any], Doc("Counts of the connection, why there is none, and what recovery did about it")]
    cameras: Annotated[
        dict[str, dict[str, Any]],
        Doc(
            "Of each camera: frames, drops, restarts, light, sharpness, exposure (us, gain, lux, red, blue); fps "
            "beside asked and why (heat, night); lacks (controls that it does not offer); what recovery did and why; "
            "sharpness_days are medians of its last days, oldest first, sharpness_change the latest against the first: "
            "a slow fall is dirt"
        ),
    ]
    rate_share: NotRequired[Annotated[Fraction, Doc("Share of the frame rate that heat leaves")]]
    recovery: NotRequired[Annotated[dict[str, Any], Doc("Reboots: how many are allowed and were asked for, and why")]]


class BootOffset(TypedDict):
    """One boot that is still in the store."""

    boot: Boot
    offset: Annotated[float | None, Doc("Wall minus monotonic clock in seconds, once synchronised; null: never was")]
    since: Annotated[float | None, Doc("Wall time when it was synchronised")]


class Clock(TypedDict):
    """up/clock: retained; lets the centre correct the times of events made before the clock was right."""

    v: Version
    boots: list[BootOffset]


class FormerGap(TypedDict):
    """What will not come of an epoch that is over, because its store was lost: all but what was saved of it."""

    epoch: Epoch
    lanes: Annotated[
        dict[LaneName, dict[Literal["void"], list[list[int]]]],
        Doc("Of each lane, ranges [first, last]; the last one is open: no number of the epoch is above it"),
    ]
    partial: NotRequired[Annotated[dict[LaneName, Seq], Doc("Below this number not all ranges are listed")]]


class Gap(TypedDict):
    """up/gap: retained; numbers that will not come any more."""

    v: Version
    epoch: Epoch
    lanes: Annotated[
        dict[LaneName, dict[Literal["void", "evicted", "expired"], list[list[int]]]],
        Doc("Of each lane, ranges [first, last] and why"),
    ]
    partial: NotRequired[
        Annotated[
            dict[LaneName, Seq],
            Doc("Of a lane with very many ranges: below this number only those are listed that down/ack asked for"),
        ]
    ]
    former: NotRequired[Annotated[list[FormerGap], Doc("Epochs of earlier stores, the oldest first, four at most")]]


class Camera(TypedDict):
    """up/camera/{camera}: retained; its state now."""

    v: Version
    state: CameraState
    motion: Annotated[bool, Doc("Whether an episode is open")]
    since: Wall
    code: NotRequired[Annotated[str, Doc("Stable word for why it is not ok", pattern="^[a-z0-9-]+$")]]
    reason: NotRequired[Annotated[str, Doc("Why it is not ok")]]
    hint: NotRequired[Annotated[str, Doc("What to do next")]]
    step: NotRequired[
        Annotated[Literal["flush", "reopen", "new-eye", "reboot"], Doc("What the gateway did last about it, by itself")]
    ]
    simulated: NotRequired[bool]


class ConfigReport(TypedDict):
    """up/config: retained; what configuration is in force."""

    v: Version
    revision: Annotated[str, Doc("First twelve hexadecimal digits of the configuration's SHA-256")]
    in_force: Annotated[Literal["file", "last-good", "defaults"], Doc("Where it came from")]
    errors: Annotated[list[str], Doc("What is wrong with the file, if the last good one is in force")]
    broker: NotRequired[Annotated[Spreads, Doc("What is in force, by the file or by down/config")]]
    refused: NotRequired[Annotated[str, Doc("Why the last down/config was not carried out")]]
