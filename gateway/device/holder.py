"""Which gateway has a store: SQLite's lock on its file, asked of the kernel, and before it is open a lock of our own.

SQLite's is there as soon as the store is open; until then, of two that start in the same instant, ours tells. Not here:
SQLite's use of its own (uplink/store.py). Imports no SQLite. Ask before this process opens the store: closing a file
gives back all locks that the process has on it (fcntl(2)). Runs where the daemon starts, on the main thread.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

_FIRST, _BYTES = 0x40000000, 512
"""Where SQLite's locks lie in a file, however long that is (its "File Locking And Concurrency")."""
_FLOCK = "@hhqqi4x"
"""struct flock of Linux with offsets of 64 bits: type, whence, start, length, process."""
_DEAD = {"Z", "X"}


_held: list[int] = []
"""Descriptors whose locks last as long as this process."""


def hold(path: Path) -> int | None:
    """Take the lock on the file at `path` for as long as this process lives; return None, or whose it is already.

    It is made where it is not there. None also where it cannot be: who may not write there will be told by the store.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = _asked(file, 0, 0)
        os.close(file)
        return holder
    _held.append(file)
    return None


def holder_of(path: Path) -> int | None:
    """Return the id of the process that has the store at `path` open, or None: nobody, or it cannot be known.

    A process that is dying does not count: a card that hangs may keep it so for as long as it likes. Of a process in
    another namespace the kernel gives an id that is 0 or less.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # there is none, or it is not ours to read: whoever opens it will say so
        return None
    try:
        return _asked(file, _FIRST, _BYTES)
    finally:
        os.close(file)


def _asked(file: int, first: int, length: int) -> int | None:
    """Return who has a lock on these bytes; a length of 0 is all of them."""
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, first, length, 0)
        kind, _, _, _, process = struct.unpack(_FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked))
    except OSError:  # a file system without locks
        return None
    return None if kind == fcntl.F_UNLCK or _dead(process) else process


def _dead(process: int) -> bool:
    try:
        told = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # another user's, which the service may not see
        return False
    return told.rpartition(")")[2].split()[0] in _DEAD
