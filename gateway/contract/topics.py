"""What the gateway says today: its topics, how each is published, and the JSON schema of what it holds.

Generated from the types in gateway/wire. Not here: whether a message keeps to it (check.py), the files
(documents.py). Pure.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter

from gateway.wire import events, payloads, requests

VERSION = "1"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
KEYWORDS = (
    "$schema",
    "$id",
    "$ref",
    "title",
    "description",
    "type",
    "format",
    "const",
    "enum",
    "properties",
    "required",
)
"""Order in which a schema is written; the rest follows by name."""


@dataclass(frozen=True)
class Topic:
    """One kind of message: where it is published, how, and what it holds."""

    name: str
    address: str
    """Below the root; parameters in braces."""
    payload: Any
    """Its type; of a picture: of its label."""
    qos: Literal[0, 1] = 1
    retain: bool = True
    content: Literal["json", "event", "jpeg"] = "json"
    """event: CloudEvents JSON that may be deflated, from the store; jpeg: a labelled picture, from the store."""
    about: str = ""
    """What it is, where the payload type's docstring does not say it."""

    @property
    def schema(self) -> str:
        """Name of its schema's file, without folder and ending."""
        return re.sub("(?<!^)(?=[A-Z])", "-", self.payload.__name__).lower()

    @property
    def heard(self) -> bool:
        """Whether it is the centre that says it."""
        return self.address.startswith("down/")

    @property
    def summary(self) -> str:
        """What it is, on one line; from a docstring, without the address that stands at its beginning."""
        text = self.about or re.sub(r"^(?:up|down)/\S+?[:;] ", "", " ".join(self.payload.__doc__.split()))
        return text[:1].upper() + text[1:]

    def parse(self, topic: str) -> dict[str, str] | None:
        """Return the parameters in a topic without its root, or None when it is another kind."""
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[a-z0-9-]{1,64})", self.address)
        found = re.fullmatch(pattern, topic)
        return found.groupdict() if found else None


TOPICS = (
    Topic("status", "up/status", payloads.Status),
    Topic("info", "up/info", payloads.Info),
    Topic("heartbeat", "up/heartbeat", payloads.Heartbeat, qos=0, retain=False),
    Topic("health", "up/health", payloads.Health),
    Topic("clock", "up/clock", payloads.Clock),
    Topic("gap", "up/gap", payloads.Gap),
    Topic("config", "up/config", payloads.ConfigReport),
    Topic("camera", "up/camera/{camera}", payloads.Camera),
    Topic(
        "motion-event",
        "up/event/motion/{camera}",
        events.MotionEvent,
        retain=False,
        content="event",
        about="A phase of an episode: something moved.",
    ),
    Topic(
        "stationary-event",
        "up/event/stationary/{camera}",
        events.StationaryEvent,
        retain=False,
        content="event",
        about="Something came and stays.",
    ),
    Topic(
        "view-event",
        "up/event/view/{camera}",
        events.ViewEvent,
        retain=False,
        content="event",
        about="The picture as a whole is wrong, or right again.",
    ),
    Topic(
        "health-event",
        "up/event/health/{camera}",
        events.HealthEvent,
        retain=False,
        content="event",
        about="A fault of a camera or, with the camera `gateway`, of the device; or its end.",
    ),
    Topic(
        "picture",
        "up/media/{camera}/{episode}",
        events.MediaLabel,
        retain=False,
        content="jpeg",
        about="An episode's best picture, or the snapshot that a command asked for, as JPEG with a label.",
    ),
    Topic(
        "storm-event",
        "up/event/storm/{camera}",
        events.StormEvent,
        retain=False,
        content="event",
        about="Many episodes of one zone, summed up to save bytes.",
    ),
    Topic(
        "reply-event",
        "up/reply/{command}",
        events.ReplyEvent,
        retain=False,
        content="event",
        about="The answer to one command.",
    ),
    Topic("command", "down/cmd/{name}", requests.Command, retain=False),
    Topic("ack", "down/ack", requests.Ack),
    Topic("wish", "down/config", requests.Wish),
)
"""Everything that the gateway says and hears today. What the design names beyond it comes with its code."""


def topic_of(topic: str) -> Topic:
    """Return the kind of a topic that is given without its root.

    Raises:
        ValueError: the contract knows no such topic.
    """
    for each in TOPICS:
        if each.parse(topic) is not None:
            return each
    raise ValueError(f"{topic}: the contract knows no such topic")


@functools.cache
def schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON schema of each payload, by its file's name without ending."""
    found = {}
    for topic in TOPICS:
        made = TypeAdapter(topic.payload).json_schema()
        head = {
            "$schema": DIALECT,
            "$id": f"urn:citycam:contract:{VERSION}:{topic.schema}",
            "title": topic.payload.__name__,
        }
        found[topic.schema] = _ordered(made) | head
        found[topic.schema] = dict(sorted(found[topic.schema].items(), key=lambda item: _place(item[0])))
    return found


def _ordered(schema: Any) -> Any:
    """Without pydantic's made-up titles, and in an order of our own, so that every pydantic 2 writes the same file."""
    if isinstance(schema, list):
        return [_ordered(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    cleaned = {}
    for key, value in schema.items():
        if key in {"properties", "$defs"}:
            names = value if key == "properties" else sorted(value)
            cleaned[key] = {name: _ordered(value[name]) for name in names}
        elif key not in {"title", "additionalProperties"} or isinstance(value, dict):
            cleaned[key] = _ordered(value)
    return dict(sorted(cleaned.items(), key=lambda item: _place(item[0])))


def _place(keyword: str) -> tuple[int, str]:
    return (KEYWORDS.index(keyword) if keyword in KEYWORDS else len(KEYWORDS), keyword)
