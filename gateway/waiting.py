"""`gateway outbox status|list|export`: what waits for the centre.

The running daemon is asked through its socket, page by page; when none runs the store itself is read. Nothing is
changed either way. Not here: the store (uplink/outbox.py), the daemon's answer (daemon/answers.py). Runs in the command
line's process.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

from gateway.control import SOCKET_NAME, NotRunning, ask
from gateway.errors import GatewayError
from gateway.uplink.outbox import Outbox
from gateway.uplink.rows import STREAMS
from gateway.wire.message import inflate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.configuration.settings import Settings
    from gateway.uplink.rows import Stream
    from gateway.wire.message import Message

PAGE_BYTES = 64 * 1024
PAGE_ROWS = 50


def page_of(outbox: Outbox, stream: Stream, after: int) -> list[dict[str, Any]]:
    """Return the next messages of a stream as plain values; runs on whichever thread owns the outbox.

    A page ends after PAGE_ROWS or when it has passed PAGE_BYTES: it must fit the control socket's buffer.
    """
    page: list[dict[str, Any]] = []
    size = 0
    for place, message in outbox.pending(stream, after, PAGE_ROWS):
        size += len(message.payload)
        if page and size > PAGE_BYTES:
            break
        page.append(_as_values(stream, place, message))
    return page


def _as_values(stream: Stream, place: int, message: Message) -> dict[str, Any]:
    return {
        "stream": stream,
        "place": place,
        "epoch": message.epoch,
        "seq": message.seq,
        "id": message.id,
        "rank": int(message.rank),
        "topic": message.topic,
        "wall": message.wall,
        "payload": base64.b64encode(message.payload).decode(),
    }


def status(settings: Settings) -> int:
    """Print the counts of the store; return the exit code."""
    try:
        found = dict(_ask(settings, {"ask": "status"})["health"]["outbox"])
    except NotRunning:
        with closing(_open(settings)) as outbox:
            found = outbox.counts() | {"epoch": outbox.epoch, "path": outbox.path, "gaps": outbox.gaps()}
            found["gap_notes"] = outbox.gap_notes()
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return 0


def show(settings: Settings) -> int:
    """Print a line for each message that waits, in the order of urgency; return the exit code."""
    now, waits = time.time(), False
    for row in _rows(settings):
        waits = True
        length = len(base64.b64decode(row["payload"]))
        sys.stdout.write(
            f"{row['stream']:<6} {row['seq']:>8}  rank {row['rank']}  {max(0.0, now - row['wall']):>8.0f} s old  "
            f"{length:>6} bytes  {row['topic']}\n"
        )
    if not waits:
        sys.stderr.write("gateway: nothing waits for the centre\n")
    return 0


def export(settings: Settings, folder: Path) -> int:
    """Write what waits into a folder: events into events.jsonl, a line each, pictures as JPEG; return the exit code.

    Raises:
        GatewayError: the folder cannot be written.
    """
    events = pictures = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "events.jsonl").open("w", encoding="utf-8") as out:
            for row in _rows(settings):
                payload = base64.b64decode(row["payload"])
                if payload[:2] == b"\xff\xd8":
                    (folder / f"{row['epoch']}-{row['seq']:012d}.jpg").write_bytes(payload)
                    pictures += 1
                else:
                    out.write(json.dumps(inflate(payload), ensure_ascii=False) + "\n")
                    events += 1
    except OSError as error:
        raise GatewayError(f"{folder}: cannot be written: {error.strerror}", "name another folder") from None
    sys.stdout.write(
        f"{events} events and {pictures} pictures written to {folder}; nothing was removed from the store\n"
    )
    return 0


def _ask(settings: Settings, request: dict[str, Any]) -> dict[str, Any]:
    answer = ask(settings.runtime_dir / SOCKET_NAME, request)
    if "error" in answer:
        raise GatewayError(f"the running gateway cannot answer: {answer['error']}", "see: gateway outbox status")
    return answer


def _open(settings: Settings) -> Outbox:
    """Open the store to look into it: it is left as it was found, also when it is damaged."""
    path = settings.store.dir / "outbox.db"
    return Outbox.open(path, cap_bytes=settings.store.cap_mb * 1_000_000, min_free=0, as_it_is=True)


def _rows(settings: Settings) -> Iterator[dict[str, Any]]:
    """Yield all messages that wait, from the daemon or from the store."""
    try:
        _ask(settings, {"ask": "outbox-page", "stream": "alarm", "after": 0})
    except NotRunning:
        with closing(_open(settings)) as outbox:
            for stream in STREAMS:
                after = 0
                while page := page_of(outbox, stream, after):
                    yield from page
                    after = page[-1]["place"]
        return
    for stream in STREAMS:
        after = 0
        while page := _ask(settings, {"ask": "outbox-page", "stream": stream, "after": after})["page"]:
            yield from page
            after = page[-1]["place"]
