"""What may come over the daemon from outside: nonsense, a stalled card, a stuck journal; a second one: test_alone.py"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.configuration.loading import load
from gateway.control import SOCKET_NAME, ask
from gateway.daemon import inbox
from gateway.daemon.cameras import Cameras
from gateway.daemon.daemon import Daemon
from gateway.memory.diary import kept
from gateway.uplink.mqtt import Connection
from gateway.wire.draft import Draft, Rank, lane_of, random_uuid7
from gateway.wire.message import Message
from tests.mosquitto import Mosquitto, Sniffer, wait_for
from tests.running import AS_SOMEBODY_ELSE, ON_A_MACHINE, ROOT, Gateway, events, make_clip, states

pytestmark = [pytest.mark.broker, pytest.mark.system]


@pytest.fixture
def gateway(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Gateway]:
    """A gateway that runs."""
    gateway = Gateway(tmp_path, mosquitto, [make_clip(tmp_path / "clip.npy")]).start()
    yield gateway
    gateway.stop()


def eyes_of(mark: str) -> list[str]:
    """Process ids of eyes that have this in their environment; one that has ended has none."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            eye = b"\0eye\0" in (folder / "cmdline").read_bytes()
            if eye and f"MARK={mark}\0".encode() in (folder / "environ").read_bytes():
                found.append(folder.name)
    return found


def test_a_daemon_that_cannot_be_made_leaves_no_eye(tmp_path: Path) -> None:
    """The eyes are started first; when the broker's papers then turn out to be of no use, they end with the daemon."""
    gateway = Gateway(tmp_path, None, ["street"])
    text = gateway.config.read_text()
    gateway.config.write_text(text.replace("[broker]", f'[broker]\npassword_file = "{tmp_path / "none"}"'))
    # As `gateway run`, but for its look at the papers before: they may be gone in between.
    command = [sys.executable, "-c", ON_A_MACHINE, str(gateway.config), "/"]
    mark = random_uuid7(time.time())
    with subprocess.Popen(command, env=os.environ | {"MARK": mark}, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: eyes_of(mark), "the eye (control)")
        _, told = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "SettingsError" in told
    assert "cannot be read" in told
    wait_for(lambda: not eyes_of(mark), "the end of the eye")


def test_the_socket_of_a_dead_gateway_is_replaced(gateway: Gateway) -> None:
    """A daemon that was killed leaves a socket that nobody answers on: the next one starts (control)."""
    gateway.stop(signal.SIGKILL)
    assert (gateway.folder / "run" / "control.sock").exists()
    gateway.start()
    assert gateway.answers()


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("down/ack", b"[" * 60_000),
        ("down/cmd/ping", b"[" * 60_000),
        ("down/config", rb'{"broker": {"\ud800": 1}}'),
    ],
    ids=["ack", "command", "half a character in a wish"],
)
def test_nonsense_from_the_centre_is_no_crash(
    gateway: Gateway, mosquitto: Mosquitto, sniffer: Sniffer, topic: str, payload: bytes
) -> None:
    """Brackets nested beyond reason, or a key that is no text, do not end the daemon, now or after each start."""
    sniffer.wait_until(lambda _: states(sniffer, "status"), "the gateway to be online")
    keeper = Connection(mosquitto.broker, "keeper")
    keeper.open()
    wait_for(lambda: keeper.wait(0.1), "the connection")
    keeper.publish(f"{ROOT}/{topic}", payload, 1, retain=True)
    wait_for(lambda: keeper.wait(0.1), "the broker's answer")
    keeper.close()
    wait_for(lambda: f"{topic}: " in gateway.log.read_text(), "the nonsense to be told")
    wait_for(lambda: any(f"{topic}: " in line for line in kept(gateway.state, gateway.folder / "run")), "it to be kept")
    before = len(events(sniffer))
    sniffer.wait_until(lambda _: len(events(sniffer)) > before, "another event")
    assert gateway.answers()


def test_an_alarm_does_not_wait_for_another_lanes_numbers(tmp_path: Path) -> None:
    """When the numbers of one lane are used up because the card stalls, an alarm that comes later is sent at once."""
    config = Gateway(tmp_path, None, ["street"]).config
    loaded = load(config, (), {})
    daemon = Daemon(loaded, Cameras(loaded.settings))
    numbers = {"event": 0, "alarm": 5, "media": 5}

    def next_number(lane: str) -> int | None:
        numbers[lane] -= 1
        return 5 - numbers[lane] if numbers[lane] >= 0 else None

    offered: list[Message] = []
    daemon._spool.next_number = next_number  # type: ignore[method-assign]
    daemon._spool.offer = lambda message: not offered.append(message)  # type: ignore[method-assign,func-returns-value]
    with contextlib.closing(daemon._waking):
        for rank in (Rank.START, Rank.END, Rank.ALARM, Rank.UPDATE, Rank.ALARM):
            name = random_uuid7(time.time())
            daemon.intake.take(Draft(name, rank, "motion", "cam0", time.monotonic(), name, "start"))
        assert [message.rank for message in offered] == [Rank.ALARM, Rank.ALARM]
        numbers["event"] = 5
        daemon.intake.number()
    assert [message.rank for message in offered[2:]] == [Rank.START, Rank.END, Rank.UPDATE]
    assert {lane_of(message.rank) == message.lane for message in offered} == {True}


def test_complaints_about_the_centre_are_logged_once_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Two that take turns do not fill the log, and one that comes again after long is logged again."""
    loaded = load(Gateway(tmp_path, None, ["street"]).config, (), {})
    daemon = Daemon(loaded, Cameras(loaded.settings))

    def hear() -> tuple[int, int]:
        for topic, payload in (("down/ack", b"{"), ("down/elsewhere", b"")) * 3:
            daemon._inbox.put(topic, payload, retained=False)
        daemon._inbox.tick(daemon._link, daemon._reports, daemon._orders, daemon._gate)
        return caplog.text.count("down/ack: "), caplog.text.count("down/elsewhere: ")

    with contextlib.closing(daemon._waking):
        assert hear() == (1, 1)
        monkeypatch.setattr(inbox, "AGAIN_SECONDS", 0.0)
        assert hear() == (4, 4)


def test_a_camera_that_is_being_opened_is_no_fault(tmp_path: Path) -> None:
    """A slow board needs more than ten seconds to its first picture: no alarm comes of that; of a failure one does."""
    loaded = load(Gateway(tmp_path, None, ["street"]).config, (), {})
    daemon = Daemon(loaded, Cameras(loaded.settings))
    with contextlib.closing(daemon._waking):
        (eye,) = daemon._eyes
        assert [code for camera, code in daemon._reports.faults() if camera == "cam0"] == []
        eye.known.take({"note": "failed", "code": "camera-failed", "message": "no such camera", "hint": "plug it in"})
        assert [code for camera, code in daemon._reports.faults() if camera == "cam0"] == ["camera-failed"]


def test_an_acknowledgement_that_cannot_be_read_is_told(
    gateway: Gateway, mosquitto: Mosquitto, sniffer: Sniffer
) -> None:
    """The centre finds in up/health that its word is no use, and why, until it says something that can be read."""

    def refused() -> str:
        found = states(sniffer, "health")[-1]
        assert ("gateway/ack-unreadable" in found["problems"]) == bool(found["link"]["ack_refused"])
        return str(found["link"]["ack_refused"])

    sniffer.wait_until(lambda _: states(sniffer, "health"), "a report")
    assert not refused()
    centre = Connection(mosquitto.broker, "centre")
    centre.open()
    wait_for(lambda: centre.wait(0.1), "the connection")
    for _ in range(5):  # as from a task that runs every second: what else stands in the log must not be pushed out
        centre.publish(f"{ROOT}/down/ack", b'{"epoch": 5}', 1)
        centre.wait(0.1)
    centre.publish(f"{ROOT}/down/elsewhere", b"", 1)
    centre.wait(0.1)
    sniffer.wait_until(lambda _: "epoch and lanes" in refused(), "the reason")
    wait_for(lambda: "down/elsewhere: " in gateway.log.read_text(), "the last of them to be heard")
    assert gateway.log.read_text().count("epoch and lanes") == 1
    centre.publish(f"{ROOT}/down/ack", b'{"epoch": "0f0f0f0f", "lanes": {}}', 1)
    centre.wait(0.1)
    sniffer.wait_until(lambda _: not refused(), "its end")
    centre.close()


FAILING = """
import sys; from pathlib import Path; from gateway import logs; from gateway.configuration.loading import load
from gateway.daemon.start import run
from gateway.device.notify import ServiceManager
def feed(self): raise LookupError("a fault of ours")
ServiceManager.feed = feed
logs.start(); sys.exit(run(load(Path(sys.argv[1]))))
"""


def test_a_daemon_that_fails_says_why(tmp_path: Path) -> None:
    """A failure of the daemon itself stands in the kept log and for the next run; a stop does not (control)."""
    gateway = Gateway(tmp_path, None, [make_clip(tmp_path / "clip.npy")])
    command = [sys.executable, "-c", FAILING, str(gateway.config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert any("LookupError: a fault of ours" in line for line in kept(gateway.state, gateway.folder / "run"))
    gateway.start()
    assert gateway.status()["last_exit"] == "LookupError: a fault of ours"
    assert gateway.stop() == 0
    gateway.start()
    assert gateway.status()["last_exit"] == "SIGTERM"
    assert gateway.stop() == 0


def test_a_journal_that_hangs_holds_up_no_end(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """With a stderr that nobody reads and that is full, SIGTERM still ends daemon and eye, with exit code 0."""
    gateway = Gateway(tmp_path, mosquitto, [make_clip(tmp_path / "clip.npy")])
    unread, full = os.pipe2(os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(full, b" " * 4096)
    os.set_blocking(full, True)
    command = [sys.executable, "-m", "gateway", "run", "--config", str(gateway.config)]
    gateway.process = subprocess.Popen(command, stdout=full, stderr=full)
    try:
        wait_for(gateway.answers, "the gateway to answer")
        gateway.wait_camera("ok")
        eye = gateway.camera()["pid"]
        assert gateway.stop() == 0
        assert not Path(f"/proc/{eye}").exists()
    finally:
        gateway.process.kill()
        gateway.process.wait(10)
        os.close(unread)
        os.close(full)


@pytest.mark.parametrize("after", [-1, 10**30, "first", None])
def test_a_page_from_nowhere_is_refused(gateway: Gateway, after: object) -> None:
    """A place in the store that cannot be is an error in the answer; the thread that owns the store never sees it."""
    question = {"ask": "outbox-page", "stream": "event", "after": after}
    assert "after" in ask(gateway.folder / "run" / SOCKET_NAME, question, 10.0)["error"]
    assert gateway.answers()


def test_a_store_that_cannot_be_made_silences_nobody(tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer) -> None:
    """Where the store's folder can never be made the corner is watched all the same, and the summary says so."""
    gateway = Gateway(tmp_path, mosquitto, [make_clip(tmp_path / "clip.npy")])
    gateway.state.write_text("a file stands where the folder should be")
    gateway.start()
    try:
        sniffer.wait_until(lambda _: states(sniffer, "status"), "the gateway to be online")
        wait_for(lambda: gateway.status()["health"]["outbox"]["problem"], "the store's problem")
        wait_for(lambda: "link up, store FAILED: in memory only" in gateway.status()["summary"], "the summary")
        assert gateway.camera()["state"] in {"off", "ok", "moved"}
    finally:
        assert gateway.stop() == 0


def test_the_summary_tells_faults_that_cameras_and_link_do_not_show(
    tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer
) -> None:
    """A mask that is gone stands in the one line, behind a camera that works; a store that works does not (control)."""
    changes = {"mask_file": json.dumps(str(tmp_path / "mask.png"))}
    gateway = Gateway(tmp_path, mosquitto, [make_clip(tmp_path / "clip.npy")], **changes).start()
    try:
        sniffer.wait_until(lambda _: events(sniffer, "health"), "the fault to be told")
        wait_for(lambda: gateway.status()["summary"].startswith("cam0 ok, link up, "), "camera and link")
        assert "cam0/mask" in gateway.status()["summary"].split(", ")
        assert "store" not in gateway.status()["summary"]
    finally:
        assert gateway.stop() == 0


@pytest.mark.parametrize("how", ["a file", "another user's"])
def test_a_store_that_cannot_be_used_is_told_in_one_line(open_folder: Path, how: str) -> None:
    """The log has one line about the store's folder, with what it means and what to do, from the start to the end."""
    gateway = Gateway(open_folder, None, [make_clip(open_folder / "clip.npy")])
    (open_folder / "run").mkdir()
    (open_folder / "run").chmod(0o777)  # whatever the mask of this process is
    if how == "a file":
        gateway.state.write_text("here the folder should be")
    else:
        gateway.state.mkdir(mode=0o700 if os.getuid() == 0 else 0)
    with gateway.log.open("wb") as log:
        command = [sys.executable, "-c", AS_SOMEBODY_ELSE, str(gateway.config)]
        gateway.process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_for(lambda: "the store cannot be used" in gateway.log.read_text(), "the line")
        assert gateway.stop() == 0
    finally:
        gateway.stop()
        gateway.state.chmod(0o700)
    about = [line for line in gateway.log.read_text().splitlines() if str(gateway.state) in line or "Errno" in line]
    assert len(about) == 1, about
    assert ("Not a directory" if how == "a file" else "Permission denied") in about[0]
    assert "only in memory" in about[0]
    assert "who owns the folder" in about[0]
