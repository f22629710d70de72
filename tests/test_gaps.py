"""Numbers that will never come: all are kept, what is left out is said, and nothing is called lost that is not."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from gateway.uplink import beside, store
from gateway.uplink.former import HIGHEST, KEPT
from gateway.uplink.gaps import TOLD_RANGES
from gateway.uplink.outbox import Outbox
from gateway.uplink.ranges import Ranges
from gateway.wire.draft import Rank
from tests.conftest import everything, finish, message

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from gateway.wire.draft import Lane

pytestmark = pytest.mark.usefixtures("tidy")


def told(outbox: Outbox, lane: Lane = "media") -> set[int]:
    """Return the numbers of a lane that stand in up/gap."""
    ranges = [span for spans in outbox.gaps().get(lane, {}).values() for span in spans]
    return {seq for first, last in ranges for seq in range(first, last + 1)}


def with_holes(folder: Path, count: int) -> Outbox:
    """Return a store that lost every other number of so many; the others are there."""
    outbox = Outbox.open(folder / "outbox.db", 64 << 20, 0)
    outbox.reserve("media", 2 * count)
    for first in range(1, 2 * count, 128):
        outbox.put([message(Rank.PICTURE, seq, epoch=outbox.epoch) for seq in range(first, first + 128, 2)])
    with outbox._books.writing():
        for seq in range(2, 2 * count + 1, 2):
            outbox._books.gaps.note("media", "evicted", seq, seq)
    return outbox


def test_many_gaps_are_all_kept_and_what_is_left_out_is_said(memory: Path) -> None:
    """The newest stand in up/gap with the number below which it is not complete, and each that is asked for, too."""
    outbox = with_holes(memory, 1024)
    newest = {seq for seq in range(2, 2049, 2) if seq > 2048 - 2 * TOLD_RANGES}
    assert told(outbox) == newest
    assert outbox.gap_notes() == {"partial": {"media": min(newest)}}
    finish(outbox.confirm("media", 0, [(2, 2), (100, 107)]))
    assert told(outbox) == newest | {2, 100, 102, 104, 106}
    outbox.close()
    again = Outbox.open(memory / "outbox.db", 64 << 20, 0)
    finish(again.confirm("media", 0, [(2, 2)]))
    assert told(again) >= newest | {2}, "also after a restart"


def test_a_centre_that_asks_again_gets_all_of_them(memory: Path) -> None:
    """Page by page: the centre asks for what it still misses until all is explained; what is there stays unsaid."""
    outbox = with_holes(memory, 1024)
    here = set(range(1, 2049, 2))
    misses = Ranges([(seq, seq) for seq in range(2, 2049, 2)])
    rounds = 0
    while misses.as_list():
        rounds += 1
        assert rounds < 20
        finish(outbox.confirm("media", 0, misses.as_list()[:256]))
        answer = told(outbox)
        assert not answer & here, "lost is said of what is there"
        for seq in answer:
            misses.take_out(seq)
    assert rounds == 3  # the newest 256 are told beside the answers


def test_a_gap_grows_over_what_has_arrived_and_not_over_what_has_not(memory: Path) -> None:
    """Old pictures leave around delivered ones: one range is left. A row between two gaps keeps them apart."""
    now = [0.0]
    outbox = Outbox.open(memory / "outbox.db", 64 << 20, 0, lambda: now[0])
    outbox.reserve("media", 60)
    outbox.put([message(Rank.PICTURE, seq, epoch=outbox.epoch) for seq in range(1, 41)])
    outbox.done([(outbox.epoch, "media", seq) for seq in range(2, 40, 3)])
    now[0] = 60 * 3600.0
    outbox.put([message(Rank.PICTURE, seq, epoch=outbox.epoch) for seq in range(41, 60)])
    now[0] = 73 * 3600.0
    outbox.expire()
    assert outbox.gaps() == {"media": {"expired": [(1, 40)]}}
    with outbox._books.writing():
        outbox._books.entries.remove((2 << 48) + 50)
        outbox._books.gaps.note_at((2 << 48) + 50, "expired", settled=True)
    assert outbox.gaps() == {"media": {"expired": [(1, 40), (50, 50)]}}, "what lies between them will come"


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.lists(st.tuples(st.sampled_from(["void", "evicted", "expired"]), st.integers(1, 60), st.integers(0, 9))))
def test_gaps_are_the_set_of_what_was_noted(notes: Any) -> None:
    """Whatever is noted, cut and filled, the ranges say just that, as few as can be."""
    outbox = Outbox.open(beside.MEMORY, 8 << 20, 0)
    expected: dict[str, set[int]] = {"void": set(), "evicted": set(), "expired": set()}
    with outbox._books.writing():
        for why, first, more in notes:
            outbox._books.gaps.note("event", why, first, first + more)
            expected[why] |= set(range(first, first + more + 1))
    gaps = outbox.gaps().get("event", {})
    for why, numbers in expected.items():
        ranges = gaps.get(why, [])  # type: ignore[call-overload]
        assert {seq for first, last in ranges for seq in range(first, last + 1)} == numbers
        assert all(before[1] + 1 < after[0] for before, after in pairwise(ranges))
    with outbox._books.writing():
        outbox._books.gaps.fill("event", 1, 70)
        outbox._books.gaps.cut("event", 20)
    assert told(outbox, "event") == set(range(21, 71))
    outbox.abandon()


# Epochs that are over


def break_store(path: Path) -> None:
    """Make a store unreadable from its first byte to its last."""
    path.write_bytes(random.Random(1).randbytes(path.stat().st_size))


def end_of_epoch(outbox: Outbox) -> list[dict[str, Any]]:
    """Do what the spool does after a store was set aside; return what is told of former epochs."""
    from gateway.uplink.salvage import Salvage

    if outbox.past.set_aside is not None:
        salvage = Salvage(outbox.past.set_aside)
        while salvage.step(outbox) is not None:
            pass
        salvage.close()
    outbox.past.tell()
    former: list[dict[str, Any]] = outbox.gap_notes().get("former", [])
    return former


def test_a_destroyed_store_is_told_under_its_own_epoch(memory: Path) -> None:
    """Nothing can be read of it: the centre hears that no number of that epoch will come, now and after a restart."""
    path = memory / "outbox.db"
    old = Outbox.open(path, 8 << 20, 0)
    old.put([message(Rank.ALARM, old.reserve("alarm", 9)[0], epoch=old.epoch)])
    old.abandon()
    break_store(path)
    fresh = Outbox.open(path, 8 << 20, 0)
    assert fresh.epoch != old.epoch
    all_of_it = {lane: {"void": [(1, HIGHEST)]} for lane in ("alarm", "event", "media")}
    assert end_of_epoch(fresh) == [{"epoch": old.epoch, "lanes": all_of_it}]
    fresh.close()
    assert Outbox.open(path, 8 << 20, 0).gap_notes() == {"former": [{"epoch": old.epoch, "lanes": all_of_it}]}


def test_what_was_saved_is_not_called_lost(memory: Path) -> None:
    """A damaged store of which some can be read: its gap has holes just where messages were saved, and they come."""
    path = memory / "outbox.db"
    old = Outbox.open(path, 16 << 20, 0)
    numbers = old.reserve("event", 400)
    for first in range(0, 400, 50):
        old.put([message(Rank.END, seq, epoch=old.epoch, size=900) for seq in numbers[first : first + 50]])
    old.done([(old.epoch, "event", seq) for seq in range(1, 30)])
    old.close()
    raw = bytearray(path.read_bytes())
    middle = len(raw) // 2 // store.PAGE * store.PAGE
    raw[middle : middle + 20 * store.PAGE] = bytes(20 * store.PAGE)
    path.write_bytes(raw)
    fresh = Outbox.open(path, 16 << 20, 0)
    former = end_of_epoch(fresh)
    saved = {made.seq for made in everything(fresh, "saved")}
    assert 100 < len(saved) < 371
    assert [said["epoch"] for said in former] == [old.epoch]
    lost = former[0]["lanes"]["event"]["void"]
    assert saved == {seq for seq in range(1, 401) if not any(first <= seq <= last for first, last in lost)}
    assert lost[-1][1] == HIGHEST

    gone = min(saved)
    fresh._books.former.lost(f"{old.epoch}/event/{gone}")  # as when there was no room for it
    late = message(Rank.END, 200, epoch=old.epoch)
    fresh.put([late])  # as from memory
    lost = fresh.gap_notes()["former"][0]["lanes"]["event"]["void"]
    assert any(first <= gone <= last for first, last in lost)
    assert not any(first <= 200 <= last for first, last in lost)


def test_a_card_that_was_replaced_is_told_by_the_new_epoch_alone(memory: Path) -> None:
    """Without anything of the old store there is nothing to be told of it: no former epoch is made up."""
    path = memory / "outbox.db"
    Outbox.open(path, 8 << 20, 0).close()
    for file in memory.iterdir():
        file.unlink()
    assert end_of_epoch(Outbox.open(path, 8 << 20, 0)) == []


def test_only_the_last_epochs_are_told(memory: Path) -> None:
    """A card that is damaged again and again does not make up/gap longer and longer."""
    outbox = Outbox.open(memory / "outbox.db", 8 << 20, 0)
    epochs = [f"0000000{number}" for number in range(7)]
    for epoch in epochs:
        outbox.past.end(epoch)
        outbox.past.tell()
    assert [said["epoch"] for said in outbox.gap_notes()["former"]] == epochs[-KEPT:]
