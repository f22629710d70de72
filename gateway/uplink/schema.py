"""The store's tables: made in a fresh file, and added to one of an earlier version; what is in them stays.

What the columns hold is in rows.py (messages), ranking.py (worth, ranked), packs.py (pack), gaps.py, former.py and
books.py; how the file is opened in store.py. On the thread that owns the store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.uplink.rows import STREAMS, bounds

if TYPE_CHECKING:
    import sqlite3

VERSION = 3

_COLUMNS = """
    key INTEGER PRIMARY KEY,     -- lane in the high bits, number in the low 48: the order of sending
    worth INTEGER NOT NULL, size INTEGER NOT NULL, age INTEGER NOT NULL, rank INTEGER NOT NULL, alarm INTEGER NOT NULL,
    wall REAL NOT NULL, id TEXT NOT NULL, topic TEXT NOT NULL, episode TEXT NOT NULL, phase TEXT NOT NULL,
    origin TEXT,                 -- epoch/lane/number of a message saved from an older store
    note TEXT,                   -- why it is dead
    crc INTEGER NOT NULL, payload BLOB NOT NULL"""

_SINCE_1 = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE lane (lane INTEGER PRIMARY KEY, reserved INTEGER NOT NULL, guard INTEGER NOT NULL);
CREATE TABLE message ({_COLUMNS});
CREATE UNIQUE INDEX origin ON message (origin) WHERE origin IS NOT NULL;
CREATE TABLE gap (
    lane INTEGER, why TEXT, first INTEGER, last INTEGER NOT NULL, PRIMARY KEY (lane, why, first)) WITHOUT ROWID;
CREATE TABLE boot (boot TEXT PRIMARY KEY, place INTEGER NOT NULL, offset REAL, since REAL) WITHOUT ROWID;
"""
_SINCE_2 = """
CREATE TABLE former (                -- numbers of epochs that are over, which will never come
    place INTEGER, epoch TEXT NOT NULL, lane INTEGER, first INTEGER, last INTEGER NOT NULL,
    PRIMARY KEY (place, lane, first)) WITHOUT ROWID;
"""
_SINCE_3 = f"""
CREATE TABLE picture ({_COLUMNS});
CREATE VIEW stored AS SELECT * FROM message UNION ALL SELECT * FROM picture;
CREATE TABLE worth (worth INTEGER, key INTEGER, size INTEGER NOT NULL, PRIMARY KEY (worth, key)) WITHOUT ROWID;
CREATE TABLE ranked (stream TEXT PRIMARY KEY, place INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE pack (
    place INTEGER PRIMARY KEY, last INTEGER NOT NULL, age INTEGER NOT NULL, rows INTEGER NOT NULL,
    crc INTEGER NOT NULL, body BLOB NOT NULL);
"""  # noqa: S608 (nothing comes from outside)
"""Pictures have a table of their own: rows that are appended at a table's end fill its pages, and others split them."""


def make(db: sqlite3.Connection) -> None:
    """Make all tables; inside a transaction."""
    _run(db, _SINCE_1 + _SINCE_2 + _SINCE_3)
    db.executemany("INSERT INTO ranked VALUES (?, ?)", [(name, bounds(name)[0]) for name in STREAMS])
    db.execute(f"PRAGMA user_version={VERSION}")


def bring_up_to_date(db: sqlite3.Connection, version: int) -> None:
    """Add what a store of an earlier version has not, in one transaction.

    Its pictures stay where they are until they leave. The index of worth becomes a table of the same size in the pages
    that the index leaves, so the store does not grow; the journal does by about a thirtieth of the store, for which
    there is room: see store.page_limit.
    """
    if version == VERSION:
        return
    db.execute("PRAGMA secure_delete=FAST").fetchall()  # no picture lies in an index: its pages need not be written
    db.execute("BEGIN IMMEDIATE")
    if version < 2:
        _run(db, _SINCE_2)
        db.execute("INSERT OR IGNORE INTO meta VALUES ('former', '')")
    db.execute("CREATE TEMP TABLE old AS SELECT worth, key, size FROM message")
    db.execute("DROP INDEX value")
    _run(db, _SINCE_3)
    db.execute("INSERT INTO worth SELECT worth, key, size FROM old ORDER BY worth, key")
    for name in STREAMS:
        query = "SELECT max(key) FROM message WHERE key BETWEEN ? AND ?"
        (last,) = db.execute(query, bounds(name)).fetchone()
        db.execute("INSERT INTO ranked VALUES (?, ?)", (name, last or bounds(name)[0]))
    db.execute(f"PRAGMA user_version={VERSION}")
    db.execute("COMMIT")
    db.execute("DROP TABLE old")


def _run(db: sqlite3.Connection, statements: str) -> None:
    for statement in statements.split(";\n"):
        if statement.strip():
            db.execute(statement)
