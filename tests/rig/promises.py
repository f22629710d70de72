"""What a machine has promised and what the centre has: in every rig, what was committed must arrive."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gateway.wire.message import inflate
from tests.mosquitto import wait_for

if TYPE_CHECKING:
    from tests.mosquitto import Sniffer
    from tests.rig.debian import Debian


def arrived(centre: Sniffer) -> set[tuple[str, str]]:
    """Lane and number of each event and picture that the centre has; a picture says them in its comment."""
    found = set()
    for topic, payload, _, _ in list(centre.seen):
        if "/up/event/" in topic:
            event = inflate(payload)
            found.add((str(event["lane"]), str(int(event["sequence"]))))
        elif "/up/media/" in topic:
            told = payload[payload.index(b"{") : payload.index(b"}") + 1]
            about: dict[str, Any] = json.loads(told)
            found.add((str(about["lane"]), str(about["seq"])))
    return found


def some_wait(machine: Debian, at_least: int = 3) -> set[tuple[str, str]]:
    """Wait until something was committed for the centre; return it."""
    wait_for(lambda: len(machine.waiting()) >= at_least, "messages that wait", 2 * machine.patience)
    return machine.waiting()


def all_arrive(centre: Sniffer, promised: set[tuple[str, str]], seconds: float = 90.0) -> None:
    """Wait until the centre has what was promised."""
    wait_for(lambda: promised <= arrived(centre), f"{len(promised)} committed messages at the centre", seconds)


def info(centre: Sniffer) -> bytes:
    """What was last said on up/info."""
    said = centre.payloads("/up/info")
    return said[-1] if said else b""
