"""Complaints about a configuration that a technician can act on: where, which key, what was found, what is allowed."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.configuration.complaints import MOST, _keys
from gateway.configuration.loading import load, load_strict
from gateway.configuration.settings import Settings
from gateway.errors import SettingsError
from tests.configurations import write

SETTINGS = sorted(_keys(Settings))
BAD: list[tuple[str, list[str]]] = [
    ('area = "Two Words"', ["gateway.toml", "area", '"Two Words"', "a-z, 0-9 and hyphens"]),
    ("area = ", ["gateway.toml", "not valid TOML"]),
    ('broker = "x"', ["broker", '"x"']),
    ('[broker]\nurl = "http://h"', ["broker.url", "http://h", "mqtt://host:port"]),
    ('[broker]\nurl = "mqtt://h:99999"', ["broker.url", "mqtt://h:99999", "port", "1 to 65535", "mqtt://host:port"]),
    ('[broker]\nurl = "mqtt://h:18833x"', ["broker.url", "mqtt://h:18833x", "port", "1 to 65535", "mqtt://host:port"]),
    ('[broker]\nurl = "mqtt://h:0"', ["broker.url", "mqtt://h:0", "port", "1 to 65535"]),
    ('[broker]\nurl = "mqtt://:1883"', ["broker.url", "names no host"]),
    ('[broker]\ncert_file = "a"', ["broker", "cert_file and key_file belong together"]),
    ('[broker]\nprotocol = "4"', ["broker.protocol", '"4"', "'5' or '3.1.1'"]),
    ("[broker]\nkeepalive = 3", ["broker.keepalive", "no such key", "did you mean keepalive_s", "inflight"]),
    ("[[cameras]]\nfps = 900", ["cameras.0.fps", "900", "a number from 1 to 60"]),
    ('[[cameras]]\nfps = "x"', ["cameras.0.fps", '"x"', "a number from 1 to 60"]),
    ("[[cameras]]\npicture_kb = 4.5", ["cameras.0.picture_kb", "4.5", "a whole number from 4 to 59"]),
    ('[[cameras]]\nanalysis = "640x360"', ["cameras.0.analysis", '"640x360"', "two numbers", "[640, 360]"]),
    ("[[cameras]]\nmain = [1280, 720, 3]", ["cameras.0.main", "two numbers", "[640, 360]"]),
    ("[[cameras]]\nmasks = 3", ["cameras.0.masks", "found 3", "polygons", "[[x, y], [x, y], [x, y], ...]"]),
    ('[[cameras]]\nmasks = [[[0, 0], ["a", 1], [1, 1]]]', ["cameras.0.masks.0.1.0", '"a"', "[[x, y], [x, y]"]),
    ("[[cameras]]\nmain = [3]\nmasks = [[[0, 0], [1]]]", ["cameras.0.main.1", "two numbers", "cameras.0.masks.0.1.1"]),
    ('cameras = "x"', ["cameras", '"x"', "[[cameras]]"]),
    ("cameras = [3]", ["cameras.0", "found 3", "a table of keys"]),
    ("[broker]\nca_file = 3", ["broker.ca_file", "found 3", "a path in quotes"]),
    ('[[cameras]]\n[[cameras.zones]]\nalarm = "x"', ["cameras.0.zones.0.alarm", '"x"', "true or false"]),
    ('[[cameras]]\nsource = "rstp://u:hunter2@h/live"', ["cameras.0.source", "rstp://h/live", "rtsp://host/path"]),
    ('[[cameras]]\nsource = "street?sed=3"', ["cameras.0.source", "unknown option 'sed'", "seed"]),
    ('[[cameras]]\nsource = ""', ["cameras.0.source", '""', "not be empty"]),
    ("[[cameras]]\nanalysis = [10, 10]", ["cameras.0.analysis", "10x10", "160x120 to 1280x720"]),
    ('[[cameras]]\nname = "gateway"', ["cameras", "reserved"]),
    ('[[cameras]]\nname = "a"\n[[cameras]]\nname = "a"', ["cameras", "same name"]),
    ("[[cameras]]\nmasks = [[[0, 0], [1, 1]]]", ["cameras.0.masks.0", "at least 3 corners", "this has 2"]),
    ("[[cameras]]\n[[cameras.zones]]\npolygon = [[0,0],[1,1]]", ["cameras.0.zones.0.polygon", "at least 3 corners"]),
    (
        "[[cameras]]\n[[cameras.zones]]\npolygon = [[0,0],[1,1.5],[0,1]]",
        ["cameras.0.zones.0.polygon", "[1, 1.5]", "outside the picture", "0..1"],
    ),
    ("[[cameras]]\n[[cameras.zones]]\npolygon = [[0,0],[1,1],[0.5,0.5]]", ["polygon", "no area"]),
    (
        '[[cameras]]\n[[cameras.zones]]\npurpose = "park"',
        ["cameras.0.zones.0.purpose", '"park"', "'hydrant'", "'works'"],
    ),
    ('[[cameras]]\n[[cameras.zones]]\nid = "a"\n[[cameras.zones]]\nid = "a"', ["cameras.0.zones", "same id"]),
]


@pytest.mark.parametrize(("text", "words"), BAD)
def test_a_wrong_value_is_named(tmp_path: Path, text: str, words: list[str]) -> None:
    """A complaint names the file, the key, what was found and what is allowed."""
    file = write(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load(file, [f"store.dir={tmp_path / 'none'}"], {})
    assert str(file) in str(caught.value)
    for word in words:
        assert word in str(caught.value)
    assert "nput should be" not in str(caught.value), "pydantic's words are no technician's"
    assert "hunter2" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("fps = 3", "cameras.0.fps"),
        ('url = "mqtt://h"', "broker.url"),
        ('[[cameras]]\npurpose = "works"', "cameras.0.zones.0.purpose"),
        ("[store]\ncap_bm = 100", "cap_mb"),
    ],
)
def test_a_key_in_the_wrong_place_is_shown_the_right_one(tmp_path: Path, text: str, meant: str) -> None:
    """A key that exists at one other place only is told with that place, a misspelt one with the nearest beside it."""
    with pytest.raises(SettingsError, match=rf"there is no such key \(did you mean {re.escape(meant)}\?\)"):
        load_strict(write(tmp_path, text), (), {})


def test_control_a_key_of_several_places_is_not_guessed(tmp_path: Path) -> None:
    """Where a key could belong to more than one place, or to none, nothing is guessed."""
    for text in ('[broker]\nid = "x"', "nonsense = 3"):
        with pytest.raises(SettingsError, match="there is no such key; allowed"):
            load_strict(write(tmp_path, text), (), {})


def test_all_complaints_come_at_once(tmp_path: Path) -> None:
    """Two mistakes are both told: the technician climbs the ladder once."""
    file = write(tmp_path, 'area = "X"\n[store]\ncap_mb = 1\n')
    with pytest.raises(SettingsError) as caught:
        load_strict(file, (), {})
    assert len(str(caught.value).splitlines()) == 2


def test_what_is_judged_last_is_told_with_the_rest(tmp_path: Path) -> None:
    """Two cameras of one name, and values that do not go together, are told beside a misspelt area."""
    text = (
        'area = "X"\n[broker]\ncert_file = "c"\n[[cameras]]\nname = "a"\nfps = 900\n[[cameras.zones]]\nid = "z"\n'
        '[[cameras.zones]]\nid = "z"\n[[cameras]]\nname = "a"\nnight_fps = 0.5\n'
    )
    with pytest.raises(SettingsError) as caught:
        load_strict(write(tmp_path, text), (), {})
    lines = str(caught.value).splitlines()
    for words in ("area:", "belong together", "cameras.0.fps", "same id: z", "night_fps is 0.5", "same name: a"):
        assert sum(words in line for line in lines) == 1, words
    assert len(lines) == 6


def test_control_what_was_wrong_is_not_judged_with_its_default(tmp_path: Path) -> None:
    """A camera whose name is misspelt is no second cam0, and a key that is no path does not lack."""
    text = '[broker]\ncert_file = "c"\nkey_file = 3\n[[cameras]]\nname = "A"\n[[cameras]]\n[[cameras]]\nname = "b"\n'
    with pytest.raises(SettingsError) as caught:
        load_strict(write(tmp_path, text), (), {})
    assert sorted(line.split(": ")[1] for line in str(caught.value).splitlines()) == [
        "broker.key_file",
        "cameras.0.name",
    ]


JUNK = ["3", "-1", "nan", '""', "true", "[]", "[1]", "[[[]]]", "{}", "{a=1}", '[{id="a"},{id="a"}]', '"mqtt://[x"']


@pytest.mark.parametrize("key", [key for key in SETTINGS if key != "store.dir"])
def test_whatever_stands_in_a_place_is_told_or_taken(tmp_path: Path, key: str) -> None:
    """A value of any kind in any place gives no other error than ours, in our words, beside other mistakes."""
    file = write(tmp_path, "[[cameras]]\n[[cameras.zones]]\n")
    for junk in JUNK:
        with pytest.raises(SettingsError) as caught:
            load_strict(file, ["area=X", "cameras.0.masks=[[[0,0],[1]]]", f"{key}={junk}"], {})
        assert "nput should" not in str(caught.value)


def test_the_next_step_names_the_file(tmp_path: Path) -> None:
    """Who checks a file of his own is told how to check that one again, not the system's."""
    file = write(tmp_path, "area = 3")
    with pytest.raises(SettingsError) as caught:
        load_strict(file, (), {})
    assert caught.value.hint.endswith(f"gateway config check --config {file}")


@pytest.mark.parametrize(
    ("sets", "environ", "where"),
    [
        (["cameras.0.fps=900"], {}, "--set: cameras.0.fps"),
        ([], {"GATEWAY_BROKER__KEEPALIVE_S": "1"}, "environment GATEWAY_BROKER__KEEPALIVE_S"),
        ([], {"GATEWAY_CAMERAS": "no json"}, "environment"),
        (["nothing"], {}, "there is no '='"),
        (["cameras.7.fps=2"], {}, "no such place"),
    ],
)
def test_the_culprit_is_named(sets: list[str], environ: dict[str, str], where: str) -> None:
    """A complaint says whether the value came from the command line or from the environment."""
    with pytest.raises(SettingsError) as caught:
        load(None, sets, environ)
    assert where in str(caught.value)


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    """A missing file is told when it was named; without a name, defaults are in force."""
    with pytest.raises(SettingsError, match="no such file"):
        load(tmp_path / "absent.toml", [f"store.dir={tmp_path}"], {})


def test_unknown_environment_is_told() -> None:
    """A misspelt GATEWAY_ variable is a warning, not silence."""
    assert load(None, (), {"GATEWAY_BROKR__URL": "x"}).warnings == [
        "environment: GATEWAY_BROKR__URL is no setting and is ignored"
    ]


def polygon(corners: int) -> list[list[float]]:
    """Return a regular polygon."""
    turns = [2 * math.pi * number / corners for number in range(corners)]
    return [[0.5 + 0.4 * math.cos(turn), 0.5 + 0.4 * math.sin(turn)] for turn in turns]


@pytest.mark.parametrize(
    ("camera", "allowed"),
    [
        ({"masks": [polygon(5000)]}, "fewer corners"),
        ({"masks": [polygon(3)] * 65}, "at most 64"),
        ({"zones": [{"id": f"zone-{number}"} for number in range(65)]}, "at most 64"),
    ],
)
def test_what_would_not_reach_the_eye_is_refused(tmp_path: Path, camera: dict[str, Any], allowed: str) -> None:
    """More zones and masks than a packet to the camera's process holds are refused, with what is allowed."""
    with pytest.raises(SettingsError, match=allowed):
        load(write(tmp_path, ""), [f"store.dir={tmp_path}", f"cameras={json.dumps([camera])}".replace(": ", "=")], {})


def test_a_folder_that_may_not_be_entered_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A default file that may not be looked at is no absent one: its settings must not be passed over in silence."""
    monkeypatch.setattr("gateway.configuration.loading.DEFAULT_FILE", tmp_path / ("x" * 300) / "gateway.toml")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_strict(None, (), {})


def test_of_very_many_complaints_the_first_are_told(tmp_path: Path) -> None:
    """A file in which everything is wrong is told in some lines, not in a message that no broker would take."""
    zones = "".join(f'[[cameras.zones]]\nid = "zone-{number}"\npurpose = "none"\n' for number in range(60))
    with pytest.raises(SettingsError) as caught:
        load_strict(write(tmp_path, "[[cameras]]\n" + zones), (), {})
    lines = str(caught.value).splitlines()
    assert len(lines) == MOST + 1
    assert lines[-1] == f"and {60 - MOST} more"


def test_brackets_beyond_reason_are_no_crash(tmp_path: Path) -> None:
    """A file that nests deeper than the parser can follow is a complaint like any other."""
    with pytest.raises(SettingsError, match="not valid TOML"):
        load_strict(write(tmp_path, "x = " + "[" * 50_000), (), {})


def test_a_password_is_not_repeated(tmp_path: Path) -> None:
    """A password in the broker's URL is refused and does not stand in the complaint, which goes into logs."""
    with pytest.raises(SettingsError) as caught:
        load_strict(write(tmp_path, '[broker]\nurl = "mqtt://user:secret@host"\n'), (), {})
    assert "broker.url" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        '[broker]\nurl = "mqtt://user:hun/ter2@host"',
        '[broker]\nurl = "mqtt://user:hun@ter2@host"',
        'cameras = ["rtsp://user:hun/ter2@host/live"]',
        *(
            f'[[cameras]]\nsource = "{source}"\nfps = 1\nstall_s = 0.5'
            for source in ("rtsp://user:hun/ter2@host", "rtsp://user:hun@ter2@host", "rtsp://host/?user=a&pw=ter2")
        ),
    ],
)
def test_no_password_is_repeated_however_it_is_written(tmp_path: Path, text: str) -> None:
    """A complaint about an address, or about the camera that it belongs to, names its host and not its password."""
    with pytest.raises(SettingsError) as caught:
        load_strict(write(tmp_path, text), (), {})
    assert "host" in str(caught.value).removeprefix(str(tmp_path))
    assert not any(secret in str(caught.value) for secret in ("ter2", "hun"))


def test_a_camera_must_have_time_for_its_pictures(tmp_path: Path) -> None:
    """A deadline shorter than two pictures would call every slow camera hung, for ever: it is refused."""
    with pytest.raises(SettingsError, match="allowed is stall_s from 2"):
        load_strict(write(tmp_path, "[[cameras]]\nfps = 1\nstall_s = 1.5\n"), (), {})
    assert load_strict(write(tmp_path, "[[cameras]]\nfps = 1\nstall_s = 2\n"), (), {}).settings.cameras[0].fps == 1
