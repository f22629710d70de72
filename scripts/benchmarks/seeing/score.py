"""How well a mask and boxes agree with the truth of every pixel.

Not here: where frames and truth come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .methods import Boxes, Plane


class Score:
    """Counts for one method and one scene."""

    def __init__(self) -> None:
        self.right = self.wrong = self.missed = self.frames = self.false = 0
        self.seen: dict[int, int] = {}
        self.hit: dict[int, int] = {}
        self.latency: dict[int, int] = {}

    def count(self, mask: Plane, boxes: Boxes, labels: NDArray[np.uint16], ignore: NDArray[np.bool_]) -> None:
        """Score one frame against the truth of every pixel; a box is false when no actor or doubtful pixel is in it."""
        found, true, sure = mask > 0, labels > 0, ~ignore
        self.right += int(np.count_nonzero(found & true & sure))
        self.wrong += int(np.count_nonzero(found & ~true & sure))
        self.missed += int(np.count_nonzero(~found & true & sure))
        self.frames += 1
        about = np.asarray(cv2.dilate((true | ignore).astype(np.uint8), np.ones((5, 5), np.uint8)))
        self.false += any(not about[int(y) : int(y + h) + 1, int(x) : int(x + w) + 1].any() for x, y, w, h in boxes)
        for label in np.unique(labels[true]).tolist():
            rows, columns = np.nonzero(labels == label)
            if rows.size < 4:
                continue
            self.seen[label] = self.seen.get(label, 0) + 1
            truth = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
            if any(_fits(box, truth) for box in boxes):
                self.hit[label] = self.hit.get(label, 0) + 1
                self.latency.setdefault(label, self.seen[label])

    def summary(self) -> dict[str, Any]:
        """Return the figures; an actor counts when it shows for three frames, is found in 15 % of its frames."""
        shown = {label: count for label, count in self.seen.items() if count >= 3}
        return {
            "f": 2 * self.right / max(1, 2 * self.right + self.wrong + self.missed),
            "objects": sum(self.hit.get(label, 0) >= 0.15 * count for label, count in shown.items()),
            "objects_true": len(shown),
            "false_frames": self.false / max(1, self.frames),
            "latency": float(np.median(list(self.latency.values()))) if self.latency else None,
        }


def _fits(box: tuple[float, ...], truth: tuple[float, ...]) -> bool:
    across = min(box[0] + box[2], truth[0] + truth[2]) - max(box[0], truth[0])
    down = min(box[1] + box[3], truth[1] + truth[3]) - max(box[1], truth[1])
    area = truth[2] * truth[3]
    return across > 0 and down > 0 and across * down >= 0.3 * area and box[2] * box[3] <= 6 * area + 64
