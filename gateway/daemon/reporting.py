"""What the device says of itself, and when: heartbeat, health, cameras, clock, gaps, configuration.

Builds payloads with device/heartbeat.py and hands them to the link, which publishes the latest of each topic after
every connection. Not here: events (they go through the store), how the device is (condition.py). Runs on the daemon's
main thread.
"""

from __future__ import annotations

import logging
import random
import time
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from gateway import __version__
from gateway.camera.opening import describe
from gateway.daemon.camera_reports import CameraReports
from gateway.device import heartbeat
from gateway.device.faults import Fault
from gateway.wire.message import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.configuration.loading import Loaded
    from gateway.daemon.budget import Budget
    from gateway.daemon.condition import Condition
    from gateway.recovery.eyes import Eye
    from gateway.recovery.linkage import Linkage
    from gateway.recovery.reboot import Reboot
    from gateway.uplink.link import Link
    from gateway.uplink.spool import Spool
    from gateway.wire.message import Address
    from gateway.wire.payloads import BootOffset, ConfigReport

log = logging.getLogger(__name__)

HEALTH_SECONDS = 3.0
"""A change is told in up/health at most so often."""
ELSEWHERE = frozenset({"gaps", "gap_notes", "boots"})
"""Of the store's status: what has a topic of its own."""
CAPABILITIES = ("motion", "stationary", "view", "masks", "zones", "commands", "ack", "spread")


class Reports:
    """Everything but events."""

    def __init__(
        self,
        loaded: Loaded,
        address: Address,
        boot: str,
        link: Link,
        spool: Spool,
        eyes: Sequence[Eye],
        budget: Budget,
        reboot: Reboot,
        linkage: Linkage,
        condition: Condition,
        *,
        last_exit: str = "",
    ) -> None:
        self._loaded = loaded
        self._address = address
        self._boot = boot
        self._link = link
        self._spool = spool
        self._eyes = eyes
        self._budget = budget
        self._reboot = reboot
        self._linkage = linkage
        self._last_exit = last_exit
        self._condition = condition
        self._now_store: dict[str, Any] = {}
        self._now_link: dict[str, Any] = {}
        self._started = time.monotonic()
        self._beats = 0
        self._beat_due = 0.0
        self._health_due = 0.0
        self._health_again = 0.0
        self._told_codes: list[str] = []
        self._told_news: list[Any] = []
        self._told_link: tuple[bool, str | None] = (False, None)
        self._told_volatile = False
        self._cameras = CameraReports(self._say)
        self._boots: list[BootOffset] = []
        self._gap: dict[str, Any] = {}
        broker = loaded.settings.broker
        self.spread = (broker.first_connect_spread_s, broker.reconnect_spread_s)
        """Over how many seconds connections are spread, as it is in force."""
        self.wish_refused = ""
        """Why the last down/config was not carried out."""
        self.ack_refused = ""
        """Why the last down/ack could not be read."""

    @property
    def synced(self) -> bool:
        """Whether the wall clock is synchronised."""
        return self._condition.synced

    def begin(self) -> None:
        """Say who we are and what is in force."""
        self.look()
        self._condition.tick(time.monotonic())
        self.say_who()
        self.say_config()

    def say_config(self) -> None:
        """Say which configuration is in force, and what of it the centre has set."""
        first, reconnect = self.spread
        report: ConfigReport = {
            "v": 1,
            "revision": self._loaded.revision,
            "in_force": self._loaded.in_force,
            "errors": self._loaded.errors,
            "broker": {"first_connect_spread_s": first, "reconnect_spread_s": reconnect},
        }
        if self.wish_refused:
            report["refused"] = self.wish_refused
        self._say("up/config", report)

    def rebirth(self) -> None:
        """Say everything anew, as after a start."""
        self._cameras.forget()
        self._boots = []
        self._gap = {}
        self._health_due = 0.0
        self.begin()

    def say_who(self) -> None:
        """Say what this device is."""
        settings = self._loaded.settings
        self._say(
            "up/info",
            heartbeat.info(
                software=__version__,
                facts=self._condition.facts,
                cameras=[
                    {
                        "name": camera.name,
                        "source": describe(camera.source),
                        "zones": [{"id": zone.id, "purpose": zone.purpose} for zone in camera.zones],
                    }
                    for camera in settings.cameras
                ],
                capabilities=CAPABILITIES,
                boot=self._boot,
                last_exit=self._last_exit,
            ),
        )

    def tick(self, now: float, codes: list[str], dropped: int) -> None:
        """Say what is due.

        Args:
            now: monotonic clock in seconds.
            codes: the faults that are open.
            dropped: drafts that the daemon itself had to drop since its start.
        """
        self._condition.tick(now)
        self._store_news()
        for eye in self._eyes:
            self._cameras.look(eye, now)
        if now >= self._beat_due:
            self._beat_due = heartbeat.next_due(now, self._loaded.settings.report.heartbeat_s, random.random())
            self._beat(dropped)
        cameras = [(eye.known.state, eye.known.code, eye.restarts, eye.ladder.steps) for eye in self._eyes]
        news = [codes, deepcopy(cameras), self._link_news(), self.ack_refused]
        if now >= self._health_due or (news != self._told_news and now >= self._health_again):
            self._told_news = news
            self._health_again = now + HEALTH_SECONDS
            self._health_due = now + self._loaded.settings.report.health_s
            self._told_codes = list(codes)
            self._say("up/health", self._health())

    def _link_news(self) -> tuple[bool, str | None]:
        """Return whether there is a link, and why not; log when that changes."""
        link = self._now_link
        news = (bool(link["connected"]), link["problem"])
        if news != self._told_link:
            self._told_link = news
            if news[0]:
                log.info("connected to %s", self._loaded.settings.broker.url)
            elif news[1]:
                log.warning("%s: %s; %s", self._loaded.settings.broker.url, news[1], link["hint"])
        return news

    def line(self) -> str:
        """Return in a line how we are, for `systemctl status`: cameras, link, and each fault that these hide."""
        cameras = [
            f"{eye.name} {eye.known.state}" + (f" ({eye.known.code})" if eye.known.state == "off" else "")
            for eye in self._eyes
        ]
        link = self._now_link
        why = f" ({link['reason']})" if link["reason"] else ""
        parts = [*cameras, "link up" if link["connected"] else f"link down{why}"]
        if self._now_store.get("problem"):
            parts.append("store FAILED" + (": in memory only" if self._now_store.get("volatile") else ""))
        shown = {"gateway/store", *(f"{eye.name}/{eye.known.code}" for eye in self._eyes)}
        return ", ".join([*parts, *(code.removeprefix("gateway/") for code in self._told_codes if code not in shown)])

    def faults(self) -> dict[tuple[str, str], Fault]:
        """Return what is wrong now, by camera and code."""
        current: dict[tuple[str, str], Fault] = {}
        for eye in self._eyes:
            current.update(eye.current_faults(time.monotonic()))
        store = self._now_store
        if store.get("problem"):
            current["gateway", "store"] = Fault(str(store["problem"]), str(store.get("hint") or ""))
        return current | self._condition.faults(self._told_codes)

    def look(self) -> dict[str, Any]:
        """Ask store and link how they are: once a round, before anything else is asked here; return the link's."""
        self._now_store = self._spool.status()
        self._now_link = self._link.status()
        return self._now_link

    def status(self, codes: list[str], dropped: Mapping[str, int]) -> dict[str, Any]:
        """Return everything for whoever asks on the control socket."""
        self.look()
        return {
            "summary": self.line(),
            "gateway": self._address.gateway,
            "area": self._address.area,
            "software": __version__,
            "up_s": round(time.monotonic() - self._started, 1),
            "last_exit": self._last_exit,
            "config": {
                "revision": self._loaded.revision,
                "in_force": self._loaded.in_force,
                "errors": self._loaded.errors,
            },
            "dropped": dict(dropped),
            "cameras": {eye.name: eye.known.in_words() for eye in self._eyes},
            "health": self._health() | {"problems": sorted({*codes, *self._quiet()}), "outbox": self._now_store},
        }

    def _quiet(self) -> list[str]:
        """Codes of problems that are no fault events."""
        return [*self._condition.quiet, *(["gateway/ack-unreadable"] if self.ack_refused else [])]

    def _say(self, topic: str, payload: Mapping[str, Any]) -> None:
        self._link.say(topic, plain(payload))

    def _store_news(self) -> None:
        """Publish boots and gaps when the store knows other ones than were said; log when it is given up, and back."""
        store = self._now_store
        if (volatile := bool(store["volatile"])) != self._told_volatile:
            self._told_volatile = volatile
            if volatile:
                text = "the store cannot be used: %s; events, and what must survive a restart, are only in memory; %s"
                log.warning(text, store["problem"], store["hint"])
            else:
                log.info("the store is in use again: %s", store["path"])
        boots = store.get("boots")
        if boots and boots != self._boots:
            self._boots = boots
            self._say("up/clock", heartbeat.clock(boots))
        gap = {"v": 1, "epoch": store["epoch"], "lanes": store["gaps"]} | store["gap_notes"]
        if store["epoch"] and gap != self._gap:
            self._gap = gap
            self._say("up/gap", gap)

    def _beat(self, dropped: int) -> None:
        self._beats += 1
        store = self._now_store
        link = self._now_link
        beat = heartbeat.heartbeat(
            number=self._beats,
            session=str(link.get("session") or ""),
            wall=time.time(),
            boot=self._boot,
            mono=time.monotonic(),
            synced=self._condition.synced,
            up=time.monotonic() - self._started,
            temperature_c=self._condition.facts.temperature_c,
            memory_mb=self._condition.facts.memory_available_mb,
            disk_mb=self._condition.facts.disk_free_mb,
            fps={eye.name: float(eye.known.beat.get("fps", 0.0)) for eye in self._eyes},
            shed=1.0 - self._condition.share,
            waiting=heartbeat.Waiting(
                store.get("rows", 0), store.get("bytes", 0), store.get("oldest_s") or 0.0, store.get("dead", 0)
            ),
            dropped=dropped + sum(eye.known.lost for eye in self._eyes) + sum(store.get("dropped", {}).values()),
            connections=link.get("connects", 0),
        )
        self._link.beat("up/heartbeat", plain(dict(beat)))

    def _health(self) -> dict[str, Any]:
        return dict(
            heartbeat.health(
                wall=time.time(),
                facts=self._condition.facts,
                problems=[*self._told_codes, *self._quiet()],
                outbox={name: said for name, said in self._now_store.items() if name not in ELSEWHERE},
                link=self._now_link
                | {"budget": self._budget.status(), "recovery": self._linkage.status(time.monotonic())}
                | {"ack_refused": self.ack_refused},
                cameras={eye.name: eye.facts() for eye in self._eyes},
                recovery=self._reboot.status(),
                rate_share=self._condition.share,
            )
        )
