"""A hot processor gets fewer frames: real eyes, on a made-up machine and told by hand."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from gateway.configuration.settings import CameraSettings
from gateway.recovery.eyes import Eye
from tests.device_trees import plant, three_b_plus
from tests.mosquitto import Mosquitto, Sniffer, wait_for
from tests.running import Gateway, check_contract, make_clip, states

pytestmark = [pytest.mark.broker, pytest.mark.system]
HEAT = "sys/class/thermal/thermal_zone0/temp"


def test_a_hot_board_sheds_frames_and_says_so(tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer) -> None:
    """A 3B+ near its soft limit of 60 degrees: the eye is read at less; heartbeat and health say so, and why."""
    gateway = Gateway(tmp_path, mosquitto, [make_clip(tmp_path / "clip.npy")])
    gateway.root = plant(tmp_path / "machine", three_b_plus() | {HEAT: "45000\n"})
    gateway.start()
    try:
        gateway.wait_camera("ok")
        wait_for(lambda: gateway.camera()["fps"] > 12.0, "the full rate")
        assert (gateway.camera()["asked"], gateway.camera()["why"]) == (15.0, "")
        (gateway.root / HEAT).write_text("58500\n")
        wait_for(lambda: gateway.camera()["why"] == "heat", "frames to be shed", 30.0)
        found = gateway.camera()
        assert found["asked"] < 15.0
        wait_for(lambda: gateway.camera()["fps"] <= 1.15 * gateway.camera()["asked"], "the rate to follow")
        sniffer.wait_until(lambda _: states(sniffer, "heartbeat")[-1]["shed"] >= 30, "a heartbeat that says so")
        assert gateway.status()["health"]["rate_share"] < 1.0
        assert gateway.stop() == 0
    finally:
        gateway.stop(signal.SIGKILL)
    assert check_contract(sniffer) > 0


def test_an_eye_follows_what_it_is_told(tmp_path: Path) -> None:
    """A running eye that is told to use half its rate does so within seconds, and all of it again when told."""
    settings = CameraSettings(
        source=make_clip(tmp_path / "clip.npy"), fps=15, analysis=(320, 180), main=(640, 360), stall_s=1
    )
    eye = Eye(settings.model_dump(mode="json"))

    def rate(least: float, most: float) -> bool:
        for _ in eye.hear():
            pass
        eye.tick(time.monotonic())
        return least <= float(eye.known.beat.get("fps", 0.0)) <= most

    eye.start()
    try:
        wait_for(lambda: rate(13.0, 17.0), "the full rate")
        eye.shed(0.5)
        wait_for(lambda: rate(6.5, 8.5), "half of it")
        assert (eye.known.beat["asked"], eye.known.beat["why"]) == (7.5, "heat")
        eye.shed(1.0)
        wait_for(lambda: rate(13.0, 17.0), "all of it")
        assert eye.known.beat["why"] == ""
    finally:
        eye.stop()
        eye.kill()
        wait_for(lambda: eye.process.tick() or not eye.process.blocked, "its end")
