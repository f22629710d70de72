"""A power cut at any instant costs nothing that was committed, no number twice, and no store."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from gateway.uplink import beside, schema, store
from gateway.uplink.outbox import Outbox
from gateway.uplink.rows import Key, bounds
from gateway.wire.draft import LANES, Lane, Rank, lane_of
from tests.conftest import everything, message, ranked_as_stored
from tests.old_stores import EPOCH, make_old

pytest.importorskip("apsw", reason="apsw is not installed: it is in the extra `test`")

from tests.power_cut import RECORD, Disk, RecordedConnection, Recorder, cut_at

CUTS = int(os.environ.get("GATEWAY_TEST_CUTS", "1000"))
RECORDER = Recorder()


@dataclass
class Promise:
    """What the outbox has promised by some step of the recording."""

    begun: int
    step: int
    put: list[Key] = field(default_factory=list)
    done: list[Key] = field(default_factory=list)
    packed: list[Key] = field(default_factory=list)
    """Delivered events that are kept for replay."""
    reserved: tuple[Lane, int] | None = None


@dataclass
class Verdict:
    """What many cuts did."""

    cuts: int = 0
    lost: int = 0
    worst: int = 0
    reused: int = 0
    unopenable: int = 0
    muddled: int = 0
    """Packs that cannot be read, or an order of worth that is not that of the rows."""
    set_aside: int = 0


def work(folder: Path, seed: int, messages: int, weaken: dict[str, str]) -> list[Promise]:
    """Use an outbox as the spool does; return what it promised, and when."""
    rng = random.Random(seed)
    RECORD.clear()
    outbox = Outbox.open(folder / "outbox.db", min_free=0, open_file=partial(RecordedConnection, weaken=weaken))
    promises: list[Promise] = []
    blocks: dict[Lane, list[int]] = {lane: [] for lane in LANES}
    live: list[Key] = []
    made = 0
    while made < messages:
        batch = []
        for _ in range(rng.choice((1, 1, 4, 16))):
            rank = rng.choice(list(Rank))
            block = blocks[lane_of(rank)]
            if not block:
                block.extend(outbox.reserve(lane_of(rank), 64))
                promises.append(Promise(len(RECORD), len(RECORD), reserved=(lane_of(rank), block[-1])))
            size = rng.choice((0, 200, 900, 6000)) if rank == Rank.PICTURE else 0
            batch.append(message(rank, block.pop(0), epoch=outbox.epoch, size=size))
        done = [live.pop(0) for _ in range(40)] if len(live) > 100 else []
        begun = len(RECORD)
        outbox.put(batch, done=done)
        made += len(batch)
        keys = [found.key for found in batch]
        live += keys
        promises.append(Promise(begun, len(RECORD), keys, done))
        if rng.random() < 0.1:
            promises.append(_deliver_at_once(outbox, blocks["event"]))
            outbox.expire()  # what is worth least is written down
    outbox.abandon()
    return promises


def _deliver_at_once(outbox: Outbox, block: list[int]) -> Promise:
    """Keep events that were delivered before they were written, as the spool does every five minutes."""
    while len(block) < 20:
        block.extend(outbox.reserve("event", 64))
    made = [message(Rank.END, block.pop(0), epoch=outbox.epoch) for _ in range(20)]
    begun = len(RECORD)
    outbox.put_delivered(made)
    return Promise(begun, len(RECORD), packed=[one.key for one in made])


def try_cuts(folder: Path, seed: int, cuts: int, weaken: dict[str, str] | None = None) -> Verdict:
    """Work once, cut the power at many instants, and look what is left each time, through the product's own eyes."""
    home = folder / "home"
    home.mkdir()
    promises = work(home, seed, 900, weaken or {})
    steps = list(RECORD)
    rng = random.Random(seed + 1)
    first = promises[0].step
    instants = sorted(rng.randrange(first, len(steps)) for _ in range(cuts))
    verdict, wreck = Verdict(), folder / "wreck"
    for instant in cut_at(instants, steps, wreck, rng):
        _judge(verdict, wreck / "outbox.db", [promise for promise in promises if promise.begun <= instant], instant)
    return verdict


def _judge(verdict: Verdict, path: Path, promises: list[Promise], instant: int) -> None:
    verdict.cuts += 1
    # What was begun may have happened; what was promised must have.
    promised = {key for promise in promises if promise.step <= instant for key in promise.put}
    finished = {key for promise in promises for key in promise.done}
    reserved = dict(promise.reserved for promise in promises if promise.reserved and promise.step <= instant)
    epoch = next(iter(promised))[0] if promised else ""
    outbox = Outbox.open(path, min_free=0)
    try:
        if beside.aside_of(path, "damaged").exists():
            verdict.set_aside += 1
        found = {made.key for lane in LANES for _, made in outbox.pending(lane, 0, 100_000)}
        packed = {key for promise in promises if promise.step <= instant for key in promise.packed}
        kept, damaged = outbox._books.entries.packs.read(*bounds("event"), outbox.epoch, 100_000)
        lost = (promised - finished - found) | (packed - {made.key for made in kept.values()})
        verdict.muddled += bool(damaged) or not ranked_as_stored(outbox)
        verdict.lost += bool(lost)
        verdict.worst = max(verdict.worst, len(lost))
        for lane, last in reserved.items():
            verdict.reused += outbox.epoch == epoch and outbox.reserve(lane, 1)[0] <= last
    except store.Damaged:
        verdict.unopenable += 1
    finally:
        outbox.abandon()


def test_no_power_cut_costs_what_was_committed(memory: Path) -> None:
    """At 1,000 instants: what was put and not done is there, no number comes twice, no store is set aside."""
    verdict = try_cuts(memory, seed=11, cuts=CUTS)
    print(verdict)
    assert verdict == Verdict(cuts=CUTS)


def test_a_power_cut_while_the_journal_is_cut_off_is_no_damage(memory: Path) -> None:
    """At any instant of it: the store is not taken for one that lost its journal, and what waits is there."""
    home, wreck = memory / "home", memory / "wreck"
    home.mkdir()
    RECORD.clear()
    outbox = Outbox.open(home / "outbox.db", min_free=0, open_file=RecordedConnection)
    made = [message(Rank.END, seq, epoch=outbox.epoch) for seq in outbox.reserve("event", 20)]
    outbox.put(made)
    begun = len(RECORD)
    outbox.expire()
    outbox.abandon()
    steps, rng = list(RECORD), random.Random(5)
    assert [step.what for step in steps[begun:]].count("truncate") >= 1, "the journal is cut off"
    for _ in cut_at(range(begun, len(steps)), steps, wreck, rng):
        again = Outbox.open(wreck / "outbox.db", min_free=0)
        assert (again.past.set_aside, again.epoch) == (None, outbox.epoch)
        assert list(everything(again, "event")) == made
        again.abandon()


def version_in(folder: Path, look: Path) -> int:
    """Return the version of a store, from a copy: SQLite tidies up what it opens."""
    shutil.rmtree(look, ignore_errors=True)
    shutil.copytree(folder, look)
    with contextlib.closing(sqlite3.connect(look / "outbox.db")) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def test_a_power_cut_while_a_store_is_brought_up_to_date_costs_nothing(memory: Path) -> None:
    """At any instant of it the store is of the earlier version or of this one, and all that waits is there."""
    home, wreck = memory / "home", memory / "wreck"
    home.mkdir()
    made = [message(Rank(1 + seq % 3), seq, epoch=EPOCH) for seq in range(1, 200)]
    made += [message(Rank.PICTURE, seq, epoch=EPOCH, size=3000) for seq in range(1, 40)]
    make_old(home / "outbox.db", 2, made, page=store.PAGE, delivered=made[:20])
    before = (home / "outbox.db").read_bytes()
    RECORD.clear()
    Outbox.open(home / "outbox.db", min_free=0, open_file=RecordedConnection).abandon()
    steps, rng = list(RECORD), random.Random(3)
    versions = set()
    disk = Disk({"outbox.db": bytearray(before)}, {"outbox.db": []})
    for _ in cut_at(range(0, len(steps), max(1, len(steps) // 60)), steps, wreck, rng, disk):
        versions.add(version_in(wreck, memory / "look"))
        outbox = Outbox.open(wreck / "outbox.db", min_free=0)
        assert (outbox.past.set_aside, outbox.epoch) == (None, EPOCH)
        assert [*everything(outbox, "event"), *everything(outbox, "media")] == made[20:]
        assert ranked_as_stored(outbox)
        outbox.abandon()
    assert versions == {2, schema.VERSION}, "the cuts fall on both sides"


def test_a_journal_that_is_synchronised_less_is_caught(memory: Path) -> None:
    """The control: WAL with NORMAL, as others use it, loses committed messages in this simulation."""
    verdict = try_cuts(memory, seed=11, cuts=CUTS, weaken={"synchronous=FULL": "synchronous=NORMAL"})
    print(verdict)
    assert verdict.lost > CUTS / 10


def test_the_default_journal_is_caught(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: Python's default, a rollback journal with normal locking, loses commits too, some in 1,000 cuts."""

    def judge(verdict: Verdict, path: Path, promises: list[Promise], instant: int) -> None:
        promised = {key for promise in promises if promise.step <= instant for key in promise.put}
        finished = {key for promise in promises for key in promise.done}
        with contextlib.closing(sqlite3.connect(path)) as db:  # the outbox would miss its own journal
            places = {place for (place,) in db.execute("SELECT key FROM stored")}
        found = {key for key in promised if (LANES.index(key[1]) << 48) + key[2] in places}
        verdict.lost += bool(promised - finished - found)

    monkeypatch.setattr(f"{__name__}._judge", judge)
    weaken = {"journal_mode=WAL": "journal_mode=DELETE", "locking_mode=EXCLUSIVE": "locking_mode=NORMAL"}
    verdict = try_cuts(memory, seed=11, cuts=max(CUTS, 1000), weaken=weaken)
    print(verdict)
    assert verdict.lost > 0
