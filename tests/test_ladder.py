"""The recovery ladder: budgets, deadlines and order hold whatever happens, and it never gives up."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import Phase, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.recovery.ladder import FLAP_SECONDS, FLAPS, HOUR, Ladder, Rung

RUNGS = (
    Rung("flush", deadline=2.0, an_hour=4),
    Rung("reopen", deadline=10.0, tries=2, an_hour=5, waits=(0.0, 3.0)),
    Rung("new", deadline=30.0, tries=3, an_hour=20, waits=(1.0, 2.0, 4.0, 60.0), again=True),
    Rung("reboot", deadline=100.0, an_hour=1, after=300.0),
)
ALL = frozenset(rung.name for rung in RUNGS)
BY_NAME = {rung.name: rung for rung in RUNGS}


def climb(ladder: Ladder, seconds: int, fault: str = "stalled", useful: frozenset[str] = ALL) -> list[tuple[int, str]]:
    """Let a fault last from second 0 on; return when which step was taken."""
    found = [(second, ladder.see(fault, float(second), useful)) for second in range(seconds)]
    return [(second, step) for second, step in found if step]


def test_the_cheapest_step_comes_first() -> None:
    """A fault that stays climbs rung by rung, each given its deadline, then keeps to the one that never ends."""
    steps = climb(Ladder(RUNGS), 700)
    assert steps[:6] == [(0, "flush"), (2, "reopen"), (15, "reopen"), (26, "new"), (58, "new"), (92, "new")]
    assert [step for _, step in steps[6:]] == ["new", "new", "reboot", "new", "new", "new"]
    assert next(second for second, step in steps if step == "reboot") >= 300


def test_a_step_that_failed_early_is_not_waited_for() -> None:
    """When it is known that a step did not help, the next one comes after its own wait, not after the deadline."""
    ladder = Ladder(RUNGS)
    assert ladder.see("died", 0.0, {"new"}) == ""
    assert ladder.see("died", 1.0, {"new"}) == "new"
    assert ladder.see("died", 2.0, {"new"}) == ""
    assert ladder.see("died", 2.5, {"new"}, over=True) == ""
    assert ladder.see("died", 4.5, {"new"}) == "new"


def test_what_is_slow_gets_its_time_at_last() -> None:
    """Each further try of an outage may take twice as long, up to a limit; the next outage begins anew."""
    ladder = Ladder((Rung("new", deadline=30.0, patience=100.0, tries=5, again=True),))
    assert climb(ladder, 400) == [(0, "new"), (30, "new"), (90, "new"), (190, "new"), (290, "new"), (390, "new")]
    ladder.see("", 400.0, ALL)
    ladder.see("", 500.0, ALL)
    assert [ladder.see("died", second, ALL) for second in (600.0, 629.0, 630.0)] == ["new", "", "new"]


def test_what_helped_ends_the_outage_only_when_it_lasts() -> None:
    """After a steady minute the next fault begins at the bottom; before that it goes on where it was."""
    ladder = Ladder(RUNGS)
    assert ladder.see("stalled", 0.0, ALL) == "flush"
    assert ladder.see("", 1.0, ALL) == ""
    assert ladder.see("stalled", 30.0, ALL) == "reopen"
    ladder.see("", 31.0, ALL)
    ladder.see("", 91.0, ALL)
    assert ladder.since() is None
    assert ladder.see("stalled", 92.0, ALL) == "flush"


def test_what_cannot_help_is_left_out() -> None:
    """A step that is not allowed or of no use against this fault is passed over, and the rest is tried."""
    assert {step for _, step in climb(Ladder(RUNGS), 700, useful=frozenset({"new", "reopen"}))} == {"reopen", "new"}
    assert climb(Ladder(RUNGS), 700, useful=frozenset()) == []


def test_a_flapping_thing_is_told() -> None:
    """Failing every eight seconds is a fault of its own, though each outage is over at once; calm time ends it."""
    ladder = Ladder(RUNGS)
    told = []
    for second in range(60):
        ladder.see("died" if second % 8 == 0 else "", float(second), ALL)
        told.append(ladder.flapping(float(second)))
    assert told.index(True) == 8 * (FLAPS - 1)
    assert all(told[8 * (FLAPS - 1) :])
    last = 56.0
    assert ladder.flapping(last + FLAP_SECONDS - 1)
    assert not ladder.flapping(last + FLAP_SECONDS)


def test_one_long_outage_is_no_flapping() -> None:
    """What fails once and stays so is told by its own name only (control)."""
    ladder = Ladder(RUNGS)
    climb(ladder, 700)
    assert not ladder.flapping(699.0)


class Machine(RuleBasedStateMachine):
    """Any sequence of faults, recoveries, early failures, changing means and waiting times."""

    ladder_kind: type[Ladder] = Ladder

    def __init__(self) -> None:
        super().__init__()
        self.ladder = self.ladder_kind(RUNGS)
        self.now = 0.0
        self.taken: list[tuple[float, str]] = []
        self.free_at = 0.0
        self.fault_since: float | None = None

    def look(self, fault: str, useful: frozenset[str], *, over: bool = False) -> str:
        """Ask the ladder, and hold what must hold at every step."""
        self.fault_since = None if not fault else self.now if self.fault_since is None else self.fault_since
        if over or not fault:
            self.free_at = self.now
        step = self.ladder.see(fault, self.now, useful, over=over)
        if step:
            assert fault, "a step although all is well"
            assert step in useful, "a step that was not allowed"
            assert self.now >= self.free_at, "a step before the last one's deadline"
            self.taken.append((self.now, step))
            self.free_at = self.now + BY_NAME[step].deadline
        return step

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 5.0, 30.0, 70.0, 600.0, 3000.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    @rule(fault=st.sampled_from(["stalled", "died", "garbled"]), useful=st.sets(st.sampled_from(sorted(ALL))))
    def fail(self, fault: str, useful: set[str]) -> None:
        """Something is wrong."""
        self.look(fault, frozenset(useful))

    @rule(useful=st.sets(st.sampled_from(sorted(ALL))))
    def fail_early(self, useful: set[str]) -> None:
        """The step under way is known to have failed."""
        self.look("died", frozenset(useful), over=True)

    @rule()
    def be_well(self) -> None:
        """All is well."""
        assert self.look("", ALL) == ""

    @rule()
    def never_gives_up(self) -> None:
        """A fault that lasts for a whole hour is met with a step, whatever was before."""
        until = self.now + HOUR + 130
        while not self.look("stalled", ALL):
            self.now += 30.0
            assert self.now < until, "nothing was tried for an hour"

    @invariant()
    def budgets(self) -> None:
        """No step is taken more often than its budget in any hour."""
        recent = Counter(step for at, step in self.taken if self.now - at < HOUR)
        for name, count in recent.items():
            assert count <= BY_NAME[name].an_hour, name


Machine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestLadder = Machine.TestCase


class _Spendthrift(Ladder):
    """Keeps no budget."""

    def _of_last_hour(self, _name: str, _now: float) -> Any:
        return ()


class _Hasty(Ladder):
    """Does not wait for a step's deadline."""

    def _climb(self, outage: Any, now: float, useful: Any) -> str:
        step = super()._climb(outage, now, useful)
        outage.until = now
        return step


class _Quitter(Ladder):
    """Gives up when all was tried."""

    def _next(self, outage: Any, now: float, useful: Any) -> int | None:
        found = super()._next(outage, now, useful)
        name = None if found is None else self._rungs[found].name
        return None if name and outage.tries.get(name, 0) >= BY_NAME[name].tries else found


@pytest.mark.parametrize("kind", [_Spendthrift, _Hasty, _Quitter])
def test_control_a_broken_ladder_is_caught(kind: type[Ladder]) -> None:
    """A ladder without budgets, without deadlines, or that gives up, does not pass the same rules."""

    class Broken(Machine):
        ladder_kind = kind

    Broken.TestCase.settings = settings(
        max_examples=200, stateful_step_count=40, deadline=None, database=None, phases=[Phase.generate]
    )
    with pytest.raises(AssertionError):
        Broken.TestCase("runTest").runTest()
