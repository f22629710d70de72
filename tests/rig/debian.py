"""What every Debian of the rigs can be asked, however it runs: in a container (machine.py) or as a guest (guest.py)."""

from __future__ import annotations

import json
from typing import Any

from tests.mosquitto import wait_for

UNIT = "camera-gateway"


class Debian:
    """A Debian that runs the package; a subclass says how a command gets into it."""

    name = ""
    code = 0
    """How the last command ended."""
    patience = 60.0
    """Seconds within which a service must come up."""

    def run(self, *command: str, check: bool = True, stdin: str | None = None, seconds: float = 120.0) -> str:
        """Run a command in it as root; return what it printed, errors too."""
        raise NotImplementedError

    def show(self, name: str, unit: str = UNIT) -> str:
        """Return one property of a unit."""
        return self.run("systemctl", "show", "--property", name, "--value", unit).strip()

    def journal(self, unit: str = UNIT) -> str:
        """Return what a unit has logged since boot."""
        return self.run("journalctl", "-b", "--no-pager", "-o", "cat", "-u", unit)

    def wait_active(self, not_pid: str = "0", seconds: float = 0.0) -> str:
        """Wait until the gateway runs, as another process than before; return its process id."""

        def active() -> bool:
            state, pid = self.show("ActiveState"), self.show("MainPID")
            return state == "active" and pid not in {"0", not_pid}

        wait_for(active, f"the gateway's service to run in {self.name}", seconds or self.patience)
        return self.show("MainPID")

    def waiting(self) -> set[tuple[str, str]]:
        """Lane and number of each message that was committed and waits."""
        found = (line.split() for line in self.run("gateway", "outbox", "list", check=False).splitlines())
        return {(words[0], words[1]) for words in found if len(words) > 3 and words[2] == "rank"}

    def status(self) -> dict[str, Any]:
        """What the daemon says of everything."""
        return dict(json.loads(self.run("gateway", "status")))
