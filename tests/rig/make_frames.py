"""Write what the virtual camera shows, as 0.jpg and so on: it shows each four times, and begins again at the end."""

import sys
from pathlib import Path

import cv2
import numpy as np

QUIET = 25
STEPS = 40


def main(folder: Path, what: str) -> None:
    """Write a coloured scene: with a square that moves (`square`), or a street that somebody crosses (`crossing`)."""
    coarse = np.random.default_rng(1).integers(60, 200, (18, 32, 3), dtype=np.uint8)
    scene = cv2.resize(coarse, (1280, 720), interpolation=cv2.INTER_CUBIC)
    count = 8 if what == "square" else QUIET + STEPS
    for number in range(count):
        picture = scene.copy()
        if what == "square":
            left = 100 + 120 * number
            cv2.rectangle(picture, (left, 300), (left + 120, 500), (30, 60, 250), -1)
        elif number >= QUIET:
            left = -60 + 32 * (number - QUIET)
            cv2.rectangle(picture, (left, 330), (left + 60, 500), (20, 20, 30), -1)
            cv2.circle(picture, (left + 30, 305), 25, (60, 90, 140), -1)
        cv2.imwrite(str(folder / f"{number}.jpg"), picture)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
