"""Stores as earlier versions of the gateway made them, written with SQLite alone: each version's own words, kept."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from gateway.uplink import rows
from gateway.uplink.books import guard
from gateway.uplink.worth import Worth, worth_of
from gateway.wire.draft import LANES

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from gateway.wire.message import Message

VERSION_1 = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE lane (lane INTEGER PRIMARY KEY, reserved INTEGER NOT NULL, guard INTEGER NOT NULL);
CREATE TABLE message (
    key INTEGER PRIMARY KEY,
    worth INTEGER NOT NULL, size INTEGER NOT NULL, age INTEGER NOT NULL, rank INTEGER NOT NULL, alarm INTEGER NOT NULL,
    wall REAL NOT NULL, id TEXT NOT NULL, topic TEXT NOT NULL, episode TEXT NOT NULL, phase TEXT NOT NULL,
    origin TEXT,
    note TEXT,
    crc INTEGER NOT NULL, payload BLOB NOT NULL);
CREATE INDEX value ON message (worth, key, size);
CREATE UNIQUE INDEX origin ON message (origin) WHERE origin IS NOT NULL;
CREATE TABLE gap (
    lane INTEGER, why TEXT, first INTEGER, last INTEGER NOT NULL, PRIMARY KEY (lane, why, first)) WITHOUT ROWID;
CREATE TABLE boot (boot TEXT PRIMARY KEY, place INTEGER NOT NULL, offset REAL, since REAL) WITHOUT ROWID;
"""
VERSION_2 = """
CREATE TABLE former (
    place INTEGER, epoch TEXT NOT NULL, lane INTEGER, first INTEGER, last INTEGER NOT NULL,
    PRIMARY KEY (place, lane, first)) WITHOUT ROWID;
"""
EPOCH = "0000abcd"


def make_old(
    path: Path,
    version: int,
    messages: Sequence[Message],
    *,
    page: int,
    delivered: Collection[Message] = (),
    age: int = 7,
) -> None:
    """Make a store that was closed in order: `messages`, of EPOCH or another, of which some are delivered."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(f"PRAGMA page_size={page}")
        db.execute("PRAGMA journal_mode=WAL").fetchall()
        db.executescript(VERSION_1 + (VERSION_2 if version > 1 else ""))
        db.execute("BEGIN")
        facts = {"epoch": EPOCH, "age": "7", "end": "exact", "aside": ""} | ({"former": ""} if version > 1 else {})
        db.executemany("INSERT INTO meta VALUES (?, ?)", list(facts.items()))
        for place, lane in enumerate(LANES):
            last = max((one.seq for one in messages if one.lane == lane and one.epoch == EPOCH), default=0)
            db.execute("INSERT INTO lane VALUES (?, ?, ?)", (place, last, guard(EPOCH, place, last)))
        saved = rows.bounds("saved")[0]
        for one in messages:
            own = one.epoch == EPOCH
            saved += not own
            key = rows.bounds(one.lane)[0] + one.seq if own else saved
            worth = Worth.DELIVERED if one in delivered else worth_of(one)
            ids = (one.id, one.episode) if version == 1 else (rows.packed(one.id), rows.packed(one.episode))
            row: tuple[object, ...]
            row = (
                key,
                worth,
                len(one.payload),
                age,
                one.rank,
                one.alarm,
                one.wall,
                ids[0],
                one.topic,
                ids[1],
                one.phase,
            )
            row += (None if own else rows.origin_of(one.key), None, rows.checksum(one), one.payload)
            db.execute(f"INSERT INTO message VALUES ({', '.join('?' * 15)})", row)
        db.execute(f"PRAGMA user_version={version}")
        db.execute("COMMIT")
