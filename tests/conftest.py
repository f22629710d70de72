"""What several tests share: fixtures, messages to send, and a gateway without its daemon."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections import Counter, deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway.uplink.backoff import Backoff
from gateway.uplink.broker import Broker
from gateway.uplink.link import Link
from gateway.uplink.outbox import Outbox
from gateway.uplink.spool import Spool
from gateway.uplink.worth import Worth
from gateway.wire.draft import Draft, Rank, lane_of, random_uuid7
from gateway.wire.message import Address, Message, Moment, make_message
from tests.mosquitto import Mosquitto, Sniffer, wait_for

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from gateway.uplink.rows import Stream
    from tests.hanging_folder import HangingFolder

ADDRESS = Address("test", "gw-test")
ROOT = ADDRESS.root


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write half characters that a test logged as escapes: as they are no report can travel between processes."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report


@pytest.fixture
def tidy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Closes every outbox that the test opened on its own thread, also those that it left as a crash would."""
    opened: list[Outbox] = []
    make = Outbox.__init__

    def remember(outbox: Outbox, *arguments: Any) -> None:
        make(outbox, *arguments)
        opened.append(outbox)

    monkeypatch.setattr(Outbox, "__init__", remember)
    yield
    for outbox in opened:
        outbox.abandon()


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where thousands of commits are quick."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else tmp_path) as found:
        yield Path(found)


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running broker; skipped with a reason where there is none."""
    broker = Mosquitto(tmp_path / "mosquitto")
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def sniffer(mosquitto: Mosquitto) -> Iterator[Sniffer]:
    """Everything that is said on the broker."""
    found = Sniffer(mosquitto.broker).start()
    yield found
    found.stop()


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[HangingFolder]:
    """A folder that can be made to hang in the kernel."""
    from tests.hanging_folder import HangingFolder

    found = HangingFolder(tmp_path)
    try:
        found.mount()
        yield found
    finally:
        found.close()


def message(
    lane_rank: Rank,
    seq: int,
    *,
    epoch: str = "0000aaaa",
    size: int = 0,
    episode: str = "",
    phase: str = "",
    alarm: bool = False,
) -> Message:
    """Return a real message: an event, or a picture for rank 4; `size` is that of the picture, or of padding."""
    now = Moment(time.time(), synced=True, mono=time.monotonic(), boot="00000b00")
    id_ = random_uuid7(now.wall)
    if lane_rank == Rank.PICTURE:
        jpeg = b"\xff\xd8" + os.urandom(size) + b"\xff\xd9"
        draft = Draft(id_, lane_rank, "media", "cam0", now.mono, episode or id_, picture=jpeg, alarm=alarm)
    else:
        known = {Rank.END: "end", Rank.START: "start", Rank.UPDATE: "update"}
        chosen = phase or known.get(lane_rank, "start")
        body = {
            "phase": chosen,
            "started": now.mono,
            "duration": 0.0,
            "zones": [],
            "box": [0.1, 0.1, 0.1, 0.1],
            "score": 0.9,
        }
        if size:
            body["padding"] = os.urandom(size // 2).hex()
        draft = Draft(id_, lane_rank, "motion", "cam0", now.mono, episode or id_, chosen, body=body, alarm=alarm)  # type: ignore[arg-type]
    return make_message(draft, ADDRESS, epoch, seq, now)


def power_off(outbox: Outbox, target: Path) -> Path:
    """Copy the store's files as they are now, as after kill -9; return the copy's path."""
    target.mkdir()
    for file in Path(outbox.path).parent.glob("outbox.db*"):
        shutil.copy(file, target)
    return target / "outbox.db"


def everything(outbox: Outbox, stream: Stream) -> Iterator[Message]:
    """Yield all that a stream still has to deliver."""
    place = 0
    while found := outbox.pending(stream, place, 1000):
        yield from (made for _, made in found)
        place = found[-1][0]


def ranked_as_stored(outbox: Outbox) -> bool:
    """Whether what is known of the order of worth is what the rows say, and so are the counts."""
    books = outbox._books
    ranked = books.entries.ranking.least(Worth.ALARM, 1_000_000)
    starts = {Worth.START_ENDED: Worth.START}
    stored = books.read("SELECT key, worth, size FROM stored ORDER BY key")
    tally: Counter[int] = Counter()
    for _, worth, _ in ranked:
        tally[starts.get(Worth(worth), Worth(worth))] += 1
    packed, _ = books.entries.packs.count()
    tally[Worth.DELIVERED] += packed
    counted: Counter[int] = Counter()
    for worth, (rows, _) in books.entries.tally.items():
        counted[starts.get(Worth(worth), Worth(worth))] += rows
    plain = sorted((place, starts.get(Worth(worth), Worth(worth)), size) for place, worth, size in ranked)
    return plain == stored and +tally == +counted


def finish(steps: Iterable[None]) -> None:
    """Do all steps of something that the spool does a step at a time."""
    deque(steps, maxlen=0)


class Gateway:
    """Spool and link as the daemon joins them."""

    def __init__(self, folder: Path, broker: Broker, *, rate: float = 10_000.0, confirm_centre: bool = False) -> None:
        """Prepare a gateway whose store is in `folder`; `rate` is that of the backlog, by default no limit."""
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.commands: list[tuple[str, bytes, bool]] = []
        self.heard = threading.Event()
        self.spool = Spool(folder / "outbox.db", min_free=0)
        self.backoff = Backoff(spread=0, cap=0.3)
        self.link = Link(
            broker,
            ROOT,
            ADDRESS.gateway,
            self.spool,
            self._on_command,
            backoff=self.backoff,
            backlog_rate=rate,
            confirm_centre=confirm_centre,
        )

    def start(self) -> Gateway:
        """Start both threads; the spool is ready when this returns."""
        self.spool.start()
        assert self.spool.wait_ready(10), self.spool.status()
        self.link.start()
        return self

    def make(self, rank: Rank, **more: object) -> Message:
        """Number a message and hand it in, as the daemon's main thread does; see `message`."""
        numbers: list[int] = []

        def number() -> bool:
            numbers[:] = [found for found in (self.spool.next_number(lane_of(rank)),) if found]
            return bool(numbers)

        wait_for(number, "a number")
        made = message(rank, numbers[0], epoch=self.spool.epoch, **more)  # type: ignore[arg-type]
        assert self.spool.offer(made)
        self.link.offer(made)
        return made

    def wait_connected(self) -> None:
        """Wait until the broker has taken us in."""
        wait_for(lambda: self.link.status()["connected"], f"a connection; {self.link.status()}")

    def stop(self) -> None:
        """End in order, as the daemon does: the link first."""
        self.link.stop(5)
        assert self.spool.stop(10)

    def _on_command(self, topic: str, payload: bytes, retained: bool) -> None:
        self.commands.append((topic, payload, retained))
        self.heard.set()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user of the machine can enter; those of pytest are for the one who tests."""
    with tempfile.TemporaryDirectory(prefix="gateway-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
