"""Zones: the parts of the picture that somebody cares about. Pure; called on `watch`.

Not here: what a zone's purpose means to a desk (that is the centre's decision), settings (plain values come in).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.motion.result import Box

SEVERITIES = ("informational", "low", "medium", "high", "critical")


def inside(x: float, y: float, polygon: Sequence[tuple[float, float]]) -> bool:
    """Tell whether a point lies in a polygon, by the even-odd rule (Shimrat, CACM 5(8), 1962).

    Points and corners are in 0..1; points on the left and upper edges count as inside.
    """
    odd = False
    x1, y1 = polygon[-1]
    for x2, y2 in polygon:
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            odd = not odd
        x1, y1 = x2, y2
    return odd


@dataclass(frozen=True, slots=True)
class Zone:
    """One zone, as configured; see settings.ZoneSettings for what is allowed."""

    id: str
    purpose: str
    polygon: tuple[tuple[float, float], ...]
    minimum_height: float = 0.0
    severity: str = "low"
    alarm: bool = False

    def holds(self, box: Box) -> bool:
        """Tell whether a thing is in this zone: its foot (middle of the lower edge) is, and it is tall enough."""
        foot_x = min(max(box.x + box.w / 2, 0.0), 0.999999)
        foot_y = min(max(box.y + box.h, 0.0), 0.999999)
        return box.h >= self.minimum_height and inside(foot_x, foot_y, self.polygon)

    @property
    def weight(self) -> int:
        """Orders zones by severity; an alarm zone outweighs its own severity."""
        return SEVERITIES.index(self.severity) + (len(SEVERITIES) if self.alarm else 0)

    def reference(self) -> dict[str, str]:
        """What an event says of it."""
        return {"id": self.id, "purpose": self.purpose}


WHOLE_PICTURE = Zone("all", "general", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))
