"""The configuration: order of sources, the sample, the last good one, and the commands that show and check it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway.cli import EX_CONFIG, main
from gateway.configuration.credentials import broker_of
from gateway.configuration.loading import LAST_GOOD, as_toml, keep_as_last_good, load, load_strict
from gateway.configuration.settings import CAMERA_BYTES, BrokerSettings, CameraSettings, Settings, ZoneSettings
from gateway.contract.check import validate
from gateway.errors import SettingsError
from gateway.events.episode import Episodes
from gateway.eye.pipeline import make_zones
from gateway.motion import Box, Motion, Track
from gateway.wire.draft import PACKET_BYTES, pack_draft, uuid7
from gateway.wire.message import Address, Moment, make_message
from tests.configurations import SAMPLE, write


def test_sample_equals_defaults() -> None:
    """The commented sample, loaded, is exactly the code's defaults."""
    assert load_strict(SAMPLE, (), {}).settings == Settings()


def test_a_changed_sample_would_be_noticed(tmp_path: Path) -> None:
    """The comparison with the defaults fails when one value of the sample differs (control)."""
    text = SAMPLE.read_text(encoding="utf-8").replace("keepalive_s = 20", "keepalive_s = 21")
    assert load_strict(write(tmp_path, text), (), {}).settings != Settings()


@pytest.mark.parametrize("model", [Settings, BrokerSettings, CameraSettings, ZoneSettings])
def test_sample_names_every_key(model: type[BaseModel]) -> None:
    """Every key that can be set stands in the sample, at least commented out."""
    text = SAMPLE.read_text(encoding="utf-8")
    missing = [
        name
        for name in model.model_fields
        if f"\n{name} = " not in text and f"# {name} = " not in text and f"{name}]" not in text
    ]
    assert missing == []


def test_sources_rise_in_order(tmp_path: Path) -> None:
    """The command line beats the environment, which beats the file, key by key."""
    file = write(tmp_path, 'area = "from-file"\nid = "from-file"\n[broker]\nkeepalive_s = 30\ninflight = 5\n')
    environ = {"GATEWAY_ID": "from-env", "GATEWAY_BROKER__KEEPALIVE_S": "40"}
    settings = load(file, ["broker.keepalive_s=50"], environ).settings
    assert (settings.area, settings.id, settings.broker.keepalive_s, settings.broker.inflight) == (
        "from-file",
        "from-env",
        50,
        5,
    )


def test_written_configuration_reads_back(tmp_path: Path) -> None:
    """What `config show` prints can be read again and means the same."""
    settings = load(None, ["cameras.0.source=street", "cameras.0.masks=[[[0,0],[1,0],[1,1]]]"], {}).settings
    assert load(write(tmp_path, as_toml(settings)), (), {}).settings == settings


def test_a_broken_file_falls_back_on_the_last_good(tmp_path: Path) -> None:
    """A wrong configuration never silences a corner: the last good one is in force, and the errors are told."""
    good = load(None, [f"store.dir={tmp_path}", "area=north"], {}).settings
    keep_as_last_good(good)
    file = write(tmp_path, f'area = "BAD"\n[store]\ndir = "{tmp_path}"\n')
    loaded = load(file, (), {})
    assert loaded.settings == good
    assert loaded.in_force == "last-good"
    assert '"BAD"' in loaded.errors[0]


@pytest.mark.parametrize("url", ["mqtt://127.0.0.1:18833x", "mqtt://h:70000", "mqtt://h:0"])
def test_a_port_that_is_none_falls_back_on_the_last_good(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    """A broker's port that cannot be used is a mistake of the file: 78 for the check, the last good one for the run."""
    good = load(None, [f"store.dir={tmp_path}", "broker.url=mqtt://127.0.0.1:1883"], {}).settings
    keep_as_last_good(good)
    file = write(tmp_path, f'[broker]\nurl = "{url}"\n[store]\ndir = "{tmp_path}"\n')
    loaded = load(file, (), {}, must=lambda settings: broker_of(settings.broker))
    assert (loaded.in_force, loaded.settings) == ("last-good", good)
    assert main(["config", "check", "--config", str(file)]) == EX_CONFIG
    said = capsys.readouterr().err
    assert all(word in said for word in (str(file), "broker.url", url, "1 to 65535"))


def test_a_password_file_that_is_gone_falls_back_on_the_last_good(tmp_path: Path) -> None:
    """What the daemon could not run on, though each value is allowed, is replaced by the last good one, too."""
    good = load(None, [f"store.dir={tmp_path}"], {}).settings
    keep_as_last_good(good)
    file = write(tmp_path, f'[broker]\npassword_file = "{tmp_path}/pasword"\n[store]\ndir = "{tmp_path}"\n')
    loaded = load(file, (), {}, must=lambda settings: broker_of(settings.broker))
    assert loaded.settings == good
    assert loaded.in_force == "last-good"
    assert f"{tmp_path}/pasword cannot be read" in loaded.errors[0]
    keep_as_last_good(load(file, (), {}).settings)  # the control: without another one it is refused
    with pytest.raises(SettingsError, match="pasword"):
        load(file, (), {}, must=lambda settings: broker_of(settings.broker))


def test_brackets_beyond_reason_fall_back_on_the_last_good(tmp_path: Path) -> None:
    """A file that nests deeper than the parser can follow is replaced like any other that is broken."""
    good = load(None, [f"store.dir={tmp_path}"], {}).settings
    keep_as_last_good(good)
    loaded = load(write(tmp_path, "x = " + "[" * 50_000), (), {"STATE_DIRECTORY": str(tmp_path)})
    assert (loaded.in_force, loaded.settings) == ("last-good", good)


@pytest.mark.parametrize(
    "text",
    [
        'area = north\n[store]\n# on a stick\ncap_mb = 64\ndir = "{}"  # its own\n[report]\n',
        "[store]\ndir = '{}'\n[[cameras]\nfps = 3\n",
    ],
)
def test_a_typing_error_does_not_hide_a_store_of_its_own(tmp_path: Path, text: str) -> None:
    """What is no TOML still says where its store is, and the last good configuration that is kept there."""
    good = load(None, [f"store.dir={tmp_path}"], {}).settings
    keep_as_last_good(good)
    loaded = load(write(tmp_path, text.format(tmp_path)), (), {})
    assert (loaded.in_force, loaded.settings) == ("last-good", good)
    with pytest.raises(SettingsError):  # the control: of another table it is not the store's
        load(write(tmp_path, f'x = [\n[store]\n[other]\ndir = "{tmp_path}"\n'), (), {"STATE_DIRECTORY": "/absent"})


@pytest.mark.parametrize(("kept", "why"), [(None, "is not there"), ("{", "cannot be used either")])
def test_where_the_last_good_was_looked_for_is_told(tmp_path: Path, kept: str | None, why: str) -> None:
    """Who is left without a configuration reads where the last good one was looked for, and how to point to it."""
    if kept is not None:
        (tmp_path / LAST_GOOD).write_text(kept, encoding="utf-8")
    with pytest.raises(SettingsError, match="not valid TOML") as caught:
        load(write(tmp_path, "area = "), (), {"STATE_DIRECTORY": str(tmp_path)})
    assert f"{tmp_path / LAST_GOOD}, {why}" in caught.value.hint
    assert "--set store.dir=DIR" in caught.value.hint


def test_a_damaged_last_good_is_not_used(tmp_path: Path) -> None:
    """A last good configuration that cannot be read does not hide the complaint about the file."""
    (tmp_path / LAST_GOOD).write_text("{", encoding="utf-8")
    with pytest.raises(SettingsError, match="area"):
        load(write(tmp_path, f'area = "BAD"\n[store]\ndir = "{tmp_path}"\n'), (), {})


def test_the_last_good_file_is_written_once(tmp_path: Path) -> None:
    """An unchanged configuration does not write to the card again."""
    settings = load(None, [f"store.dir={tmp_path}"], {}).settings
    keep_as_last_good(settings)
    before = (tmp_path / LAST_GOOD).stat().st_mtime_ns
    keep_as_last_good(settings)
    assert (tmp_path / LAST_GOOD).stat().st_mtime_ns == before


def test_revision_follows_the_content() -> None:
    """Equal settings have equal revisions, different ones differ."""
    first, same, other = (load(None, sets, {}).revision for sets in ([], [], ["area=x"]))
    assert first == same != other


def test_run_with_a_broken_file_exits_with_78(tmp_path: Path) -> None:
    """`gateway run` exits with 78 before a camera is touched when there is no last good configuration."""
    file = write(tmp_path, f'area = "X"\n[store]\ndir = "{tmp_path}"\n')
    assert main(["run", "--config", str(file)]) == EX_CONFIG


def test_the_largest_camera_fits_a_packet() -> None:
    """The longest settings of a camera that are allowed fit the packet that carries them to its process."""
    assert CAMERA_BYTES + 1024 <= PACKET_BYTES


def test_the_largest_event_fits_a_packet_and_the_contract() -> None:
    """An episode in as many zones as there may be, with the longest names, fits the packet between the processes."""
    named = [{"id": f"{number:02d}".ljust(64, "x"), "purpose": "no-stopping", "alarm": True} for number in range(64)]
    camera = CameraSettings.model_validate({"name": "c" * 64, "zones": named}).model_dump(mode="json")
    ids = itertools.count(1)
    episodes = Episodes(camera["name"], make_zones(camera), lambda _t: uuid7(next(ids), bytes(10)))
    track = Track(1, Box(0.4, 0.4, 0.1, 0.2), (0.0, 0.0), 1.0, seen=True, state="moving")
    (start,) = episodes.step(Motion(5.0, moving=True, score=0.1, tracks=(track,)), lambda _: True)
    (end,) = episodes.interrupt(9.0)
    for draft in (start, end):
        assert len(draft.body["zones"]) == 64
        assert len(pack_draft(draft)) < PACKET_BYTES
        message = make_message(
            draft, Address("a" * 64, "g" * 64), "0" * 8, 1, Moment(1e9, synced=True, mono=9.0, boot="0" * 8)
        )
        validate(message.topic, message.payload)


def test_a_file_from_a_windows_editor_can_be_used(tmp_path: Path) -> None:
    """The mark that some editors put before the first letter is passed over, also where the rest is no TOML."""
    file = tmp_path / "gateway.toml"
    file.write_bytes(b'\xef\xbb\xbfarea = "north"\r\n')
    assert load(file, (), {}).settings.area == "north"
    good = load(None, [f"store.dir={tmp_path}"], {}).settings
    keep_as_last_good(good)
    file.write_bytes(b'\xef\xbb\xbf[store]\r\ndir = "' + str(tmp_path).encode() + b'"\r\n[other]\r\nx = \r\n')
    assert load(file, (), {}).settings == good


def test_a_file_that_is_no_utf8_is_told_its_line(tmp_path: Path) -> None:
    """An accent in another encoding is named with its line, and what to do; positions in bytes help nobody."""
    file = tmp_path / "gateway.toml"
    file.write_bytes(b'# corner\narea = "north"\nid = "caf\xe9"\n')
    with pytest.raises(SettingsError, match=r"line 3 .*UTF-8") as caught:
        load_strict(file, (), {})
    assert "UTF-8" in caught.value.hint
