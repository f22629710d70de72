"""The files beside a store: its journal, the store that was set aside, the note of its epoch. What is where, and moves.

Not here: what is in a store, and how one is opened (store.py). Runs on the thread that owns the store.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY = ":memory:"
"""In place of a path: a store that has no file, and nothing beside it."""
FOLDER = "see who owns the folder: it must be there and belong to the service, whose user a command needs (sudo)"
"""What to do where it cannot be used."""


def journal_of(path: Path) -> Path:
    """Return the path of a store's journal."""
    return path.with_name(path.name + "-wal")


def aside_of(path: Path, why: str) -> Path:
    """Return where a store goes that cannot be used; `why` is damaged or newer."""
    return path.with_name(f"{path.name}.{why}")


def size_of(path: Path) -> int:
    """Return the bytes of a store and its journal, 0 when there is none."""
    total = 0
    for file in (path, journal_of(path)):
        with contextlib.suppress(FileNotFoundError):
            total += file.stat().st_size
    return total


def noted_epoch(path: str) -> str:
    """Return the epoch that a store at this path had last, also when nothing of it can be read; empty: not known."""
    if path == MEMORY:
        return ""
    try:
        found = _epoch_file(path).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
    return found if len(found) == 8 and found.isalnum() else ""


def note_epoch(path: str, epoch: str) -> None:
    """Note a store's epoch beside it: when the store is lost, the centre is told whose numbers will not come."""
    if path == MEMORY or noted_epoch(path) == epoch:
        return
    with contextlib.suppress(OSError):  # the store itself is what counts
        fresh = _epoch_file(path + ".new")
        with fresh.open("w", encoding="ascii") as out:
            out.write(epoch)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(_epoch_file(path))


def _epoch_file(path: str) -> Path:
    return Path(path + ".epoch")


def set_aside(path: Path, why: str) -> Path:
    """Move a store and its journal out of the way, over the one that was set aside before; return where to.

    The store goes first: a journal without a store is recognised at the next start, a store without its journal would
    look whole.
    """
    target = aside_of(path, why)
    for old in (target, journal_of(target)):
        old.unlink(missing_ok=True)
    if path.exists():
        path.rename(target)
    if journal_of(path).exists():
        journal_of(path).rename(journal_of(target))
    _sync_folder(path.parent)
    return target


def prepare(path: str) -> bool:
    """Make the folder fit to open a store in; return whether a journal is there.

    A journal without its store belongs to one that was being set aside when the power went.

    Raises:
        OSError: there is no such folder, or it may not be used.
    """
    if path == MEMORY:
        return False
    os.close(os.open(f"{Path(path).parent}/.", os.O_PATH))  # SQLite would not say what is wrong with it
    journal = journal_of(Path(path))
    with contextlib.suppress(OSError):
        _put_back(journal, _kept_journal(path))
    if not Path(path).exists() and journal.exists():
        journal.rename(journal_of(aside_of(Path(path), "damaged")))
    return journal.exists() and journal.stat().st_size > 0


@contextlib.contextmanager
def keeping_journal(path: str) -> Iterator[None]:
    """Have the journal stay while a store is closed that could not note its end.

    SQLite removes a journal that it has written back, and then the next start takes it for lost. What is written back
    once more changes nothing.
    """
    journal, kept = journal_of(Path(path)), _kept_journal(path)
    with contextlib.suppress(OSError):
        os.link(journal, kept)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            _put_back(journal, kept)


def _kept_journal(path: str) -> Path:
    return Path(path + "-wal.kept")


def _put_back(journal: Path, kept: Path) -> None:
    if kept.exists() and not journal.exists():
        kept.rename(journal)
    kept.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
