"""The store's file: how it is opened, checked and bounded. Beside it: beside.py; in it: outbox.py.

One connection, WAL with synchronous=FULL, exclusive locking: no second opener, no shared memory file, and a commit is
on the card when it returns. Python's default (a rollback journal) loses commits in about 2 power cuts of 100, WAL with
synchronous=NORMAL in most. Runs on the thread that owns the store; opening may wait for the card.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.errors import StoreError
from gateway.uplink.beside import FOLDER, MEMORY, aside_of, keeping_journal, size_of

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = 1024
"""Of a fresh store. A commit writes whole pages, and most messages are small: with 4096 bytes it writes far more.

A day with the link down was seen to write 4 % less with 512 bytes, 15 % more with 2,048.
"""
FRAME_HEAD = 24
"""What the journal adds to each page."""
JOURNAL_PAGES = 4096
"""The journal is written back into the store at this length, or sooner where the cap is small."""
TRANSACTION_PAGES = 1024
"""No transaction touches more: see CHUNK_BYTES and CHUNK_ROWS in storing.py."""
LEAST_SPARE = 4 << 20
LEAST_STORE = 256 << 10
"""A store beside one that was set aside under a larger cap."""
CHECK_SECONDS = 3.0
"""A large store is not checked to its end at start: what is damaged deeper shows when it is read."""

SET_ASIDE = "it is set aside and a fresh one is made; when that comes again, exchange the card"

_FULL, _READ_ONLY, _CANNOT_OPEN = 13, 8, 14
_DAMAGED = {11, 26}  # SQLITE_CORRUPT, SQLITE_NOTADB
_STRANGE = {0, 1, 18}
"""No such table, text that is no text, rows of absurd length: while a store is opened, that is damage too."""
_BUSY = ("is in use by another process", "stop the other gateway that runs on this folder")
_WORDS = {
    5: _BUSY,
    6: _BUSY,
    _FULL: ("has no room", "free space on the card, or raise the store's cap"),
    _READ_ONLY: ("cannot be written", "the card is mounted read-only: it may be worn out"),
    _CANNOT_OPEN: ("cannot be opened", FOLDER),
}


class Damaged(StoreError):
    """The file is no store that can be used: set it aside."""


def code_of(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code, or 0 where Python raised the error itself."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def is_full(error: sqlite3.Error) -> bool:
    """Whether the store, or the card beneath it, has no room left."""
    return code_of(error) == _FULL


def is_full_error(error: StoreError) -> bool:
    """Whether a failure was explained by that."""
    return isinstance(error.__cause__, sqlite3.Error) and is_full(error.__cause__)


def explain(error: sqlite3.Error, path: str, *, opening: bool = False) -> StoreError:
    """Return the failure in words for the technician."""
    code = code_of(error)
    name = getattr(error, "sqlite_errorname", "") or type(error).__name__
    if code in _DAMAGED or "decode" in str(error) or (opening and code in _STRANGE):
        return Damaged(f"{path} is damaged: {error} ({name})", SET_ASIDE)
    if opening and code in {_READ_ONLY, _CANNOT_OPEN} and _writable(path):
        return Damaged(f"{path} is damaged: its head says that it cannot be written", SET_ASIDE)
    if code == _READ_ONLY and not _read_only(path):
        return StoreError(f"{path} cannot be written: {error}", FOLDER)
    what, hint = _WORDS.get(code, (f"failed ({name})", "check the card: it may be worn out or loose"))
    return StoreError(f"{path} {what}: {error}", hint)


def journal_pages(cap_bytes: int, page: int = PAGE) -> int:
    """Return at which length the journal is written back: as seldom as its share of the cap allows."""
    frame = page + FRAME_HEAD
    share = _spare(cap_bytes) // 2 - TRANSACTION_PAGES * frame
    return max(64, min(JOURNAL_PAGES, share // 2 // frame))


def journal_bytes(cap_bytes: int, page: int = PAGE) -> int:
    """Return how long the journal can become: a transaction that begins just below the limit is added to it."""
    return (journal_pages(cap_bytes, page) + TRANSACTION_PAGES) * (page + FRAME_HEAD)


def page_limit(path: str, cap_bytes: int, page: int = PAGE) -> int:
    """Return how many pages the store may have, its journal and what was set aside counted in the cap.

    An eighth of the cap stays free for the journal, and for a fresh store beside a full one that was set aside.
    """
    spare = _spare(cap_bytes)
    aside = 0
    if path != MEMORY:
        aside = sum(size_of(aside_of(Path(path), why)) for why in ("damaged", "newer"))
    room = min(cap_bytes - spare, cap_bytes - aside - journal_bytes(cap_bytes, page))
    return max(room, LEAST_STORE) // page


def _spare(cap_bytes: int) -> int:
    return max(cap_bytes // 8, LEAST_SPARE)


def connect(
    path: str, cap_bytes: int = 512 << 20, open_file: Callable[..., Any] = sqlite3.connect
) -> sqlite3.Connection:
    """Open the file as it has to be opened; the caller owns the connection, on this thread.

    Raises:
        Damaged: it is no SQLite file, is damaged, or misses its journal.
        StoreError: it cannot be opened or written now.
    """
    try:
        db: sqlite3.Connection = open_file(path, isolation_level=None, timeout=0.5)
    except sqlite3.Error as error:
        raise explain(error, path) from error
    try:
        for pragma in (
            f"page_size={PAGE}",
            "locking_mode=EXCLUSIVE",
            "journal_mode=WAL",
            "synchronous=FULL",
            "cache_size=-1024",
            "temp_store=MEMORY",
        ):
            db.execute(f"PRAGMA {pragma}").fetchall()
        page = page_of(db)  # a store of an earlier version has longer ones
        db.execute(f"PRAGMA wal_autocheckpoint={journal_pages(cap_bytes, page)}").fetchall()
        # Never cut short: a journal that keeps its length costs the file system no bookkeeping at each commit.
        db.execute(f"PRAGMA journal_size_limit={journal_bytes(cap_bytes, page)}").fetchall()
        db.execute("BEGIN IMMEDIATE")  # takes the exclusive lock, and fails here rather than at the first alarm
        db.execute("COMMIT")
    except sqlite3.Error as error:
        with keeping_journal(path):
            db.close()
        raise explain(error, path, opening=True) from error
    except UnicodeDecodeError as error:  # Python's own, while it words an error about damaged text
        db.close()
        raise Damaged(f"{path} is damaged: {error}", SET_ASIDE) from error
    return db


def page_of(db: sqlite3.Connection) -> int:
    """Return the length of the store's pages."""
    return int(db.execute("PRAGMA page_size").fetchone()[0])


def check(db: sqlite3.Connection, path: str) -> None:
    """Look for damage, for CHECK_SECONDS at most.

    Raises:
        Damaged: there is some.
    """
    until = time.monotonic() + CHECK_SECONDS
    db.set_progress_handler(lambda: int(time.monotonic() > until), 10_000)
    try:
        found = db.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.OperationalError as error:
        if "interrupt" not in str(error):
            raise
        return
    finally:
        db.set_progress_handler(None, 0)
    if found != [("ok",)]:
        raise Damaged(f"{path} is damaged: {found[0][0]}", SET_ASIDE)


def free_bytes(path: str) -> int | None:
    """Return what the file system has left for us, or None for a store in memory.

    Raises:
        StoreError: nobody can say.
    """
    if path == MEMORY:
        return None
    try:
        found = os.statvfs(Path(path).parent)
    except FileNotFoundError as error:
        raise StoreError(f"{path} is gone, and its folder with it", "make the folder again, or restart") from error
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}", "check the card: it may be worn out or loose") from error
    return found.f_bavail * found.f_frsize


def _read_only(path: str) -> bool:
    """Whether the file system may only be read, as far as it tells."""
    try:
        return bool(os.statvfs(Path(path).parent).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _writable(path: str) -> bool:
    """Whether the file system lets us write the store and make a journal: then a refusal comes from the file itself.

    A card without room for a single file more refuses the journal only.
    """
    attempt = Path(path + ".try")
    try:
        with Path(path).open("r+b"), attempt.open("wb"):
            return not os.statvfs(path).f_flag & os.ST_RDONLY
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            attempt.unlink(missing_ok=True)
