"""What can happen on a connection, without paho: values for the link, the subscriber and their tests. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.errors import LinkError

if TYPE_CHECKING:
    from gateway.uplink.reasons import Reason


class LostError(LinkError):
    """The connection broke, or never came about; `reason` says why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.text, reason.hint)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker took us in."""

    window: int
    largest: int


@dataclass(frozen=True, slots=True)
class Acked:
    """The broker answered for a message."""

    mid: int
    code: int


@dataclass(frozen=True, slots=True)
class Heard:
    """A message came."""

    topic: str
    payload: bytes
    retained: bool
    mono: float


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The broker took the subscription."""


Occurrence = Connected | Acked | Heard | Subscribed
