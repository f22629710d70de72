"""The scripts of a fresh clone: pins that fit, scripts that parse, complaints that say what to do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TREE = Path(__file__).parents[1]
SCRIPTS = sorted(path for path in (TREE / "scripts").iterdir() if path.is_file() and path.suffix in {"", ".sh"})
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([0-9][A-Za-z0-9.+]*)$")
EXTRAS = ("demo", "test", "check")


def pins(text: str) -> dict[str, str]:
    """Return the versions in a requirements file, by normal name; a line that is no exact pin is an error."""
    found: dict[str, str] = {}
    for line in filter(None, (line.partition("#")[0].strip() for line in text.splitlines())):
        match = PIN.match(line)
        assert match, f"not an exact pin: {line}"
        found[canonicalize_name(match[1])] = match[2]
    return found


def misfits(wanted: Sequence[str], pinned: Mapping[str, str]) -> list[str]:
    """Return the requirements that the pins do not meet."""
    bad = []
    for text in wanted:
        need = Requirement(text)
        if need.marker is not None and not need.marker.evaluate({"extra": ""}):
            continue
        version = pinned.get(canonicalize_name(need.name))
        if version is None or not need.specifier.contains(version, prereleases=True):
            bad.append(f"{text} (pinned: {version})")
    return bad


def project() -> list[str]:
    """Return what pyproject.toml asks for in development."""
    table = tomllib.loads((TREE / "pyproject.toml").read_text())["project"]
    return [*table["dependencies"], *(need for extra in EXTRAS for need in table["optional-dependencies"][extra])]


PINNED = pins((TREE / "scripts" / "requirements.txt").read_text())


def test_pins_meet_what_the_project_asks_for() -> None:
    """Every requirement of the project and of its extras is pinned to a version that it allows."""
    assert misfits(project(), PINNED) == []


def test_pins_are_complete() -> None:
    """What a pinned package needs is pinned, too: an installation never chooses a version by itself."""
    missing: list[str] = []
    for name in PINNED:
        try:
            missing += misfits(requires(name) or [], PINNED)
        except PackageNotFoundError:
            pytest.skip(f"{name} is not installed: this is not the environment of scripts/test")
    assert missing == []


@pytest.mark.parametrize(
    "needs",
    [["numpy>=99"], ["not-pinned"], ["numpy>=1.26,<2"]],
    ids=["too old", "absent", "too new"],
)
def test_pins_that_do_not_fit_are_noticed(needs: list[str]) -> None:
    """The control: a pin outside of what is asked for, or one that is not there, is told."""
    assert len(misfits(needs, PINNED)) == 1


@pytest.mark.parametrize("line", ["numpy>=2", "numpy", "numpy @ file:///tmp/x.whl", "--extra-index-url somewhere"])
def test_only_exact_pins_stand_in_the_file(line: str) -> None:
    """The control: a range, a name, a file or a host is no pin."""
    with pytest.raises(AssertionError, match="not an exact pin"):
        pins(line)


@pytest.mark.parametrize("script", [*SCRIPTS, TREE / ".ci" / "run"], ids=lambda path: path.name)
def test_script_parses_and_stops_at_errors(script: Path) -> None:
    """bash understands it; it can be executed and stops at the first error, unless it is only sourced."""
    subprocess.run(["bash", "-n", script], check=True)
    if script.suffix != ".sh":
        assert os.access(script, os.X_OK)
        assert "set -euo pipefail" in script.read_text()


@pytest.fixture
def bare_clone() -> Iterator[Path]:
    """A tree with scripts and without .venv, which anybody may write; a folder that pytest makes is root's alone."""
    folder = Path(tempfile.mkdtemp(prefix="gateway-scripts-"))
    shutil.copytree(TREE / "scripts", folder / "scripts")
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def run_as_nobody(command: list[str | Path], **environ: str) -> subprocess.CompletedProcess[str]:
    """Run without root's rights, so that nothing is installed on this computer."""
    prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"] if os.getuid() == 0 else []
    env = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"} | environ
    return subprocess.run([*prefix, *command], env=env, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("script", ["demo", "test", "check"])
def test_without_python_the_command_for_an_administrator_is_printed(bare_clone: Path, script: str) -> None:
    """Where no Python can be had, the script says what is missing, prints the exact command, and exits with 3."""
    ran = run_as_nobody([bare_clone / "scripts" / script], PYTHON="python3.99")
    assert ran.returncode == 3, ran.stderr
    assert "apt-get install -y python3.99 python3.99-venv" in ran.stderr
    assert not (bare_clone / ".venv").exists()


def test_without_apt_the_command_for_mosquitto_is_printed(bare_clone: Path) -> None:
    """Without root, apt and mosquitto, the missing thing and the command are named, and the exit code is 3."""
    tools = bare_clone / "bin"
    tools.mkdir(mode=0o777)
    for name in ("bash", "mkdir", "flock", "id", "dirname", "tail"):
        (tools / name).symlink_to(shutil.which(name) or name)
    script = f'source "{bare_clone}/scripts/lib.sh"; PATH={tools}; set -euo pipefail; need_mosquitto'
    ran = run_as_nobody(["/bin/bash", "-c", script])
    assert ran.returncode == 3, ran.stderr
    assert "apt-get install -y mosquitto" in ran.stderr


def test_unknown_benchmark_is_refused_with_the_list() -> None:
    """A misspelt name is told, and what there is; no name at all is a question, not an error."""
    wrong = subprocess.run([TREE / "scripts" / "bench", "no-such"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "no benchmark 'no-such'" in wrong.stderr
    assert subprocess.run([TREE / "scripts" / "bench"], capture_output=True, check=False).returncode == 0


def test_the_oldest_versions_are_the_lower_bounds() -> None:
    """`--oldest` pins what the project depends on at its lower bounds, and leaves everything else as it is pinned."""
    script = TREE / "scripts" / "oldest.py"
    printed = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout.splitlines()
    pinned = (TREE / "scripts" / "requirements.txt").read_text().splitlines()
    changed = [new for new, old in zip(printed, pinned, strict=True) if new != old]
    asked = tomllib.loads((TREE / "pyproject.toml").read_text())["project"]["dependencies"]
    assert sorted(changed) == sorted(re.sub(r">=([0-9.]+),.*", r"==\1.*", text) for text in asked)
