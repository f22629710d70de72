"""Who has a store open: SQLite's lock on its file, asked of the kernel. Imports no SQLite, takes no lock itself.

Not here: the lock's own use (uplink/store.py). Ask before this process opens the store: closing a file gives back all
locks that the process has on it (fcntl(2)). Runs where the daemon starts, on the main thread.
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
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, _FIRST, _BYTES, 0)
        kind, _, _, _, process = struct.unpack(_FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked))
    except OSError:  # a file system without locks
        return None
    finally:
        os.close(file)
    return None if kind == fcntl.F_UNLCK or _dead(process) else process


def _dead(process: int) -> bool:
    try:
        told = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # another user's, which the service may not see
        return False
    return told.rpartition(")")[2].split()[0] in _DEAD
