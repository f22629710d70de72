"""The bounded queue before the eye's socket: what leaves first, and what is dropped when the daemon does not read.

Not here: the socket (channel.py), what is said (eye.py, pipeline.py). Any thread of the eye; nothing waits.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from gateway.wire.draft import LANES, Draft, Rank, lane_of, pack_draft, pack_note

if TYPE_CHECKING:
    from gateway.channel import Channel

QUEUED_DRAFTS = 256
QUEUED_PICTURES = 8


class Outlet:
    """The bounded queue before the socket. Lanes leave in the order alarm, event, media, each first in, first out.

    When it is full, pictures drop first, then updates, starts, ends; an alarm drops only behind 256 other alarms.
    A picture is sent only while the socket is less than half full, so that an alarm always finds room behind it.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._room = channel.capacity // 2
        self._lanes: dict[str, deque[Draft]] = {lane: deque() for lane in LANES}
        self._notes: deque[bytes] = deque(maxlen=32)
        self._lock = threading.Lock()
        self.dropped = dict.fromkeys((rank.name.lower() for rank in Rank), 0)
        """Drafts that were dropped, by rank."""

    @property
    def broken(self) -> bool:
        """Whether the daemon is gone."""
        return self._channel.closed

    def draft(self, draft: Draft) -> None:
        """Queue a draft and send what can be sent; never waits. Any thread."""
        with self._lock:
            lane = self._lanes[lane_of(draft.rank)]
            lane.append(draft)
            self._shed()
        self.flush()

    def note(self, **fields: Any) -> None:
        """Queue a control note, ahead of all drafts; never waits. Any thread."""
        self._notes.append(pack_note(fields))
        self.flush()

    def flush(self) -> bool:
        """Send as much as the socket takes now; tell whether nothing is left."""
        with self._lock:
            while self._notes and self._channel.send(self._notes[0]):
                self._notes.popleft()
            for name, lane in self._lanes.items():
                while lane and not self._notes:
                    if name == "media" and self._channel.unread > self._room:
                        break
                    if not self._channel.send(pack_draft(lane[0])):
                        break
                    lane.popleft()
            return not self._notes and not any(self._lanes.values())

    def _shed(self) -> None:
        media, event, alarm = self._lanes["media"], self._lanes["event"], self._lanes["alarm"]
        while len(media) > QUEUED_PICTURES:
            self._count(media.popleft())
        while len(event) > QUEUED_DRAFTS:
            worst = max(event, key=lambda draft: draft.rank)
            event.remove(worst)
            self._count(worst)
        while len(alarm) > QUEUED_DRAFTS:
            self._count(alarm.popleft())

    def _count(self, draft: Draft) -> None:
        self.dropped[draft.rank.name.lower()] += 1
