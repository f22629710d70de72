"""A power cut of a real ext4, seen from below: spool and daemon work on a device that records, the cuts are made later.

Unlike the cuts inside SQLite (test_outbox_power.py) nothing here is a model but the card: the kernel's page cache, the
file system's journal and the loop device's flushes are what they are on a gateway.
"""

from __future__ import annotations

import contextlib
import random
import signal
import sqlite3
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway.control import SOCKET_NAME, ask
from gateway.memory.state import State, read, write
from gateway.uplink import beside
from gateway.uplink.outbox import Outbox
from gateway.uplink.spool import Spool
from gateway.wire.draft import LANES, Lane, Rank, lane_of
from tests.conftest import message
from tests.mosquitto import wait_for
from tests.recorder import EVENT, SIZE, Device, cuts, mounted, run, why_not
from tests.running import Gateway, make_clip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.uplink.rows import Key

pytestmark = pytest.mark.system

CUTS = 60
CONTROL_CUTS = 20
DAEMON_CUTS = 40
LATCHES = 8
WORK_SECONDS = 5.0
CONTROL_SECONDS = 3.0
MESSAGES = 8000
"""The store holds so many: what is evicted is no loss, and would have to be told from one."""


@dataclass
class Promises:
    """What a spool promised, and when, in monotonic seconds."""

    folder: str
    began: float = 0.0
    ended: float = 0.0
    kept: list[tuple[float, Key]] = field(default_factory=list)
    """Committed by this time."""
    given: list[tuple[float, Lane, int]] = field(default_factory=list)
    """Numbers that were given to somebody at this time."""
    epoch: str = ""


@dataclass
class Verdict:
    """What the cuts did."""

    cuts: int = 0
    unmountable: int = 0
    lost: int = 0
    worst: int = 0
    set_aside: int = 0
    reused: int = 0


def work(folder: Path, seconds: float, seed: int) -> Promises:
    """Use a spool as the daemon does, with nobody to send to, and write down what is committed when."""
    rng = random.Random(seed)
    folder.mkdir()
    spool = Spool(folder / "outbox.db", cap_bytes=12 << 20, min_free=0)
    promises = Promises(folder.name)
    spool.start()
    assert spool.wait_ready(20), spool.status()
    promises.began = time.monotonic()
    while time.monotonic() < promises.began + seconds and len(promises.kept) < MESSAGES:
        batch = []
        for _ in range(rng.choice((1, 1, 3, 8))):
            rank = rng.choice((Rank.ALARM, Rank.ALARM, Rank.START, Rank.END, Rank.PICTURE))
            lane = lane_of(rank)
            numbers: list[int] = []

            def number(lane: Lane = lane, numbers: list[int] = numbers) -> bool:
                numbers[:] = [found for found in (spool.next_number(lane),) if found]
                return bool(numbers)

            wait_for(number, "a number")
            promises.given.append((time.monotonic(), lane, numbers[0]))
            made = message(rank, numbers[0], epoch=spool.epoch, size=rng.choice((100, 300, 2000)))
            assert spool.offer(made)
            batch.append(made.key)
        committed = threading.Event()
        spool.call(lambda _outbox, committed=committed: committed.set())  # type: ignore[misc]  # runs behind the commit
        assert committed.wait(20), spool.status()
        promises.kept += [(time.monotonic(), key) for key in batch]
    assert spool.status()["evicted"] == 0, "the store is too small for this test"
    promises.epoch = spool.epoch
    promises.ended = time.monotonic()
    assert spool.stop(20)
    return promises


def judge(log: Path, promises: Promises, count: int, scratch: Path, seed: int) -> Verdict:
    """Cut the power at many instants of a recording and look, through the product's eyes, what is there."""
    rng = random.Random(seed)
    instants = [rng.uniform(promises.began, promises.ended) for _ in range(count)]
    image, card = scratch / "image", scratch / "wreck"
    card.mkdir(exist_ok=True)
    verdict = Verdict(cuts=count)
    for instant in cuts(log, instants, image, rng):
        promised = {key for when, key in promises.kept if when < instant}
        try:
            with mounted(image, card):
                _look(verdict, card / promises.folder / "outbox.db", promised, promises, instant)
        except OSError as error:
            print(error)
            verdict.unmountable += 1
    return verdict


def _look(verdict: Verdict, path: Path, promised: set[Key], promises: Promises, instant: float) -> None:
    outbox = Outbox.open(path, cap_bytes=12 << 20, min_free=0)
    try:
        verdict.set_aside += beside.aside_of(path, "damaged").exists()
        there = {key for lane in LANES for key in _waiting(outbox, lane)}
        lost = promised - there
        verdict.lost += bool(lost)
        verdict.worst = max(verdict.worst, len(lost))
        highest = {lane: number for when, lane, number in promises.given if when < instant}
        same = outbox.epoch == promises.epoch
        verdict.reused += any(same and outbox.reserve(lane, 1)[0] <= number for lane, number in highest.items())
    finally:
        outbox.abandon()


def _waiting(outbox: Outbox, lane: Lane) -> Iterator[Key]:
    place = 0
    while found := outbox.pending(lane, place, 1000):
        yield from (made.key for _, made in found)
        place = found[-1][0]


class Weaker(sqlite3.Connection):
    """A connection that synchronises the journal only when it is written back: WAL with NORMAL, as others use it."""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """Run a statement, weakened."""
        return super().execute(sql.replace("synchronous=FULL", "synchronous=NORMAL"), *values)


def recording(folder: Path) -> Device:
    """Return a device that records what is written to it; skipped with the reason where there is none."""
    if reason := why_not():
        pytest.skip(reason)
    try:
        return Device(folder)
    except OSError as error:
        pytest.skip(f"no recording device here: {error}")


def test_each_cut_is_seen_as_it_is(tmp_path: Path) -> None:
    """A loop device that somebody still holds open, as udev may on a busy machine, shows nothing of an earlier cut."""
    if reason := why_not():
        pytest.skip(reason)
    log, card = tmp_path / "log", tmp_path / "card"
    card.mkdir()
    with log.open("wb") as out:
        for when, said in enumerate((b"early", b"late" * 1000)):
            disk, files = tmp_path / f"disk{when}", tmp_path / f"files{when}"
            files.mkdir()
            (files / "said").write_bytes(said)
            disk.write_bytes(bytes(SIZE))
            run("mkfs.ext4", "-q", "-d", files, disk)
            out.write(EVENT.pack(when, b"W", 0, SIZE) + disk.read_bytes() + EVENT.pack(when, b"F", 0, 0))
    seen = []
    with contextlib.ExitStack() as held:
        for _ in cuts(log, [0.5, 1.5], tmp_path / "image", random.Random(1)):
            with mounted(tmp_path / "image", card):
                seen.append((card / "said").read_bytes())
                loop = Path(run("findmnt", "-no", "SOURCE", card))
                held.enter_context(loop.open("rb")).read()
    assert seen == [b"early", b"late" * 1000]


def test_a_power_cut_of_ext4_costs_nothing_that_was_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 60 instants of a recording: mounts, opens, has all that was committed, gives no number again.

    The control is in the same recording: a spool on the same device whose store is synchronised less loses rows.
    """
    device = recording(tmp_path)
    try:
        ours = work(device.path / "ours", WORK_SECONDS, seed=1)
        weaker = partial(Outbox.open, open_file=partial(sqlite3.connect, factory=Weaker))
        monkeypatch.setattr("gateway.uplink.outbox.Outbox.open", weaker)
        theirs = work(device.path / "theirs", CONTROL_SECONDS, seed=2)
        monkeypatch.undo()
    finally:
        device.remove()
    verdict = judge(device.log, ours, CUTS, tmp_path, seed=3)
    control = judge(device.log, theirs, CONTROL_CUTS, tmp_path, seed=4)
    print(f"{len(ours.kept)} committed: {verdict}; with NORMAL {len(theirs.kept)} committed: {control}")
    assert verdict == Verdict(cuts=CUTS)
    assert control.lost > CONTROL_CUTS / 4


def moved_after_cuts(folder: Path, monkeypatch: pytest.MonkeyPatch, *, weaker: bool) -> tuple[int, int]:
    """Latch one moved view after another; return how many cuts were made, each right after, and how many forgot one."""
    folder.mkdir()
    device = recording(folder)
    noted: list[float] = []
    try:
        state = device.path / "state"
        state.mkdir()
        with monkeypatch.context() as patch:
            if weaker:
                patch.setattr("gateway.memory.state._sync", lambda _folder: None)
            for number in range(LATCHES):
                write(state, State(moved=(f"cam{number}",)))
                noted.append(time.monotonic())
    finally:
        device.remove()
    image, wreck, forgotten = folder / "image", folder / "wreck", 0
    wreck.mkdir()
    for number, _ in enumerate(cuts(device.log, noted, image, random.Random(7))):
        with mounted(image, wreck):
            found = read(wreck / "state")
            forgotten += found is None or found.moved != (f"cam{number}",)
    return len(noted), forgotten


def test_a_power_cut_forgets_no_moved_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was latched is so after a cut in the next instant; without the flush of its folder it is not (control)."""
    assert moved_after_cuts(tmp_path / "ours", monkeypatch, weaker=False) == (LATCHES, 0)
    made, forgotten = moved_after_cuts(tmp_path / "theirs", monkeypatch, weaker=True)
    assert forgotten > made / 2


# Under the real daemon


def waits(gateway: Gateway) -> dict[Key, str]:
    """Ask a running daemon what it has committed and not sent: epoch, lane and number, and the message's id."""
    found: dict[Key, str] = {}
    for lane in LANES:
        after = 0
        while True:
            request = {"ask": "outbox-page", "stream": lane, "after": after}
            page = ask(gateway.folder / "run" / SOCKET_NAME, request, 10.0).get("page")
            if not page:
                break
            found |= {(row["epoch"], lane, row["seq"]): row["id"] for row in page}
            after = page[-1]["place"]
    return found


def a_busy_gateway(folder: Path, state: Path) -> Gateway:
    """Return a gateway of two cameras whose broker is nobody, not started; its store is in `state`."""
    folder.mkdir(exist_ok=True)
    clips = [make_clip(folder / f"clip{number}.npy").replace("fps=15", "fps=60") for number in range(2)]
    gateway = Gateway(folder, None, clips)
    text = (
        gateway.config.read_text().replace("fps = 15", "fps = 60\nupdate_s = 1").replace("cap_mb = 16", "cap_mb = 12")
    )
    alarming = text.replace('name = "cam0"', 'name = "cam0"\nzones = [{id = "gate", alarm = true}]')
    gateway.config.write_text(alarming.replace(str(gateway.state), str(state)))
    return gateway


def test_a_power_cut_under_the_daemon_costs_nothing_that_was_committed(tmp_path: Path) -> None:
    """`gateway run` with two busy eyes on the recording device: what it said was stored is there at every cut.

    What it remembers beside the store can be read, too, and a daemon that starts on what was left has the messages.
    """
    device = recording(tmp_path)
    promises = Promises("state")
    ids: dict[Key, str] = {}
    try:
        gateway = a_busy_gateway(tmp_path / "gateway", device.path / "state").start()
        wait_for(lambda: waits(gateway), "the first messages")
        promises.began = time.monotonic()
        while time.monotonic() < promises.began + WORK_SECONDS:
            now = waits(gateway)
            promises.kept += [(time.monotonic(), key) for key in now.keys() - ids.keys()]
            ids |= now
        promises.ended = time.monotonic()
        gateway.stop(signal.SIGKILL)
    finally:
        device.remove()
    promises.given = [(when, lane, seq) for when, (_, name, seq) in promises.kept for lane in LANES if lane == name]
    (promises.epoch,) = {epoch for epoch, _, _ in ids}
    verdict = judge(device.log, promises, DAEMON_CUTS, tmp_path, seed=5)
    print(f"{len(ids)} committed by the daemon: {verdict}")
    assert verdict == Verdict(cuts=DAEMON_CUTS)

    # The last one once more, as the device would find it: the daemon starts on it.
    promised = {key for when, key in promises.kept if when < promises.ended}
    for _ in cuts(device.log, [promises.ended], tmp_path / "image", random.Random(6)):
        with mounted(tmp_path / "image", tmp_path / "wreck"):
            assert read(tmp_path / "wreck" / "state") != State(moved=("*",))
            again = a_busy_gateway(tmp_path / "again", tmp_path / "wreck" / "state").start()
            found = waits(again)
            again.stop()
    assert {key: ids[key] for key in promised} == {key: found.get(key) for key in promised}
