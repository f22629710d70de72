"""Faults become events with a start and an end, once they last."""

from __future__ import annotations

from gateway.device.faults import PERSIST_SECONDS, RETURN_SECONDS, Fault, Faults
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


def test_a_fault_that_comes_again_and_again_is_told() -> None:
    """An eye that dies every eight seconds: one start at its third death, one end when it has lived for two minutes."""
    faults = Faults()
    told = []
    for second in range(90):  # dead for two seconds, alive for six
        told += [(second, draft) for draft in faults.update(BLIND if second % 8 < 2 else {}, float(second))]
    ((when, start),) = told
    assert when == 16
    assert start.body["phase"] == "start"
    assert "again and again" in start.body["message"]
    assert start.mono == 0.0
    assert faults.codes == ["cam0/camera-failed"]
    assert faults.update({}, 90.0) == faults.update({}, 90.0 + RETURN_SECONDS - 10.0) == []
    (end,) = faults.update({}, 90.0 + RETURN_SECONDS)
    assert (end.body["phase"], end.episode) == ("end", start.episode)
    assert end.mono == 90.0
    assert faults.codes == []


def test_now_and_then_is_not_again_and_again() -> None:
    """The control: short faults that are minutes apart are no news, and a lasting one that returns is told anew."""
    faults = Faults()
    for minute in range(0, 600, 70):
        assert faults.update(BLIND, float(minute)) == []
        assert faults.update({}, minute + 2.0) == []
    phases = []
    for second in range(1000, 1060):
        phases += [
            draft.body["phase"] for draft in faults.update(BLIND if second < 1020 or second > 1040 else {}, second)
        ]
    assert phases == ["start", "end", "start"]


def test_open_faults_are_listed() -> None:
    """Open faults are named by camera and code."""
    faults = Faults()
    faults.update(BLIND, 0.0)
    faults.update(BLIND, PERSIST_SECONDS)
    assert faults.codes == ["cam0/camera-failed"]
