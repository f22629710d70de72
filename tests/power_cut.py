"""Power cuts inside SQLite: what it writes is recorded, and any instant of it is made into the files of a dead machine.

The recording is done by a VFS of apsw, which brings an SQLite of its own; the outbox drives it through a connection
that looks like the standard library's. At a cut, what was synchronised is there; of what was written since, any sector
may be there or not, in any order. A file whose deletion was not yet synchronised may come back. This is a model: a card
that lies about synchronising is not in it.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SECTOR = 512
VFS_NAME = "recording"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done to a file: open, write, truncate, sync, delete."""

    what: str
    file: str
    offset: int = 0
    data: bytes = b""


RECORD: list[Step] = []
"""Everything since `Recorder` was installed; one recording at a time."""


class Recorder(apsw.VFS):
    """Records and passes on."""

    def __init__(self) -> None:
        super().__init__(VFS_NAME, "")

    def xOpen(self, name: Any, flags: Any) -> Any:  # noqa: N802
        """Open a recorded file."""
        return _File(name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        """Delete; the deletion is durable when the folder is synchronised with it."""
        RECORD.append(Step("delete", Path(filename).name, int(syncdir)))
        super().xDelete(filename, syncdir)


class _File(apsw.VFSFile):
    def __init__(self, name: Any, flags: Any) -> None:
        self._name = Path(name.filename() if hasattr(name, "filename") else str(name)).name
        super().__init__("", name, flags)
        RECORD.append(Step("open", self._name))

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        RECORD.append(Step("write", self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        RECORD.append(Step("truncate", self._name, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        RECORD.append(Step("sync", self._name))
        super().xSync(flags)


def _translated(error: apsw.Error) -> sqlite3.Error:
    code = int(getattr(error, "extendedresult", 0) or 0)
    kind = sqlite3.DatabaseError if code & 0xFF in {11, 26} else sqlite3.OperationalError
    found = kind(str(error))
    found.sqlite_errorcode = code
    found.sqlite_errorname = type(error).__name__
    return found


class _Cursor:
    """As much of sqlite3.Cursor as the outbox uses."""

    def __init__(self, cursor: Any, changes: int) -> None:
        self._cursor = cursor
        self.rowcount = changes

    def execute(self, sql: str, values: Any = ()) -> _Cursor:
        self._cursor.execute(sql, tuple(values))
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        return list(self._cursor)

    def fetchone(self) -> tuple[Any, ...] | None:
        return next(iter(self._cursor), None)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._cursor)

    def close(self) -> None:
        self._cursor.close()


class RecordedConnection:
    """As much of sqlite3.Connection as the outbox uses, on the recording VFS; `weaken` replaces pragmas."""

    def __init__(self, path: str, weaken: dict[str, str] | None = None, **_options: object) -> None:
        self._db = apsw.Connection(path, vfs=VFS_NAME)
        self._weaken = weaken or {}

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._db.in_transaction

    def execute(self, sql: str, values: Any = ()) -> _Cursor:
        """Run a statement."""
        for strong, weak in self._weaken.items():
            sql = sql.replace(strong, weak)
        try:
            cursor = self._db.cursor()
            cursor.execute(sql, tuple(value if not isinstance(value, int) else int(value) for value in values))
            return _Cursor(cursor, self._db.changes())
        except apsw.Error as error:
            raise _translated(error) from error

    def executemany(self, sql: str, rows: Any) -> None:
        """Run a statement for each row."""
        for row in rows:
            self.execute(sql, row)

    def cursor(self) -> _Cursor:
        """Return a cursor."""
        return _Cursor(self._db.cursor(), 0)

    def set_progress_handler(self, _handler: object, _steps: int) -> None:
        """Do without: the stores of these tests are small."""

    def close(self) -> None:
        """Close."""
        self._db.close()


@dataclass(slots=True)
class Disk:
    """What the files are at some step of a recording."""

    durable: dict[str, bytearray] = field(default_factory=dict)
    pending: dict[str, list[Step]] = field(default_factory=dict)
    ghosts: dict[str, bytearray] = field(default_factory=dict)
    """Deleted, but not yet for good."""

    def do(self, step: Step) -> None:
        """Go on by one step."""
        if step.what == "open":
            self.durable.setdefault(step.file, bytearray())
            self.pending.setdefault(step.file, [])
        elif step.what in {"write", "truncate"}:
            self.pending[step.file].append(step)
        elif step.what == "sync":
            for late in self.pending[step.file]:
                _apply(self.durable[step.file], late)
            self.pending[step.file] = []
            self.ghosts = {}  # as on ext4: any synchronising commits the deletions before it
        else:
            gone = self.durable.pop(step.file, None)
            self.pending.pop(step.file, None)
            if gone is not None and not step.offset:
                self.ghosts[step.file] = gone

    def cut(self, folder: Path, rng: random.Random) -> None:
        """Write the files as a power cut at this instant might leave them."""
        mood = rng.random()
        for name, content in self.durable.items():
            found = bytearray(content)
            for late in self.pending[name]:
                if mood < 0.2:
                    continue  # nothing that was not synchronised survives
                if late.what == "truncate":
                    if rng.random() < 0.5:
                        _apply(found, late)
                    continue
                for at in range(0, len(late.data), SECTOR):
                    if mood > 0.8 or rng.random() < 0.5:
                        _apply(found, Step("write", name, late.offset + at, late.data[at : at + SECTOR]))
            (folder / name).write_bytes(found)
        for name, content in self.ghosts.items():
            if mood < 0.5 and not (folder / name).exists():
                (folder / name).write_bytes(content)


def _apply(content: bytearray, step: Step) -> None:
    if step.what == "truncate":
        if step.offset < len(content):
            del content[step.offset :]
        else:
            content.extend(bytes(step.offset - len(content)))
        return
    if len(content) < step.offset:
        content.extend(bytes(step.offset - len(content)))
    content[step.offset : step.offset + len(step.data)] = step.data


def cut_at(
    instants: Iterable[int], steps: Sequence[Step], wreck: Path, rng: random.Random, disk: Disk | None = None
) -> Iterator[int]:
    """Cut the power before each of these steps, in order; yield it, the files in `wreck` as that might leave them."""
    disk, at = disk or Disk(), 0
    for instant in instants:
        for step in steps[at:instant]:
            disk.do(step)
        at = instant
        shutil.rmtree(wreck, ignore_errors=True)
        wreck.mkdir()
        disk.cut(wreck, rng)
        yield instant
