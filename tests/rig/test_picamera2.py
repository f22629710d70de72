"""picamera2 for real: the contract and its traps on libcamera's virtual camera, in the Debian 13 tree, not booted.

test_cameras.py and test_picam*.py run in it, on Python 3.13 and Debian 13's own NumPy and OpenCV.
"""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from tests.rig.machine import HERE

if TYPE_CHECKING:
    from pathlib import Path


def run(tree: Path, *arguments: str) -> int:
    """Run pytest inside the tree; return how many tests passed. None may fail."""
    command = [str(HERE / "run_in_tree.sh"), str(tree), "-q", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=1500)
    print(done.stdout)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed, done.stdout
    return int(passed[1])


def test_picamera2_keeps_the_contract(tree: Path) -> None:
    """Every rule of the contract suite holds for the unmodified picamera2."""
    assert run(tree, "tests/test_cameras.py", "-k", "picamera2") >= 9


def test_picamera2_does_not_trap_us(tree: Path) -> None:
    """Every known trap of picamera2 is stepped round, on the real library."""
    assert run(tree, "tests/test_picam.py", "tests/test_picam_lasting.py") >= 17


def test_holds_on_the_oldest_versions(tree: Path) -> None:
    """Masks and all other cameras hold on Python 3.13 with the NumPy and OpenCV of Debian 13."""
    kinds = ("cameras", "mask", "mask_files", "opening", "video", "video_faults", "video_network")
    assert run(tree, *(f"tests/test_{kind}.py" for kind in kinds), "-k", "not picamera2") >= 20
