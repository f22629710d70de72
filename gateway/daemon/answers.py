"""What the daemon answers on its control socket.

Not here: the socket (control.py), the numbers (reporting.py). Runs on the daemon's main thread; what cannot be answered
at once is answered by `tick`.
"""

from __future__ import annotations

import queue
import time
from typing import TYPE_CHECKING, Any

from gateway import logs
from gateway.uplink.rows import STREAMS
from gateway.waiting import page_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gateway.daemon.reporting import Reports
    from gateway.recovery.eyes import Eye
    from gateway.uplink.link import Link
    from gateway.uplink.spool import Spool

    Respond = Callable[..., None]

ROUND_TRIP_SECONDS = 8.0
"""Most time that a self-test waits for the broker's acknowledgement."""
PAGE_SECONDS = 8.0
LOG_LENGTH = 64 * 1024
"""Most characters of log lines in an answer: it fits into the socket's buffer, so that nobody is waited for."""


class Answers:
    """Knows the questions: status, logs, roundtrip, outbox-page, confirm-view."""

    def __init__(
        self,
        reports: Reports,
        link: Link,
        spool: Spool,
        eyes: Sequence[Eye],
        counts: Callable[[], tuple[list[str], Mapping[str, int]]],
    ) -> None:
        """Take whom to ask; `counts` returns the codes of open faults, and how many drafts were dropped by rank."""
        self._reports = reports
        self._link = link
        self._eyes = eyes
        self._counts = counts
        self._spool = spool
        self._pages: queue.SimpleQueue[tuple[Respond, list[dict[str, Any]]]] = queue.SimpleQueue()
        self._pages_due: list[tuple[float, Respond]] = []
        self._round_trips: list[tuple[float, int, Respond]] = []

    def answer(self, request: Mapping[str, Any], respond: Respond) -> None:
        """Answer a request, now or with a later `tick`."""
        match request.get("ask"):
            case "status":
                respond(**self._reports.status(*self._counts()))
            case "roundtrip":
                self._reports.say_who()  # a state that changes nothing: its acknowledgement is what counts
                self._round_trips.append((time.monotonic(), self._link.status()["answers"], respond))
            case "logs":
                respond(lines=logs.latest(LOG_LENGTH))
            case "outbox-page":
                self._page(request, respond)
            case "confirm-view":
                asked = [eye for eye in self._eyes if eye.name == request.get("camera")]
                respond(confirmed=[eye.name for eye in asked if eye.say(note="confirm-view")])
            case other:
                respond(error=f"this gateway does not know the question {other!r}")

    def _page(self, request: Mapping[str, Any], respond: Respond) -> None:
        """Have the thread that owns the store read a page of it; a later tick hands it over."""
        stream, after = request.get("stream"), request.get("after")
        known = next((each for each in STREAMS if each == stream), None)
        if known is None or not isinstance(after, int) or not 0 <= after < 1 << 48:
            respond(error=f"a page is asked with stream, one of {', '.join(STREAMS)}, and after, a number")
            return
        self._spool.call(lambda outbox: self._pages.put((respond, page_of(outbox, known, after))))
        self._pages_due.append((time.monotonic() + PAGE_SECONDS, respond))

    def tick(self, now: float) -> None:
        """Answer what could not be answered at once. `now` on the monotonic clock."""
        self._tick_pages(now)
        self._tick_round_trips(now)

    def _tick_pages(self, now: float) -> None:
        while not self._pages.empty():
            respond, page = self._pages.get()
            if any(each is respond for _, each in self._pages_due):
                self._pages_due = [entry for entry in self._pages_due if entry[1] is not respond]
                respond(page=page)
        for entry in [entry for entry in self._pages_due if now > entry[0]]:
            self._pages_due.remove(entry)
            entry[1](error="the card does not answer")

    def _tick_round_trips(self, now: float) -> None:
        """Tell whoever asked for a round trip whether the broker has acknowledged something since."""
        if not self._round_trips:
            return
        link = self._link.status()
        for entry in list(self._round_trips):
            since, answers, respond = entry
            if link["answers"] > answers or now - since > ROUND_TRIP_SECONDS:
                self._round_trips.remove(entry)
                respond(answered=link["answers"] > answers, link=link)
