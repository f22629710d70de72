"""A folder whose files hang in the kernel when told so: a FUSE file system in a process of its own.

Run as `python -m tests.hanging_folder MOUNTPOINT SOURCE SWITCH`: shows the files of SOURCE; while SWITCH exists,
reads are not answered. A reader whose request was taken cannot be killed, which is what a hung card or camera does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.mosquitto import wait_for


def _serve(mountpoint: str, source: str, switch: str) -> None:
    import mfusepy

    class Folder(mfusepy.Operations):  # type: ignore[misc]
        """Passes everything through, or hangs."""

        def getattr(self, path: str, fh: int | None = None) -> dict[str, object]:
            del fh
            try:
                found = os.lstat(source + path)
            except OSError as error:
                raise mfusepy.FuseOSError(error.errno) from error
            names = ("st_atime", "st_ctime", "st_gid", "st_mode", "st_mtime", "st_nlink", "st_size", "st_uid")
            return {name: getattr(found, name) for name in names}

        def readdir(self, path: str, fh: int) -> list[str]:
            del fh
            return [".", "..", *os.listdir(source + path)]  # noqa: PTH208

        def open(self, path: str, flags: int) -> int:
            return os.open(source + path, flags)

        def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
            del path
            gate = threading.Event()
            while os.path.exists(switch):  # noqa: PTH110
                gate.wait(0.02)
            return os.pread(fh, size, offset)

        def release(self, path: str, fh: int) -> int:
            del path
            os.close(fh)
            return 0

    mfusepy.FUSE(Folder(), mountpoint, foreground=True, direct_io=True, nothreads=False)


class HangingFolder:
    """The folder, from the test's side."""

    def __init__(self, folder: Path) -> None:
        """Mount it; skips the test, with the reason, where that cannot be done."""
        if not os.access("/dev/fuse", os.R_OK | os.W_OK):
            pytest.skip("/dev/fuse cannot be opened: a read that hangs in the kernel needs FUSE")
        try:
            import mfusepy  # noqa: F401
        except (ImportError, OSError) as error:
            pytest.skip(f"FUSE cannot be used: {error}; apt-get install libfuse3-3 fuse3")
        self.path, self.source, self._switch = folder / "hanging", folder / "behind", folder / "hang"
        self.path.mkdir()
        self.source.mkdir()
        self._process: subprocess.Popen[bytes] | None = None

    def mount(self) -> None:
        """Mount it and wait until it is there."""
        arguments = [str(self.path), str(self.source), str(self._switch)]
        self._process = subprocess.Popen([sys.executable, "-m", "tests.hanging_folder", *arguments])
        wait_for(lambda: os.path.ismount(self.path) or self._process.poll() is not None, "the folder to be mounted")  # type: ignore[union-attr]
        if self._process.poll() is not None:
            pytest.skip("FUSE cannot be mounted here (no fusermount3, or no right to mount)")

    def hang(self, *, on: bool) -> None:
        """Let reads hang, or go on."""
        if on:
            self._switch.touch()
        else:
            self._switch.unlink(missing_ok=True)

    def close(self) -> None:
        """Let everything go on and unmount."""
        self.hang(on=False)
        if self._process is not None:
            subprocess.run(["umount", "-l", str(self.path)], check=False, capture_output=True)
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(10)


if __name__ == "__main__":
    _serve(*sys.argv[1:4])
