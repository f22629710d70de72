"""Pictures as rows or as files: what each way writes to the card, for the same messages in the same commits.

As files: each picture is a file of its own, written, synchronised and named before its row is committed, with the
folder synchronised once a commit (what durability asks for), and deleted when it is delivered; the row keeps the name.
As rows: the product. Groups are as the spool makes them with the link down; nothing waits for real time, so what ext4
commits every 5 s for its own sake is in neither.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from storing.day import ALARM_EVERY, EPISODE_SECONDS, EPISODES_AN_HOUR, PICTURE_BYTES, _sectors, card

from gateway.uplink.numbering import BLOCK
from gateway.uplink.outbox import Outbox
from gateway.uplink.unwritten import GROUP_SECONDS
from gateway.wire.draft import LANES, Lane, Rank, lane_of
from gateway.wire.message import Message
from tests.conftest import message

SEED = 5


def compare(hours: float) -> dict[str, Any]:
    """Megabytes a day that reach the device, each way."""
    found: dict[str, Any] = {"hours": hours}
    for way in ("rows", "files"):
        with card() as (folder, counters, why):
            if counters is None:
                return {"left_out": why}
            written, commits = _store(folder, counters, hours, files=way == "files")
            found[way] = {"device_mb_a_day": round(written * 24 / hours / 1e6, 1), "commits": commits}
    found["files_to_rows"] = round(found["files"]["device_mb_a_day"] / found["rows"]["device_mb_a_day"], 2)
    return found


def groups(hours: float) -> list[list[tuple[Rank, int]]]:
    """Return ranks and episodes in the groups in which they are committed."""
    rng = random.Random(SEED)
    steps = []
    at, number = 0.0, 0
    while (at := at + rng.expovariate(EPISODES_AN_HOUR / 3600)) < hours * 3600:
        number += 1
        lasts = rng.uniform(*EPISODE_SECONDS)
        alarm = number % ALARM_EVERY == 0
        for place, rank in enumerate((Rank.ALARM,) * 3 if alarm else (Rank.START, Rank.UPDATE, Rank.END)):
            steps.append((at + place * lasts / 2, rank, number))
        steps.append((at + lasts, Rank.PICTURE, number))
    found: list[list[tuple[Rank, int]]] = []
    waiting: list[tuple[Rank, int]] = []
    due = 0.0
    for when, rank, number in sorted(steps):
        if waiting and when > due:
            found.append(waiting)
            waiting = []
        if rank == Rank.ALARM:
            found.append([(rank, number)])
            continue
        due = due if waiting else when + GROUP_SECONDS
        waiting.append((rank, number))
    return [*found, waiting]


def _store(folder: Path, counters: Path, hours: float, *, files: bool) -> tuple[int, int]:
    outbox = Outbox.open(folder / "outbox.db", 512 << 20, 0)
    blocks: dict[Lane, list[int]] = {lane: [] for lane in LANES}
    all_groups = groups(hours)
    warm = len(all_groups) // 3  # by then the journal has its full length
    before = 0
    for place, group in enumerate(all_groups):
        if place == warm:
            os.sync()
            before = _sectors(counters) or 0
        made = []
        for rank, episode in group:
            lane = lane_of(rank)
            if not blocks[lane]:
                blocks[lane].extend(outbox.reserve(lane, BLOCK))
            size = PICTURE_BYTES if rank == Rank.PICTURE else 0
            name = f"0f3a9c21-0000-4000-8000-{episode:012d}"
            made.append(message(rank, blocks[lane].pop(0), epoch=outbox.epoch, size=size, episode=name))
        outbox.put([_as_file(one, folder) if files and one.rank == Rank.PICTURE else one for one in made])
    os.sync()
    after = _sectors(counters) or 0
    outbox.abandon()
    return round((after - before) * 512 * len(all_groups) / (len(all_groups) - warm)), len(all_groups)


def _as_file(picture: Message, folder: Path) -> Message:
    """Write a picture into a file of its own, durably; return the message with the file's name for a payload."""
    name = f"{picture.seq:012d}.jpg"
    with (folder / name).open("wb") as out:
        out.write(picture.payload)
        out.flush()
        os.fsync(out.fileno())
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return replace(picture, payload=name.encode())
