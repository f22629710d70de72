"""What the daemon answers on its control socket.

Not here: the socket (control.py), the numbers (reporting.py). Runs on the daemon's main thread; what cannot be answered
at once is answered by `tick`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gateway.eyes import Eye
    from gateway.reporting import Reports
    from gateway.uplink.link import Link

    Respond = Callable[..., None]

ROUND_TRIP_SECONDS = 8.0
"""Most time that a self-test waits for the broker's acknowledgement."""


class Answers:
    """Knows the questions: status, roundtrip, confirm-view."""

    def __init__(
        self,
        reports: Reports,
        link: Link,
        eyes: Sequence[Eye],
        counts: Callable[[], tuple[list[str], Mapping[str, int]]],
    ) -> None:
        """Take whom to ask; `counts` returns the codes of open faults, and how many drafts were dropped by rank."""
        self._reports = reports
        self._link = link
        self._eyes = eyes
        self._counts = counts
        self._round_trips: list[tuple[float, int, Respond]] = []

    def answer(self, request: Mapping[str, Any], respond: Respond) -> None:
        """Answer a request, now or with a later `tick`."""
        match request.get("ask"):
            case "status":
                respond(**self._reports.status(*self._counts()))
            case "roundtrip":
                self._reports.say_who()  # a state that changes nothing: its acknowledgement is what counts
                self._round_trips.append((time.monotonic(), self._link.status()["answers"], respond))
            case "confirm-view":
                asked = [eye for eye in self._eyes if eye.name == request.get("camera")]
                respond(confirmed=[eye.name for eye in asked if eye.say(note="confirm-view")])
            case other:
                respond(error=f"this gateway does not know the question {other!r}")

    def tick(self, now: float) -> None:
        """Tell whoever asked for a round trip whether the broker has acknowledged something since."""
        if not self._round_trips:
            return
        link = self._link.status()
        for entry in list(self._round_trips):
            since, answers, respond = entry
            if link["answers"] > answers or now - since > ROUND_TRIP_SECONDS:
                self._round_trips.remove(entry)
                respond(answered=link["answers"] > answers, link=link)
