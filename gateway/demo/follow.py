"""What goes past the gateway: the scene's truth from its file, and the frame rate from the daemon's own reports.

Not here: judging (replay/score.py), asking the daemon (process.py). Runs on the main thread.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.replay.score import Truth


@dataclass
class TruthFile:
    """Follows the file that the scene writes, line by line."""

    path: Path
    truth: Truth
    _offset: int = 0

    @property
    def first(self) -> float:
        """Monotonic time of the first frame; 0.0 before there is one."""
        return self.truth.times[0] if self.truth.times else 0.0

    @property
    def last(self) -> float:
        """Monotonic time of the newest frame that was read; 0.0 before there is one."""
        return self.truth.times[-1] if self.truth.times else 0.0

    def read(self) -> None:
        """Take the lines that are complete by now; the rest of a line that is being written comes next time."""
        with contextlib.suppress(FileNotFoundError), self.path.open("rb") as file:
            if file.seek(0, os.SEEK_END) < self._offset:
                self._offset = 0  # the eye was started again, and its scene writes the file anew
            file.seek(self._offset)
            text = file.read()
            whole = text.rfind(b"\n") + 1
            self._offset += whole
            for line in text[:whole].splitlines():
                self.truth.add(json.loads(line))


@dataclass
class Rates:
    """Frames and their rate, from what the daemon says of its camera each second."""

    frames: int = 0
    now: float = 0.0
    """Frames a second of late."""
    state: str = "starting"
    ended: bool = False
    """Whether the recording is over."""
    _each: list[float] = field(default_factory=list)

    def take(self, camera: dict[str, Any]) -> None:
        """Take one report; one that is no news, or empty, changes nothing."""
        self.state = str(camera.get("state", self.state))
        self.ended = self.ended or camera.get("code") == "camera-ended"
        frames, rate = int(camera.get("frames", self.frames)), float(camera.get("fps", 0.0))
        if frames != self.frames and rate > 0:
            self._each.append(rate)
            self.now = rate
        self.frames = frames

    @property
    def mean(self) -> float:
        """Mean of all that were reported; 0.0 when none was."""
        return sum(self._each) / len(self._each) if self._each else 0.0
