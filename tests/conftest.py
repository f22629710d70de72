"""What several tests share: a real mosquitto, a sniffer that hears everything on it, and messages to send."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
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
from gateway.uplink.subscriber import Subscriber
from gateway.uplink.worth import Worth
from gateway.wire.draft import Draft, Rank, lane_of, random_uuid7
from gateway.wire.message import Address, Message, Moment, make_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gateway.uplink.rows import Stream
    from tests.hanging_folder import HangingFolder

DEADLINE = 20.0
"""Seconds that a test waits for what must happen; a slow machine is no failure."""
ADDRESS = Address("test", "gw-test")
ROOT = ADDRESS.root


def wait_for(what: Callable[[], object], reason: str, deadline: float = DEADLINE) -> None:
    """Wait until `what()` is true; for things that can only be looked at, such as a file or a status."""
    until = time.monotonic() + deadline
    gate = threading.Event()
    while not what():
        assert time.monotonic() < until, f"waited {deadline:g} s for: {reason}"
        gate.wait(0.01)


def find_mosquitto() -> str | None:
    """Return the broker's path, or None."""
    return os.environ.get("MOSQUITTO") or shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Mosquitto:
    """A real broker on a random port of loopback, which can be stopped, killed, frozen and started again."""

    def __init__(self, folder: Path, extra: str = "", *, persistent: bool = True) -> None:
        """Prepare a broker whose files live in `folder`; `extra` is added to its configuration."""
        exe = find_mosquitto()
        if exe is None:
            pytest.skip("mosquitto is not installed: apt-get install mosquitto")
        self._exe = exe
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.outside = f"127.0.0.1:{self.port}"
        lines = [
            f"listener {self.port} 127.0.0.1",
            "max_queued_messages 0",
            "max_inflight_messages 20",
            f"log_dest file {folder}/mosquitto.log",
            "log_type all",
        ]
        if os.getuid() == 0:
            lines.append("user root")
        if persistent:
            lines += [
                "persistence true",
                f"persistence_location {folder}/",
                "autosave_interval 1",
                "autosave_on_changes true",
            ]
        if "allow_anonymous" not in extra:
            lines.append("allow_anonymous true")
        self._config = folder / "mosquitto.conf"
        self._config.write_text("\n".join([*lines, extra]) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def listen_also(self, address: str) -> None:
        """Before it is started: listen on another address too, for one that is behind a cable."""
        self.outside = f"{address}:{self.port}"
        with self._config.open("a") as config:
            config.write(f"listener {self.port} {address}\n")

    @property
    def broker(self) -> Broker:
        """How to reach it."""
        return Broker(host="127.0.0.1", port=self.port)

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._process = subprocess.Popen([self._exe, "-c", str(self._config)], stderr=subprocess.DEVNULL)

        def listens() -> bool:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return True
            return False

        wait_for(listens, f"mosquitto to listen; see {self.folder}/mosquitto.log")

    def signal(self, number: int) -> None:
        """Send a signal: SIGKILL, SIGSTOP, SIGCONT, SIGTERM."""
        assert self._process is not None
        self._process.send_signal(number)
        if number in {signal.SIGKILL, signal.SIGTERM}:
            self._process.wait(10)
            self._process = None

    def stop(self) -> None:
        """End it, whatever state it is in."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)


class Sniffer:
    """A subscriber that keeps every message it hears, with the time at which it came."""

    def __init__(self, broker: Broker, topics: tuple[str, ...] = ("#",), session: int = 0, client_id: str = "") -> None:
        """Prepare a sniffer; with a session, the broker keeps for it what comes while it is away."""
        self.seen: list[tuple[str, bytes, bool, float]] = []
        self._news = threading.Condition()
        self._subscriber = Subscriber(broker, topics, self._on_message, session=session, client_id=client_id)

    def start(self) -> Sniffer:
        """Connect, and wait until the broker has taken the subscription."""
        self._subscriber.start()
        assert self._subscriber.wait_ready(DEADLINE), self._subscriber.error
        return self

    def stop(self) -> None:
        """Disconnect."""
        assert self._subscriber.stop(DEADLINE)

    def _on_message(self, topic: str, payload: bytes, retained: bool, mono: float) -> None:
        with self._news:
            self.seen.append((topic, payload, retained, mono))
            self._news.notify_all()

    def wait_until(self, what: Callable[[list[tuple[str, bytes, bool, float]]], object], reason: str) -> None:
        """Wait until what was seen satisfies `what`."""
        with self._news:
            assert self._news.wait_for(lambda: what(self.seen), DEADLINE), f"not seen in time: {reason}"

    def payloads(self, part: str) -> list[bytes]:
        """Return the payloads of topics that contain `part`, in the order in which they came."""
        with self._news:
            return [payload for topic, payload, _, _ in self.seen if part in topic]

    def wait_payloads(self, part: str, wanted: set[bytes]) -> Counter[bytes]:
        """Wait until every wanted payload came under topics that contain `part`; return how often each came."""
        with self._news:
            if not self._news.wait_for(lambda: wanted <= self._came(part), DEADLINE * 2):
                missing = wanted - self._came(part)
                pytest.fail(f"{len(missing)} of {len(wanted)} never came, such as {sorted(missing)[:1]}")
            return Counter(payload for topic, payload, _, _ in self.seen if part in topic)

    def _came(self, part: str) -> set[bytes]:
        return {payload for topic, payload, _, _ in self.seen if part in topic}


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
