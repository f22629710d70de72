"""A memory card that misbehaves on demand: its flushes stall, or it is full, broken or read-only.

The file system is a program of its own (flash.py). The kernel and its system calls are real: only the flash is not.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MODES = ("ok", "stall", "full", "broken", "read-only")


class Card:
    """The card's mount point, and what is wrong with it."""

    def __init__(self, folder: Path) -> None:
        """Mount a card on `folder`/card; its files are in `folder`/flash."""
        if not Path("/dev/fuse").exists() or not (shutil.which("fusermount3") or shutil.which("fusermount")):
            pytest.skip("FUSE is not to be had: apt-get install fuse3, and a /dev/fuse")
        pytest.importorskip("mfusepy")
        self.path = folder / "card"
        self._flash = folder / "flash"
        self._mode = folder / "mode"
        for made in (self.path, self._flash):
            made.mkdir()
        self.be("ok")
        self._process = subprocess.Popen(
            [
                sys.executable,
                str(Path(__file__).with_name("flash.py")),
                str(self._flash),
                str(self._mode),
                str(self.path),
            ],
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            pytest.skip("FUSE does not mount here")

    def be(self, mode: str) -> None:
        """Behave so from the next request on; a stall that has begun ends with the mode."""
        assert mode in MODES
        fresh = self._mode.with_suffix(".new")
        fresh.write_text(mode)
        fresh.replace(self._mode)

    def remove(self) -> None:
        """Unmount."""
        self.be("ok")
        tool = shutil.which("fusermount3") or "fusermount"
        subprocess.run([tool, "-u", "-z", str(self.path)], check=False)
        self._process.terminate()  # it would stay as long as a file is open
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()
