"""One thing that is followed: where it is, how it went, and what it looked like on the way.

Not here: who it is joined to (joining.py), whether it is believed (trust.py). Plain Python numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from gateway.motion.regions import Region
    from gateway.motion.result import Box

State = Literal["moving", "still", "stationary"]

_STILL_AFTER = 1.5  # seconds without a step


@dataclass(slots=True, eq=False)
class Thing:
    """One thing that is followed; positions are centres in cells, speeds in cells a second."""

    id: int
    x: float
    y: float
    w: float
    h: float
    born: float
    seen: float
    area: float
    vx: float = 0.0
    vy: float = 0.0
    mean_vx: float = 0.0
    """The mean of the speed over about a second."""
    mean_vy: float = 0.0
    hits: int = 1
    edge: float = 0.0
    own: float = 1.0
    moving: float = 0.0
    lively: float = 0.0
    """The same as `moving` over the last second or two: who is far away stands between two steps."""
    start: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """Left, top, right and bottom when it was first seen."""
    went: float = 0.0
    """How far both its sides went the same way from where it began, in cells: flickering goes nowhere."""
    origin: tuple[float, float] = (0.0, 0.0)
    """Centre when it was first seen."""
    far: float = 0.0
    """The farthest that its centre was from there."""
    milestone: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """Place, path and time at which its progress was measured last."""
    idle: int = 0
    """Measurements in a row in which it moved to and fro and got nowhere."""
    swerve: float = 0.5
    """How far it is from where it was expected, as a share of its step: things keep their way, insects do not."""
    beat: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    """Place, speed and time at which its way was measured last."""
    evidence: float = 0.0
    """How unlikely it is that chance put its regions where they were expected, as a negative natural logarithm."""
    path: float = 0.0
    """Length of the way, in cells: leaves go far and get nowhere."""
    slow: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """Its sides without the swing of arms and legs: a running mean over the better part of a second."""
    slow_start: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """The same when they were first known."""
    slow_at: tuple[float, float] = (0.0, 0.0)
    """The middle of those sides when it last counted for the way."""
    slow_path: float = 0.0
    """Length of the way that this middle went, in cells."""
    slow_hits: int = 0
    """Frames that this was measured for."""
    drift: float = 0.0
    """How far those sides went the same way: who walks straight at the camera gets there slowly."""
    anchor: tuple[float, float] = (0.0, 0.0)
    """Where it stood when it last took a step."""
    stepped: float = 0.0
    """When that was."""
    contrast: float = 0.0
    """How much brighter than the background it is, in units of 1/4096 octave."""
    flared: bool = False
    """It appeared just when a field of light did."""
    shade: float = 0.0
    """How much it looks like a shadow on the ground, 0..1: evenly darker, and wider than high."""
    ends: float | None = None
    """How hard the ends of its region are, once that was broad and flat: those of a pool of light are soft."""
    confirmed: bool = False
    shared: bool = False
    """It hides in a region together with another."""
    region: Region | None = None
    """The region of this frame that shows it, or None."""
    first: Box | None = None
    """Where it was seen first, in picture units, once somebody asked (placing.py)."""
    parts: list[Region] = field(default_factory=list)
    """Further regions of this frame that belong to it."""

    def state(self, t: float, stationary_after: float) -> State:
        """Return whether it moves, stands for now, or came to stay."""
        stood = t - self.stepped
        if stood < _STILL_AFTER:
            return "moving"
        return "still" if stood < stationary_after else "stationary"
