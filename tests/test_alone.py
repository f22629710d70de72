"""Two gateways on a device would take camera, store and client id from each other: the second leaves the first."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.device.holder import hold, holder_of
from tests.mosquitto import Mosquitto, Sniffer
from tests.running import AS_SOMEBODY_ELSE, Gateway, make_clip, states

pytestmark = [pytest.mark.broker, pytest.mark.system]


@pytest.fixture
def gateway(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Gateway]:
    """A gateway that runs."""
    gateway = Gateway(tmp_path, mosquitto, [make_clip(tmp_path / "clip.npy")]).start()
    yield gateway
    gateway.stop()


def test_a_second_gateway_leaves_the_first_alone(gateway: Gateway) -> None:
    """A second daemon with the same configuration ends with a word about the first, which goes on answering."""
    command = [sys.executable, "-m", "gateway", "run", "--config", str(gateway.config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "another gateway is running" in done.stderr
    assert "systemctl stop" in done.stderr
    assert gateway.answers()


def test_a_forgotten_sudo_starts_no_second_gateway(open_folder: Path, mosquitto: Mosquitto, sniffer: Sniffer) -> None:
    """Who may not ask the gateway that runs does not run beside it: exit 1, a hint, and no link is lost."""
    gateway = Gateway(open_folder, mosquitto, [make_clip(open_folder / "clip.npy")]).start()
    try:
        sniffer.wait_until(lambda _: states(sniffer, "status"), "the gateway to be online")
        if os.getuid() != 0:  # the same user may ask, unless he shuts himself out
            (open_folder / "run").chmod(0)
        command = [sys.executable, "-c", AS_SOMEBODY_ELSE, str(gateway.config)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        (open_folder / "run").chmod(0o750)
        assert done.returncode == 1
        assert "permission denied: another gateway runs here, or sudo was forgotten" in done.stderr
        assert "what to do: " in done.stderr
        assert [status["state"] for status in states(sniffer, "status")] == ["online"]
        assert gateway.link()["connects"] == 1
    finally:
        gateway.stop()


def test_a_second_gateway_with_another_runtime_folder_leaves_the_store(gateway: Gateway, sniffer: Sniffer) -> None:
    """The store's lock tells of a gateway whose socket is not found: exit 1, and the one that has it is named."""
    sniffer.wait_until(lambda _: states(sniffer, "status"), "the gateway to be online")
    assert gateway.process is not None
    command = [sys.executable, "-m", "gateway", "run", "--config", str(gateway.config)]
    command += ["--set", f"runtime_dir={gateway.folder / 'another'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert f"process {gateway.process.pid} has the store" in done.stderr
    assert "what to do: " in done.stderr
    assert [status["state"] for status in states(sniffer, "status")] == ["online"]
    assert gateway.link()["connects"] == 1


def test_the_holder_of_a_store_is_known_while_it_is_open(tmp_path: Path) -> None:
    """One that is open is told with its process, one that was closed or is not there is nobody's (control)."""
    path = tmp_path / "outbox.db"
    assert holder_of(path) is None
    script = "import sys; from gateway.uplink.outbox import Outbox; o = Outbox.open(sys.argv[1], 1 << 24, 0); print();"
    command = [sys.executable, "-c", f"{script} input(); o.close(); print(); input()", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdout.readline()
        assert holder_of(path) == other.pid
        other.stdin.write("\n")
        other.stdin.flush()
        other.stdout.readline()
        assert holder_of(path) is None
        other.stdin.close()


STARTING = """
import sys; from pathlib import Path; from gateway.configuration.loading import load; from gateway.daemon import start
settings = load(Path(sys.argv[1])).settings
start._stay_alone(settings.runtime_dir, settings.store.dir / "outbox.db"); print("alone"); input()
"""


def test_of_two_that_start_at_the_same_instant_one_goes_on(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """A gateway that has seen that it is alone, and has neither socket nor store yet, is seen by the next one."""
    gateway = Gateway(tmp_path, mosquitto, [make_clip(tmp_path / "clip.npy")])
    command = [sys.executable, "-m", "gateway", "run", "--config", str(gateway.config)]
    command += ["--set", f"runtime_dir={tmp_path / 'another'}"]
    first = [sys.executable, "-c", STARTING, str(gateway.config)]
    with subprocess.Popen(first, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "alone\n"
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 1
        assert f"process {process.pid} " in done.stderr
        assert "what to do: " in done.stderr
        process.communicate("")
    gateway.start()  # the control: what has ended holds nothing
    assert gateway.stop() == 0


def test_a_lock_that_cannot_be_had_stops_nobody(tmp_path: Path) -> None:
    """Where no file can be made a gateway runs all the same, as the store will say what is wrong with its folder."""
    (tmp_path / "state").write_text("a file stands where the folder should be")
    assert hold(tmp_path / "state" / "gateway.lock") is None
    assert hold(tmp_path / "gateway.lock") is None
    assert hold(tmp_path / "gateway.lock") is None  # ours already
