"""The frame rate follows heat and night, with hysteresis, and the frames that are left out are evenly spread."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from gateway.camera.rate import DWELL_SECONDS, Night, Rate
from gateway.device.health import Facts
from gateway.device.heat import DOWN_SECONDS, SHARES, UP_SECONDS, Heat


def night_after(lux: Sequence[float | None]) -> list[bool]:
    """Let one reading a second come; return whether it was night each time."""
    night = Night(below=5.0, above=15.0)
    return [night.see(value, float(second)) for second, value in enumerate(lux)]


def test_night_begins_and_ends_with_a_dwell() -> None:
    """Half a minute below the lower threshold is night, half a minute above the upper one is day again."""
    dark, light = int(DWELL_SECONDS) + 1, int(DWELL_SECONDS) + 1
    told = night_after([100.0] * 10 + [2.0] * dark + [10.0] * 100 + [50.0] * light)
    assert told.index(True) == 10 + DWELL_SECONDS
    assert all(told[10 + int(DWELL_SECONDS) : -1])  # between the two nothing changes
    assert not told[-1]


@pytest.mark.parametrize("lux", [[2.0, 100.0] * 100, [10.0] * 200, [None] * 200])
def test_what_flickers_or_is_unknown_is_no_night(lux: list[float | None]) -> None:
    """A lamp that goes on and off, a light between the thresholds, and none at all change nothing."""
    assert not any(night_after(lux))


def taken(rate: Rate, fps: float, seconds: float) -> list[float]:
    """Offer frames at a rate; return the times of those that are wanted."""
    return [number / fps for number in range(round(seconds * fps)) if rate.wants(number / fps)]


@given(share=st.sampled_from(SHARES[1:]), fps=st.sampled_from([5.0, 10.0, 15.0, 30.0]))
def test_frames_are_left_out_evenly(share: float, fps: float) -> None:
    """Over a minute as many frames are taken as are asked for, and never two gaps' worth of nothing in a row."""
    rate = Rate(fps, 0.0, 5.0)
    rate.choose(share=share)
    times = taken(rate, fps, 60.0)
    assert len(times) == pytest.approx(rate.asked * 60.0, rel=0.03, abs=2)
    assert max(b - a for a, b in pairwise(times)) <= 1.0 / rate.asked + 1.0 / fps + 1e-9


def test_as_set_nothing_is_left_out() -> None:
    """Without heat every frame is taken, also of a camera that is faster than asked (control)."""
    rate = Rate(10.0, 0.0, 5.0)
    assert len(taken(rate, 11.0, 60.0)) == 660
    assert (rate.asked, rate.why) == (10.0, "")


def test_a_clock_that_begins_anew_goes_on() -> None:
    """After the camera was opened anew its times may begin at nought: the frames are taken from the first on."""
    rate = Rate(10.0, 0.0, 5.0)
    rate.choose(share=0.5)
    for number in range(100):
        rate.wants(1000.0 + number / 10)
    assert len(taken(rate, 10.0, 10.0)) == pytest.approx(50, abs=2)


def test_the_reason_is_told() -> None:
    """Heat goes before night, and the rate does not fall below what motion and the stall's watch need."""
    rate = Rate(10.0, 4.0, 5.0)
    assert rate.choose(night=True)
    assert (rate.asked, rate.why) == (4.0, "night")
    assert rate.choose(share=0.25)
    assert (rate.asked, rate.why) == (2.0, "heat")
    assert not rate.choose(share=0.25)
    assert rate.choose(share=1.0, night=False)
    assert (rate.asked, rate.why) == (10.0, "")
    slow = Rate(1.0, 0.0, 5.0)
    assert not slow.choose(share=0.25)
    assert Rate(10.0, 0.0, 0.5).choose(share=0.25)


def run(heat: Heat, facts: Facts, seconds: int, start: float = 0.0) -> list[float]:
    """Let one reading a second come; return the share after each."""
    return [heat.see(facts, start + second) for second in range(seconds)]


PLUS = "Raspberry Pi 3 Model B Plus Rev 1.3"


@pytest.mark.parametrize("model", ["Raspberry Pi 5 Model B Rev 1.0", PLUS, None])
def test_less_before_the_limit(model: str | None) -> None:
    """Below the limit the rate already falls, a step at a time, down to a quarter; well below it rises again."""
    heat = Heat()
    assert set(run(heat, Facts(model=model, temperature_c=50.0), 600)) == {1.0}
    falling = run(heat, Facts(model=model, temperature_c=78.0), int(5 * DOWN_SECONDS), 600.0)
    assert sorted(set(falling), reverse=True) == list(SHARES)
    assert falling.index(SHARES[1]) == DOWN_SECONDS
    assert set(run(heat, Facts(model=model, temperature_c=75.0), 600, 2000.0)) == {SHARES[-1]}  # it holds
    rising = run(heat, Facts(model=model, temperature_c=50.0), int(5 * UP_SECONDS), 3000.0)
    assert (rising[0], rising[-1]) == (SHARES[-1], 1.0)


def test_a_soft_limit_costs_one_step() -> None:
    """A 3B+ near 60 degrees loses a little of its clock, and as little of its rate; other boards nothing (control)."""
    heat = Heat()
    assert run(heat, Facts(model=PLUS, temperature_c=58.0), 600)[-1] == SHARES[1]
    assert run(heat, Facts(model=PLUS, temperature_c=55.0), 600, 1000.0)[-1] == SHARES[1]  # it holds
    assert run(heat, Facts(model=PLUS, temperature_c=51.0), 600, 2000.0)[-1] == 1.0
    run(heat, Facts(model=PLUS, temperature_c=78.0), 600, 3000.0)
    assert run(heat, Facts(model=PLUS, temperature_c=65.0), 600, 4000.0)[-1] == SHARES[1]
    assert run(Heat(), Facts(model="Raspberry Pi 4 Model B Rev 1.5", temperature_c=65.0), 600)[-1] == 1.0


def test_the_firmwares_word_counts() -> None:
    """A processor that is slowed down sheds whatever its temperature says; slowed for its voltage, it does not."""
    assert run(Heat(), Facts(temperature_c=50.0, throttled=True), 60)[-1] == SHARES[-1]
    assert run(Heat(), Facts(temperature_c=50.0, soft_limit=True), 60)[-1] == SHARES[1]
    assert run(Heat(), Facts(throttled=True, under_voltage=True), 60)[-1] == 1.0


@given(st.lists(st.none() | st.floats(20, 100), max_size=300))
def test_one_step_at_a_time(readings: list[float | None]) -> None:
    """Whatever the readings, the share moves by at most one step a reading, and never sooner than its patience."""
    heat = Heat()
    before, last = 1.0, -1e9
    for second, degrees in enumerate(readings):
        share = heat.see(Facts(temperature_c=degrees), second * 5.0)
        if share != before:
            assert abs(SHARES.index(share) - SHARES.index(before)) == 1
            assert second * 5.0 - last >= DOWN_SECONDS
            before, last = share, second * 5.0
