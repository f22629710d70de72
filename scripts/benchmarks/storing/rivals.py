"""One store of several takes the same messages, in a process of its own: NAME FOLDER COUNT. Prints JSON.

Bytes are those that the process hands to the kernel for files (wchar in /proc/self/io: sockets are not in it, there are
none). fsyncs are counted by whoever starts this under strace. Every store is closed before bytes are read, so that what
was only in its journal is in its file, too.
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

GROUP = 20
EVENT_BYTES, PICTURE_BYTES = 350, 6000
DESCRIPTIONS = {
    "ours": "Outbox, one by one (WAL, FULL)",
    "ours-grouped": f"Outbox, {GROUP} in a commit (WAL, FULL)",
    "plain": "plain table, one by one (rollback journal, FULL: Python's default)",
    "persist-queue": "persist-queue SQLiteQueue, one by one (WAL, FULL)",
    "litequeue": "litequeue, one by one (WAL, NORMAL: not durable)",
}
PACKAGES = {"persist-queue": "persistqueue", "litequeue": "litequeue"}


def payloads(count: int) -> list[bytes]:
    """Messages as a gateway has them: of four, three are events and one is a picture."""
    rng = random.Random(7)
    return [rng.randbytes(PICTURE_BYTES if number % 4 == 3 else EVENT_BYTES) for number in range(count)]


def ours(folder: Path, bodies: list[bytes], group: int) -> None:
    """Our own outbox, with numbers reserved as the spool does."""
    from gateway.uplink.outbox import Outbox
    from gateway.wire.draft import Rank, random_uuid7
    from gateway.wire.message import Message

    outbox = Outbox.open(folder / "outbox.db", min_free=0)
    lanes: dict[Any, list[int]] = {"event": [], "media": []}
    batch = []
    for body in bodies:
        picture = len(body) == PICTURE_BYTES
        lane: Any = "media" if picture else "event"
        if not lanes[lane]:
            lanes[lane].extend(outbox.reserve(lane, 256))
        rank = Rank.PICTURE if picture else Rank.END
        id_ = random_uuid7(0.0)
        topic = f"up/media/cam0/{id_}" if picture else "up/event/motion/cam0"
        batch.append(Message(outbox.epoch, lane, lanes[lane].pop(0), id_, rank, topic, body, 0.0, id_))
        if len(batch) == group:
            outbox.put(batch)
            batch = []
    outbox.put(batch)
    outbox.close()


def plain(folder: Path, bodies: list[bytes]) -> None:
    """A table in a file that Python's sqlite3 opens without any pragma."""
    with closing(sqlite3.connect(folder / "plain.db")) as db:
        db.execute("CREATE TABLE message (number INTEGER PRIMARY KEY, payload BLOB NOT NULL)")
        for body in bodies:
            db.execute("INSERT INTO message (payload) VALUES (?)", (body,))
            db.commit()


def persist_queue(folder: Path, bodies: list[bytes]) -> None:
    """persist-queue's SQLite queue, which commits each."""
    from persistqueue import SQLiteQueue

    queue = SQLiteQueue(str(folder), auto_commit=True)
    for body in bodies:
        queue.put(body)
    queue.close()


def litequeue(folder: Path, bodies: list[bytes]) -> None:
    """litequeue, which commits each."""
    from litequeue import LiteQueue

    queue = LiteQueue(str(folder / "queue.db"))
    for body in bodies:
        queue.put(body)
    queue.close()


STORES: dict[str, Callable[[Path, list[bytes]], None]] = {
    "ours": lambda folder, bodies: ours(folder, bodies, 1),
    "ours-grouped": lambda folder, bodies: ours(folder, bodies, GROUP),
    "plain": plain,
    "persist-queue": persist_queue,
    "litequeue": litequeue,
}


def written() -> int:
    """Bytes that this process has written so far."""
    return int(Path("/proc/self/io").read_text().split("wchar: ")[1].split()[0])


def main(name: str, folder: str, count: int) -> None:
    """Store, and print what it took."""
    bodies = payloads(count)
    STORES[name](_made(Path(folder) / "warm-up"), bodies[:8])  # imports
    before, began = written(), time.perf_counter()
    STORES[name](_made(Path(folder) / "store"), bodies)
    took = time.perf_counter() - began
    print(json.dumps({"per_second": count / took, "bytes": written() - before, "payload": sum(map(len, bodies))}))


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
