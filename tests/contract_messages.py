"""Messages as the daemon makes them, for tests of the contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gateway.device import heartbeat as reports
from gateway.device.health import Facts
from gateway.wire.draft import Draft, Rank, uuid7
from gateway.wire.message import Address, Message, Moment, make_message

TREE = Path(__file__).parent.parent
ADDRESS = Address("old-town", "10000000abcdef01")
NOW = Moment(wall=1795478400.25, synced=True, mono=3471.6, boot="5d1c8f00")
EPOCH = "9c21d04e"
ID = uuid7(1795478400000, bytes(10))
EPISODE = uuid7(1795478300000, bytes(10))
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0" + bytes(100) + b"\xff\xd9"


def made(kind: str, body: dict[str, Any], seq: int = 1, *, compress: bool = True, **fields: Any) -> Message:
    """A message as the daemon makes it."""
    usual: dict[str, Any] = {"rank": Rank.START, "camera": "cam0", "mono": 3471.5, "episode": EPISODE, "id": ID}
    draft = Draft(**usual | {"kind": kind, "body": body} | fields)
    return make_message(draft, ADDRESS, EPOCH, seq, NOW, compress=compress)


def start(seq: int = 1, *, compress: bool = True) -> Message:
    """The start of an episode."""
    body = {
        "phase": "start",
        "started": 3471.0,
        "duration": 0.5,
        "zones": [{"id": "all", "purpose": "general"}],
        "box": [0.1, 0.2, 0.3, 0.4],
        "score": 0.8,
    }
    return made("motion", body, seq, compress=compress, phase="start", subject="all")


def picture(seq: int = 1) -> Message:
    """An episode's picture."""
    body = {"mono": 3471.5, "box": [0.1, 0.2, 0.3, 0.4], "crop": [0.0, 0.1, 0.5, 0.6]}
    return made("media", body, seq, rank=Rank.PICTURE, picture=JPEG)


REPORTS: dict[str, Any] = {
    "up/status": reports.status("online", "0f3a9c21", wall=NOW.wall),
    "up/info": reports.info(
        software="0.1.0",
        facts=Facts(),
        cameras=[{"name": "cam0", "source": "street", "zones": [{"id": "all", "purpose": "general"}]}],
        capabilities=["motion"],
        boot=NOW.boot,
    ),
    "up/heartbeat": reports.heartbeat(
        number=1,
        session="0f3a9c21",
        wall=NOW.wall,
        boot=NOW.boot,
        mono=NOW.mono,
        synced=True,
        up=1.0,
        temperature_c=None,
        memory_mb=None,
        disk_mb=1,
        fps={"cam0": 9.9},
        waiting=reports.Waiting(),
        dropped=0,
        connections=1,
    ),
    "up/health": reports.health(wall=NOW.wall, facts=Facts(), problems=[], outbox={}, link={}, cameras={}),
    "up/clock": reports.clock([reports.boot_offset(NOW.boot, wall=NOW.wall, mono=NOW.mono, synced=True)]),
    "up/gap": {"v": 1, "epoch": EPOCH, "lanes": {"event": {"void": [[3, 9]], "evicted": []}}},
    "up/config": {"v": 1, "revision": "0123456789ab", "in_force": "defaults", "errors": []},
    "up/camera/cam0": reports.camera("ok", motion=False, since=NOW.wall),
    "down/cmd/ping": {"id": "0f3a9c21-0000-4000-8000-000000000001", "not_after": NOW.wall, "args": {}, "by": "anna"},
    "down/config": {"v": 1, "broker": {"first_connect_spread_s": 300, "reconnect_spread_s": 600.0}},
    "down/ack": {"epoch": EPOCH, "lanes": {"alarm": {"upto": 17, "missing": [[3, 5]]}, "event": {"upto": 0}}},
}
