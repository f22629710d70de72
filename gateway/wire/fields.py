"""The fields that payloads are made of: identifiers, clocks, numbers, boxes. Pure; any thread."""

from __future__ import annotations

from typing import Annotated, Any, Literal


class Doc:
    """Says in the schema what a field means; keyword arguments are JSON schema keywords."""

    def __init__(self, text: str, **keywords: Any) -> None:
        self.text = text
        self.keywords = keywords

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> Any:
        """Add description and keywords; called by pydantic when it generates the contract."""
        return handler(core_schema) | {"description": self.text} | self.keywords


ID = "^[a-z0-9-]{1,64}$"
ANY_UUID_READ = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
ANY_UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"

Name = Annotated[str, Doc("Identifier as it stands in topics", pattern=ID)]
AnyUuid = Annotated[str, Doc("UUID of any version, in lower case", pattern=ANY_UUID)]
Uuid = Annotated[str, Doc("UUIDv7 (RFC 9562)", pattern=UUID)]
Version = Annotated[Literal[1], Doc("Version of this payload")]
Wall = Annotated[float, Doc("Wall clock, seconds since 1970; may be wrong while `synced` is false")]
Mono = Annotated[float, Doc("Monotonic clock of the device in seconds; meaningful together with the boot id")]
Boot = Annotated[str, Doc("First eight hexadecimal digits of the boot id", pattern="^[0-9a-f]{8}$")]
Epoch = Annotated[str, Doc("Born with the store; numbers are compared within one epoch only", pattern="^[0-9a-f]{8}$")]
Seq = Annotated[int, Doc("Number in its lane", minimum=1)]
LaneName = Literal["alarm", "event", "media"]
Fraction = Annotated[float, Doc("0..1", minimum=0, maximum=1)]
BoxList = Annotated[
    list[Fraction],
    Doc("x, y, width, height as fractions of the picture, from its top left", minItems=4, maxItems=4),
]
Purpose = Literal[
    "general",
    "hydrant",
    "fire-lane",
    "bus-lane",
    "no-stopping",
    "carriageway",
    "footway",
    "lamp",
    "manhole",
    "works",
]
Severity = Literal["informational", "low", "medium", "high", "critical"]
CameraState = Literal["ok", "covered", "defocused", "moved", "frozen", "off"]
