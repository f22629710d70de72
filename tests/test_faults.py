"""Faults become events with a start and an end, once they last."""

from __future__ import annotations

from gateway.faults import PERSIST_SECONDS, Fault, Faults
from gateway.wire.draft import Rank

BLIND = {("cam0", "camera-failed"): Fault("no picture", "check the cable")}


def test_a_fault_is_told_once_and_ended_once() -> None:
    """A lasting fault gives one start at rank 0 with its hint, and one end when it is over, with the same episode."""
    faults = Faults()
    assert faults.update(BLIND, 0.0) == []
    (start,) = faults.update(BLIND, PERSIST_SECONDS)
    assert faults.update(BLIND, PERSIST_SECONDS + 1) == []
    (end,) = faults.update({}, PERSIST_SECONDS + 2)
    assert [start.rank, end.rank] == [Rank.ALARM, Rank.ALARM]
    assert (start.body["phase"], end.body["phase"]) == ("start", "end")
    assert start.episode == end.episode
    assert start.body["hint"] == "check the cable"
    assert start.mono == 0.0


def test_a_passing_fault_is_no_news() -> None:
    """A fault that is over before it lasted is never told: a restarted eye is back in seconds."""
    faults = Faults()
    faults.update(BLIND, 0.0)
    assert faults.update({}, PERSIST_SECONDS / 2) == []
    assert faults.update(BLIND, PERSIST_SECONDS) == []
    assert faults.codes == []


def test_open_faults_are_listed() -> None:
    """Open faults are named by camera and code."""
    faults = Faults()
    faults.update(BLIND, 0.0)
    faults.update(BLIND, PERSIST_SECONDS)
    assert faults.codes == ["cam0/camera-failed"]
