"""The management centre in small: what it learns from the messages of one gateway, and nothing else.

Inflates, drops what it has seen before, joins phases and pictures to episodes, keeps the pictures. Not here: the
connection (uplink/subscriber.py), drawing (screen.py), the truth (replay/score.py). `take` runs on the subscriber's
thread, all else on the main thread; one lock stands between.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gateway.replay.score import Box, Received
from gateway.wire.message import inflate, read_label

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(slots=True)
class Episode:
    """What has been heard of one episode so far."""

    id: str
    phase: str = ""
    zones: tuple[str, ...] = ()
    started: float = 0.0
    duration: float = 0.0
    outcome: str = ""
    event_bytes: int = 0
    """Payloads of all its events, as they came over the wire."""
    picture_bytes: int = 0
    events: int = 0
    latency: float | None = None
    """Seconds from the newest event's frame to its arrival."""
    picture: str = ""
    """Name of the file in which its last picture is kept."""
    boxes: dict[float, Box] = field(default_factory=dict)
    """Place at each time, of all events."""

    @property
    def ended(self) -> bool:
        """Whether its last event has come."""
        return self.phase == "end"

    def received(self) -> Received:
        """Return what is compared with the truth."""
        return Received(self.id, self.started, self.started + self.duration, tuple(sorted(self.boxes.items())))


@dataclass(slots=True)
class Tally:
    """Counts of everything that arrived."""

    messages: int = 0
    duplicates: int = 0
    """Events and pictures whose id had come before."""
    damaged: int = 0
    """Payloads that could not be read."""
    events: int = 0
    event_bytes: int = 0
    pictures: int = 0
    picture_bytes: int = 0
    latencies: list[float] = field(default_factory=list)
    """Of every event's first copy, in seconds."""


class Centre:
    """Everything that one gateway has said."""

    def __init__(self, root: str, pictures: Path) -> None:
        """Listen to one gateway.

        Args:
            root: its topic root, without a slash at the end.
            pictures: folder in which pictures are kept.
        """
        self._prefix = f"{root}/up/"
        self._pictures = pictures
        self._lock = threading.Lock()
        self._seen: set[str] = set()
        self._episodes: dict[str, Episode] = {}
        self._tally = Tally()
        self._states: dict[str, dict[str, Any]] = {}
        self._notices: list[str] = []
        self._state_changed = threading.Condition(self._lock)

    def take(self, topic: str, payload: bytes, retained: bool, mono: float) -> None:  # noqa: ARG002, FBT001 (a callback)
        """Take one message; `mono` is when it arrived. Runs on the subscriber's thread; raises nothing."""
        with self._lock:
            self._tally.messages += 1
            try:
                match topic.removeprefix(self._prefix).split("/"):
                    case ["event", kind, camera]:
                        self._event(kind, camera, payload, mono)
                    case ["media", _, episode]:
                        self._picture(episode, payload)
                    case name:
                        self._states["/".join(name)] = dict(json.loads(payload))
            except (ValueError, KeyError, TypeError):
                self._tally.damaged += 1
            self._state_changed.notify_all()

    def episodes(self) -> list[Episode]:
        """Return copies of all episodes, in the order in which they were first heard of."""
        with self._lock:
            return [replace(episode, boxes=dict(episode.boxes)) for episode in self._episodes.values()]

    def tally(self) -> Tally:
        """Return a copy of the counts."""
        with self._lock:
            return replace(self._tally, latencies=list(self._tally.latencies))

    def notices(self) -> list[str]:
        """Return what was reported beside episodes, a line each: a covered lens, a fault, something that stays."""
        with self._lock:
            return list(self._notices)

    def state(self, name: str) -> dict[str, Any]:
        """Return what a state topic said last: `status`, `camera/cam0`; empty when it has said nothing."""
        with self._lock:
            return dict(self._states.get(name, {}))

    def wait_for_status(self, state: str, timeout: float) -> bool:
        """Wait until the gateway says that it is `state` (online, stopped); tell whether it did."""
        with self._state_changed:
            return self._state_changed.wait_for(
                lambda: self._states.get("status", {}).get("state") == state, max(0.0, timeout)
            )

    def _new(self, id_: str) -> bool:
        if id_ in self._seen:
            self._tally.duplicates += 1
            return False
        self._seen.add(id_)
        return True

    def _event(self, kind: str, camera: str, payload: bytes, mono: float) -> None:
        """Take an event; what is damaged raises before anything is changed."""
        event = inflate(payload)
        id_, of, data = str(event["id"]), str(event["correlationid"]), dict(event["data"])
        latency = mono - float(data["mono"])
        zones = tuple(str(zone["id"]) for zone in data.get("zones", []))
        boxes: dict[float, Box] = {}
        if kind == "motion":
            started, duration, phase = float(data["started"]), float(data["duration"]), str(data["phase"])
            boxes[round(started + duration, 3)] = Box(*data["box"])
            for elapsed, *box in data.get("path", []):
                boxes[round(started + elapsed, 3)] = Box(*box)
        if not self._new(id_):
            return
        self._tally.events += 1
        self._tally.event_bytes += len(payload)
        self._tally.latencies.append(latency)
        if kind not in {"motion", "stationary"}:
            what = data.get("state") or data.get("code") or ""
            said = {"start": "began", "end": "is over"}.get(data.get("phase", ""), "")
            self._notices.append(f"{camera}: {kind} {what} {said}".rstrip())
            return
        episode = self._episodes.setdefault(of, Episode(of))
        episode.events += 1
        episode.event_bytes += len(payload)
        episode.latency = latency
        episode.zones = zones
        if kind == "stationary":
            self._notices.append(f"{camera}: something came and stays in {', '.join(zones)}")
            return
        episode.phase, episode.started, episode.duration = phase, started, duration
        episode.outcome = str(data.get("outcome", ""))
        episode.boxes |= boxes

    def _picture(self, id_: str, payload: bytes) -> None:
        label = read_label(payload)
        if not self._new(label["id"]):
            return
        self._tally.pictures += 1
        self._tally.picture_bytes += len(payload)
        episode = self._episodes.setdefault(id_, Episode(id_))
        episode.picture_bytes += len(payload)
        episode.picture = f"{id_}.jpg"
        (self._pictures / episode.picture).write_bytes(payload)
