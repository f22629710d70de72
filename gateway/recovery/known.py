"""What the daemon knows of a camera from what its eye has said: state, reason, faults, counts, what is still open.

Takes notes and drafts in, gives plain values out. Not here: the process that says it (eye_process.py), what is done
when it falls silent (eyes.py), how it is reported (daemon/reporting.py). Runs on the daemon's main thread.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import replace
from typing import Any

from gateway.wire.draft import Draft, random_uuid7, rank_of

log = logging.getLogger(__name__)

STARTING = "starting"
AGAIN = "it is started again by itself"


class Known:
    """One camera, as far as it has told."""

    def __init__(self, name: str, *, simulated: bool = False, moved: bool = False, forgotten: bool = False) -> None:
        self.name = name
        self.simulated = simulated
        self.moved = moved
        """The view has moved and nobody has confirmed it: latched by the daemon over restarts."""
        self._forgotten = forgotten
        """It counts as moved because what was remembered of it cannot be read."""
        self._earlier = moved
        """It was latched in an earlier run."""
        self.state = "off"
        """ok, covered, defocused, moved, frozen, off: as in up/camera."""
        self.code = STARTING
        self.reason = "the camera is being opened"
        self.hint = ""
        self.faults: dict[str, tuple[str, str]] = {}
        """Faults that the eye reports while it runs: code -> message, hint."""
        self.beat: dict[str, Any] = {}
        self.snapshots: deque[tuple[str, str]] = deque(maxlen=32)
        """Pictures that were asked for and are made: the command's id, and why it was refused or nothing."""
        self.running = False
        """Whether frames come."""
        self.waits = False
        """Whether the process lives, has no frame, and does what it is told about that."""
        self.opened = False
        """Whether frames have come from this process."""
        self.ended = False
        """Whether the source is over: a recording. Not started again."""
        self.lacks: tuple[str, ...] = ()
        """Controls that were wanted and that the camera does not have."""
        self._lost = 0
        self._open: dict[str, Draft] = {}

    @property
    def motion(self) -> bool:
        """Whether an episode is open."""
        return any(draft.kind == "motion" for draft in self._open.values())

    @property
    def lost(self) -> int:
        """Drafts and pictures that this camera's processes had to drop since the daemon started."""
        return self._lost + self._lost_now

    @property
    def _lost_now(self) -> int:
        drafts: dict[str, int] = self.beat.get("dropped", {})
        return sum(drafts.values()) + int(self.beat.get("pictures_dropped", 0))

    @property
    def alive(self) -> bool:
        """Whether the last that is known is no failure."""
        return self.code in {"ok", STARTING} or self.code.startswith("view-")

    @property
    def fault(self) -> str:
        """What recovery has to see to, or nothing: a view that is covered is no matter of the camera's."""
        return "" if self.alive and self.code != "view-frozen" else self.code

    def in_words(self) -> dict[str, Any]:
        """Return what up/health has as codes only, for whoever stands at the pole."""
        faults = {code: {"message": message, "hint": hint} for code, (message, hint) in sorted(self.faults.items())}
        return {"simulated": self.simulated, "faults": faults}

    def take(self, news: Draft | dict[str, Any]) -> Draft | None:
        """Take what the eye said; return it when it is a draft.

        Raises:
            ValueError, KeyError, TypeError: a note that cannot be understood, a draft of which no message can be made.
        """
        if isinstance(news, Draft):
            _check(news, self.name)
            self._remember(news)
            return news
        match news.get("note"):
            case "open":
                self.simulated = bool(news["simulated"])
                self.lacks = tuple(map(str, news.get("lacks", ())))
            case "beat":
                self._take_beat(news)
            case "snapshot":
                self.snapshots.append((str(news["id"]), str(news["refused"])))
            case "fault":
                log.warning("eye %s: %s: %s; %s", self.name, news["code"], news["message"], news["hint"])
                self.faults[str(news["code"])] = (str(news["message"]), str(news["hint"]))
            case "trouble":
                self.running, self.waits = False, True
                self.fail(str(news["code"]), str(news["message"]), str(news["hint"]))
            case "failed":
                self.fail(str(news["code"]), str(news["message"]), str(news["hint"]))
            case "ended":
                self.ended = True
                self.fail("camera-ended", str(news["message"]), str(news["hint"]))
        return None

    def fail(self, code: str, reason: str, hint: str) -> None:
        """Note why the camera is off."""
        if (self.code, self.reason) != (code, reason):
            log.warning("eye %s: %s: %s", self.name, code, reason)
        self.state, self.code, self.reason, self.hint = "off", code, reason, hint

    def begin(self) -> None:
        """Note that a new process was started."""
        self.faults.clear()
        self.running = self.waits = self.opened = False

    def end(self, now: float) -> list[Draft]:
        """Note that the process is gone; return the ends of what it left open. `now` on the monotonic clock."""
        self.running = self.waits = False
        self._lost += self._lost_now
        self.beat = {}
        self.state = "off"
        drafts = [_interrupted(draft, now) for draft in self._open.values()]
        self._open.clear()
        return drafts

    def _take_beat(self, note: dict[str, Any]) -> None:
        # What is reckoned with later has to be numbers now, while it is known whose fault it is.
        sum([note.get("fps", 0.0), note.get("pictures_dropped", 0), *dict(note.get("dropped", {})).values()])
        self.moved = bool(note["moved"])
        self.state = note["view"] if note["view"] != "ok" or not self.moved else "moved"
        self.code = "ok" if self.state == "ok" else f"view-{self.state}"
        self.reason = "" if self.state == "ok" else f"the picture is {self.state}"
        self._forgotten, self._earlier = self._forgotten and self.moved, self._earlier and self.moved
        if self.state == "moved" and self._forgotten:
            self.reason = "what was remembered of the view cannot be read, so that it counts as moved"
        elif self.state == "moved" and self._earlier:
            self.reason = "the view moved in an earlier run, or counted as moved, and nobody has confirmed it since"
        look = "look whether masks and zones still fit what it sees, then"
        self.hint = f"{look}: sudo gateway confirm-view {self.name}" if self.moved else ""
        self.beat = note
        self.running = self.opened = True
        self.waits = False

    def _remember(self, draft: Draft) -> None:
        if draft.kind not in {"motion", "view"}:
            return
        if draft.kind == "view" and draft.phase == "start" and draft.body.get("state") == "moved":
            self.moved = True  # now: an eye that dies before its next beat must not come back with pictures
        if draft.phase == "end":
            self._open.pop(draft.episode, None)
        else:
            self._open[draft.episode] = draft


def _check(draft: Draft, camera: str) -> None:
    """Look whether a message can be made of a draft: whoever numbers it must not fail for one eye's memory.

    Raises:
        ValueError: none can; says why.
    """
    words = (draft.id, draft.kind, draft.camera, draft.episode, draft.severity, draft.subject, draft.phase or "")
    if not all(isinstance(each, str) for each in words) or not isinstance(draft.body, dict):
        raise ValueError("a draft whose fields are not what they should be")
    if draft.camera != camera:
        raise ValueError(f"a draft of camera {draft.camera[:80]!r}")
    if isinstance(draft.mono, bool) or not isinstance(draft.mono, (int, float)) or not 0 <= draft.mono < 1e10:
        raise ValueError("a draft without a time")
    if draft.picture is not None and not draft.picture.startswith(b"\xff\xd8"):
        raise ValueError("a picture that is no JPEG")


def _interrupted(draft: Draft, now: float) -> Draft:
    """The end of an episode whose eye died before it could say so."""
    if draft.kind == "view":
        body = draft.body | {"phase": "end", "state": "off"}
    else:
        body = {"picture": None} | draft.body | {"phase": "end", "outcome": "interrupted"}
    return replace(
        draft,
        id=random_uuid7(time.time()),
        rank=rank_of("end", alarm=draft.alarm),
        phase="end",
        mono=now,
        body=body,
        picture=None,
    )
