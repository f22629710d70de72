"""The file system of card.py, run as a program: FLASH MODE-FILE MOUNT-POINT. Says "mounted" when it is."""

from __future__ import annotations

import errno
import os
import sys
import threading
from pathlib import Path
from typing import Any

import mfusepy

# What the operations mean stands in the documentation of FUSE.
# ruff: noqa: D102


class Flash(mfusepy.Operations):  # type: ignore[misc]
    """Passes everything on to a folder, except what the mode forbids."""

    def __init__(self, flash: Path, mode_file: Path) -> None:
        self._flash = flash
        self._mode_file = mode_file

    use_ns = True

    def _gate(self, path: str, *, write: bool = False, end: int = 0, flush: bool = False) -> None:
        """Stall or refuse, as the mode says; `end` is where a write would end."""
        mode = self._mode_file.read_text()
        if flush and mode == "stall":
            pause = threading.Event()
            while self._mode_file.read_text() == "stall":
                pause.wait(0.02)
        if mode == "broken" and (write or flush):
            raise mfusepy.FuseOSError(errno.EIO)
        if mode == "read-only" and write:
            raise mfusepy.FuseOSError(errno.EROFS)
        if mode == "full" and end:
            there = self._flash / path[1:]
            if not there.exists() or end > there.stat().st_size:
                raise mfusepy.FuseOSError(errno.ENOSPC)

    def init(self, _path: str) -> None:
        print("mounted", flush=True)

    def destroy(self, _path: str) -> None:
        """Nothing is left to do."""

    def getattr(self, path: str, _handle: int | None = None) -> dict[str, Any]:
        try:
            found = (self._flash / path[1:]).lstat()
        except FileNotFoundError:
            raise mfusepy.FuseOSError(errno.ENOENT) from None
        names = ("st_mode", "st_nlink", "st_size", "st_uid", "st_gid", "st_ino")
        return {name: getattr(found, name) for name in names}

    def readdir(self, path: str, _handle: int) -> list[str]:
        return [".", "..", *(file.name for file in (self._flash / path[1:]).iterdir())]

    def statfs(self, _path: str) -> dict[str, int]:
        found = os.statvfs(self._flash)
        names = ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree")
        return {name: getattr(found, name) for name in names}

    def open(self, path: str, flags: int) -> int:
        return os.open(self._flash / path[1:], flags & ~os.O_DIRECT)

    def create(self, path: str, mode: int, _info: Any = None) -> int:
        self._gate(path, write=True, end=1)
        return os.open(self._flash / path[1:], os.O_RDWR | os.O_CREAT, mode)

    def read(self, _path: str, size: int, offset: int, handle: int) -> bytes:
        return os.pread(handle, size, offset)

    def write(self, path: str, data: bytes, offset: int, handle: int) -> int:
        self._gate(path, write=True, end=offset + len(data))
        return os.pwrite(handle, data, offset)

    def truncate(self, path: str, length: int, _handle: int | None = None) -> None:
        self._gate(path, write=True, end=length)
        os.truncate(self._flash / path[1:], length)

    def fsync(self, path: str, _only_data: int, _handle: int) -> int:
        self._gate(path, flush=True)
        return 0

    def fsyncdir(self, path: str, _only_data: int, _handle: int) -> int:
        self._gate(path, flush=True)
        return 0

    def opendir(self, _path: str) -> int:
        return 0

    def flush(self, _path: str, _handle: int) -> int:
        return 0

    def release(self, _path: str, handle: int) -> int:
        os.close(handle)
        return 0

    def releasedir(self, _path: str, _handle: int) -> int:
        return 0

    def unlink(self, path: str) -> None:
        self._gate(path, write=True)
        (self._flash / path[1:]).unlink()

    def rename(self, old: str, new: str) -> None:
        self._gate(old, write=True)
        (self._flash / old[1:]).rename(self._flash / new[1:])

    def utimens(self, _path: str, _times: Any = None) -> int:
        return 0

    def chmod(self, _path: str, _mode: int) -> int:
        return 0

    def access(self, _path: str, _mode: int) -> int:
        return 0


if __name__ == "__main__":
    # One thread: while a flush stalls the whole card stalls, as real ones do.
    mfusepy.FUSE(Flash(Path(sys.argv[1]), Path(sys.argv[2])), sys.argv[3], foreground=True, nothreads=True)
