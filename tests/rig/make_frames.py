"""Write what the virtual camera shows: a coloured scene with a square that moves, as 0.jpg to 7.jpg."""

import sys
from pathlib import Path

import cv2
import numpy as np

FRAMES = 8


def main(folder: Path) -> None:
    """Write the pictures into `folder`."""
    coarse = np.random.default_rng(1).integers(0, 256, (18, 32, 3), dtype=np.uint8)
    scene = cv2.resize(coarse, (1280, 720), interpolation=cv2.INTER_CUBIC)
    for number in range(FRAMES):
        picture = scene.copy()
        left = 100 + 120 * number
        cv2.rectangle(picture, (left, 300), (left + 120, 500), (30, 60, 250), -1)
        cv2.imwrite(str(folder / f"{number}.jpg"), picture)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
