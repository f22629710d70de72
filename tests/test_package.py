"""The Debian package as a file: what is in it, whom it depends on, that the same commit gives the same bytes.

Installing it is tested in a booted Debian 13 (test_rig_package.py). Built once for all tests here; about half a minute.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TREE = Path(__file__).parent.parent
VERSION = "0.1.0~test"
TOOLS = ("dh", "dh_python3", "lintian", "dpkg-buildpackage")
missing = [tool for tool in TOOLS if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(
    bool(missing), reason=f"no {', '.join(missing)} (apt: debhelper dh-python lintian; scripts/build-deb installs them)"
)


def build(folder: Path, *options: str, umask: int = 0o022) -> Path:
    """Build the package; return it."""
    command = [str(TREE / "scripts/build-deb"), *options, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, umask=umask)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, which lintian had nothing to say against."""
    return build(tmp_path_factory.mktemp("package"), "--version", VERSION)


@pytest.fixture(scope="module")
def unpacked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its files."""
    folder = tmp_path_factory.mktemp("unpacked")
    subprocess.run(["dpkg-deb", "--extract", str(package), str(folder)], check=True)
    return folder


def field(package: Path, name: str) -> str:
    """Return one field of its control file."""
    return subprocess.run(
        ["dpkg-deb", "--field", str(package), name], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_the_same_commit_gives_the_same_bytes(package: Path, tmp_path: Path) -> None:
    """A second build, under another umask, is the same to the last byte."""
    again = build(tmp_path, "--no-lintian", "--version", VERSION, umask=0o077)
    assert again.read_bytes() == package.read_bytes()


def test_depends_on_debians_packages(package: Path) -> None:
    """Every dependency of the project is a package of Debian's; the camera port is recommended."""
    depends = field(package, "Depends")
    for name in ("numpy", "opencv", "paho-mqtt", "pydantic-settings"):
        assert f"python3-{name} (>=" in depends
    assert "python3-picamera2" in field(package, "Recommends")
    assert field(package, "Architecture") == "all"
    declared = re.findall(r'^    "([a-z0-9-]+)>=', (TREE / "pyproject.toml").read_text(), re.MULTILINE)
    assert len(declared) >= 4
    for name in declared[:4]:
        assert f"python3-{name.removesuffix('-python-headless')}" in depends, name


def test_has_all_modules_and_nothing_else(unpacked: Path) -> None:
    """Every module of the tree is packed, no test and no compiled file."""
    share = unpacked / "usr/share/camera-gateway" / VERSION
    ours = {Path("whole")} | {
        path.relative_to(TREE) for path in (TREE / "gateway").rglob("*") if path.is_file() and path.suffix != ".pyc"
    }
    theirs = {path.relative_to(share) for path in share.rglob("*") if path.is_file()}
    assert theirs == ours


def test_its_command_runs_from_anywhere(unpacked: Path, tmp_path: Path) -> None:
    """The folder one stands in cannot take the place of the package's modules, as `sudo gateway` would run them."""
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway/__init__.py").write_text("raise SystemExit('a stranger was run')")
    (tmp_path / "gateway/__main__.py").write_text("")
    script = (unpacked / "usr/bin/gateway").read_text()
    here = tmp_path / "command"
    place = str(unpacked / "usr/share/camera-gateway")
    here.write_text(script.replace("/usr/share/camera-gateway", place).replace("/usr/bin/python3", sys.executable))
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}

    def version(text: str) -> str:
        here.write_text(text)
        command = ["sh", str(here), "--version"]
        done = subprocess.run(command, check=False, cwd=tmp_path, env=environ, capture_output=True, text=True)
        return done.stdout + done.stderr

    told = here.read_text()
    assert version(told).startswith("gateway 0")
    assert "a stranger was run" in version(told.replace("PYTHONSAFEPATH=1", ""))  # the control


def test_installs_what_the_system_needs(unpacked: Path) -> None:
    """Unit, user, modes, reboot rule, clock floor and what two system slots share are where they belong."""
    for place, source in {
        "usr/lib/systemd/system/camera-gateway.service": "systemd/camera-gateway.service",
        "usr/lib/sysusers.d/camera-gateway.conf": "systemd/camera-gateway.sysusers",
        "usr/lib/tmpfiles.d/camera-gateway.conf": "systemd/camera-gateway.tmpfiles",
        "usr/share/polkit-1/rules.d/50-camera-gateway.rules": "systemd/camera-gateway.rules",
        "etc/camera-gateway/gateway.toml": "config/gateway.toml",
        "usr/share/doc/camera-gateway/examples/gateway.toml": "config/gateway.toml",
    }.items():
        assert (unpacked / place).read_bytes() == (TREE / source).read_bytes()
    shared = (unpacked / "etc/rpi-image-gen/slot-shared.d/camera-gateway.conf").read_text()
    assert "\nPath=/var/lib/camera-gateway\n" in shared
    epoch = (unpacked / "usr/lib/clock-epoch").stat().st_mtime
    when = subprocess.run(
        ["git", "-C", str(TREE), "log", "-1", "--format=%ct"], check=True, capture_output=True, text=True
    )
    assert epoch == int(os.environ.get("SOURCE_DATE_EPOCH") or when.stdout)


def test_the_manual_names_files_that_are_there(unpacked: Path) -> None:
    """What the manual page lists below /usr is in the package under that name."""
    named = re.findall(r"^\.I (/usr/\S+)", (TREE / "scripts/deb/gateway.1").read_text(), re.MULTILINE)
    assert len(named) >= 2
    for path in named:
        assert (unpacked / path.removeprefix("/")).is_file(), path


def test_configuration_is_the_administrators(package: Path) -> None:
    """The configuration is a conffile: dpkg asks before it touches a changed one."""
    listed = subprocess.run(
        ["dpkg-deb", "--info", str(package), "conffiles"], check=True, capture_output=True, text=True
    ).stdout.split()
    assert "/etc/camera-gateway/gateway.toml" in listed


def commands() -> dict[str, str]:
    """Return all commands with their help, as the parser tells them."""

    def told(*words: str) -> str:
        command = [sys.executable, "-m", "gateway", *words, "--help"]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=TREE).stdout

    names = re.findall(r"^    ([a-z]+)  ", told(), re.MULTILINE)
    assert len(names) >= 7
    return {name: told(name) for name in names}


def test_the_manual_names_every_command_and_option(unpacked: Path) -> None:
    """No command and no long option is missing in the manual page."""
    page = (TREE / "scripts/deb/gateway.1").read_text().replace("\\-", "-")
    assert (unpacked / "usr/share/man/man1/gateway.1.gz").exists()
    for name, told in commands().items():
        assert re.search(rf"^\.(B|BR|BI) \"?{name}\b", page, re.MULTILINE), name
        for option in re.findall(r"--[a-z]+", told):
            assert option in page, f"{name} {option}"


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("gateway ", {"run", "selftest", "outbox", "config", "--version"}),
        ("gateway outbox ", {"status", "list", "export", "--config"}),
        ("gateway replay --ev", {"--events"}),
        ("gateway sel", {"selftest"}),
    ],
)
def test_completes(unpacked: Path, typed: str, offered: set[str]) -> None:
    """Bash offers the commands, their words and their options."""
    words = typed.split(" ")
    script = (
        f"source {unpacked}/usr/share/bash-completion/completions/gateway; complete() {{ :; }}; "
        f"COMP_WORDS=({' '.join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}; "
        'COMPREPLY=(); _gateway; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True)
    assert offered <= set(done.stdout.split()), done.stdout + done.stderr
