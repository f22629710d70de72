"""What the centre says, as types: commands, wishes, acknowledgements.

Not here: who reads them (uplink/commands.py, uplink/receipts.py, daemon/wishes.py). Pure; any thread.
"""

from __future__ import annotations

from typing import Annotated, Any

from typing_extensions import NotRequired, TypedDict  # noqa: UP035 (pydantic wants this one below Python 3.12)

from gateway.wire.fields import (
    ANY_UUID_READ,
    Doc,
    Epoch,
    LaneName,
    Version,
)


class Spreads(TypedDict):
    """Over how many seconds the gateways of a city spread their connections."""

    first_connect_spread_s: NotRequired[Annotated[float, Doc("After a start; down/config: 10 to 3600")]]
    reconnect_spread_s: NotRequired[Annotated[float, Doc("After a loss; down/config: 30 to 3600")]]


class Wish(TypedDict):
    """down/config: retained; what the centre sets from afar. An empty `broker` takes it back."""

    v: NotRequired[Version]
    broker: Spreads


class Command(TypedDict):
    """down/cmd/{name}: never retained; carried out once for each id, and answered on up/reply/{id}."""

    id: Annotated[str, Doc("UUID of any version; the answer bears it in lower case", pattern=ANY_UUID_READ)]
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
