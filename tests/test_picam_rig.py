"""picamera2 for real: the contract and its traps on libcamera's virtual camera, in a Debian 13 tree (opt-in).

GATEWAY_RIG=1 builds the tree once (two minutes, 750 MB, root, Debian's packages) in the cache of the user and runs
test_cameras.py and test_picam.py in it, on Python 3.13 and the versions of NumPy and OpenCV that Debian 13 has.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

RIG = Path(__file__).parent / "rig"

pytestmark = pytest.mark.skipif(
    not os.environ.get("GATEWAY_RIG"), reason="takes root, 750 MB and minutes: GATEWAY_RIG=1 builds and runs it"
)


@pytest.fixture(scope="module")
def tree() -> Path:
    """The tree, built when it is not there or its recipe has changed."""
    if os.geteuid() != 0:
        pytest.skip("the rig needs root: it unpacks a Debian tree and enters it")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = cache / "camera-gateway" / "rig-camera"
    built = subprocess.run(
        [str(RIG / "build_tree.sh"), str(path)], check=False, capture_output=True, text=True, timeout=1800
    )
    assert built.returncode == 0, built.stderr[-4000:]
    return path


def run(tree: Path, *arguments: str) -> str:
    """Return what pytest says inside the tree."""
    command = [str(RIG / "run_in_tree.sh"), str(tree), "-q", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return done.stdout


def test_picamera2_keeps_the_contract(tree: Path) -> None:
    """Every rule of the contract suite holds for the unmodified picamera2, and none of it was skipped."""
    output = run(tree, "tests/test_cameras.py", "-k", "picamera2")
    passed = re.search(r"(\d+) passed", output)
    assert passed, output
    assert int(passed[1]) >= 9
    assert "skipped" not in output


def test_picamera2_does_not_trap_us(tree: Path) -> None:
    """Every known trap of picamera2 is stepped round, on the real library."""
    output = run(tree, "tests/test_picam.py")
    passed = re.search(r"(\d+) passed", output)
    assert passed, output
    assert int(passed[1]) >= 13


def test_holds_on_the_oldest_versions(tree: Path) -> None:
    """Masks and all other cameras hold on Python 3.13 with the NumPy and OpenCV of Debian 13."""
    files = ("test_cameras.py", "test_mask.py", "test_opening.py", "test_video.py")
    run(tree, *(f"tests/{name}" for name in files), "-k", "not picamera2")
