"""The trend of sharpness: weeks of slow dirt are read at a glance, over restarts, and nothing else looks like dirt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from gateway.memory.sharpness import DAYS, FILE, Record, Sharpness
from gateway.recovery.eyes import Eye

MINUTE, DAY = 60.0, 86_400.0
PASSED: WeakKeyDictionary[Sharpness, float] = WeakKeyDictionary()
"""Seconds that have passed for each trend."""


def beat(sharpness: float | None, **more: Any) -> dict[str, Any]:
    """Return what an eye says in a second."""
    return {"note": "beat", "view": "ok", "moved": False, "suppressed": None, "sharpness": sharpness} | more


def days(trend: Sharpness, values: list[float], **more: Any) -> None:
    """Let whole days pass, each with its sharpness by day, half of it by night; time goes on from call to call."""
    start = PASSED.setdefault(trend, MINUTE)
    for value in values:
        for minute in range(24 * 60):
            hour = minute // 60
            trend.see(beat(value if 6 <= hour < 22 else value / 2, **more), start + minute * MINUTE)
        start = PASSED[trend] = start + DAY


def test_slow_dirt_is_a_falling_trend() -> None:
    """A lens that loses two hundredths a day says so: a number for each day, and the change in all."""
    trend = Sharpness("640x360")
    days(trend, [5.0 - 0.1 * day for day in range(20)])
    facts = trend.facts()
    assert facts["sharpness_days"] == [round(5.0 - 0.1 * day, 2) for day in range(20)]
    assert facts["sharpness_change"] == pytest.approx(3.1 / 4.9 - 1, abs=0.001)


def test_control_a_clean_lens_has_no_trend() -> None:
    """The same days without dirt give a change of nothing; before there is a second day there is none to tell."""
    trend = Sharpness("640x360")
    days(trend, [5.0])
    assert trend.facts()["sharpness_change"] is None
    days(trend, [5.0] * 9)
    assert trend.facts()["sharpness_change"] == 0


def test_passing_things_are_no_dirt() -> None:
    """Fog of an hour, and what is seen while the view is covered, moved or held back, does not count."""
    trend = Sharpness("640x360")
    days(trend, [5.0, 5.0])
    for minute in range(60):
        trend.see(beat(0.5), 3 * DAY + minute * MINUTE)
    PASSED[trend] = 4 * DAY
    days(trend, [0.1], view="covered")
    days(trend, [0.1], suppressed="light")
    trend.see(beat(None), 19 * DAY)
    for minute in range(60, 24 * 60):
        trend.see(beat(5.0), 20 * DAY + minute * MINUTE)
    assert trend.facts()["sharpness_days"] == [5.0, 5.0, 5.0]


def test_another_view_begins_anew() -> None:
    """When somebody confirms a view that moved, what was there before is no measure for it; nor is another size."""
    trend = Sharpness("640x360")
    days(trend, [5.0] * 3)
    trend.see(beat(2.0, moved=True), 4 * DAY)
    assert len(trend.facts()["sharpness_days"]) == 3
    trend.see(beat(2.0, suppressed="settling"), 4 * DAY + 1)
    assert trend.facts()["sharpness_days"] == []
    PASSED[trend] = 5 * DAY
    days(trend, [5.0] * 3)
    assert Sharpness("640x360", trend.kept()).facts()["sharpness_days"] == [5.0] * 3
    assert Sharpness("320x180", trend.kept()).facts()["sharpness_days"] == []


def test_the_trend_is_kept_over_a_restart(tmp_path: Path) -> None:
    """A new run goes on with days and hours; written once an hour, and no more than thirty days."""
    written = 0

    def later(work: Any) -> None:
        nonlocal written
        written += 1
        work()

    record = Record(tmp_path, later)
    trend = record.of("cam0", "640x360")
    for minute in range(10 * 60 + 30):
        trend.see(beat(5.0), minute * MINUTE)
        record.tick()
    assert written == 10
    again = Record(tmp_path, later).of("cam0", "640x360")
    assert again.facts() == {"sharpness_days": [], "sharpness_today": 5.0, "sharpness_change": None}
    for minute in range(14 * 60):
        again.see(beat(5.0), minute * MINUTE)
    PASSED[again] = DAY
    assert again.facts()["sharpness_days"] == [5.0]
    days(again, [4.0] * (DAYS + 5))
    assert len(again.facts()["sharpness_days"]) == DAYS


@pytest.mark.parametrize("text", ["{", "[]", "[1]", '{"cam0": 3}', '{"cam0": {"scale": "640x360"}}',
                                  '{"cam0": {"scale": "640x360", "hours": ["x", 1], "days": [1, 2]}}'])  # fmt: skip
def test_a_damaged_file_costs_the_trend_alone(tmp_path: Path, text: str) -> None:
    """A file that cannot be read is forgotten, said in the log, and written anew."""
    (tmp_path / FILE).write_text(text)
    record = Record(tmp_path, lambda work: work())
    trend = record.of("cam0", "640x360")
    assert trend.facts()["sharpness_days"] == []
    days(trend, [5.0])
    record.tick()
    assert json.loads((tmp_path / FILE).read_text())["cam0"]["days"] == [5.0]


def refused(work: Any) -> None:
    """Do it at once, as the daemon does on the thread that waits for the card: that tells what fails, and goes on."""
    with pytest.raises(FileNotFoundError):
        work()


def test_a_card_that_refuses_costs_the_trend_alone(tmp_path: Path) -> None:
    """When the file cannot be written the trend goes on in memory."""
    record = Record(tmp_path / "gone", refused)
    trend = record.of("cam0", "640x360")
    days(trend, [5.0])
    record.tick()
    assert trend.facts()["sharpness_days"] == [5.0]


def test_up_health_carries_the_trend() -> None:
    """What up/health says of a camera holds the days of its sharpness."""
    trend = Sharpness("640x360")
    days(trend, [5.0, 4.0])
    eye = Eye({"name": "cam0", "stall_s": 1.0, "picture_kb": 40}, sharpness=trend)
    assert eye.facts()["sharpness_days"] == [5.0, 4.0]
    assert eye.facts()["sharpness_change"] == pytest.approx(4.0 / 4.5 - 1, abs=0.001)
