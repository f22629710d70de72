"""Whether what is seen can be judged yet: the model is young, the scene became another one, the view was bad.

Not here: how any of that is noticed (background.py, view.py). Plain numbers; runs on the camera's thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.motion.result import Suppression

_LEARN = 2.0  # seconds in which a new model settles
_LATEST = 4.9  # the same where much moves from the start: leaves, water, snow
_MORE = 0.5  # seconds that are added for it at a time
_SEETHING = 20  # much: one cell in so many
_RELEARN = 1.0  # seconds after the scene became another one
_ANOTHER = 0.45  # seconds that most of the picture must differ for that
_SOUND = 1.0  # seconds that the model must be settled before it says what the view is
_RECOVER = 1.0  # seconds that a view must be good again before it is looked at


class Readiness:
    """Keeps the times until which nothing is reported."""

    def __init__(self) -> None:
        self._settled = self._latest = 0.0
        self._young = True
        self._changed_since: float | None = None
        self._held = -1e9

    def start(self, t: float) -> None:
        """A new model begins to learn."""
        self._settled, self._latest = t + _LEARN, t + _LATEST
        self._young = True
        self._changed_since = None

    def grown(self, t: float, *, share: float) -> bool:
        """Say, once for each start, that the first seconds are over; share: of the cells that fire."""
        if not self._young or t < self._settled:
            return False
        if t < self._latest and share * _SEETHING > 1:
            self._settled = t + _MORE
            return False
        self._young = False
        return True

    def settling(self, t: float) -> bool:
        """Say whether the model is too young."""
        return t < self._settled

    def sound(self, t: float) -> bool:
        """Say whether the model is old enough to say what the view is."""
        return t > self._settled + _SOUND

    def another(self, t: float, *, changed: bool) -> bool:
        """Say whether most of the picture has differed for so long that it is another scene."""
        if not changed:
            self._changed_since = None
            return False
        if self._changed_since is None:
            self._changed_since = t
        return t - self._changed_since >= _ANOTHER

    def hurry(self, t: float) -> None:
        """Settle sooner than a new model: half of its looks are remembered."""
        self._settled = t + _RELEARN

    def suppressed(self, t: float, *, changed: bool, holds: bool) -> Suppression | None:
        """Return why motion is not reported; holds: the view is in doubt."""
        if holds:
            self._held = t
        if t - self._held < _RECOVER:
            return "view"
        if self.settling(t):
            return "settling"
        return "light" if changed else None
