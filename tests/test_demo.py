"""The demo: its configuration, its numbers, and the whole of it as a process."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from gateway.configuration.loading import load_strict
from gateway.demo import run
from gateway.demo.centre import Episode, Tally
from gateway.demo.follow import Rates
from gateway.demo.process import configuration, street_source
from gateway.demo.screen import PlainScreen, Row, View
from gateway.demo.summary import Summary
from gateway.errors import GatewayError
from gateway.replay.score import Score
from gateway.uplink.broker import parse_broker_url
from tests.running import DEMO_NUMBERS


def test_frame_rate_counts_each_report_once() -> None:
    """The same report asked for twice weighs once, and no report at all changes nothing."""
    rates = Rates()
    for report in ({"frames": 30, "fps": 30.0}, {"frames": 30, "fps": 30.0}, {}, {"frames": 50, "fps": 20.0}):
        rates.take(report)
    assert (rates.frames, rates.mean) == (50, 25.0)


def test_camera_source_gets_truth_and_seed_unless_it_says_otherwise() -> None:
    """The simulated corner always writes its truth; what the user wrote wins; another camera is left alone."""
    assert street_source(None, 7) == "street?seed=7&fps=30&truth=truth.jsonl"
    assert street_source("street?scene=empty&seed=1", 7) == "street?seed=1&fps=30&truth=truth.jsonl&scene=empty"
    assert street_source("/dev/video0", 7) is None


def test_configuration_is_one_that_the_daemon_reads(tmp_path: Path) -> None:
    """What the demo writes is valid, and a broker's password stands in a private file, not in the configuration."""
    from gateway.configuration.loading import as_toml

    broker = parse_broker_url("mqtt://user:secret@127.0.0.1:1999")
    settings = configuration(tmp_path, "demo-1", "street", broker, simulated=True)
    file = tmp_path / "gateway.toml"
    file.write_text(as_toml(settings))
    assert load_strict(file, (), {}).settings == settings
    assert "secret" not in file.read_text()
    assert settings.broker.username == "user"
    secret = settings.broker.password_file
    assert secret is not None
    assert (secret.read_text(), secret.stat().st_mode & 0o077) == ("secret", 0)


def summary(**more: Any) -> Summary:
    """Return a summary of a good minute."""
    tally = Tally(messages=9, duplicates=1, events=2, event_bytes=500, latencies=[0.02, 0.04])
    fields: dict[str, Any] = {
        "frames": 1800,
        "fps": 30.0,
        "score": Score(4, 3, 1, ("car 4",)),
        "tally": tally,
        "episodes": [Episode("a", phase="end", event_bytes=500), Episode("b", phase="start", event_bytes=150)],
        "cpu_share": 0.5,
        "rss_mb": 100.0,
        "orderly": True,
    }
    return Summary(**(fields | more))


def test_summary_has_the_keys_that_were_promised() -> None:
    """Programs read these keys in this order; an episode that has not ended does not count for the size."""
    numbers = json.loads(summary().json())
    assert list(numbers) == DEMO_NUMBERS
    assert list(numbers.values()) == [1800, 30.0, 4, 3, 1, 9, 1, 500.0, 20.0, 40.0, 0.5, 100.0]
    assert "not found: car 4" in "\n".join(summary().lines())


def test_what_cannot_be_known_is_null() -> None:
    """Without a truth nothing is judged, without an episode there is no size, on another clock there is no latency."""
    foreign = Tally(events=1, latencies=[50_000.0, -3.0])
    numbers = json.loads(summary(score=None, episodes=[], tally=foreign).json())
    unknown = {
        "episodes_true",
        "episodes_found",
        "events_false",
        "bytes_per_episode",
        "latency_p50_ms",
        "latency_p99_ms",
    }
    assert {key for key, value in numbers.items() if value is None} == unknown


@pytest.mark.parametrize(
    ("change", "works"),
    [
        ({}, True),
        ({"tally": Tally()}, False),
        ({"tally": Tally(), "score": Score(0, 0, 0)}, True),
        ({"orderly": False}, False),
    ],
    ids=["works", "silent though things came by", "silent on an empty street", "ended in disorder"],
)
def test_a_silent_gateway_is_a_failure(change: dict[str, Any], works: bool) -> None:
    """The demo fails when things came by and nothing was said, and when the daemon did not end in order."""
    assert summary(**change).works is works


def test_plain_lines_tell_each_episode_once() -> None:
    """Without a terminal an ended episode is one line, and it says whether the scene agrees."""
    rows = [
        Row(Episode("a", phase="end", zones=("road",), event_bytes=400, events=2, latency=0.03), 1.0, ["car 1"]),
        Row(Episode("b", phase="end", zones=("road",)), 2.0, []),
        Row(Episode("c", phase="start", zones=("road",)), 2.0, ["car 2"]),
    ]
    view = View(
        elapsed=3.0,
        seconds=60.0,
        frames=90,
        fps=30.0,
        camera="ok",
        cpu_share=0.5,
        rss_mb=100.0,
        tally=Tally(),
        rows=rows,
        notices=["cam0: view covered began"],
        verdict="",
        judged=True,
    )
    screen, out = PlainScreen(), io.StringIO()
    with redirect_stdout(out):
        screen.update(view)
        screen.update(view)
    lines = out.getvalue().splitlines()
    for said, line in zip(("covered", "began", "yes: car 1", "NO: nothing there"), lines, strict=True):
        assert said in line


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"seconds": 0.0}, "--seconds is 0"),
        ({"summary": Path("/no/such/folder/s.json")}, "no such folder"),
        ({"pictures": Path("/proc/pictures")}, "/proc/pictures"),
        ({"broker": "http://host"}, "neither mqtt nor mqtts"),
    ],
)
def test_a_wrong_argument_is_named_before_anything_is_started(arguments: dict[str, Any], complaint: str) -> None:
    """The complaint names the argument and says what to do."""
    with pytest.raises(GatewayError, match=complaint) as caught:
        run(**arguments)
    assert caught.value.hint
