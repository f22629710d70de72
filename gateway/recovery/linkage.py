"""Looks after the link: what is tried beside connecting again when the broker stays out of reach.

    reconnect           the link's own attempts, with their jitter: nothing here hurries a whole city
    re-resolve          cached names are forgotten; each attempt asks for the broker's name anew in any case
    restart-interface   the network interface that the settings name is activated anew, by NetworkManager or networkd
    reboot              the device is restarted, where the settings allow it for the link too

A broker that answers and refuses is no fault of this device's network: then only the first is of use. Not here: the
link itself (uplink/link.py), when which step is due (ladder.py). Runs on the daemon's main thread and never waits.
"""

from __future__ import annotations

import logging
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.recovery.ladder import Ladder, Rung
from gateway.recovery.launch import Errand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.recovery.reboot import Reboot

log = logging.getLogger(__name__)

OUT_OF_REACH = frozenset({"dns", "timeout", "network"})
"""Reasons (uplink/reasons.py) that this device's own network may be to blame for."""
STEADY_SECONDS = 60.0
SPREAD = 0.5
"""Deadlines are up to so much longer, by chance: ten thousand gateways whose broker is gone must not climb in step."""
LONGEST_DELAY = 1.5
"""Of the spread: no delay before an attempt is longer (uplink/backoff.py)."""
NETWORK_MANAGER, NETWORKD = "run/NetworkManager", "run/systemd/netif"


def rungs(reboot_after: float, factor: float = 1.0) -> tuple[Rung, ...]:
    """Return the link's ladder, all its times multiplied by `factor`; rebooted for it is after so many seconds."""
    return (
        Rung("reconnect", deadline=300.0 * factor, an_hour=12, again=True),
        Rung("re-resolve", deadline=300.0 * factor, an_hour=4),
        Rung("restart-interface", deadline=300.0 * factor, tries=2, an_hour=2),
        Rung("reboot", deadline=300.0 * factor, an_hour=1, after=reboot_after * factor),
    )


class Linkage:
    """See the module."""

    def __init__(
        self,
        reboot: Reboot,
        reboot_after: float,
        interface: str,
        *,
        root: Path = Path("/"),
        factor: float | None = None,
    ) -> None:
        """Take what may be done.

        Args:
            reboot: asks for reboots.
            reboot_after: seconds without a link after which one is asked for; 0: never.
            interface: name of the network interface that may be restarted; empty: none.
            root: where /run is, which tells who manages the network.
            factor: of all times; None: by chance, see SPREAD.
        """
        self.spread = 0.0
        """Over how many seconds connections are spread, which the centre may set: so long nothing may be attempted."""
        self._reboot = reboot
        self._factor = 1.0 + SPREAD * random.random() if factor is None else factor
        self._reboot_after = reboot_after
        self._interface = interface
        self._root = root
        self.ladder = Ladder(rungs(reboot_after, self._factor), STEADY_SECONDS)
        self._errand: Errand | None = None
        self._problem = ""

    def tick(self, link: Mapping[str, Any], now: float) -> None:
        """Take what the link says of itself (Link.status), and do what is due. `now` on the monotonic clock."""
        if self._errand is not None and (said := self._errand.result) is not None:
            self._problem = said
            if said:
                log.warning("%s: %s", self._errand.name, said)
            self._errand = None
        reason = "" if link["connected"] else str(link["reason"] or "")
        step = self.ladder.see(reason, now, self._useful(reason, now))
        if not step:
            return
        if step != "reconnect":
            log.warning("the link is down (%s): recovery takes the step %s", reason, step)
        match step:
            case "re-resolve":
                self._errand = Errand(["resolvectl", "flush-caches"], optional=True)
            case "restart-interface":
                self._errand = Errand(self._restart())
            case "reboot":
                self._reboot.ask(f"link: {reason}: {link['problem']}")

    def status(self, now: float) -> dict[str, Any]:
        """Return what up/health says of it. `now` on the monotonic clock."""
        return self.ladder.status(now) | {"interface": self._interface, "problem": self._problem}

    def _useful(self, reason: str, now: float) -> set[str]:
        useful = {"reconnect"}
        if reason not in OUT_OF_REACH:
            return useful
        if self._errand is None:
            useful.add("re-resolve")
            if self._interface and self._restart():
                useful.add("restart-interface")
        if self._reboot_after and self._reboot.possible and self._tried_in_vain(now):
            useful.add("reboot")  # also when a tool hangs: that is what a reboot ends
        return useful

    def _tried_in_vain(self, now: float) -> bool:
        """Whether the time that counts towards a reboot has passed since a spread can have delayed an attempt."""
        since = self.ladder.since()
        patience = LONGEST_DELAY * self.spread + self._reboot_after * self._factor
        return since is not None and now - since >= patience

    def _restart(self) -> list[str]:
        """The command that activates the interface anew; nothing where nobody is known to manage it.

        Both tools ask a daemon over D-Bus, and the package's polkit rule lets our user do that. Neither takes the
        interface down for good when it fails in the middle.
        """
        try:
            if (self._root / NETWORK_MANAGER).exists():
                return ["nmcli", "--wait", "60", "device", "connect", self._interface]
            if (self._root / NETWORKD).exists():
                return ["networkctl", "reconfigure", self._interface]
        except OSError:
            pass
        return []
