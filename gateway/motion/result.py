"""What the motion core returns for a frame: plain values, no arrays, safe to keep.

Not here: how they are found. Called on the thread that reads the camera.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

View = Literal["ok", "covered", "defocused", "moved", "frozen"]
"""What is wrong with the picture as a whole."""

Suppression = Literal["settling", "light", "weather", "view", "shake"]
"""Why motion that was seen is not reported: the model is young, the light changed, ..."""


class Box(NamedTuple):
    """A rectangle in picture units: 0..1 from the top left corner."""

    x: float
    y: float
    w: float
    h: float


class Track(NamedTuple):
    """One thing that moves, followed from frame to frame."""

    id: int
    """Constant for as long as the thing is followed; never used again by the same detector."""
    box: Box
    """Where it is now, or where it was seen last."""
    velocity: tuple[float, float]
    """Picture widths and heights per second, to the right and down."""
    age: float
    """Seconds since it was first seen."""
    seen: bool
    """Whether this frame shows it; False while it is remembered through an occlusion."""
    state: Literal["moving", "still", "stationary"]
    """still: it stands but is expected to go on; stationary: it came to stay and becomes background."""
    first: Box | None = None
    """Where it was when it was first seen, `age` seconds ago: it is believed later than that."""


class Motion(NamedTuple):
    """What one frame shows."""

    t: float
    """The frame's time as it was passed in, in seconds."""
    moving: bool
    """Whether a track is seen in this frame."""
    score: float
    """How much of the picture moves, 0..1 of its unmasked area."""
    boxes: tuple[Box, ...] = ()
    """What was found in this frame, one box a thing."""
    tracks: tuple[Track, ...] = ()
    """Things that are followed: confirmed ones only."""
    ended: tuple[int, ...] = ()
    """Ids of tracks that ended with this frame."""
    suppressed: Suppression | None = None
    """Why motion was not reported, or None."""
    light: float = 0.0
    """Mean luma of the picture, 0..255."""
    gain: float = 1.0
    """Change of light against the model: 1.2 = a fifth brighter than what was learned."""
    sharpness: float = 0.0
    """Mean absolute gradient of the picture in grey levels: a falling trend is dirt or defocus."""
    noise: float = 0.0
    """Typical standard deviation of a pixel over time, in grey levels."""
    view: View = "ok"
    """The state of the view, as far as it is declared."""
    suspect: bool = False
    """Something seems to be wrong with the view, not yet declared: hold pictures back."""
