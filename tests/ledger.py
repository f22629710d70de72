"""A centre's books: what came under which number, what is missing, and what the store and the broker say of it."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.uplink.rows import unpacked
from gateway.wire.draft import LANES
from gateway.wire.message import inflate, read_label
from tests.mosquitto import Mosquitto, Sniffer, wait_for
from tests.running import states

OUTBOX = ("/up/event/", "/up/media/", "/up/reply/")
Number = tuple[str, str, int]
"""epoch, lane, seq."""


@dataclass
class Heard:
    """What the centre has, by number."""

    ids: dict[Number, set[str]] = field(default_factory=lambda: defaultdict(set))
    raw: int = 0

    @property
    def repetitions(self) -> int:
        """How often a message came that was there already."""
        return self.raw - sum(len(ids) for ids in self.ids.values())

    @property
    def reused(self) -> list[Number]:
        """Numbers that stand for more than one message."""
        return [number for number, ids in self.ids.items() if len(ids) > 1]


def heard_by(*centres: Sniffer) -> Heard:
    """Read everything that came from the outbox, and what it calls itself."""
    found = Heard()
    for topic, payload in (each for centre in centres for each in _outbox_messages(centre)):
        if "/up/media/" in topic:
            said = read_label(payload)
            number = (said["epoch"], said["lane"], int(said["seq"]))
        else:
            said = inflate(payload)
            number = (said["epoch"], said["lane"], int(said["sequence"]))
        found.raw += 1
        found.ids[number].add(said["id"])
    return found


def _outbox_messages(centre: Sniffer) -> list[tuple[str, bytes]]:
    return [(topic, payload) for topic, payload, _, _ in list(centre.seen) if any(part in topic for part in OUTBOX)]


def keep(centre: Sniffer, folder: Path) -> None:
    """Keep the raw stream beside the broker's log, for whoever looks into a failure."""
    lines = [json.dumps([topic, payload.hex(), mono]) for topic, payload, _, mono in list(centre.seen)]
    (folder / "raw.jsonl").write_text("\n".join(lines))


def committed(state: Path, scratch: Path) -> dict[Number, str]:
    """Return what a store holds whose daemon was just killed, from a copy of its files: number and id."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    for file in state.glob("outbox.db*"):
        shutil.copy(file, scratch)
    found: dict[Number, str] = {}
    with closing(sqlite3.connect(scratch / "outbox.db")) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchall():
            return {}  # killed before it was made
        (epoch,) = db.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
        for key, id_, origin in db.execute("SELECT key, id, origin FROM stored"):
            if origin is None:
                found[epoch, LANES[key >> 48], key & (1 << 48) - 1] = unpacked(id_)
    return found


def unexplained(heard: Heard, gap: dict[str, Any]) -> list[Number]:
    """Return the numbers below the highest of each lane that neither came nor stand in `up/gap`."""
    (epoch,) = {number[0] for number in heard.ids}
    missing: list[Number] = []
    for lane in LANES:
        came = {seq for _, name, seq in heard.ids if name == lane}
        ranges = [span for spans in gap.get("lanes", {}).get(lane, {}).values() for span in spans]
        excused = {seq for first, last in ranges for seq in range(first, last + 1)}
        missing += [(epoch, lane, seq) for seq in range(1, max(came, default=0)) if seq not in came | excused]
    return missing


def acknowledged(mosquitto: Mosquitto) -> Counter[str]:
    """Return how often the broker acknowledged a message of the outbox, by topic; from its own log."""
    begun: dict[str, str] = {}
    found: Counter[str] = Counter()
    for line in (mosquitto.folder / "mosquitto.log").read_text().splitlines():
        if took := re.search(r"Received PUBLISH from gw-0412 \(d\d, q1, r0, m(\d+), '([^']+)'", line):
            begun[took[1]] = took[2]
        elif (said := re.search(r"Sending PUBACK to gw-0412 \(m(\d+), rc0\)", line)) and said[1] in begun:
            found[begun.pop(said[1])] += 1
    return Counter({topic: count for topic, count in found.items() if any(part in topic for part in OUTBOX)})


def hand_over(mosquitto: Mosquitto, *centres: Sniffer) -> None:
    """Wait until the centre has everything that the broker acknowledged."""

    def all_there() -> bool:
        came = Counter(topic for centre in centres for topic, _ in _outbox_messages(centre))
        return acknowledged(mosquitto) <= came

    wait_for(all_there, "everything that was acknowledged")


def last_gap(centre: Sniffer) -> dict[str, Any]:
    """Return the latest up/gap."""
    return (states(centre, "gap") or [{}])[-1]
