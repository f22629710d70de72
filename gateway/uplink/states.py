"""What the gateway says of itself: of each topic the latest state, said again after every connect; beats now or never.

Pure; guarded by the lock of dispatch.py, which decides when they leave. Not here: what is said (daemon/reporting.py).
"""

from __future__ import annotations

from typing import NamedTuple


class State(NamedTuple):
    """The latest of one topic."""

    topic: str
    payload: bytes
    retain: bool
    qos: int


class States:
    """What is to be said, and what of it was not said on this connection yet."""

    def __init__(self) -> None:
        self._latest: dict[str, State] = {}
        self._unsaid: dict[str, None] = {}
        self._beats: dict[str, bytes] = {}

    def say(self, state: State) -> None:
        """Take a state; it is in the place of an earlier one of its topic."""
        self._latest[state.topic] = state
        self._unsaid[state.topic] = None

    def beat(self, topic: str, payload: bytes) -> None:
        """Take what is said now or never."""
        self._beats[topic] = payload

    def opened(self) -> None:
        """Begin anew with a new connection."""
        self._unsaid = dict.fromkeys(self._latest)
        self._beats.clear()

    def next(self) -> State | None:
        """Return the state that is to be said next and was not said yet, or None."""
        topic = next(iter(self._unsaid), None)
        if topic is None:
            return None
        del self._unsaid[topic]
        return self._latest[topic]

    def beats(self) -> dict[str, bytes]:
        """Return the beats by topic; they are gone then."""
        found, self._beats = self._beats, {}
        return found
