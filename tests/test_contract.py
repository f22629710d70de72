"""The contract: its files are current, AsyncAPI is AsyncAPI, the guide works, and broken messages are caught."""

from __future__ import annotations

import ast
import re
from typing import Any

import pytest

from gateway.contract import TOPICS, topic_of, validate
from gateway.contract.documents import example
from gateway.wire.draft import Rank
from gateway.wire.message import deflate, inflate, label_jpeg, plain
from tests.contract_messages import EPISODE, JPEG, REPORTS, TREE, made, picture, start

EVENTS = {
    "motion start": start(),
    "motion start, plain": start(compress=False),
    "motion end": example(),
    "stationary": made(
        "stationary", {"zones": [{"id": "all", "purpose": "general"}], "box": [0, 0, 1, 1], "started": 3400.0}
    ),
    "view": made("view", {"phase": "start", "state": "covered", "started": 3400.0}, phase="start", rank=Rank.ALARM),
    "health": made(
        "health",
        {"phase": "end", "code": "disk-low", "message": "", "hint": ""},
        camera="gateway",
        phase="end",
        rank=Rank.END,
    ),
    "picture": picture(),
    "storm": made(
        "storm",
        {
            "zones": [{"id": "all", "purpose": "general"}],
            "started": 3400.0,
            "duration": 60.0,
            "episodes": 12,
        },
        rank=Rank.END,
    ),
    "reply": made("reply", {"command": "ping", "status": "done", "code": "ok"}, camera="gateway", rank=Rank.END),
}


@pytest.mark.parametrize("name", EVENTS)
def test_events_and_pictures_keep_to_the_contract(name: str) -> None:
    """Every kind of event that the daemon makes, and a picture, is valid on its topic."""
    validate(EVENTS[name].topic, EVENTS[name].payload)


@pytest.mark.parametrize("topic", REPORTS)
def test_reports_keep_to_the_contract(topic: str) -> None:
    """Every report of the device is valid on its topic, and stays so with a field that a later version adds."""
    validate(topic, plain(REPORTS[topic]))
    if topic != "up/heartbeat":
        validate(topic, plain(REPORTS[topic] | {"added_later": 1}))


def test_every_topic_is_tested_here() -> None:
    """No topic of the contract lacks an example above."""
    topics = [*REPORTS, *(message.topic for message in EVENTS.values())]
    assert {topic_of(topic).name for topic in topics} == {topic.name for topic in TOPICS}


def event_with(**changes: Any) -> bytes:
    """The example event with other fields; None: without that field."""
    event = inflate(example().payload)
    for name, value in changes.items():
        place = event["data"] if name in event["data"] else event
        place[name] = value
        if value is None:
            del place[name]
    return deflate(event)


@pytest.mark.parametrize(
    ("topic", "payload", "why"),
    [
        ("up/event/motion/cam0", event_with(id="1"), "does not match"),
        ("up/event/motion/cam0", event_with(epoch=None), "required"),
        ("up/event/motion/cam0", event_with(sequence="1"), "does not match"),
        ("up/event/motion/cam0", event_with(phase="start"), "its topic and phase say"),
        ("up/event/motion/cam0", event_with(score=1.5), "maximum"),
        ("up/event/motion/cam0", event_with(box=[0.1, 0.2, 0.3]), "too short"),
        ("up/event/motion/cam0", event_with(lane="media"), "pictures' lane"),
        ("up/event/motion/cam0", event_with(time="2026-11-24T00:00:00.000+05:00"), "UTC"),
        ("up/event/motion/cam0", event_with(time="soonZ"), "soonZ"),
        ("up/event/motion/cam1", event_with(), "not of camera cam1"),
        ("up/event/stationary/cam0", event_with(), "citycam.stationary"),
        ("up/event/motion/cam0", example().payload[:-1], "cut off"),
        ("up/event/motion/cam0", b"", "Expecting value"),
        ("up/event/motion/cam0", b'{"a":1,"a":2}', "stands twice"),
        ("up/event/motion/Cam0", event_with(), "no such topic"),
        ("up/event/weather/cam0", event_with(), "no such topic"),
        ("up/status", b"", "Expecting value"),
        ("up/status", b"[]", "no JSON object"),
        ("up/status", b'{"v":1,"state":"gone","session":"a"}', "not one of"),
        ("up/clock", b'{"v":1,"boots":[{"boot":"5d1c8f00","offset":NaN,"since":null}]}', "NaN is no JSON"),
        ("up/heartbeat", plain(REPORTS["up/heartbeat"] | {"session": "s" * 400}), "400"),
        ("up/media/cam0/" + EPISODE, JPEG, "comment segment"),
        ("up/media/cam0/" + EPISODE, picture().payload[:-2], "comment segment"),
        ("up/media/cam0/" + EPISODE, label_jpeg(JPEG, {"gateway": "gw"}), "required"),
        ("up/media/cam0/" + EPISODE, picture().payload[:-2] + bytes(61440) + b"\xff\xd9", "61440"),
    ],
)
def test_control_broken_messages_are_caught(topic: str, payload: bytes, why: str) -> None:
    """A message that breaks the contract is caught, and the complaint names the topic and what is wrong."""
    with pytest.raises(ValueError, match=re.escape(why)) as caught:
        validate(topic, payload)
    assert str(caught.value).startswith(topic)


def test_the_product_says_nothing_else() -> None:
    """Every topic that stands in the product's source is in the contract."""
    heads = {"/".join(topic.address.split("/")[:2]) for topic in TOPICS}
    said = set()
    for path in (TREE / "gateway").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and re.fullmatch(r"up/[a-z]+(/\S*)?", text):
                said.add("/".join(text.split("/")[:2]))
    assert said >= {"up/status", "up/heartbeat", "up/event", "up/media"}
    assert said <= heads
