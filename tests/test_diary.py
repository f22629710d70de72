"""The latest log lines outlive a kill, a reboot and a power cut, and cost the card little."""

from __future__ import annotations

import contextlib
import logging
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from gateway import logs
from gateway.memory.diary import BATCHES_A_DAY, BURST, CARD_FILE, FILE_BYTES, OLD_FILE, RUN_FILE, Diary, kept, readable
from tests.mosquitto import Mosquitto
from tests.running import Gateway, make_clip

DAY = 86400


class Card:
    """Where batches go; stalls when told so."""

    def __init__(self) -> None:
        self.stalled = False
        self.waiting: list[Callable[[], None]] = []
        self.batches = 0

    def later(self, work: Callable[[], None]) -> None:
        """Do what is to be done, as the thread `spool` would."""
        self.batches += 1
        if self.stalled:
            self.waiting.append(work)
        else:
            with contextlib.suppress(OSError):  # the daemon tells it
                work()


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """A logger whose lines are kept, in a ring that begins empty."""
    ring, logs._ring = logs._ring, logs.Ring()
    found = logging.getLogger("diary.test")
    found.setLevel(logging.INFO)
    found.propagate = False
    found.addHandler(logs._ring)
    yield found
    found.removeHandler(logs._ring)
    logs._ring = ring


def diary(folder: Path, card: Card, boot: str = "b1") -> Diary:
    """Return a diary in two folders below this one."""
    (folder / "card").mkdir(exist_ok=True)
    (folder / "run").mkdir(exist_ok=True)
    return Diary(folder / "card", folder / "run", boot, card.later)


def test_what_cannot_be_printed_is_kept_in_print(tmp_path: Path, log: logging.Logger) -> None:
    """Half a character, which no file can hold, and a terminal's commands are kept as escapes."""
    card = Card()
    first = diary(tmp_path, card)
    log.warning("who asks is %s", "\ud800\x1b[2J\x9b")
    first.tick(1.0)
    first.end()
    assert card.batches == 1
    expected = r"who asks is \ud800\x1b[2J\x9b"
    assert [line.partition(": ")[2] for line in logs.latest(1000)][-1] == expected
    for text in ((tmp_path / "run" / RUN_FILE).read_text(), (tmp_path / "card" / CARD_FILE).read_text()):
        assert text.splitlines()[-1].endswith(expected)


def test_of_a_long_file_the_latest_lines_are_found(tmp_path: Path, log: logging.Logger) -> None:
    """A batch as large as there are puts a file far over its length: what comes last in it is what counts."""
    card = Card()
    first = diary(tmp_path, card)
    for number in range(logs.KEPT_LINES):
        log.info("%d %s", number, "ж" * logs.LINE_LENGTH)
    first.tick(1.0)
    first.end()
    assert (tmp_path / "card" / OLD_FILE).stat().st_size > 3 * FILE_BYTES
    (tmp_path / "run" / RUN_FILE).unlink()
    found = kept(tmp_path / "card", tmp_path / "run")
    assert f" {logs.KEPT_LINES - 1} " in found[-1]
    assert all(" INFO " in line for line in found)


def test_a_kill_loses_a_second(tmp_path: Path, log: logging.Logger) -> None:
    """Lines that no batch has taken yet are in memory after a second, and the next run puts them down."""
    first = diary(tmp_path, Card())
    log.info("the lens is dirty")
    first.tick(1.0)
    assert not (tmp_path / "card" / CARD_FILE).exists()
    assert any("the lens is dirty" in line for line in kept(tmp_path / "card", tmp_path / "run"))
    logs._ring.lines.clear()  # as in another process
    logs._ring.count = 0
    second = diary(tmp_path, Card())
    assert sum("the lens is dirty" in line for line in second.before) == 1
    second.end()
    (tmp_path / "run" / RUN_FILE).unlink()
    third = diary(tmp_path, Card(), "b2")
    assert sum("the lens is dirty" in line for line in third.before) == 1
    assert sum("started in boot b1" in line for line in third.before) == 2


def test_a_run_that_dies_again_and_again_loses_nothing(tmp_path: Path, log: logging.Logger) -> None:
    """Runs of one boot that are killed before a batch: the lines of each are there, whatever stands between them."""
    diary(tmp_path, Card()).end()
    for number in range(4):
        logs._ring.lines.clear()  # as in another process
        logs._ring.count = 0
        run = diary(tmp_path, Card())
        log.info("run %d", number)
        run.tick(1.0)
    said = " ".join(kept(tmp_path / "card", tmp_path / "run"))
    assert [f"run {number}" in said for number in range(4)] == [True] * 4
    assert said.count("started in boot b1") == 5


def test_a_power_cut_loses_what_came_after_the_last_batch(tmp_path: Path, log: logging.Logger) -> None:
    """A warning is on the card five seconds later, with all before it; what came since is lost with the memory."""
    first = diary(tmp_path, Card())
    log.info("before")
    log.warning("the cable is loose")
    for second in range(1, 8):
        first.tick(float(second))
    log.info("after")
    first.tick(9.0)
    (tmp_path / "run" / RUN_FILE).unlink()  # as a reboot does
    text = " ".join(diary(tmp_path, Card(), "b2").before)
    assert "before" in text
    assert "the cable is loose" in text
    assert "after" not in text  # the control: it was in memory only


def test_lines_without_trouble_wait_for_a_quarter_of_an_hour(tmp_path: Path, log: logging.Logger) -> None:
    """What is no warning is put down every fifteen minutes, all at once."""
    card = Card()
    first = diary(tmp_path, card)
    for second in range(1, 3600):
        log.info("line %d", second)
        first.tick(float(second))
    assert 3 <= card.batches <= 4


def test_a_storm_of_warnings_costs_the_card_little(tmp_path: Path, log: logging.Logger) -> None:
    """With a warning every ten seconds for a day there are some two hundred batches, and two files of 64 KiB."""
    card = Card()
    first = diary(tmp_path, card)
    for second in range(0, DAY, 2):
        if second % 10 == 0:
            log.warning("the camera failed %d", second)
        first.tick(float(second))
    assert 0.8 * BATCHES_A_DAY < card.batches <= BATCHES_A_DAY + BURST
    sizes = [(tmp_path / "card" / name).stat().st_size for name in (CARD_FILE, OLD_FILE)]
    assert max(sizes) < FILE_BYTES + logs.KEPT_LINES * logs.LINE_LENGTH
    assert (tmp_path / "run" / RUN_FILE).stat().st_size <= FILE_BYTES


def test_a_stalled_card_holds_nothing_up(tmp_path: Path, log: logging.Logger) -> None:
    """While the card does not answer one batch waits, lines go on into memory, and none are lost when it is back."""
    card = Card()
    card.stalled = True
    first = diary(tmp_path, card)
    for second in range(1, 200):
        log.warning("number %d", second)
        first.tick(float(second))
    assert card.batches == 1
    card.stalled = False
    card.waiting.pop()()
    first.end()
    (tmp_path / "run" / RUN_FILE).unlink()
    found = [line for line in diary(tmp_path, Card(), "b2").before if "number" in line]
    assert [line.rpartition(" ")[2] for line in found] == [str(number) for number in range(1, 200)]


def test_folders_that_cannot_be_written_are_no_failure(tmp_path: Path, log: logging.Logger) -> None:
    """Without a runtime folder and without a card the daemon goes on, and keeps its lines in memory."""
    broken = Diary(tmp_path / "absent", tmp_path / "absent", "b1", Card().later)
    for second in range(1, 100):
        log.warning("number %d", second)
        broken.tick(float(second))
    broken.end()
    assert any("number 99" in line for line in logs.latest(100_000))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(on_card=st.binary(max_size=300), in_memory=st.binary(max_size=300))
def test_nonsense_in_the_files_is_read_past(tmp_path: Path, on_card: bytes, in_memory: bytes) -> None:
    """Whatever a power cut has left in the files, a run begins, and no line breaks a terminal."""
    found = diary(tmp_path, Card())
    (tmp_path / "card" / CARD_FILE).write_bytes(on_card)
    (tmp_path / "run" / RUN_FILE).write_bytes(in_memory)
    found = diary(tmp_path, Card())
    assert all(character.isprintable() for line in found.before for character in line)
    for line in found.before:
        readable(line)


def ask_logs(gateway: Gateway) -> str:
    """Ask the command line for the lines."""
    command = [sys.executable, "-m", "gateway", "logs", "--config", str(gateway.config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout


@pytest.mark.broker
@pytest.mark.system
def test_whoever_comes_after_a_kill_reads_what_was(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """`gateway logs` tells of a killed daemon, while none runs and from the next one; `status` says how it ended."""
    gateway = Gateway(tmp_path, mosquitto, [make_clip(tmp_path / "clip.npy")]).start()
    try:
        pid = gateway.wait_camera("ok")["pid"]
        line = f"eye cam0: started as process {pid}"
        assert line in ask_logs(gateway)
        gateway.stop(signal.SIGKILL)
        assert line in ask_logs(gateway)
        gateway.start()
        assert line in ask_logs(gateway)
        assert "died" in gateway.status()["last_exit"]
        assert gateway.stop() == 0
        shutil.rmtree(tmp_path / "run")  # as a reboot does
        assert line in ask_logs(gateway)
        assert "stopping: SIGTERM" in ask_logs(gateway)
    finally:
        gateway.stop(signal.SIGKILL)
