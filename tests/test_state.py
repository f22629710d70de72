"""What survives a restart: moved views and how the last run ended; and log lines that never wait."""

from __future__ import annotations

import io
import logging
import sys
import time
from pathlib import Path

import pytest

from gateway import logs
from gateway.daemon.budget import Budget
from gateway.memory.state import FILE, Memory, State, last_exit, read, write


def memory(folder: Path, boot: str = "b1") -> Memory:
    """Return a memory that writes at once."""
    return Memory(folder, boot, lambda work: work())


def test_a_moved_view_is_remembered_until_confirmed(tmp_path: Path) -> None:
    """A view that moved is still latched in the next run, and no longer after it was confirmed."""
    memory(tmp_path).latch({"cam1"})
    second = memory(tmp_path)
    assert (second.moved("cam0"), second.moved("cam1")) == (False, True)
    second.latch(set())
    assert not memory(tmp_path).moved("cam1")


def test_a_moved_view_is_remembered_by_a_card_that_was_full(tmp_path: Path) -> None:
    """What could not be written when the view moved is written as soon as it can be, before anything else changes."""
    folder = tmp_path / "state"
    folder.write_bytes(b"")  # in the folder's way: nothing can be written below it
    first = memory(folder)
    with pytest.raises(NotADirectoryError):  # the daemon tells it, and goes on
        first.latch({"cam1"})
    folder.unlink()
    folder.mkdir()
    first.latch({"cam1"})  # in every round of the daemon: nothing has changed
    assert not (folder / FILE).exists()  # the control
    now = time.monotonic()
    first.tick(now)
    assert memory(folder).moved("cam1")
    (folder / FILE).unlink()
    first.tick(now + 100.0)
    assert not (folder / FILE).exists()  # once is enough


def test_what_was_spent_is_no_less_after_a_restart(tmp_path: Path) -> None:
    """The daily budget goes on where it was, however the last run ended; a new boot counts it as just spent."""
    now = time.monotonic()
    hour = now // 3600 * 3600
    first = memory(tmp_path)
    spent = Budget(1000, time.time)
    spent.resume((500, 200), now)
    first.spending = lambda: spent.hours(now)
    first.begin()  # and nothing more: it is killed
    for boot in ("b1", "b2"):
        again = Budget(1000, time.time)
        again.resume(memory(tmp_path, boot).spent, now)
        assert (again.used, again.stage) == (700, "smaller")
        assert again.hours(hour + 23.5 * 3600) == (0,) * 23 + (500,)
        assert sum(again.hours(hour + 24.5 * 3600)) == 0


def test_hours_that_passed_between_two_runs_count(tmp_path: Path) -> None:
    """Within one boot the day goes on while the daemon does not run."""
    now = time.monotonic()
    before = State("b1", spent=(5,) + (0,) * 22 + (7,), mono=now - 2 * 3600)
    write(tmp_path, before)
    assert sum(memory(tmp_path).spent[:24]) == 5
    assert memory(tmp_path).spent[2] == 5
    assert memory(tmp_path, "b2").spent == before.spent


@pytest.mark.parametrize("spent", ['"all"', "[-1]", "[1.5]", "{}", "[true, null]"])
def test_nonsense_about_spending_is_nothing_spent(tmp_path: Path, spent: str) -> None:
    """It is no reason to forget the views that have moved, or to close the link."""
    (tmp_path / FILE).write_text(f'{{"boot": "b1", "ended": "", "moved": ["cam1"], "commands": [], "spent": {spent}}}')
    assert sum(memory(tmp_path).spent) == 0
    assert (memory(tmp_path).moved("cam0"), memory(tmp_path).moved("cam1")) == (False, True)


@pytest.mark.parametrize(
    "damaged",
    [
        "{",
        "[" * 100_000,
        '{"boot": "b", "ended": "", "moved": [], "commands": [], "mono": NaN}',
        '{"boot": "b", "ended": "", "moved": [], "commands": [], "reboots": [1e999]}',
        '{"boot": "b", "ended": "", "moved": [], "commands": [], "mono": 1' + "0" * 400 + "}",
    ],
    ids=["cut off", "brackets", "no time", "no age", "a number beyond reason"],
)
def test_a_damaged_file_fails_closed(tmp_path: Path, damaged: str) -> None:
    """When the file cannot be understood, every view counts as moved: no picture leaves on a guess."""
    (tmp_path / FILE).write_text(damaged)
    assert memory(tmp_path).moved("cam0")


def test_nothing_remembered_is_nothing_moved(tmp_path: Path) -> None:
    """A first run starts with all views in order (control of the damaged file)."""
    assert not memory(tmp_path).moved("cam0")
    assert memory(tmp_path).last_exit == ""


@pytest.mark.parametrize(
    ("state", "boot", "words"),
    [
        (State("b1", "SIGTERM"), "b1", "SIGTERM"),
        (State("b1", ""), "b1", "died without a word"),
        (State("b1", ""), "b2", "power was cut"),
        (None, "b1", ""),
    ],
)
def test_the_last_exit_is_told(state: State | None, boot: str, words: str) -> None:
    """An ordered end says why; an end without a word is told apart by whether the device restarted."""
    assert words in last_exit(state, boot)


def test_a_run_that_began_and_never_ended_is_seen(tmp_path: Path) -> None:
    """After `begin` and no `end` the next run knows that the last one died; after `end` it knows why it ended."""
    memory(tmp_path).begin()
    assert "died" in memory(tmp_path).last_exit
    memory(tmp_path).end("SIGTERM")
    assert memory(tmp_path).last_exit == "SIGTERM"


def test_the_file_is_replaced_whole(tmp_path: Path) -> None:
    """Writing leaves one file and nothing half-written beside it."""
    write(tmp_path, State("b1", "", ("cam0",)))
    write(tmp_path, State("b2", "x"))
    assert [file.name for file in tmp_path.iterdir()] == [FILE]
    assert read(tmp_path) == State("b2", "x")


def test_unchanged_views_do_not_write(tmp_path: Path) -> None:
    """The card is written only when something changed."""
    first = memory(tmp_path)
    first.latch({"cam0"})
    before = (tmp_path / FILE).stat().st_mtime_ns
    first.latch({"cam0"})
    assert (tmp_path / FILE).stat().st_mtime_ns == before


def test_log_lines_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines go through the queue to stderr, and `stop` writes what is left."""
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    listener = logs.start()
    logging.getLogger("gateway.test").warning("the lens is %s", "dirty")
    listener.stop()
    assert out.getvalue() == "WARNING gateway.test: the lens is dirty\n"


def test_a_full_queue_drops_lines_and_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stderr that takes nothing, logging more than the queue holds returns, and counts what it dropped."""
    from queue import Queue

    lines: Queue[logging.LogRecord] = Queue(10)
    target = logs.DroppingHandler(lines)
    for number in range(25):
        target.handle(logging.makeLogRecord({"msg": str(number), "levelno": logging.INFO}))
    assert target.dropped == 15
    assert lines.qsize() == 10
