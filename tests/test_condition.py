"""How the device is, as the daemon sees it: what the store must know of the clock it knows in the end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway.daemon.condition import NOTE_SECONDS, Condition
from gateway.errors import StoreError
from gateway.uplink.outbox import Outbox
from gateway.uplink.spool import Spool
from tests.mosquitto import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

BOOT = "0000cafe"


@pytest.fixture
def spool(memory: Path) -> Iterator[Spool]:
    """A store in use."""
    found = Spool(memory / "outbox.db", 8 << 20, 0)
    found.start()
    assert found.wait_ready(10.0)
    yield found
    assert found.stop(10.0)


def offsets(spool: Spool) -> dict[str, float | None]:
    """Return what the store knows of boots."""
    return {each["boot"]: each["offset"] for each in spool.status()["boots"]}


def test_a_clock_that_the_store_could_not_note_is_noted_later(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once is not enough on a card that fails just then: else nobody could date what this boot has seen."""
    condition = Condition(Path("/"), Path("/"), 0, BOOT, spool)
    condition.synced = True
    failed: list[bool] = []

    def fails(*_given: Any, **_named: Any) -> None:
        failed.append(True)
        raise StoreError("an input/output error", "")

    with monkeypatch.context() as broken:
        broken.setattr(Outbox, "remember", fails)
        condition._note_clock(100.0)
        wait_for(lambda: failed, "the card to fail")
    condition._note_clock(100.0 + NOTE_SECONDS)
    wait_for(lambda: BOOT in offsets(spool), "the boot to be noted")
    found = offsets(spool)[BOOT]
    assert found is not None
    assert abs(found - (time.time() - time.monotonic())) < 1.0


def test_a_clock_is_noted_once_and_when_it_changes(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each note is a commit: a clock that is right is noted when that is known, and again only when it was set."""
    asked: list[float | None] = []
    remember = Outbox.remember

    def watch(outbox: Outbox, boot: str, offset: float | None, since: float | None = None) -> None:
        asked.append(offset)
        remember(outbox, boot, offset, since)

    monkeypatch.setattr(Outbox, "remember", watch)
    condition = Condition(Path("/"), Path("/"), 0, BOOT, spool)
    condition._note_clock(100.0)
    wait_for(lambda: offsets(spool) == {BOOT: None}, "the boot to be noted")
    condition._note_clock(100.0 + 2 * NOTE_SECONDS)
    condition.synced = True
    for _ in range(3):
        condition._note_clock(101.0 + 2 * NOTE_SECONDS)
        wait_for(lambda: offsets(spool)[BOOT] is not None, "the offset to be noted")
    condition.synced = False
    condition._note_clock(100.0 + 4 * NOTE_SECONDS)
    done: list[bool] = []
    spool.call(lambda _outbox: done.append(True))
    wait_for(lambda: done, "the store to have done all")
    assert [offset is None for offset in asked] == [True, False]
