"""What is known of the clocks of boots is not lost with a store, nor with the memory in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.daemon.condition import note_boot
from gateway.uplink import beside
from gateway.uplink.fallback import CardOrMemory
from gateway.uplink.outbox import Outbox
from gateway.uplink.room import Kept
from tests.salvaging import salvaged, with_alarms

pytestmark = pytest.mark.usefixtures("tidy")


def test_the_clock_of_a_boot_moves_from_memory_to_the_card(memory: Path) -> None:
    """A card that could not be used at the start, when the clock was set: what was seen then can still be dated."""
    path = memory / "outbox.db"
    before = Outbox.open(path, 8 << 20, 0)
    before.remember("an earlier boot", 5.0, 6.0)
    before.remember("this boot", 7.0, 8.0)
    before.close()
    card = CardOrMemory(str(path), 8 << 20, 0, Kept())
    busy = Outbox.open(path, 8 << 20, 0)
    kept = card.use()
    assert kept.path == beside.MEMORY
    kept.remember("this boot", None)
    kept.remember("next boot", 9.0, 10.0)
    busy.close()
    card._reopen_at = 0.0
    back = card.use()
    assert back.path == str(path)
    assert [(each["boot"], each["offset"]) for each in back.boots()] == [
        ("an earlier boot", 5.0),
        ("this boot", 7.0),
        ("next boot", 9.0),
    ]
    back.close()


def test_a_restart_without_a_time_server_forgets_no_clock(memory: Path) -> None:
    """The same boot, and nobody keeps the clock right any more: what came before it was set can still be dated."""
    outbox, _ = with_alarms(memory / "outbox.db", 1)
    note_boot(outbox, "00000b00")
    assert outbox.boots() == [{"boot": "00000b00", "offset": None, "since": None}]
    outbox.remember("00000b00", 1_700_000_000.5, 1_700_000_100.0)
    known = outbox.boots()
    note_boot(outbox, "00000b00")
    assert outbox.boots() == known
    outbox.close()


def test_salvage_brings_the_clocks_of_boots_along(memory: Path) -> None:
    """What a damaged store knew of earlier boots dates the messages saved from it; what the fresh one knows stands."""
    path = memory / "outbox.db"
    old, _ = with_alarms(path, 1)
    for number in range(70):
        old.remember(f"{number:08x}", float(number), 1.6e9)
    old.remember("0000cafe", None)
    old.close()
    beside.set_aside(path, "damaged")
    fresh = Outbox.open(path, 8 << 20, 0)
    note_boot(fresh, "0000cafe")
    fresh.remember("0000cafe", 9.5, 1.7e9)
    salvaged(fresh)
    boots = fresh.boots()
    assert len(boots) == 64
    assert boots[-1] == {"boot": "0000cafe", "offset": 9.5, "since": 1.7e9}
    assert boots[-2] == {"boot": f"{69:08x}", "offset": 69.0, "since": 1.6e9}
    fresh.remember("0000beef", None)
    assert [boot["boot"] for boot in fresh.boots()[-2:]] == ["0000cafe", "0000beef"]
    fresh.close()
