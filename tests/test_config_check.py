"""What `gateway config check` and `config show` say: what can be used, what will hardly work, and no password."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import EX_CONFIG, main
from tests.configurations import SAMPLE, write


def test_config_check_exits_with_78(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`gateway config check` exits with 78, says what is wrong, and what to do next."""
    assert main(["config", "check", "--config", str(write(tmp_path, 'area = "X"'))]) == EX_CONFIG
    said = capsys.readouterr().err
    assert "area" in said
    assert "what to do" in said


def test_config_show_and_schema(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`config show` prints TOML with the changes in force, `config schema` a JSON schema."""
    assert main(["config", "show", "--set", "area=north"]) == 0
    shown: dict[str, Any] = tomllib.loads(capsys.readouterr().out)
    assert shown["area"] == "north"
    assert main(["config", "schema"]) == 0
    assert "cameras" in json.loads(capsys.readouterr().out)["properties"]


def test_check_says_what_will_hardly_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that are not there, an unknown source and a relative store are warnings; a good file has none (control)."""
    for key in [key for key in os.environ if key.startswith("GATEWAY_")]:  # those that choose tests are no settings
        monkeypatch.delenv(key)
    text = '[store]\ndir = "state"\n[[cameras]]\nsource = "streets"\nmask_file = "/absent/mask.png"\n'
    assert main(["config", "check", "--config", str(write(tmp_path, text))]) == 0
    said = capsys.readouterr().err
    assert all(word in said for word in ("streets (did you mean street?)", "/absent/mask.png", "relative"))
    good = 'area = "north"\n[[cameras]]\nmasks = [[[0.0, 0.0], [0.2, 0.0], [0.2, 0.2]]]\n'
    assert main(["config", "check", "--config", str(write(tmp_path, good))]) == 0
    assert capsys.readouterr().err == ""


def test_check_says_what_the_sample_leaves_open(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who changes nothing is told that the device is in no area, and that whole pictures leave it."""
    for key in [key for key in os.environ if key.startswith("GATEWAY_")]:
        monkeypatch.delenv(key)
    assert main(["config", "check", "--config", str(SAMPLE)]) == 0
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "area: unassigned" in said[0]
    assert "cameras.0.masks: no privacy masks: whole pictures leave" in said[1]


def test_check_says_what_it_has_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check names the file that can be used; without one it says that the defaults are in force."""
    file = write(tmp_path, 'area = "north"')
    assert main(["config", "check", "--config", str(file)]) == 0
    assert capsys.readouterr().out.startswith(f"{file} can be used: revision ")
    monkeypatch.setattr("gateway.configuration.loading.DEFAULT_FILE", tmp_path / "absent.toml")
    assert main(["config", "check"]) == 0
    assert f"there is no {tmp_path}/absent.toml: the defaults are in force" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--config", "--set"])
def test_an_option_before_the_command_is_told_its_place(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`gateway --config FILE config check` is wrong usage and says what is right, not that FILE is no command."""
    with pytest.raises(SystemExit) as left:
        main([option, "x", "config", "check"])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert "gateway config check --config FILE" in said
    assert "invalid choice" not in said


def test_check_shows_no_password(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The check's summary, which goes into tickets, names a camera's address without user and password."""
    text = '[[cameras]]\nsource = "rtsp://operator:hunter2@10.0.0.7/live"\n'
    assert main(["config", "check", "--config", str(write(tmp_path, text))]) == 0
    said = capsys.readouterr()
    assert "10.0.0.7" in said.out
    assert "hunter2" not in said.out + said.err


def test_show_shows_no_password(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What `config show` prints goes into tickets, too: cameras' addresses stand without passwords, and it says so."""
    text = '[[cameras]]\nsource = "rtsp://operator:hunter2@10.0.0.7/live"\n'
    assert main(["config", "show", "--config", str(write(tmp_path, text))]) == 0
    said = capsys.readouterr()
    assert tomllib.loads(said.out)["cameras"][0]["source"] == "rtsp://10.0.0.7/live"
    assert "hunter2" not in said.out + said.err
    assert "left out" in said.err
    assert main(["config", "show", "--set", "cameras.0.source=street?seed=3"]) == 0  # the control: nothing to hide
    said = capsys.readouterr()
    assert tomllib.loads(said.out)["cameras"][0]["source"] == "street?seed=3"
    assert "left out" not in said.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('username = "gw"', "broker.username: "),
        ('password_file = "{}/secret"', "broker.password_file: not used"),
        ('username = "gw"\npassword_file = "{}/empty"', "its first line is empty"),
        ('username = "gw"\npassword_file = "{}/secret"', ""),
    ],
    ids=["no password", "no name", "empty", "control"],
)
def test_check_says_which_half_of_a_name_and_password_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    """A name without a password, a password without a name, and an empty one are told before the broker refuses."""
    (tmp_path / "secret").write_text("hunter2\n", encoding="utf-8")
    (tmp_path / "empty").write_text("\nhunter2\n", encoding="utf-8")
    assert main(["config", "check", "--config", str(write(tmp_path, f"[broker]\n{text.format(tmp_path)}\n"))]) == 0
    said = capsys.readouterr().err
    assert words in said
    assert ("broker." in said) == bool(words)
    assert "hunter2" not in said


def test_check_looks_for_a_device_that_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A camera's device that is not there is a warning: a cable may be missing, or the number be another."""
    text = '[[cameras]]\nsource = "/dev/video77"\n'
    assert main(["config", "check", "--config", str(write(tmp_path, text))]) == 0
    assert "cameras.0.source: there is no device /dev/video77" in capsys.readouterr().err


def test_check_refuses_what_run_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A password file that cannot be read fails the check as it would fail the start."""
    text = '[broker]\npassword_file = "/absent/password"\n'
    assert main(["config", "check", "--config", str(write(tmp_path, text))]) == EX_CONFIG
    assert "/absent/password" in capsys.readouterr().err
