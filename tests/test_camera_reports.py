"""What is said of a camera stays true when it is said again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.configuration.settings import CameraSettings
from gateway.daemon.camera_reports import CameraReports
from gateway.recovery.eyes import Eye


def test_a_rebirth_keeps_since_when(monkeypatch: pytest.MonkeyPatch) -> None:
    """Said anew nothing changes: a camera that has been off for an hour has not just gone off."""
    said: list[Mapping[str, Any]] = []
    reports = CameraReports(lambda _topic, payload: said.append(payload))
    eye = Eye(CameraSettings().model_dump(mode="json"))
    for now in (0.0, 3600.0):
        monkeypatch.setattr(time, "time", lambda now=now: 1000.0 + now)
        reports.look(eye, now)
    assert len(said) == 1
    reports.forget()
    reports.look(eye, 3600.5)
    reports.look(eye, 3601.0)
    assert len(said) == 2
    assert said[1] == said[0]
    eye.known.state = "ok"
    reports.look(eye, 3601.5)
    assert said[2]["since"] == 4600.0


def test_a_clock_that_is_set_later_corrects_since_when(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a clock chip a camera comes up years ago: once the clock is set it is said when that really was."""
    said: list[Mapping[str, Any]] = []
    reports = CameraReports(lambda _topic, payload: said.append(payload))
    eye = Eye(CameraSettings().model_dump(mode="json"))
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    reports.look(eye, 50.0)
    monkeypatch.setattr(time, "time", lambda: 1_790_000_060.0)
    reports.look(eye, 110.0)
    assert [each["since"] for each in said] == [1000.0, 1_790_000_000.0]
    monkeypatch.setattr(time, "time", lambda: 1_790_000_070.4)  # the control: a clock that is trimmed is no news
    reports.look(eye, 120.0)
    assert len(said) == 2


def test_it_stands_in_the_log_when_a_camera_is_back(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever reads the log sees when a camera came and how its view is; a report that is said again is no change."""
    reports = CameraReports(lambda _topic, _payload: None)
    eye = Eye(CameraSettings().model_dump(mode="json"))
    with caplog.at_level("INFO", "gateway.daemon.camera_reports"):
        for state in ("off", "ok", "ok", "covered", "off", "ok"):
            eye.known.state = state
            reports.look(eye, 0.0)
            reports.forget()
            reports.look(eye, 0.0)
    assert caplog.messages == ["camera cam0: ok", "camera cam0: covered", "camera cam0: ok"]
