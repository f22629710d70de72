"""What a day writes to the card: part of an hour of episodes through the real spool and link, compressed.

Episodes come at random (exponential gaps, seeded) and last 4 to 20 s: a start, an update, an end and a picture each.
The spool's own times are divided by the same factor as the hour's, so there are as many commits for as many messages as
in real time, as long as the broker answers much sooner than the shortest of them (1.5 s by the factor). Counted below
the file system (sectors written to a loop device with ext4) where that can be had, and always as what this process
hands to the kernel. The day begins with a long journal that is written back, and ends with everything written back and,
with the link up, as many delivered events expired as came. What ext4 commits every 5 s for its own sake is not
compressed.

What it led to: a batch of delivered events is one row, its texts compressed together, where each lay in a row of its
own and was written three times (102 MB a day with the link up); rows are ranked by worth some hundreds at a time, where
an index of it touched a page for each kind of message in each commit; and pictures have a table of their own, as events
split its pages otherwise (751 MB with the link down).
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from storing.delays import closed_port
from storing.rivals import written

from gateway.uplink import beside, store, unwritten
from gateway.uplink.outbox import Outbox
from gateway.uplink.room import Kept
from gateway.uplink.storing import chunks
from gateway.wire.draft import Rank
from tests.conftest import Gateway, message
from tests.mosquitto import Mosquitto, Sniffer, wait_for

EPISODES_AN_HOUR = 600
ALARM_EVERY = 50
PICTURE_BYTES = 6000
EPISODE_SECONDS = (4.0, 20.0)
CAP_BYTES = 512 << 20
TIMES = ("GROUP_SECONDS", "DONE_SECONDS", "FEW_SECONDS", "REPLAY_SECONDS")


@contextlib.contextmanager
def card() -> Iterator[tuple[Path, Path | None, str]]:
    """A folder on an ext4 of its own, the device's counters, and a reason when there are none."""
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as made:
        folder = Path(made)
        if os.getuid() != 0 or not Path("/dev/loop-control").exists() or shutil.which("mkfs.ext4") is None:
            yield folder, None, "not root, no loop devices or no mkfs.ext4: only the process's writes are counted"
            return
        image, mount = folder / "image", folder / "card"
        mount.mkdir()
        with image.open("wb") as file:
            file.truncate(900 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", image], check=True)
        command = ["losetup", "-f", "--show", image]
        loop = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        try:
            subprocess.run(["mount", loop, mount], check=True)
            yield mount, Path(f"/sys/block/{Path(loop).name}/stat"), ""
        finally:
            subprocess.run(["umount", mount], check=False)
            subprocess.run(["losetup", "-d", loop], check=False)


def day(minutes: float, speed: float, *, link_up: bool) -> dict[str, Any]:
    """Bytes a day, from so many minutes of street, which take `minutes` / `speed`."""
    kept = {name: getattr(unwritten, name) for name in TIMES}
    for name, value in kept.items():
        setattr(unwritten, name, value / speed)
    try:
        with card() as (folder, counters, why), tempfile.TemporaryDirectory(prefix="gateway-bench-") as beside:
            return _run(folder, counters, why, Path(beside), minutes, speed, link_up=link_up)
    finally:
        for name, value in kept.items():
            setattr(unwritten, name, value)


def _run(
    folder: Path, counters: Path | None, why: str, beside: Path, minutes: float, speed: float, *, link_up: bool
) -> dict[str, Any]:
    mosquitto = Mosquitto(beside / "mosquitto", persistent=False)
    mosquitto.start()
    sniffer = Sniffer(mosquitto.broker).start()
    gateway = Gateway(folder / "store", mosquitto.broker if link_up else closed_port()).start()
    if link_up:
        gateway.wait_connected()
        wait_for(lambda: not gateway.link.status()["behind"], "the lanes to be live")
    _lengthen_journal(gateway)
    os.sync()
    before = (_sectors(counters), written())
    payload, events = _episodes(gateway, minutes, speed)
    times = 24 * 60 / minutes
    if link_up:
        wait_for(lambda: gateway.link.status()["inflight"] == 0, "everything to be acknowledged")
        unwritten.REPLAY_SECONDS = 0.0  # what waits for the next batch belongs to this day
        gateway.spool.call(lambda _: None)
        wait_for(lambda: gateway.spool.status()["delivered"] == events, "everything to be kept for replay")
    status = gateway.spool.status()
    if link_up:
        _expire(gateway)
    gateway.stop()  # writes the journal back
    os.sync()
    after = (_sectors(counters), written())
    sniffer.stop()
    mosquitto.stop()
    device = None if before[0] is None or after[0] is None else (after[0] - before[0]) * 512
    return {
        "link": "up" if link_up else "down",
        "episodes_an_hour": EPISODES_AN_HOUR,
        "minutes": minutes,
        "speed": speed,
        "payload_mb_a_day": round(payload * times / 1e6, 1),
        "device_mb_a_day": None if device is None else round(device * times / 1e6, 1),
        "process_mb_a_day": round((after[1] - before[1]) * times / 1e6, 1),
        "rows_waiting": status["rows"],
        "rows_delivered": status["delivered"],
        "note": why,
    }


def _lengthen_journal(gateway: Gateway) -> None:
    """Bring the journal to its full length, which a gateway that has run for some hours has: then it grows no more.

    It is written back here: else the day would pay for it, many times over where it is scaled up.
    """
    done = threading.Event()

    def fill(outbox: Outbox) -> None:
        journal = beside.journal_of(Path(outbox.path))
        while journal.stat().st_size < 0.98 * store.journal_pages(CAP_BYTES) * (store.PAGE + store.FRAME_HEAD):
            made = [message(Rank.PICTURE, seq, epoch=outbox.epoch, size=6000) for seq in outbox.reserve("media", 400)]
            for chunk in chunks(made):
                outbox.put(chunk)
            outbox.done(each.key for each in made)
        outbox.reserve("media", 1)
        done.set()

    gateway.spool.call(fill)
    wait_for(done.is_set, "the journal to be long")


def _expire(gateway: Gateway) -> None:
    """Remove as many delivered events as came: after the first day as many leave in a day."""
    done = threading.Event()

    def expire(outbox: Outbox) -> None:
        outbox.keep(Kept(replay=0.0)).expire()
        done.set()

    gateway.spool.call(expire)
    wait_for(done.is_set, "delivered events to expire")


def _episodes(gateway: Gateway, minutes: float, speed: float) -> tuple[int, int]:
    """Hand in episodes at their times; return the payload's bytes and the number of events."""
    rng = random.Random(5)
    steps = []
    begins, number = 0.0, 0
    while (begins := begins + rng.expovariate(EPISODES_AN_HOUR / 3600)) < minutes * 60:
        number += 1
        alarm = number % ALARM_EVERY == 0
        lasts = rng.uniform(*EPISODE_SECONDS)
        ranks = (Rank.ALARM,) * 3 if alarm else (Rank.START, Rank.UPDATE, Rank.END)
        for place, rank in enumerate(ranks):
            steps.append((begins + place * lasts / 2, number, rank, alarm))
        steps.append((begins + lasts, number, Rank.PICTURE, alarm))
    began = time.monotonic()
    gate = threading.Event()
    total = 0
    for at, number, rank, alarm in sorted(steps, key=lambda step: step[0]):
        gate.wait(max(0.0, began + at / speed - time.monotonic()))
        size = PICTURE_BYTES if rank == Rank.PICTURE else 0
        made = gateway.make(rank, size=size, alarm=alarm, episode=f"episode-{number}")
        total += len(made.payload)
    return total, sum(rank != Rank.PICTURE for _, _, rank, _ in steps)


def _sectors(counters: Path | None) -> int | None:
    return None if counters is None else int(counters.read_text().split()[6])
