"""Episodes: what one thing did, from its first frame to its last, as drafts of messages.

One episode per track. It opens when the track first stands in a zone, may rise to an alarm and never falls, and ends
with the track. Not here: pictures (still.py adds them to updates and ends), numbers and wall time (the daemon).
Pure: time comes from the frames, ids from `new_id`. Runs on `watch`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.wire.draft import Draft, Phase, Rank, rank_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.events.zones import Zone
    from gateway.motion.result import Motion, Track

PATH_POINTS = 6
"""Most points of a path in a message: more would make every event longer than its news."""


@dataclass(slots=True)
class Episode:
    """An open episode."""

    id: str
    started: float
    last: float
    track: Track
    zones: list[Zone] = field(default_factory=list)
    alarm: bool = False
    subject: Zone | None = None
    path: list[tuple[float, ...]] = field(default_factory=list)
    updated: float = 0.0
    frames: int = 0
    """Frames since it opened."""
    hits: int = 0
    """Of these, frames that show the thing."""
    parked: bool = False
    """Whether the track was stationary in the latest frame, seen in it or not."""
    stride: float = 0.5
    """Seconds between two points of the path; doubles whenever the path is thinned."""

    def enter(self, zones: Sequence[Zone]) -> bool:
        """Note the zones in which the track stands now; tell whether that raised the alarm."""
        rose = False
        for zone in zones:
            if zone in self.zones:
                continue
            self.zones.append(zone)
            rose = rose or (zone.alarm and not self.alarm)
            self.alarm = self.alarm or zone.alarm
            if self.subject is None or zone.weight > self.subject.weight:
                self.subject = zone
        return rose

    def see(self, track: Track, t: float) -> None:
        """Note where the thing is, every `stride` seconds; thin the path when it grows long."""
        self.track, self.last = track, t
        self.hits += 1
        elapsed = t - self.started
        if not self.path or elapsed - self.path[-1][0] >= self.stride:
            self.path.append(_point(elapsed, track))
            if len(self.path) > 2 * PATH_POINTS:
                del self.path[1::2]
                self.stride *= 2

    def points(self) -> list[tuple[float, ...]]:
        """The path in at most PATH_POINTS points, first and last included."""
        last = _point(self.last - self.started, self.track)
        path = [*(point for point in self.path if point[0] < last[0]), last]
        if len(path) > PATH_POINTS:
            step = (len(path) - 1) / (PATH_POINTS - 1)
            path = [path[round(i * step)] for i in range(PATH_POINTS)]
        return path

    def velocity(self) -> tuple[float, float]:
        """Mean velocity from the first to the last point: picture widths to the right, heights down, per second."""
        path = self.points()
        (began, x0, y0, w0, h0), (ended, x1, y1, w1, h1) = path[0], path[-1]
        elapsed = ended - began
        if elapsed <= 0:
            return 0.0, 0.0
        return (x1 + w1 / 2 - x0 - w0 / 2) / elapsed, (y1 + h1 / 2 - y0 - h0 / 2) / elapsed


class Episodes:
    """Turns the tracks of successive frames into drafts."""

    def __init__(
        self,
        camera: str,
        zones: Sequence[Zone],
        new_id: Callable[[float], str],
        *,
        update_seconds: float = 5.0,
        facts: dict[str, Any] | None = None,
    ) -> None:
        """Prepare for one camera.

        Args:
            camera: its name in topics.
            zones: where things count; a thing outside of all of them makes no episode.
            new_id: returns a UUIDv7 for a frame's time.
            update_seconds: least time between two updates of an episode.
            facts: what every event of this camera says (mask hash, simulated).
        """
        self._camera = camera
        self._zones = tuple(zones)
        self._new_id = new_id
        self._update_seconds = update_seconds
        self._facts = facts or {}
        self.open: dict[int, Episode] = {}
        """Open episodes by the id of their track."""

    def step(self, motion: Motion, fresh: Callable[[str], bool]) -> list[Draft]:
        """Return what this frame gives to say; updates and ends still lack their picture.

        Args:
            motion: what the core saw.
            fresh: tells whether an episode has a better picture than the one that was sent.
        """
        drafts: list[Draft] = []
        for track in motion.tracks:
            episode = self.open.get(track.id)
            standing = [zone for zone in self._zones if zone.holds(track.box)]
            if episode is None:
                if not standing or not track.seen:
                    continue
                started = motion.t - track.age
                episode = self.open[track.id] = Episode(
                    self._new_id(motion.t), started, motion.t, track, updated=motion.t
                )
                episode.frames = 1
                if track.first is not None and motion.t > started:
                    episode.path.append((0.0, *_numbers(track.first)))  # it came from there before it was believed
                episode.enter(standing)
                episode.see(track, motion.t)
                drafts.append(self._draft(episode, "start", motion.t))
                continue
            episode.frames += 1
            stationary = track.state == "stationary" and not episode.parked
            episode.parked = track.state == "stationary"
            if track.seen:
                episode.see(track, motion.t)
            if episode.enter(standing):
                drafts.append(self._draft(episode, "update", motion.t))
                episode.updated = motion.t
            elif motion.t - episode.updated >= self._update_seconds and fresh(episode.id):
                drafts.append(self._draft(episode, "update", motion.t, path=True))
                episode.updated = motion.t
            if stationary:
                drafts.append(self._stationary(episode, motion.t))
        ended = (self.open.pop(track_id, None) for track_id in motion.ended)
        drafts.extend(self._end(episode, motion.t, "left") for episode in ended if episode is not None)
        return drafts

    def interrupt(self, t: float) -> list[Draft]:
        """Return the ends of all open episodes: the camera stops, what they did next is not known."""
        drafts = [self._end(episode, t, "interrupted") for episode in self.open.values()]
        self.open.clear()
        return drafts

    def _end(self, episode: Episode, t: float, outcome: str) -> Draft:
        if outcome == "left" and episode.parked:
            outcome = "stationary"
        return self._draft(episode, "end", t, path=True, outcome=outcome)

    def _draft(self, episode: Episode, phase: Phase, t: float, *, path: bool = False, **more: Any) -> Draft:
        body: dict[str, Any] = {
            "phase": phase,
            "started": round(episode.started, 3),
            "duration": round(max(episode.last - episode.started, 0.0), 2),
            **more,
            "zones": [zone.reference() for zone in episode.zones],
            "box": _numbers(episode.track.box),
        }
        if path:
            body["path"] = episode.points()
            across, down = episode.velocity()
            body["speed"] = round(math.hypot(across, down), 3)
            body["velocity"] = [round(across, 3), round(down, 3)]
        body["score"] = round(min(1.0, episode.hits / max(episode.frames, 1)), 2)
        return Draft(
            id=self._new_id(t),
            rank=rank_of(phase, alarm=episode.alarm),
            kind="motion",
            camera=self._camera,
            mono=t,
            episode=episode.id,
            phase=phase,
            severity=episode.subject.severity if episode.subject else "low",
            subject=episode.subject.id if episode.subject else "",
            body=body | self._facts,
            alarm=episode.alarm,
        )

    def _stationary(self, episode: Episode, t: float) -> Draft:
        return Draft(
            id=self._new_id(t),
            rank=Rank.ALARM if episode.alarm else Rank.START,
            kind="stationary",
            camera=self._camera,
            mono=t,
            episode=episode.id,
            severity=episode.subject.severity if episode.subject else "low",
            subject=episode.subject.id if episode.subject else "",
            body={
                "zones": [zone.reference() for zone in episode.zones],
                "box": _numbers(episode.track.box),
                "started": round(episode.started, 3),
            }
            | self._facts,
            alarm=episode.alarm,
        )


def _numbers(box: Sequence[float]) -> list[float]:
    """A box as a message says it: three decimals are half a pixel of the largest analysed picture."""
    return [round(min(max(value, 0.0), 1.0), 3) for value in box]


def _point(elapsed: float, track: Track) -> tuple[float, ...]:
    return (round(elapsed, 2), *_numbers(track.box))
