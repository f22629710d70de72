"""The uplink's daily byte budget: what leaves in full, what smaller, what not at all, and what stands for the rest.

As the day's bytes are used up, pictures become smaller, then only alarms have pictures, then one `storm` event stands
for many episodes of a zone. Alarms always pass. A day is 24 hours of the monotonic clock, so that a clock that jumps
neither frees nor starves the link. Pure: drafts and times in, verdicts out. Runs on the daemon's main thread. Not here:
telling the eyes (daemon.py), remembering it over a restart (memory/state.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from gateway.wire.draft import Draft, Rank, random_uuid7

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.wire.message import Message

Stage = Literal["full", "smaller", "rarer", "storm"]
STAGES: tuple[tuple[float, Stage], ...] = ((0.9, "storm"), (0.75, "rarer"), (0.5, "smaller"))
"""From which part of the day's budget on each stage is in force."""
HOURS = 24
HOUR_SECONDS = 3600.0
DAY_SECONDS = HOURS * HOUR_SECONDS
"""The day slides by hours: bytes are forgotten an hour at a time."""
SMALL_PICTURE = 12 * 1024
STORM_SECONDS = 300.0
"""A zone's storm is summed up at most so often."""
NOTED_PART = 0.05
"""Of the day's budget: a daemon that is killed forgets no more of what it spent. That is 20 notes a day."""
OVERHEAD = 60
"""Bytes of topic, headers and acknowledgement that a message costs beside its payload, roughly."""


@dataclass(slots=True)
class _Storm:
    episode: str
    since: float
    due: float
    zone: dict[str, str]
    episodes: set[str] = field(default_factory=set)


class Budget:
    """Counts bytes and judges drafts."""

    def __init__(self, daily_bytes: int, wall: Any) -> None:
        """Take the cap of a day in bytes, 0 for none; `wall` returns the wall clock, for ids only."""
        self._cap = daily_bytes
        self._wall = wall
        self._hours = [0] * HOURS
        self._hour: int | None = None
        self._noted = 0
        self._storms: dict[tuple[str, str], _Storm] = {}
        self.withheld = {"pictures": 0, "events": 0}
        """What was not sent because of the budget, since the start."""

    @property
    def used(self) -> int:
        """Bytes of the last 24 hours."""
        return sum(self._hours)

    @property
    def stage(self) -> Stage:
        """What is in force now."""
        if not self._cap:
            return "full"
        part = self.used / self._cap
        return next((stage for least, stage in STAGES if part >= least), "full")

    def hours(self, mono: float) -> tuple[int, ...]:
        """Return the bytes of the last 24 hours, hour by hour, this one first; nothing where there is no cap."""
        if not self._cap:
            return ()
        self._advance(mono)
        now = int(mono // HOUR_SECONDS)
        return tuple(self._hours[(now - ago) % HOURS] for ago in range(HOURS))

    def resume(self, hours: Sequence[int], mono: float) -> None:
        """Go on where an earlier run left off, whose `hours` these are: a restart is no new day."""
        self._advance(mono)
        now = int(mono // HOUR_SECONDS)
        for ago, spent in enumerate(hours[:HOURS]):
            self._hours[(now - ago) % HOURS] += spent
        self._noted = self.used

    def to_be_noted(self) -> bool:
        """Whether so much was spent since this was asked last with this answer that a restart should know of it."""
        if not self._cap or self.used - self._noted < self._cap * NOTED_PART:
            self._noted = min(self._noted, self.used)  # yesterday's bytes leave the sum
            return False
        self._noted = self.used
        return True

    def picture_limit(self, normal: int) -> int:
        """Return the longest picture that an eye should make now, in bytes, where `normal` is the settings'."""
        return normal if self.stage == "full" else min(normal, SMALL_PICTURE)

    def spend(self, message: Message, mono: float) -> None:
        """Count a message that will be sent. `mono` in seconds."""
        self._advance(mono)
        self._hours[int(mono // HOUR_SECONDS) % HOURS] += len(message.payload) + OVERHEAD

    def admit(self, draft: Draft, mono: float) -> bool:
        """Tell whether a draft may become a message; what may not is counted, and its zone summed up later."""
        self._advance(mono)
        if draft.alarm or draft.kind not in {"motion", "stationary", "media"}:
            return True
        stage = self.stage
        if draft.kind == "media":
            if stage in {"rarer", "storm"}:
                self.withheld["pictures"] += 1
                return False
            return True
        if stage != "storm":
            return True
        self.withheld["events"] += 1
        self._sum_up(draft, mono)
        return False

    def tick(self, mono: float) -> list[Draft]:
        """Return the storm events that are due."""
        self._advance(mono)
        due = [(key, storm) for key, storm in self._storms.items() if mono >= storm.due]
        drafts = []
        for (camera, zone), storm in due:
            del self._storms[camera, zone]
            body = {
                "zones": [storm.zone],
                "started": round(storm.since, 3),
                "duration": round(mono - storm.since, 1),
                "episodes": len(storm.episodes),
            }
            drafts.append(
                Draft(
                    random_uuid7(self._wall()), Rank.END, "storm", camera, mono, storm.episode, subject=zone, body=body
                )
            )
        return drafts

    def status(self) -> dict[str, Any]:
        """Return what up/health says of the budget."""
        return {"daily_bytes": self._cap, "used_bytes": self.used, "stage": self.stage, "withheld": dict(self.withheld)}

    def _sum_up(self, draft: Draft, mono: float) -> None:
        zones = draft.body.get("zones") or [{"id": "all", "purpose": "general"}]
        zone = next((zone for zone in zones if zone["id"] == draft.subject), zones[0])
        key = (draft.camera, str(zone["id"]))
        if key not in self._storms:
            name = random_uuid7(self._wall())
            self._storms[key] = _Storm(name, draft.mono, mono + STORM_SECONDS, zone)
        self._storms[key].episodes.add(draft.episode)

    def _advance(self, mono: float) -> None:
        hour = int(mono // HOUR_SECONDS)
        before = hour if self._hour is None else self._hour
        for passed in range(before + 1, min(hour, before + HOURS) + 1):
            self._hours[passed % HOURS] = 0
        self._hour = max(before, hour)
