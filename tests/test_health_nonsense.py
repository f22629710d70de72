"""Health on files that are absent, of nonsense, or no files: unknown, never an error."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from gateway.device.health import Facts, parse
from gateway.device.problems import problems
from gateway.device.readings import FILES, FOLDERS, Readings, collect
from tests.device_facts import codes, facts_of
from tests.device_trees import MACHINES, TIMESYNC, WIFI, four, plant


def test_nothing_at_all(tmp_path: Path) -> None:
    """An empty root gives facts that are all unknown, and no fault."""
    facts = parse(collect(tmp_path / "absent", tmp_path / "absent" / "store", lambda: None))
    assert facts == Facts()
    assert codes(facts) == []


@pytest.mark.parametrize("machine", MACHINES)
def test_each_file_may_be_absent(tmp_path: Path, machine: str) -> None:
    """Whichever file is missing, the facts that stand in others stay the same and nothing is raised."""
    whole = dict(MACHINES[machine]())
    expected = facts_of(tmp_path / "whole", whole)
    changed = set()
    for number, name in enumerate(whole):
        facts = facts_of(tmp_path / str(number), {key: text for key, text in whole.items() if key != name})
        differing = {each.name for each in fields(Facts) if getattr(facts, each.name) != getattr(expected, each.name)}
        assert len(differing) <= 8, (name, differing)
        changed |= differing
    assert {"memory_total_mb", "uptime_s", "load", "boot"} <= changed  # the control: a missing file is noticed


@pytest.mark.parametrize("content", [b"", b"\0", b"\xff\xfe", b"-", b"0x", b"9" * 100_000, b"nan inf", b"\n" * 9])
def test_nonsense_in_every_file(tmp_path: Path, content: bytes) -> None:
    """Whatever stands in the files, reading them raises nothing."""
    root = plant(tmp_path, four() | WIFI | TIMESYNC)
    for path in root.rglob("*"):
        if path.is_file():
            path.write_bytes(content)
    facts = parse(collect(root, root, lambda: None))
    assert facts.load is None
    assert facts.temperature_c is None
    problems(facts)


def test_folders_in_place_of_files(tmp_path: Path) -> None:
    """A folder or an unreadable file where a file is expected is unknown, not an error."""
    for name in FILES.values():
        (tmp_path / name).mkdir(parents=True)
    for pattern, leaves in FOLDERS.values():
        (tmp_path / pattern.replace("*", "0") / leaves[0]).mkdir(parents=True)
    facts = parse(collect(tmp_path, tmp_path, lambda: None))
    assert (facts.model, facts.load, facts.temperature_c, facts.ext4_errors) == (None, None, None, None)


@settings(max_examples=200, deadline=None)
@given(
    files=st.dictionaries(st.sampled_from(sorted(FILES)), st.none() | st.text(max_size=200)),
    folders=st.dictionaries(
        st.sampled_from(sorted(FOLDERS)),
        st.lists(
            st.dictionaries(
                st.sampled_from(sorted({leaf for _, leaves in FOLDERS.values() for leaf in leaves})),
                st.none() | st.text(max_size=20) | st.integers().map(str) | st.integers().map(hex),
            ).map(lambda texts: texts | {"folder": "x0"}),
            max_size=3,
        ),
    ),
)
def test_parse_understands_or_leaves_unknown(
    files: dict[str, str | None], folders: dict[str, list[dict[str, str | None]]]
) -> None:
    """No text that a kernel could write makes the parser fail, and what it gives can be judged."""
    problems(parse(Readings(files=files, folders=folders, store="/x")))
