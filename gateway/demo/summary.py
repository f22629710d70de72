"""The end of a demo in numbers: for people as lines, for programs as JSON.

Pure. Not here: how they were measured (process.py, centre.py, replay/score.py).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.replay.score import percentile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.demo.centre import Episode, Tally
    from gateway.replay.score import Score

SAME_CLOCK_SECONDS = 3600.0
"""A latency beyond this, or below zero, says that the frames' times are not this computer's clock (a recording's are
not): then there is none to report."""


@dataclass(frozen=True)
class Summary:
    """What a demo came to."""

    frames: int
    """Frames that were analysed."""
    fps: float
    score: Score | None
    """None: the camera has no truth."""
    tally: Tally
    episodes: Sequence[Episode]
    cpu_share: float
    """Processor time of daemon and eye over wall time since the first frame: 1.0 is one core. The simulated corner is
    drawn in the eye and counts here."""
    rss_mb: float
    """Most resident memory of daemon and eye together, in units of 1,000,000 bytes."""
    orderly: bool
    """Whether the daemon ended in time and said so."""

    @property
    def works(self) -> bool:
        """Whether the gateway did its job at all: something came by, so something must have been said."""
        return self.orderly and not (self.score is not None and self.score.true and not self.tally.events)

    @property
    def bytes_per_episode(self) -> float | None:
        """Mean payload bytes of all events of an ended episode, without its picture; None: no episode ended."""
        ended = [episode.event_bytes for episode in self.episodes if episode.ended]
        return sum(ended) / len(ended) if ended else None

    def latency_ms(self, share: float) -> float | None:
        """Percentile of the time from an event's frame to its arrival, in milliseconds."""
        seconds = [value for value in self.tally.latencies if 0 <= value < SAME_CLOCK_SECONDS]
        found = percentile(seconds, share)
        return None if found is None else found * 1000

    def json(self) -> str:
        """Return the numbers; null where there is none."""
        judged = self.score
        numbers: dict[str, Any] = {
            "frames": self.frames,
            "fps": _rounded(self.fps, 2),
            "episodes_true": judged.true if judged else None,
            "episodes_found": judged.found if judged else None,
            "events_false": judged.false if judged else None,
            "messages_received": self.tally.messages,
            "duplicates": self.tally.duplicates,
            "bytes_per_episode": _rounded(self.bytes_per_episode, 1),
            "latency_p50_ms": _rounded(self.latency_ms(0.5), 1),
            "latency_p99_ms": _rounded(self.latency_ms(0.99), 1),
            "cpu_share": _rounded(self.cpu_share, 3),
            "rss_mb": _rounded(self.rss_mb, 1),
        }
        return json.dumps(numbers, indent=2) + "\n"

    def lines(self) -> list[str]:
        """Return the numbers with their meaning."""
        tally, judged = self.tally, self.score
        lines = ["", f"frames    {self.frames} analysed, {self.fps:.1f} a second"]
        if judged is None:
            lines.append(f"episodes  {len(self.episodes)} received; this camera has no truth to compare with")
        else:
            lines.append(
                f"episodes  {judged.true} things came by, {judged.found} of them were found; "
                f"{len(self.episodes)} episodes received, {judged.false} of them false"
            )
            if judged.missed:
                lines.append(f"          not found: {', '.join(judged.missed)}")
        lines.append(
            f"messages  {tally.messages} received, {tally.duplicates} of them twice, {tally.damaged} damaged; "
            f"{tally.events} events, {tally.pictures} pictures"
        )
        if tally.events:
            mean = tally.picture_bytes / max(tally.pictures, 1) / 1000
            lines.append(
                f"size      {self.bytes_per_episode or 0:.0f} bytes an episode, {tally.event_bytes / tally.events:.0f} "
                f"an event; {mean:.1f} kB a picture"
            )
        p50, p99 = self.latency_ms(0.5), self.latency_ms(0.99)
        if p50 is not None and p99 is not None:
            lines.append(f"latency   {p50:.0f} ms median, {p99:.0f} ms at the 99th percentile, frame to subscriber")
        lines.append(f"cost      {self.cpu_share:.0%} of a core, {self.rss_mb:.0f} MB: daemon and eye together")
        if not self.orderly:
            lines.append("problem   the daemon did not end in order: see its log")
        elif not self.works:
            lines.append("problem   things came by and the gateway said nothing: see its log")
        return lines


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
