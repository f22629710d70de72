"""Stores full of alarms, and what is salvaged of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.uplink.outbox import Outbox
from gateway.uplink.salvage import Salvage
from gateway.wire.draft import Rank
from tests.conftest import everything, message

if TYPE_CHECKING:
    from pathlib import Path


def with_alarms(path: Path, count: int = 100) -> tuple[Outbox, set[str]]:
    """Return a store with so many alarms that nobody has heard, and their ids."""
    outbox = Outbox.open(path, 8 << 20, 0)
    made = [message(Rank.ALARM, seq, epoch=outbox.epoch) for seq in outbox.reserve("alarm", count)]
    outbox.put(made)
    return outbox, {each.id for each in made}


def salvaged(outbox: Outbox) -> set[str]:
    """Salvage what was set aside; return the ids of what waits then."""
    assert outbox.past.set_aside is not None, "nothing is to be salvaged"
    salvage = Salvage(outbox.past.set_aside)
    while salvage.step(outbox) is not None:
        pass
    salvage.close()
    return {each.id for each in everything(outbox, "saved")}
