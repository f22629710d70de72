"""The contract as files for the centre's developer: schemas, AsyncAPI, dictionary, guide.

`scripts/contract` writes them to config/contract. Not here: what is said on which topic (topics.py), the guide's prose
(guide.py). Runs when the contract is written or tested.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.contract.guide import guide
from gateway.contract.topics import TOPICS, VERSION, Topic, schemas
from gateway.wire.dictionary import DICTIONARY
from gateway.wire.draft import Draft, Rank, uuid7
from gateway.wire.message import PICTURE_BYTES, Address, Message, Moment, inflate, make_message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = "citycam/v1/{area}/{gateway}"
FOLDER = Path("config/contract")
PARAMETERS = {
    "area": "District, as the centre named it",
    "gateway": "The device; also its MQTT client id and its certificate's common name",
    "camera": "The camera; `gateway` is the device itself",
    "episode": "The episode whose picture this is, `correlationid` of its events; or the command that asked for it",
    "command": "The command that is answered: its id",
    "name": "ping, snapshot, confirm-view, rebirth, restart, selftest or logs",
}


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document, seen from the gateway: up it sends, down it receives."""
    will = {"v": 1, "state": "offline", "session": "0f3a9c21"}
    return {
        "asyncapi": "3.0.0",
        "id": f"urn:citycam:contract:{VERSION}",
        "info": {
            "title": "Camera gateway",
            "version": f"{VERSION}.0.0",
            "description": "What a street corner's camera gateway tells the city's management centre. README.md"
            " beside this file says how to inflate, order and de-duplicate it, and how gaps are found.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "broker": {
                "host": "{broker}",
                "protocol": "secure-mqtt",
                "protocolVersion": "5.0",
                "description": "The city's broker. MQTT 3.1.1 and plain TCP work as well: no meaning lives only in"
                " properties of MQTT 5.",
                "variables": {"broker": {"description": "Host and port", "examples": ["broker.example:8883"]}},
                "security": [
                    {"$ref": "#/components/securitySchemes/certificate"},
                    {"$ref": "#/components/securitySchemes/password"},
                ],
                "bindings": {
                    "mqtt": {
                        "clientId": "{gateway}",
                        "lastWill": {
                            "topic": f"{ROOT}/up/status",
                            "qos": 1,
                            "retain": True,
                            "message": json.dumps(will, separators=(",", ":")),
                        },
                        "keepAlive": 20,
                        "bindingVersion": "0.2.0",
                    }
                },
            }
        },
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": {f"{_action(topic)}-{topic.name}": _operation(topic) for topic in TOPICS},
        "components": {
            "messages": {topic.name: _message(topic) for topic in TOPICS},
            "parameters": {name: {"description": text} for name, text in PARAMETERS.items()},
            "securitySchemes": {
                "certificate": {"type": "X509", "description": "Client certificate whose common name is the gateway"},
                "password": {"type": "userPassword"},
            },
        },
    }


def _channel(topic: Topic) -> dict[str, Any]:
    address = f"{ROOT}/{topic.address}"
    names = re.findall(r"\{(\w+)\}", address)
    return {
        "address": address,
        "summary": topic.summary,
        "parameters": {name: {"$ref": f"#/components/parameters/{name}"} for name in names},
        "messages": {topic.name: {"$ref": f"#/components/messages/{topic.name}"}},
    }


def _action(topic: Topic) -> str:
    return "receive" if topic.heard else "send"


def _operation(topic: Topic) -> dict[str, Any]:
    return {
        "action": _action(topic),
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "messages": [{"$ref": f"#/channels/{topic.name}/messages/{topic.name}"}],
        "bindings": {"mqtt": {"qos": topic.qos, "retain": topic.retain, "bindingVersion": "0.2.0"}},
    }


def _message(topic: Topic) -> dict[str, Any]:
    schema = {"$ref": f"./schemas/{topic.schema}.json"}
    message: dict[str, Any] = {"name": topic.name, "summary": topic.summary}
    if topic.content == "jpeg":
        return message | {
            "contentType": "image/jpeg",
            "description": f"At most {PICTURE_BYTES} bytes. Its first comment segment (COM) holds the label as JSON.",
            "payload": {"type": "string", "format": "binary", "maxLength": PICTURE_BYTES},
            "x-comment-segment": schema,
        }
    if topic.content == "event":
        return message | {
            "contentType": "application/cloudevents+json",
            "description": "Deflated (RFC 1950) with the preset dictionary dictionary.bin when the first byte is 0x78,"
            " as it is when the first byte is 0x7b.",
            "payload": schema,
        }
    return message | {"contentType": "application/json", "payload": schema}


def documents() -> dict[str, bytes]:
    """Return the contract's files, by their path below config/contract."""
    files = {f"schemas/{name}.json": _written(schema) for name, schema in schemas().items()}
    files["asyncapi.json"] = _written(asyncapi())
    files["dictionary.bin"] = DICTIONARY
    rows = [(topic.address, topic.qos, topic.retain, topic.schema, topic.summary) for topic in TOPICS]
    event = json.dumps(inflate(example().payload), indent=2, ensure_ascii=False)
    numbers = re.sub(r"\[[-\d.,\s]+\]", lambda found: "[" + " ".join(found[0][1:-1].split()) + "]", event)
    files["README.md"] = guide(rows, numbers).encode()
    return files


def example() -> Message:
    """Return an event as the daemon makes it: the end of a car's episode."""
    body = {
        "phase": "end",
        "started": 3458.123,
        "duration": 13.4,
        "outcome": "left",
        "zones": [{"id": "hydrant-2", "purpose": "hydrant"}],
        "box": [0.41, 0.55, 0.12, 0.09],
        "path": [[0.0, 0.02, 0.56, 0.11, 0.09], [5.2, 0.4, 0.55, 0.12, 0.09], [13.4, 0.41, 0.55, 0.12, 0.09]],
        "speed": 0.073,
        "velocity": [0.073, -0.002],
        "score": 0.94,
        "picture": {"sha256": hashlib.sha256(b"").hexdigest(), "bytes": 23417, "w": 512, "h": 384},
    }
    draft = Draft(
        id=uuid7(1795478400000, bytes(range(10))),
        rank=Rank.END,
        kind="motion",
        camera="cam0",
        mono=3471.523,
        episode=uuid7(1795478386600, bytes(range(10, 20))),
        phase="end",
        severity="medium",
        subject="hydrant-2",
        body=body,
    )
    now = Moment(wall=1795478400.25, synced=True, mono=3471.6, boot="5d1c8f00")
    return make_message(draft, Address("old-town", "10000000abcdef01"), "9c21d04e", 1207, now)


def _written(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def differences(folder: Path) -> list[str]:
    """Return the paths below the folder that are missing or not what `documents` returns, and superfluous schemas."""
    wanted = documents()
    stale = [
        name
        for name, content in wanted.items()
        if not (folder / name).is_file() or (folder / name).read_bytes() != content
    ]
    there = [str(path.relative_to(folder)) for path in folder.glob("schemas/*.json")]
    return sorted([*stale, *(name for name in there if name not in wanted)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the contract's files, or with --check say whether they are current."""
    parser = argparse.ArgumentParser(prog="scripts/contract", description=f"Write {FOLDER} from the payload types.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a file is not current")
    parser.add_argument("--folder", type=Path, default=FOLDER, help=f"where to (default: {FOLDER})")
    chosen = parser.parse_args(arguments)
    stale = differences(chosen.folder)
    if chosen.check:
        for name in stale:
            print(f"{chosen.folder / name}: not current; run scripts/contract", file=sys.stderr)
        return 1 if stale else 0
    wanted = documents()
    for name in stale:
        path = chosen.folder / name
        if name not in wanted:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wanted[name])
        print(path)
    return 0
