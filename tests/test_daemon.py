"""The daemon with its eyes, as real processes, against a real broker."""

from __future__ import annotations

import itertools
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.wire.message import read_label
from tests.mosquitto import Mosquitto, Sniffer, wait_for
from tests.running import ROOT, STREET, Gateway, check_contract, events, make_clip, states

pytestmark = [pytest.mark.broker, pytest.mark.system]

Start = Callable[..., Gateway]


@pytest.fixture
def start(tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer) -> Iterator[Start]:
    """Return a function that starts gateways; at the end all are ended, and all that was heard obeys the contract."""
    running = []
    numbers = itertools.count()

    def run(*sources: str, **changes: Any) -> Gateway:
        folder = tmp_path / f"gateway{next(numbers)}"
        folder.mkdir()
        gateway = Gateway(folder, mosquitto, list(sources) or [make_clip(folder / "clip.npy")], **changes)
        running.append(gateway)
        return gateway.start()

    yield run
    for gateway in running:
        gateway.stop()
    check_contract(sniffer)


def ended(sniffer: Sniffer, camera: str = "cam0") -> list[dict[str, Any]]:
    """Return the ends of episodes of a camera."""
    return [
        event for event in events(sniffer) if event["data"]["phase"] == "end" and event["source"].endswith(f":{camera}")
    ]


def test_a_corner_end_to_end(start: Start, sniffer: Sniffer) -> None:
    """Street, motion, episode, picture, store, MQTT: episodes arrive with their pictures, numbered without a gap."""
    gateway = start()
    sniffer.wait_until(lambda _: len(ended(sniffer)) >= 2, "two episodes to end")
    assert gateway.stop() == 0
    for event in events(sniffer):
        assert event["source"] == "urn:citycam:north:gw-0412:cam0"
    numbers = sorted(int(event["sequence"]) for event in events(sniffer))
    assert numbers == list(range(1, len(numbers) + 1))
    pictures = {event["correlationid"] for event in ended(sniffer) if event["data"]["picture"]}
    media = {topic.rpartition("/")[2]: payload for topic, payload, _, _ in sniffer.seen if "/up/media/" in topic}
    assert pictures
    assert pictures <= set(media)
    labels = [read_label(payload) for payload in media.values()]
    assert {label["gateway"] for label in labels} == {"gw-0412"}


def test_what_is_simulated_says_so(start: Start, sniffer: Sniffer) -> None:
    """Events, pictures and the camera's state from the simulated corner say that it did not happen; a clip's do not."""
    start(STREET)
    sniffer.wait_until(lambda _: events(sniffer), "an event")
    sniffer.wait_until(lambda _: states(sniffer, "camera")[-1]["state"] == "ok", "the camera")
    assert all(event["data"]["simulated"] is True for event in events(sniffer))
    assert states(sniffer, "camera")[-1]["simulated"] is True


def test_every_episode_starts_and_ends_once(start: Start, sniffer: Sniffer) -> None:
    """Each episode has exactly one start and one end, also when the gateway is stopped in the midst of it."""
    gateway = start()
    sniffer.wait_until(lambda _: len(events(sniffer)) >= 3, "some events")
    assert gateway.stop() == 0
    phases: dict[str, list[str]] = {}
    for event in events(sniffer):
        phases.setdefault(event["correlationid"], []).append(event["data"]["phase"])
    assert phases
    for each in phases.values():
        assert (each[0], each[-1], each.count("start"), each.count("end")) == ("start", "end", 1, 1)


def test_sigterm_ends_in_order(start: Start, sniffer: Sniffer) -> None:
    """SIGTERM ends with exit code 0, says `stopped` last, and leaves nothing in the store that the broker had taken."""
    gateway = start()
    sniffer.wait_until(lambda _: len(events(sniffer)) >= 1, "an event")
    assert gateway.stop() == 0
    said = states(sniffer, "status")
    assert [status["state"] for status in said if status["session"] == said[-1]["session"]] == ["online", "stopped"]
    assert said[-1]["reason"] == "SIGTERM"


def test_a_killed_daemon_is_declared_offline_and_loses_nothing(start: Start, sniffer: Sniffer) -> None:
    """After SIGKILL the broker says `offline` for us; the eye ends by itself; a new run goes on in the same epoch."""
    gateway = start()
    sniffer.wait_until(lambda _: len(events(sniffer)) >= 1, "an event")
    eye = gateway.camera()["pid"]
    gateway.stop(signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{eye}").exists(), "the eye to end after its daemon")
    gateway.start()
    sniffer.wait_until(lambda _: states(sniffer, "status")[-1]["state"] == "online", "the gateway to be back")
    epochs = {event["epoch"] for event in events(sniffer)}
    before = len(events(sniffer))
    sniffer.wait_until(lambda _: len(events(sniffer)) > before, "an event of the new run")
    assert {event["epoch"] for event in events(sniffer)} == epochs
    numbers = [int(event["sequence"]) for event in events(sniffer)]
    assert len(set(numbers)) == len(numbers)


def test_two_cameras_share_the_gateways_numbers(start: Start, sniffer: Sniffer, tmp_path: Path) -> None:
    """Two cameras report under their own names, and their events are numbered in one sequence."""
    gateway = start(make_clip(tmp_path / "a.npy"), make_clip(tmp_path / "b.npy"))
    sniffer.wait_until(lambda _: ended(sniffer, "cam0") and ended(sniffer, "cam1"), "an episode of each camera")
    assert gateway.stop() == 0
    numbers = sorted(int(event["sequence"]) for event in events(sniffer))
    assert numbers == list(range(1, len(numbers) + 1))


def hang_up(gateway: Gateway) -> None:
    """Freeze the eye's process."""
    os.kill(gateway.camera()["pid"], signal.SIGSTOP)


def kill(gateway: Gateway) -> None:
    """Kill the eye's process."""
    os.kill(gateway.camera()["pid"], signal.SIGKILL)


@pytest.mark.parametrize(("harm", "code"), [(hang_up, "eye-silent"), (kill, "eye-died")])
def test_a_lost_eye_is_reported_and_replaced(
    start: Start, sniffer: Sniffer, harm: Callable[[Gateway], None], code: str
) -> None:
    """A frozen or killed eye: up/camera says off with the reason, heartbeats go on, a new eye comes, episodes end."""
    gateway = start()
    first = gateway.wait_camera("ok")["pid"]
    sniffer.wait_until(lambda _: events(sniffer), "an event")
    beats = len(states(sniffer, "heartbeat"))
    harm(gateway)
    wait_for(lambda: gateway.camera()["pid"] not in {None, first}, "another eye")
    second = gateway.wait_camera("ok")
    assert second["restarts"] == 1
    assert code in gateway.log.read_text()
    sniffer.wait_until(lambda _: len(states(sniffer, "heartbeat")) > beats, "a heartbeat")
    sniffer.wait_until(lambda _: states(sniffer, "camera")[-1]["state"] == "ok", "the camera to be back")
    reasons = [each.get("reason", "") for each in states(sniffer, "camera") if each["state"] == "off"]
    assert set(reasons) - {"the camera is being opened"}
    open_episodes = {event["correlationid"] for event in events(sniffer)}
    gateway.stop()
    assert open_episodes <= {event["correlationid"] for event in ended(sniffer)}


def test_a_camera_that_cannot_be_opened_says_what_to_do(start: Start, sniffer: Sniffer, tmp_path: Path) -> None:
    """A missing source: up/camera is off with reason and hint, the device goes on, and a health event is raised."""
    gateway = start(str(tmp_path / "absent.mp4"))
    sniffer.wait_until(lambda _: events(sniffer, "health"), "a health event")
    (event,) = [each for each in events(sniffer, "health") if each["source"].endswith(":cam0")]
    assert event["lane"] == "alarm"
    assert "absent.mp4" in event["data"]["message"]
    assert event["data"]["hint"]
    camera = states(sniffer, "camera")[-1]
    assert camera["state"] == "off"
    assert "absent.mp4" in camera["reason"]
    assert gateway.stop() == 0


def test_a_recording_that_is_over_is_not_started_again(start: Start, sniffer: Sniffer) -> None:
    """The end of a recording is reported once, and no new eye is started."""
    gateway = start("street?scene=corner&seed=3&seconds=2")
    wait_for(lambda: gateway.camera()["code"] == "camera-ended", "the recording to end")
    wait_for(lambda: gateway.camera()["pid"] is None, "its eye to end")
    assert gateway.camera()["restarts"] == 0
    assert gateway.stop() == 0


def test_a_mask_that_is_gone_stops_pictures_not_events(start: Start, sniffer: Sniffer, tmp_path: Path) -> None:
    """A missing mask file: events go on without a picture, no media leaves, and the fault is told with what to do."""
    gateway = start(mask_file=json.dumps(str(tmp_path / "mask.png")))
    sniffer.wait_until(lambda _: ended(sniffer), "an episode to end")
    sniffer.wait_until(lambda _: events(sniffer, "health"), "a health event")
    assert gateway.camera()["withheld"] == "mask"
    assert gateway.stop() == 0
    assert [event["data"]["picture"] for event in ended(sniffer)] == [None] * len(ended(sniffer))
    assert sniffer.payloads("/up/media/") == []
    assert {event["data"]["code"] for event in events(sniffer, "health")} >= {"mask"}


def test_without_a_broken_mask_pictures_do_leave(start: Start, sniffer: Sniffer) -> None:
    """The same corner with a mask that works sends pictures (control), and its events carry the mask's hash."""
    gateway = start(masks=[[[0.0, 0.0], [0.1, 0.0], [0.1, 0.1]]])
    sniffer.wait_until(lambda _: sniffer.payloads("/up/media/"), "a picture")
    assert gateway.stop() == 0
    assert all(len(event["data"]["mask"]) == 8 for event in events(sniffer))


def test_a_broker_that_comes_late_gets_everything(tmp_path: Path) -> None:
    """Events made before there is a broker arrive in order once it is there, and so does the device's state."""
    late = Mosquitto(tmp_path / "late")
    gateway = Gateway(tmp_path, late, [make_clip(tmp_path / "clip.npy")]).start()
    try:
        wait_for(lambda: gateway.status()["health"]["outbox"].get("rows", 0) >= 3, "events to wait in the store")
        late.start()
        sniffer = Sniffer(late.broker).start()
        sniffer.wait_until(lambda _: len(events(sniffer)) >= 3, "the events")
        assert gateway.stop() == 0
        numbers = [int(event["sequence"]) for event in events(sniffer)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert check_contract(sniffer) > 3
        sniffer.stop()
    finally:
        gateway.stop(signal.SIGKILL)
        late.stop()


def test_the_last_good_configuration_is_in_force_and_says_so(start: Start, sniffer: Sniffer) -> None:
    """After a good run a broken file does not silence the corner: it runs on, and up/config lists the errors."""
    gateway = start()
    gateway.wait_camera("ok")
    assert gateway.stop() == 0
    gateway.config.write_text(gateway.config.read_text().replace('area = "north"', 'area = "NORTH"'))
    gateway.start()
    sniffer.wait_until(lambda _: states(sniffer, "config")[-1]["in_force"] == "last-good", "the report")
    report = states(sniffer, "config")[-1]
    assert report["revision"] == states(sniffer, "config")[0]["revision"]
    assert '"NORTH"' in report["errors"][0]
    assert "the last good configuration is in force, because of: " in gateway.log.read_text()


def test_the_device_introduces_itself(start: Start, sniffer: Sniffer) -> None:
    """After connecting, info, config, clock, gaps, health and cameras are there, retained, for whoever comes later."""
    start()
    wanted = {"status", "info", "config", "clock", "gap", "health", "camera/cam0"}

    def said(seen: list[tuple[str, bytes, bool, float]]) -> bool:
        return {f"{ROOT}/up/{name}" for name in wanted} <= {topic for topic, _, _, _ in seen}

    sniffer.wait_until(said, "all state topics")
    (info,) = states(sniffer, "info")[:1]
    assert info["cameras"] == [{"name": "cam0", "source": "recording", "zones": [{"id": "all", "purpose": "general"}]}]
    sniffer.wait_until(lambda _: states(sniffer, "heartbeat"), "a heartbeat")
    assert all(len(payload) <= 400 for payload in sniffer.payloads("/up/heartbeat"))
