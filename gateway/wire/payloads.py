"""The payloads of every topic, as types: what the centre may rely on.

Typed dictionaries, so that the daemon builds plain JSON and nothing is imported for it; `contract.py` generates the
JSON schemas and the AsyncAPI document from these same types. Unknown fields are to be ignored by whoever reads.
Pure; any thread.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from typing_extensions import NotRequired, TypedDict  # noqa: UP035 (pydantic wants this one below Python 3.12)

from gateway.wire.fields import (
    AnyUuid,
    Boot,
    BoxList,
    CameraState,
    Doc,
    Epoch,
    Fraction,
    LaneName,
    Mono,
    Name,
    Purpose,
    Seq,
    Severity,
    Uuid,
    Version,
    Wall,
)


class Clocked(TypedDict):
    """What the daemon adds to every event: when it happened, on the device's own clocks."""

    boot: Boot
    synced: Annotated[bool, Doc("Whether the wall clock was synchronised when the event was made")]
    mono: Mono
    simulated: NotRequired[Annotated[bool, Doc("True from the simulated corner: it did not happen")]]


class ZoneRef(TypedDict):
    """A zone that the thing entered."""

    id: Name
    purpose: Purpose


class Picture(TypedDict):
    """The picture that belongs to an episode; it travels on up/media/{camera}/{episode}."""

    sha256: Annotated[str, Doc("Of the JPEG as the eye made it, without its comment segment", pattern="^[0-9a-f]{64}$")]
    bytes: Annotated[int, Doc("Length of that JPEG", maximum=61440)]
    w: int
    h: int


class MotionData(Clocked):
    """One phase of an episode: one thing that moved, from its first to its last frame. An `end` is self-contained."""

    phase: Literal["start", "update", "end"]
    started: Annotated[float, Doc("Monotonic time of the first frame")]
    duration: Annotated[float, Doc("Seconds so far; at the end, in all")]
    zones: Annotated[list[ZoneRef], Doc("Zones entered so far, in order")]
    box: Annotated[BoxList, Doc("Where it is now; at the end, where it was seen last")]
    path: NotRequired[
        Annotated[
            list[list[float]],
            Doc("Where it was: [seconds since `started`, x, y, width, height], first and last included"),
        ]
    ]
    speed: NotRequired[Annotated[float, Doc("Mean speed in picture units per second: the length of `velocity`")]]
    velocity: NotRequired[
        Annotated[
            list[float],
            Doc("Mean velocity [right, down] in picture widths and picture heights per second: where it went to"),
        ]
    ]
    score: Annotated[Fraction, Doc("Share of the frames so far that show it: low is a thing seen in glimpses")]
    outcome: NotRequired[
        Annotated[Literal["left", "stationary", "interrupted"], Doc("How it ended; interrupted: the camera did")]
    ]
    picture: NotRequired[Annotated[Picture | None, Doc("Best picture so far; null: none could be made")]]
    mask: NotRequired[Annotated[str, Doc("Hash of the privacy masks that were burnt in")]]


class StationaryData(Clocked):
    """Something came and stays: it will become background."""

    zones: list[ZoneRef]
    box: BoxList
    started: Annotated[float, Doc("Monotonic time when it was first seen")]


class ViewData(Clocked):
    """The picture as a whole is wrong, or right again."""

    phase: Literal["start", "end"]
    state: CameraState
    started: float


class HealthData(Clocked):
    """A fault of the device, or its end."""

    phase: Literal["start", "end"]
    code: Annotated[str, Doc("Stable name of the fault, for rules at the centre", pattern="^[a-z0-9-]+$")]
    message: str
    hint: NotRequired[Annotated[str, Doc("What to do next")]]


class Event(TypedDict):
    """CloudEvents 1.0, structured mode. (source, id) is unique: drop what was seen before."""

    specversion: Literal["1.0"]
    type: Annotated[str, Doc("citycam.KIND.PHASE.v1 or citycam.KIND.v1", pattern=r"^citycam\.[a-z]+(\.[a-z]+)?\.v1$")]
    source: Annotated[
        str, Doc("urn:citycam:AREA:GATEWAY:CAMERA", pattern="^urn:citycam:[a-z0-9-]+:[a-z0-9-]+:[a-z0-9-]+$")
    ]
    id: Uuid
    correlationid: Annotated[
        AnyUuid,
        Doc("The episode's id: the same in all its phases, and in its picture's topic; of a reply: the command's id"),
    ]
    time: Annotated[str, Doc("When it happened, RFC 3339; trust it when data.synced is true", format="date-time")]
    epoch: Epoch
    lane: LaneName
    sequence: Annotated[str, Doc("Number in its lane, zero-padded", pattern="^[0-9]{12}$")]
    severitytext: Severity
    subject: NotRequired[Annotated[str, Doc("The zone that decided the severity", pattern="^zone/[a-z0-9-]{1,64}$")]]
    expirytime: NotRequired[Annotated[str, Doc("Until when it interests a desk", format="date-time")]]


class MotionEvent(Event):
    """up/event/motion/{camera}"""

    data: MotionData


class StationaryEvent(Event):
    """up/event/stationary/{camera}"""

    data: StationaryData


class ViewEvent(Event):
    """up/event/view/{camera}"""

    data: ViewData


class HealthEvent(Event):
    """up/event/health/{camera}; the camera `gateway` is the device itself."""

    data: HealthData


class StormData(Clocked):
    """Many episodes of one zone, summed up because the day's byte budget is used up. Alarms are never among them."""

    zones: list[ZoneRef]
    started: Annotated[float, Doc("Monotonic time of the first episode that was not sent")]
    duration: Annotated[float, Doc("Seconds that are summed up")]
    episodes: Annotated[int, Doc("How many episodes there were", minimum=1)]


class StormEvent(Event):
    """up/event/storm/{camera}"""

    data: StormData


class ReplyData(Clocked):
    """The answer to one command."""

    command: Annotated[str, Doc("Its name, as it stood in the topic")]
    status: Literal["done", "failed", "refused"]
    code: Annotated[str, Doc("ok, or a stable word for why not", pattern="^[a-z0-9-]+$")]
    message: NotRequired[str]
    result: NotRequired[Annotated[dict[str, Any], Doc("What was asked for")]]


class ReplyEvent(Event):
    """up/reply/{command}"""

    data: ReplyData


class MediaLabel(TypedDict):
    """The JSON in a picture's comment segment (COM)."""

    gateway: Name
    epoch: Epoch
    lane: Literal["media"]
    seq: Seq
    id: Uuid
    mono: NotRequired[Mono]
    box: NotRequired[Annotated[BoxList, Doc("Where the thing is in the whole picture")]]
    crop: NotRequired[Annotated[BoxList, Doc("Which part of the whole picture this is")]]
    simulated: NotRequired[bool]


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


class Spreads(TypedDict):
    """Over how many seconds the gateways of a city spread their connections."""

    first_connect_spread_s: NotRequired[Annotated[float, Doc("After a start; down/config: 10 to 3600")]]
    reconnect_spread_s: NotRequired[Annotated[float, Doc("After a loss; down/config: 30 to 3600")]]


class Wish(TypedDict):
    """down/config: retained; what the centre sets from afar. An empty `broker` takes it back."""

    v: NotRequired[Version]
    broker: Spreads


class ConfigReport(TypedDict):
    """up/config: retained; what configuration is in force."""

    v: Version
    revision: Annotated[str, Doc("First twelve hexadecimal digits of the configuration's SHA-256")]
    in_force: Annotated[Literal["file", "last-good", "defaults"], Doc("Where it came from")]
    errors: Annotated[list[str], Doc("What is wrong with the file, if the last good one is in force")]
    broker: NotRequired[Annotated[Spreads, Doc("What is in force, by the file or by down/config")]]
    refused: NotRequired[Annotated[str, Doc("Why the last down/config was not carried out")]]


class Command(TypedDict):
    """down/cmd/{name}: never retained; carried out once for each id, and answered on up/reply/{id}."""

    id: AnyUuid
    not_after: Annotated[float, Doc("Unix seconds; later, or more than a day ahead, it is refused as stale")]
    args: NotRequired[Annotated[dict[str, Any], Doc("snapshot and confirm-view: {camera}; default: the first camera")]]
    by: NotRequired[Annotated[str, Doc("Who asks, for the device's log")]]


class LaneAck(TypedDict):
    """What the centre has of one lane."""

    upto: Annotated[int, Doc("It has everything up to this number", minimum=0)]
    missing: NotRequired[Annotated[list[list[int]], Doc("Except for these ranges [first, last]: send them again")]]


class Ack(TypedDict):
    """down/ack: retained; what the centre has. Of another epoch it is ignored."""

    epoch: Epoch
    lanes: dict[LaneName, LaneAck]
