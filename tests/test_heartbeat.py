"""Reports of the device: they keep to the contract, and a heartbeat to its 400 bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from pydantic import TypeAdapter

from gateway.device import heartbeat as reports
from gateway.device.health import Facts
from gateway.device.heartbeat import HEARTBEAT_BYTES, Waiting, next_due
from gateway.wire.message import plain
from gateway.wire.payloads import Camera, Clock, Health, Heartbeat, Info, Status

USUAL: dict[str, Any] = {
    "number": 12,
    "session": "0f3a9c21",
    "wall": 1763942400.123,
    "boot": "5d1c8f00",
    "mono": 3471.523,
    "synced": True,
    "up": 3460.2,
    "temperature_c": 52.078,
    "memory_mb": 215,
    "disk_mb": 24000,
    "fps": {"cam0": 10.01, "cam1": 9.96},
    "waiting": Waiting(3, 1120, 12.4, 0),
    "dropped": 0,
    "connections": 1,
}


def check(kind: Any, payload: Any) -> bytes:
    """Return the payload as it travels, after pydantic found that it is of its type, and that it is strict JSON."""
    TypeAdapter(kind).validate_python(payload, strict=True)
    text = plain(payload)
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    return text


def test_usual_heartbeat() -> None:
    """A usual heartbeat has every key, rounded numbers, and much room left."""
    beat = reports.heartbeat(**USUAL)
    assert len(check(Heartbeat, beat)) < 300
    assert set(beat) == set(Heartbeat.__annotations__)
    assert beat["fps"] == {"cam0": 10.0, "cam1": 10.0}
    assert (beat["temp"], beat["out"], beat["up"]) == (52.1, [3, 1120, 12, 0], 3460)


numbers = st.integers() | st.floats()


@settings(max_examples=500, deadline=None)
@given(
    beat=st.fixed_dictionaries(
        {
            "number": st.integers() | st.just(10**400),
            "session": st.text(max_size=100),
            "wall": numbers,
            "boot": st.text(max_size=20),
            "mono": numbers,
            "synced": st.booleans(),
            "up": numbers,
            "temperature_c": st.none() | numbers,
            "memory_mb": st.none() | st.integers(),
            "disk_mb": st.none() | st.integers(),
            "fps": st.dictionaries(st.text(max_size=80), numbers, max_size=6),
            "waiting": st.builds(Waiting, st.integers(), st.integers(), st.floats(), st.integers()),
            "dropped": st.integers(),
            "connections": st.integers(),
        }
    )
)
def test_no_heartbeat_is_too_long(beat: dict[str, Any]) -> None:
    """At most 400 bytes, all keys, and strict JSON, whatever the values are."""
    made = reports.heartbeat(**beat)
    assert len(check(Heartbeat, made)) <= HEARTBEAT_BYTES
    assert set(made) == set(Heartbeat.__annotations__)


def test_the_longest_numbers_fit() -> None:
    """With every number at its limit and the longest session, the cameras are left away and the rest fits."""
    huge = 10**30
    largest = USUAL | dict.fromkeys(
        ("number", "wall", "mono", "up", "memory_mb", "disk_mb", "dropped", "connections"), huge
    )
    largest |= {
        "session": "s" * 99,
        "temperature_c": -98.76,
        "synced": False,
        "waiting": Waiting(huge, huge, float(huge), huge),
        "fps": {"c" * 64: 9999.9, "d" * 64: 1.0},
    }
    text = check(Heartbeat, reports.heartbeat(**largest))
    assert 300 < len(text) <= HEARTBEAT_BYTES


@pytest.mark.parametrize("session", ["s" * 400, "\\" * 200, "\0" * 100, "ü" * 300])
def test_a_strange_session_is_cut(session: str) -> None:
    """A session of any length and any letters does not make the heartbeat too long."""
    assert len(check(Heartbeat, reports.heartbeat(**USUAL | {"session": session}))) <= HEARTBEAT_BYTES


def test_a_camera_is_told_exactly_when_it_fits() -> None:
    """A name of any length is told when the heartbeat stays at 400 bytes with it, and is left away when not."""
    told = {}
    for length in range(1, 300):
        name = "c" * length
        beat = reports.heartbeat(**USUAL | {"fps": {name: 10.0}})
        told[length] = name in beat["fps"]
        size = len(plain(dict(beat | {"fps": {name: 10.0}})))
        assert told[length] == (size <= HEARTBEAT_BYTES), (length, size)
    assert set(told.values()) == {True, False}


def test_slow_cameras_are_told_first() -> None:
    """When four long names do not fit, the camera that stands still is among those that are told."""
    fps = {name * 50: rate for name, rate in {"a": 10.0, "b": 10.0, "c": 9.0, "d": 0.0}.items()}
    told = reports.heartbeat(**USUAL | {"fps": fps})["fps"]
    assert "d" * 50 in told
    assert len(told) < 4


def test_unknown_stays_unknown() -> None:
    """What the device does not know is null, not zero."""
    beat = reports.heartbeat(**USUAL | {"temperature_c": None, "memory_mb": None, "disk_mb": None})
    assert (beat["temp"], beat["mem"], beat["disk"]) == (None, None, None)


@given(interval=st.floats(1, 3600), chance=st.floats(0, 1))
def test_jitter_stays_within_a_tenth(interval: float, chance: float) -> None:
    """A report is due within a tenth of its interval, earlier or later."""
    wait = next_due(1000.0, interval, chance) - 1000.0
    assert interval * 0.9 - 1e-9 <= wait <= interval * 1.1 + 1e-9


def test_jitter_spreads() -> None:
    """The random number decides: devices that drew differently are not due together."""
    assert (next_due(0, 30, 0), next_due(0, 30, 0.5), next_due(0, 30, 1)) == pytest.approx((27, 30, 33))


def test_health_report() -> None:
    """The full report holds every fact under its name, unknown ones as null, and each open fault once."""
    report = reports.health(
        wall=1763942400.0,
        facts=Facts(model="Pi", networks_up=("eth0",)),
        problems=["hot", "disk-low", "hot"],
        outbox={"rows": 3},
        link={"connections": 1},
        cameras={"cam0": {"frames": 100}},
    )
    text = json.loads(check(Health, report))
    assert text["problems"] == ["disk-low", "hot"]
    assert text["device"]["networks_up"] == ["eth0"]
    assert text["device"]["temperature_c"] is None


def test_info_report() -> None:
    """Info names an unknown board as such, and the last exit only when there was one."""
    zones: Any = [{"id": "all", "purpose": "general"}]
    cameras: Any = [{"name": "cam0", "source": "street", "zones": zones}]
    usual: dict[str, Any] = {"software": "0.1.0", "facts": Facts(), "cameras": cameras, "capabilities": ["b", "a"]}
    first = reports.info(**usual, boot="5d1c8f00")
    check(Info, first)
    assert (first["model"], first["serial"], first["capabilities"]) == ("unknown", "unknown", ["a", "b"])
    assert "last_exit" not in first
    assert check(Info, reports.info(**usual, boot="5d1c8f00", last_exit="watchdog"))


@pytest.mark.parametrize("state", ["online", "stopped", "offline"])
def test_status_report(state: str) -> None:
    """Each of the three states makes a valid status; the will has no time, as it is written beforehand."""
    check(Status, reports.status(state, "0f3a9c21"))
    assert (
        json.loads(check(Status, reports.status(state, "0f3a9c21", wall=1.23456, reason="asked to")))["wall"] == 1.235
    )


def test_status_refuses_other_words() -> None:
    """A word that the contract does not know is refused where it is written."""
    with pytest.raises(ValueError, match="allowed are online"):
        reports.status("gone", "0f3a9c21")


def test_clock_report() -> None:
    """A boot that was never synchronised has no offset; one that was has wall less monotonic time."""
    known = reports.boot_offset("5d1c8f00", wall=1763942400.5, mono=100.25, synced=True)
    unknown = reports.boot_offset("00c0ffee", wall=12.0, mono=10.0, synced=False)
    report = reports.clock([known, unknown])
    check(Clock, report)
    assert report["boots"][0] == {"boot": "5d1c8f00", "offset": 1763942300.25, "since": 1763942400.5}
    assert report["boots"][1]["offset"] is None


def test_camera_report() -> None:
    """A camera that is well says no more than that; one that is not says why and what to do."""
    well = reports.camera("ok", motion=False, since=1.0)
    check(Camera, well)
    assert set(well) == {"v", "state", "motion", "since"}
    ill = reports.camera("off", motion=False, since=1.0, reason="no frames", hint="check the cable", simulated=True)
    check(Camera, ill)
    assert (ill["reason"], ill["hint"], ill["simulated"]) == ("no frames", "check the cable", True)
