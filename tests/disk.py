"""The file system of recorder.py, run as a program: MOUNT-POINT LOG SIZE. Says "mounted" when it is."""

from __future__ import annotations

import errno
import struct
import sys
import time
from pathlib import Path
from typing import IO

import mfusepy

# What the operations mean stands in the documentation of FUSE.
# ruff: noqa: D102

EVENT = struct.Struct("<dcQI")
"""When (monotonic seconds), W or F for write or flush, where, how much; the bytes follow."""


class Disk(mfusepy.Operations):  # type: ignore[misc]
    """One file; every write and every flush is logged with its time."""

    use_ns = True

    def __init__(self, log: IO[bytes], size: int) -> None:
        self._content = bytearray(size)
        self._log = log

    def init(self, _path: str) -> None:
        print("mounted", flush=True)

    def getattr(self, path: str, _handle: int | None = None) -> dict[str, int]:
        if path == "/":
            return {"st_mode": 0o40755, "st_nlink": 2}
        if path == "/disk":
            return {"st_mode": 0o100600, "st_nlink": 1, "st_size": len(self._content)}
        raise mfusepy.FuseOSError(errno.ENOENT)

    def readdir(self, _path: str, _handle: int) -> list[str]:
        return [".", "..", "disk"]

    def open(self, _path: str, _flags: int) -> int:
        return 1

    def read(self, _path: str, size: int, offset: int, _handle: int) -> bytes:
        return bytes(self._content[offset : offset + size])

    def write(self, _path: str, data: bytes, offset: int, _handle: int) -> int:
        self._content[offset : offset + len(data)] = data
        self._log.write(EVENT.pack(time.monotonic(), b"W", offset, len(data)) + data)
        return len(data)

    def fsync(self, _path: str, _only_data: int, _handle: int) -> int:
        self._log.write(EVENT.pack(time.monotonic(), b"F", 0, 0))
        return 0

    def truncate(self, _path: str, _length: int, _handle: int | None = None) -> int:
        return 0

    def flush(self, _path: str, _handle: int) -> int:
        return 0


if __name__ == "__main__":
    with Path(sys.argv[2]).open("wb", buffering=0) as _log:
        mfusepy.FUSE(Disk(_log, int(sys.argv[3])), sys.argv[1], foreground=True, nothreads=True)
