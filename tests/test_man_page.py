"""The manual page tells a maintainer what every fault of a camera means, and names every command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.recovery.eyes import IN_THE_EYE

TREE = Path(__file__).parent.parent


def codes() -> set[str]:
    """Return the codes of faults that the daemon gives a camera itself, from its source, and those of the eyes."""
    text = (TREE / "gateway/recovery/eyes.py").read_text(encoding="utf-8")
    return set(re.findall(r'"((?:eye|camera)-[a-z]+)"', text)) | set(IN_THE_EYE)


def missing(page: str) -> set[str]:
    """Return the codes that a page does not explain."""
    return {code for code in codes() if code not in page}


def page() -> str:
    """Return the manual page without its hyphens' backslashes."""
    return (TREE / "scripts/deb/gateway.1").read_text(encoding="utf-8").replace("\\-", "-")


def test_every_fault_of_a_camera_is_explained() -> None:
    """A code that stands in up/camera or up/health stands in the manual page, with what is tried against it."""
    assert len(codes()) >= 9
    assert missing(page()) == set()


def test_control_a_code_that_is_left_out_is_noticed() -> None:
    """A page without one of the codes is noticed."""
    assert missing(page().replace("camera-flapping", "")) == {"camera-flapping"}


def test_every_command_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """What `gateway --help` lists has its entry in the manual page."""
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.findall(r"^    ([a-z-]+)  ", capsys.readouterr().out, re.MULTILINE)
    assert len(commands) >= 8
    named = set(re.findall(r"^\.BI?R? \"?([a-z-]+)", page(), re.MULTILINE))
    assert set(commands) - named == set()
