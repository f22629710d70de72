"""What is sent once and stored until the centre has it, as types: events, replies, and the label of a picture.

Not here: states (payloads.py), what the centre says (requests.py), how a message is made of them (message.py). Pure;
any thread.
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
