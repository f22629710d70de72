"""What leaves next, and what the broker's answer means: the window, the order of urgency, and the patience.

Alarms first, then states, events, what was saved from an older store, pictures. Half of the methods are the deliver
thread's, the others any thread's; the lock is never held while the network is used. Not here: connecting (link.py), the
order within a lane (lanes.py), states (states.py), what is on its way (window.py).
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

from gateway.errors import LinkError
from gateway.uplink import reasons
from gateway.uplink.lanes import Lane
from gateway.uplink.rows import STREAMS, Key, Stream
from gateway.uplink.states import State, States
from gateway.uplink.window import Sent, Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.uplink.lanes import Batch
    from gateway.uplink.spool import Spool
    from gateway.wire.message import Message

log = logging.getLogger(__name__)

FETCH_COUNT = 64
PATIENCE = 8
"""A message that the broker puts off so often is refused for good, unless it is an alarm."""
PROBE_SECONDS = 10.0
"""While nobody hears our alarms, the oldest is tried again so often, and with every new one."""
LOOK_SECONDS = 5.0
"""So often the store is asked for messages that salvage has found meanwhile."""


class Publish(Protocol):
    """Sends a message and returns its id; raises LinkError when the connection is over."""

    def __call__(self, topic: str, payload: bytes, qos: int = 1, *, retain: bool = False) -> int:
        """See Connection.publish."""


class Dispatch:
    """The gateway's outgoing messages."""

    def __init__(self, root: str, spool: Spool, wake: Callable[[], None], rate: float, *, confirm_centre: bool) -> None:
        """See Link; `wake` makes the deliver thread look here."""
        self._root = root
        self._spool = spool
        self._wake = wake
        self._rate = rate
        self._confirm_centre = confirm_centre
        self._lock = threading.Lock()
        self._lanes: dict[Stream, Lane] = {stream: Lane(stream) for stream in STREAMS}
        self._states = States()
        self._window = Window()
        self._paused: dict[Stream, float] = {}
        self._put_off: dict[Key, int] = {}
        self._absent_since: float | None = None
        self._forbidden = False
        self._counts: Counter[str] = Counter()
        self._rtt: float | None = None
        # Of the deliver thread.
        self._tokens = 0.0
        self._tokens_at = 0.0
        self._look_at = 0.0

    # Any thread

    def offer(self, message: Message) -> None:
        """Take a message that the spool has been offered."""
        with self._lock:
            self._lanes[message.lane].offer(message)
            if message.lane == "alarm":
                self._paused.pop("alarm", None)

    def say(self, topic: str, payload: bytes, *, retain: bool, qos: int) -> None:
        """Take a state; only the latest of each topic counts."""
        with self._lock:
            self._states.say(State(topic, payload, retain, qos))

    def beat(self, topic: str, payload: bytes) -> None:
        """Take what is said now or never."""
        with self._lock:
            self._states.beat(topic, payload)

    def look_again(self, stream: Stream) -> None:
        """Fetch a lane from the store from its start: something in it is to be sent again."""
        with self._lock:
            self._lanes[stream].rewind(1)

    def status(self, now: float) -> dict[str, Any]:
        """Return the counts; see Link.status."""
        with self._lock:
            absent = self._absent_since
            names = ("answers", "acked", "refused", "unheard", "put_off", "duplicates_possible")
            return {name: self._counts[name] for name in names} | {
                "rtt_ms": self._rtt,
                "inflight": len(self._window),
                "behind": [stream for stream in STREAMS if self._lanes[stream].behind],
                "centre_absent": None if absent is None else round(now - absent, 1),
                "alarms_forbidden": self._forbidden,
            }

    # The deliver thread

    def opened(self, window: int, largest: int, now: float) -> None:
        """Note a new connection: at most `window` messages on their way, none longer than `largest` bytes."""
        self._tokens = 0.0
        self._tokens_at = self._look_at = now
        with self._lock:
            self._window.opened(window, largest)
            self._states.opened()
            self._paused.clear()
            if self._confirm_centre:  # the broker may have died with what it had acknowledged and not handed on
                self._lanes["alarm"].rewind(1)

    def closed(self) -> None:
        """Note that the connection is over: what was on its way will leave again, first and in order."""
        with self._lock:
            was_sent = self._window.closed()
            for stream in STREAMS:
                back = [sent.message for sent in was_sent if sent.stream == stream and sent.message]
                self._lanes[stream].give_back(back)
                self._counts["duplicates_possible"] += len(back)

    def oldest(self) -> float | None:
        """Return since when the oldest message is on its way, or None."""
        return self._window.oldest

    def under_way(self, mid: int) -> bool:
        """Whether a message is still unacknowledged."""
        return mid in self._window

    def pause(self, now: float) -> float:
        """Return after how many seconds there may be something to send that nobody will announce."""
        waits = [1.0, *(until - now for until in self._paused.values() if until > now)]
        if self._tokens < 1 and any(self._lanes[stream].behind for stream in STREAMS[1:]):
            waits.append(1 / max(self._rate, 0.1))
        return max(0.0, min(waits))

    def send(self, publish: Publish, now: float, *, only_alarms: bool = False) -> None:
        """Send what may leave now.

        Raises:
            LinkError: the connection is over; nothing is lost by that.
        """
        with self._lock:
            beats = self._states.beats()
        for topic, payload in beats.items():
            publish(f"{self._root}/{topic}", payload, 0)
        self._tokens = min(max(1.0, self._rate), self._tokens + (now - self._tokens_at) * self._rate)
        self._tokens_at = now
        if now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            with self._lock:
                self._lanes["saved"].rewind(1)  # their places are used again
        while self._window.has_room:
            alarm = self._take("alarm", now)
            if alarm is not None:
                self._publish_message(publish, "alarm", alarm, now)
            elif only_alarms or not (self._say_one(publish, now) or self._send_bulk(publish, now)):
                break
        self._fetch(STREAMS[:1] if only_alarms else STREAMS)

    def publish_state(
        self, publish: Publish, topic: str, payload: bytes, now: float, *, retain: bool = True, qos: int = 1
    ) -> int:
        """Send a state at once; return its id."""
        mid = publish(f"{self._root}/{topic}", payload, qos, retain=retain)
        if qos:
            with self._lock:
                self._window.add(mid, Sent(now))
        return mid

    def acknowledged(self, mid: int, code: int, now: float) -> None:
        """Take the broker's answer for a message."""
        with self._lock:
            sent = self._window.take(mid)
            if sent is None:
                return
            self._rtt = round((now - sent.since) * 1000, 1)
            self._counts["answers"] += 1
        if sent.message is None or sent.stream is None:
            return
        verdict = reasons.verdict(code)
        alarm = sent.stream == "alarm"
        if verdict == "accepted" or (verdict == "unheard" and not alarm):
            self._accepted(sent.message, alarm=alarm, heard=verdict == "accepted")
        elif verdict == "refused":
            self._refuse(sent.message, reasons.REFUSED_FOR_GOOD[code])
        elif verdict == "forbidden" and not alarm:
            self._refuse(sent.message, "not authorised for this topic")
        else:
            self._try_later(sent.stream, sent.message, verdict, now)

    def _take(self, stream: Stream, now: float, *, backlog: bool = True) -> Message | None:
        with self._lock:
            if self._paused.get(stream, 0.0) > now or (stream == "alarm" and self._probing()):
                return None
            return self._lanes[stream].take(backlog=backlog)

    def _probing(self) -> bool:
        """Whether an alarm is out to see if anybody hears it: until then the others stay."""
        unsure = self._absent_since is not None or self._forbidden
        return unsure and self._window.has_alarm

    def _say_one(self, publish: Publish, now: float) -> bool:
        with self._lock:
            state = self._states.next()
        if state is None:
            return False
        if self._window.takes(f"{self._root}/{state.topic}", state.payload):
            self.publish_state(publish, state.topic, state.payload, now, retain=state.retain, qos=state.qos)
        else:  # the broker would end the connection, and after each connect it would be said again
            length = len(state.payload)
            log.warning("%s is not said: with %d bytes it is larger than the broker takes", state.topic, length)
        return True

    def _send_bulk(self, publish: Publish, now: float) -> bool:
        if not self._window.has_room_for_bulk:
            return False
        for stream in STREAMS[1:]:
            behind = self._lanes[stream].behind
            message = self._take(stream, now, backlog=self._tokens >= 1)
            if message is not None:
                if behind:
                    self._tokens -= 1
                self._publish_message(publish, stream, message, now)
                return True
        return False

    def _fetch(self, streams: tuple[Stream, ...]) -> None:
        for stream in streams:
            with self._lock:
                place = None if stream == "alarm" and self._probing() else self._lanes[stream].wants()
            if place is not None:
                self._spool.fetch(stream, place, FETCH_COUNT, self._answered)

    def _answered(self, stream: Stream, batch: Batch | None) -> None:
        """Take the spool's answer; on its thread."""
        with self._lock:
            self._lanes[stream].answer(batch, self._window.keys)
        if batch is not None:  # or else the next look, within a second, asks again
            self._wake()

    def _publish_message(self, publish: Publish, stream: Stream, message: Message, now: float) -> None:
        topic = f"{self._root}/{message.topic}"
        if not self._window.takes(topic, message.payload):
            self._refuse(message, reasons.REFUSED_FOR_GOOD[reasons.PACKET_TOO_LARGE])
            return
        try:
            mid = publish(topic, message.payload)
        except LinkError:
            with self._lock:
                self._lanes[stream].give_back([message])
            raise
        with self._lock:
            self._window.add(mid, Sent(now, message, stream))

    def _accepted(self, message: Message, *, alarm: bool, heard: bool) -> None:
        with self._lock:
            self._counts["acked"] += 1
            self._counts["unheard"] += not heard
            self._put_off.pop(message.key, None)
            if alarm:
                self._absent_since = None
                self._forbidden = False
        if not (alarm and self._confirm_centre):
            self._spool.acknowledged([message.key])

    def _refuse(self, message: Message, why: str) -> None:
        with self._lock:
            self._counts["refused"] += 1
            self._put_off.pop(message.key, None)
        self._spool.refused(message.key, why)

    def _try_later(self, stream: Stream, message: Message, verdict: reasons.Verdict, now: float) -> None:
        """Keep a message that nobody would take now, and with it what follows in its lane."""
        tries = self._put_off.get(message.key, 0) + 1
        if tries > PATIENCE and stream != "alarm":
            self._refuse(message, f"put off {tries} times")
            return
        with self._lock:
            self._put_off[message.key] = tries
            self._counts["put_off"] += 1
            if verdict == "unheard":
                self._counts["unheard"] += 1
                self._absent_since = self._absent_since or now
            self._forbidden = self._forbidden or verdict == "forbidden"
            self._lanes[stream].give_back([message])
            self._paused[stream] = now + (PROBE_SECONDS if stream == "alarm" else min(2.0**tries, 60.0))
