"""What a replay has to tell: a sample of each frame, an episode of each thing, and the truth where there is one.

Plain values, gathered as the replay goes; an hour of frames is some ten megabytes. Not here: pictures (film.py), words
and drawings (page.py, chart.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.replay.score import Box, Drawn, Received, Score, Truth, score, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gateway.motion import Motion
    from gateway.wire.draft import Draft


class Sample(NamedTuple):
    """One frame, as a point of the timeline; see motion.Motion for what the fields mean."""

    t: float
    score: float
    light: float
    gain: float
    sharpness: float
    noise: float
    suppressed: str | None
    view: str
    suspect: bool


class Span(NamedTuple):
    """A stretch of the timeline in which one thing was so."""

    start: float
    end: float
    what: str


@dataclass(slots=True)
class Told:
    """An episode as its messages told it."""

    id: str
    started: float
    last: float
    zones: list[str] = field(default_factory=list)
    alarm: bool = False
    severity: str = "low"
    outcome: str = ""
    path: list[list[float]] = field(default_factory=list)
    """[seconds since `started`, x, y, w, h]"""
    velocity: tuple[float, float] | None = None
    """Picture widths to the right and picture heights down per second."""
    speed: float | None = None
    glimpses: float = 1.0
    """Share of its frames that show it."""
    track: int | None = None
    """Number that the film writes beside its box."""
    stationary: bool = False
    picture: str = ""
    """Name of the file that holds its newest picture, or empty."""
    boxes: dict[float, Box] = field(default_factory=dict)

    def received(self) -> Received:
        """Return what is compared with the truth."""
        return Received(self.id, self.started, self.last, tuple(sorted(self.boxes.items())))


@dataclass(slots=True)
class Story:
    """Everything that the page is made of."""

    truth: Truth | None = None
    samples: list[Sample] = field(default_factory=list)
    episodes: dict[str, Told] = field(default_factory=dict)
    views: list[Span] = field(default_factory=list)
    """What was declared of the view as a whole."""

    def see(self, motion: Motion, tracks: Mapping[int, str]) -> None:
        """Note a frame; `tracks` are the ids of the open episodes by track."""
        self.samples.append(
            Sample(
                motion.t, motion.score, motion.light, motion.gain, motion.sharpness, motion.noise, motion.suppressed,
                motion.view, motion.suspect,
            )
        )  # fmt: skip
        for track, episode in tracks.items():
            if episode in self.episodes:
                self.episodes[episode].track = track

    def hear(self, draft: Draft) -> None:
        """Note an event; pictures are noted by `illustrate`."""
        body: Mapping[str, Any] = draft.body
        if draft.kind == "view":
            if draft.phase == "end":
                self.views.append(Span(float(body["started"]), draft.mono, str(body["state"])))
            return
        if draft.kind not in {"motion", "stationary"}:
            return
        started = float(body["started"])
        told = self.episodes.setdefault(draft.episode, Told(draft.episode, started, started))
        told.zones = [str(zone["id"]) for zone in body["zones"]]
        told.alarm, told.severity = draft.alarm, draft.severity
        told.boxes[round(min(draft.mono, started + float(body.get("duration", 1e9))), 3)] = Box(*body["box"])
        if draft.kind == "stationary":
            told.stationary = True
            return
        told.last = started + float(body["duration"])
        told.outcome = str(body.get("outcome", told.outcome))
        told.glimpses = float(body["score"])
        if "path" in body:
            told.path = [list(point) for point in body["path"]]
            told.boxes |= {round(started + point[0], 3): Box(*point[1:]) for point in told.path}
            told.speed = float(body["speed"])
            told.velocity = (float(body["velocity"][0]), float(body["velocity"][1])) if "velocity" in body else None

    def illustrate(self, episode: str, name: str) -> None:
        """Note that the file `name` holds the newest picture of an episode."""
        if episode in self.episodes:
            self.episodes[episode].picture = name

    @property
    def start(self) -> float:
        """Time of the first frame in seconds."""
        return self.samples[0].t if self.samples else 0.0

    @property
    def end(self) -> float:
        """Time of the last frame in seconds."""
        return self.samples[-1].t if self.samples else 0.0

    def in_order(self) -> list[Told]:
        """Return the episodes as they began."""
        return sorted(self.episodes.values(), key=lambda told: (told.started, told.id))

    def suppressed(self) -> list[Span]:
        """Return when motion was held back, and why."""
        return list(_spans((sample.t, sample.suppressed) for sample in self.samples))

    def view(self) -> list[Span]:
        """Return when something was, or seemed to be, wrong with the picture as a whole."""
        return list(
            _spans(
                (s.t, s.view if s.view != "ok" else "suspect" if s.suspect else None) for s in self.samples
            )
        )  # fmt: skip

    def verdict(self) -> Score | None:
        """Return how what was told compares with what was true; None where nobody knows."""
        return score((told.received() for told in self.episodes.values()), self.truth) if self.truth else None

    def shows(self, told: Told) -> list[Drawn] | None:
        """Return what an episode really shows; empty: nothing was there; None: nobody knows."""
        return shown(told.received(), self.truth) if self.truth else None

    def things(self) -> Sequence[Drawn]:
        """Return what was really there, as it came."""
        return sorted(self.truth.objects.values(), key=lambda thing: thing.first) if self.truth else ()


def _spans(moments: Iterator[tuple[float, str | None]]) -> Iterator[Span]:
    """Join equal neighbours; a stretch ends where the next one begins."""
    start, what, t = 0.0, None, 0.0
    for t, now in moments:
        if now != what:
            if what is not None:
                yield Span(start, t, what)
            start, what = t, now
    if what is not None:
        yield Span(start, t, what)
