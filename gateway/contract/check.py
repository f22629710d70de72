"""Holds a message that was seen on a broker against the contract.

Stricter than the schemas: it also compares a message with its topic, and pictures with their limits. Needs jsonschema
(the extra `test`): for tests and for whoever builds a centre; nothing that runs on a device imports it.
"""

from __future__ import annotations

import functools
import json
import zlib
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gateway.contract.topics import Topic, schemas, topic_of
from gateway.device.heartbeat import HEARTBEAT_BYTES
from gateway.wire.dictionary import DICTIONARY
from gateway.wire.message import PICTURE_BYTES, inflate, read_label

if TYPE_CHECKING:
    from collections.abc import Mapping


def validate(topic: str, payload: bytes) -> None:
    """Hold a message against the contract.

    Args:
        topic: without its root, e.g. `up/event/motion/cam0`.
        payload: as it came from the broker.

    Raises:
        ValueError: it breaks the contract; says where and how.
    """
    kind = topic_of(topic)
    parameters = kind.parse(topic) or {}
    try:
        if kind.content == "jpeg":
            _check(kind.schema, _picture(payload))
        elif kind.content == "event":
            _event(kind, parameters.get("camera", "gateway"), payload)
        else:
            if kind.name == "heartbeat" and len(payload) > HEARTBEAT_BYTES:
                raise ValueError(f"{len(payload)} bytes long, allowed are {HEARTBEAT_BYTES}")
            _check(kind.schema, _object(payload))
    except ValueError as error:
        raise ValueError(f"{topic}: {error}") from error


def _picture(payload: bytes) -> dict[str, Any]:
    if len(payload) > PICTURE_BYTES:
        raise ValueError(f"{len(payload)} bytes long, allowed are {PICTURE_BYTES}")
    if payload[:4] != b"\xff\xd8\xff\xfe" or payload[-2:] != b"\xff\xd9":
        raise ValueError("no JPEG with a comment segment behind its start marker")
    size = int.from_bytes(payload[4:6], "big")
    label = _object(payload[6 : 4 + size])
    if label != read_label(payload):
        raise ValueError("the label is not what our own reader finds")
    return label


def _event(kind: Topic, camera: str, payload: bytes) -> None:
    inflate(payload)  # the product's own reader agrees that it is one, and not too long
    deflated = payload[:1] == b"\x78"
    event = _object(zlib.decompressobj(zdict=DICTIONARY).decompress(payload) if deflated else payload)
    _check(kind.schema, event)
    data, word = event["data"], kind.name.removesuffix("-event")
    expected = f"citycam.{word}.{data['phase']}.v1" if "phase" in data else f"citycam.{word}.v1"
    if event["type"] != expected:
        raise ValueError(f"type is {event['type']}, its topic and phase say {expected}")
    if event["source"].rpartition(":")[2] != camera:
        raise ValueError(f"source {event['source']} is not of camera {camera}")
    if event["lane"] == "media":
        raise ValueError("an event in the pictures' lane")
    for name in ("time", "expirytime"):
        if name in event and not (event[name].endswith("Z") and datetime.fromisoformat(event[name])):
            raise ValueError(f"{name} is {event[name]}: it must be in UTC, ending in Z")


def _object(text: bytes) -> dict[str, Any]:
    """Strict JSON: no NaN, no key twice."""

    def constant(name: str) -> None:
        raise ValueError(f"{name} is no JSON")

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(found)) < len(found):
            raise ValueError(f"a key stands twice among {[name for name, _ in found]}")
        return dict(found)

    value = json.loads(text, parse_constant=constant, object_pairs_hook=pairs)
    if not isinstance(value, dict):
        raise ValueError(f"no JSON object but {type(value).__name__}")  # noqa: TRY004 (it is input)
    return value


def _check(schema: str, value: Mapping[str, Any]) -> None:
    error = next(iter(_validator(schema).iter_errors(value)), None)
    if error is not None:
        raise ValueError(f"{error.json_path}: {error.message}")


@functools.cache
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schemas()[schema])
