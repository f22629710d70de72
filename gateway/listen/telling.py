"""What a message says, in a line for people; one that is broken is told as broken, with its reason.

The decoder is the wire room's own. Not here: where messages come from (live.py, lines.py), whether they keep to the
contract in every field (contract/check.py). Pure; raises nothing for whatever comes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from gateway.logs import printable
from gateway.wire.message import inflate, plain, read_label

ROOT = ["citycam", "v1"]
SHORT = 6
"""Last digits of an episode's id that stand in a line: enough to see what belongs together."""
LONGEST = 200
"""Characters of what has no words of its own."""


@dataclass(frozen=True, slots=True)
class Told:
    """A message that was read."""

    who: str
    """area/gateway; empty: the topic is none of ours."""
    channel: str
    """What follows in the topic, without `up/`; the whole topic where it is none of ours."""
    size: int
    """Bytes of the payload as it came."""
    said: dict[str, Any]
    """The object in it; of a picture its label; empty where it is broken, or nothing was said."""
    broken: str
    """Why it cannot be read; empty: it can."""

    def words(self) -> str:
        """Return what it says, in print."""
        if self.broken:
            return printable(f"BROKEN: {self.broken}")
        if not self.size:
            return "(empty: what the broker kept is taken back)"
        try:
            return printable(_words(self.channel.split("/"), self.said, self.size))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            return printable(f"BROKEN: not what the contract says: {type(error).__name__}: {error}")


def read(payload: bytes) -> dict[str, Any]:
    """Return the object in a payload: of an event, deflated or not; of a state or a command; of a picture its label.

    Raises:
        ValueError: it is none; says why.
    """
    try:
        return read_label(payload) if payload[:2] == b"\xff\xd8" else inflate(payload)
    except RecursionError as error:
        raise ValueError("brackets are nested beyond reason") from error


def in_print(found: dict[str, Any]) -> str:
    """Return an object as JSON in print: what a terminal would obey JSON allows as it is, and has escapes for."""
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in plain(found).decode())


def tell(topic: str, payload: bytes) -> Told:
    """Return what a message says."""
    parts = topic.split("/")
    ours = parts[:2] == ROOT and len(parts) > 5
    who = "/".join(parts[2:4]) if ours else ""
    channel = "/".join(parts[4:]).removeprefix("up/") if ours else topic
    said, broken = {}, ""
    if payload:
        try:
            said = read(payload)
        except ValueError as error:
            broken = f"{error} ({payload[:8].hex(' ')})"
    return Told(who, channel, len(payload), said, broken)


def _words(channel: list[str], said: dict[str, Any], size: int) -> str:  # noqa: C901, PLR0911 (a line for each kind)
    match channel:
        case ["event", kind, _]:
            return f"{_event(kind, said['data'])}; {_number(said)}"
        case ["media", _, episode]:
            return f"picture, {size / 1000:.1f} kB{_simulated(said)}; #{episode[-SHORT:]}, media {int(said['seq'])}"
        case ["reply", _]:
            data = said["data"]
            why = "".join(f", {data[name]}" for name in ("code", "message") if name in data and data["code"] != "ok")
            return f"{data['command']} {data['status']}{why}; {_number(said)}"
        case ["status"]:
            return f"{said['state']}{_because(said.get('reason'))}"
        case ["heartbeat"]:
            return _heartbeat(said)
        case ["health"]:
            return ", ".join(map(str, said["problems"])) or "no problems"
        case ["camera", _]:
            moving = ", something moves" if said["motion"] else ""
            return f"{said['state']}{moving}{_because(said.get('reason'))}{_simulated(said)}"
        case ["config"]:
            refused = f"; down/config refused: {said['refused']}" if "refused" in said else ""
            errors = "".join(f"; {each}" for each in said["errors"])
            return f"revision {said['revision']}, in force: {said['in_force']}{errors}{refused}"
        case ["info"]:
            cameras = ", ".join(f"{each['name']} ({each['source']})" for each in said["cameras"])
            ended = f"; the last run ended: {said['last_exit']}" if said.get("last_exit") else ""
            return f"{said['software']} on {said['model']}, cameras {cameras}{ended}"
        case ["gap"]:
            return _gaps(said) or "no gaps"
        case _:
            return json.dumps(said, separators=(",", ":"), ensure_ascii=False)[:LONGEST]


def _event(kind: str, data: dict[str, Any]) -> str:
    zones = ", ".join(str(zone["id"]) for zone in data.get("zones", [])) or "no zone"
    began = {"start": " began", "end": " is over"}.get(data.get("phase", ""), "")
    match kind:
        case "motion":
            outcome = f", {data['outcome']}" if "outcome" in data else ""
            text = f"{data['phase']} in {zones}, {float(data['duration']):.1f} s{outcome}"
        case "stationary":
            text = f"something came and stays in {zones}"
        case "view":
            text = f"the picture is {data['state']}{' now' if data['phase'] == 'end' else ''}"
        case "health":
            text = f"{data['code']}{began}: {data['message']}"
        case "storm":
            text = f"{int(data['episodes'])} episodes in {zones} within {float(data['duration']):.0f} s, summed up"
        case _:
            text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)[:LONGEST]
    return text + _simulated(data)


def _number(said: dict[str, Any]) -> str:
    alarm = "ALARM, " if said["lane"] == "alarm" else ""
    return f"{alarm}{said['severitytext']}, #{said['correlationid'][-SHORT:]}, {said['lane']} {int(said['sequence'])}"


def _heartbeat(said: dict[str, Any]) -> str:
    waiting, _, oldest, _ = said["out"]
    rates = ", ".join(f"{name} {float(rate):.1f} fps" for name, rate in said["fps"].items())
    heat = f", {said['temp']} °C" if said["temp"] is not None else ""
    waits = f", {waiting} wait for up to {oldest} s" if waiting else ""
    dropped = f", {said['drop']} dropped" if said["drop"] else ""
    clock = "" if said["synced"] else ", clock not synchronised"
    return f"up {said['up']} s, {rates}{heat}{waits}{dropped}{clock}"


def _gaps(said: dict[str, Any]) -> str:
    found = []
    for name, causes in said["lanes"].items():
        for why, ranges in causes.items():
            numbers = ", ".join(f"{first}-{last}" if first != last else f"{first}" for first, last in ranges[:5])
            more = f" and {len(ranges) - 5} more" if len(ranges) > 5 else ""
            found.append(f"{name} {why} {numbers}{more}")
    if said.get("former"):
        found.append(f"former epochs: {', '.join(str(each['epoch']) for each in said['former'])}")
    return "; ".join(found)


def _because(reason: object) -> str:
    return f": {reason}" if reason else ""


def _simulated(said: dict[str, Any]) -> str:
    return " (simulated)" if said.get("simulated") else ""
