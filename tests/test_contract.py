"""The contract: its files are current, AsyncAPI is AsyncAPI, the guide works, and broken messages are caught."""

from __future__ import annotations

import ast
import copy
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from gateway.contract import TOPICS, documents, schemas, topic_of, validate
from gateway.contract.documents import FOLDER, asyncapi, differences, example, main
from gateway.contract.guide import EXAMPLE
from gateway.device import heartbeat as reports
from gateway.device.health import Facts
from gateway.wire.dictionary import DICTIONARY
from gateway.wire.draft import Draft, Rank, uuid7
from gateway.wire.message import Address, Message, Moment, deflate, inflate, label_jpeg, make_message, plain

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


def test_files_are_current() -> None:
    """config/contract is what the payload types say; scripts/contract writes it."""
    assert differences(TREE / FOLDER) == []


def test_control_stale_files_are_noticed(tmp_path: Path) -> None:
    """A schema that was changed, one that is missing and one too many are each noticed, and written anew."""
    folder = tmp_path / "contract"
    shutil.copytree(TREE / FOLDER, folder)
    assert main(["--check", "--folder", str(folder)]) == 0
    (folder / "schemas/status.json").write_text("{}")
    (folder / "schemas/info.json").unlink()
    (folder / "schemas/storm.json").write_text("{}")
    (folder / "dictionary.bin").write_bytes(DICTIONARY[:-1])
    stale = ["dictionary.bin", "schemas/info.json", "schemas/status.json", "schemas/storm.json"]
    assert differences(folder) == stale
    assert main(["--check", "--folder", str(folder)]) == 1
    assert main(["--folder", str(folder)]) == 0
    assert differences(folder) == []


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


@pytest.mark.parametrize("name", schemas())
def test_schemas_are_schemas(name: str) -> None:
    """Each schema is valid by its own dialect and knows its own name."""
    schema = schemas()[name]
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:citycam:contract:1:{name}"


def official() -> Draft7Validator:
    """The AsyncAPI Initiative's own schema of such documents."""
    return Draft7Validator(json.loads((TREE / "tests/data/asyncapi-3.0.0.json").read_text()))


def test_asyncapi_is_valid() -> None:
    """The document is valid by AsyncAPI's own schema, and every reference in it leads somewhere."""
    document = asyncapi()
    assert [error.message for error in official().iter_errors(document)] == []
    assert broken_references(document, documents()) == []


def broken_references(document: dict[str, Any], files: dict[str, bytes]) -> list[str]:
    """References that lead nowhere, within the document or to a file beside it."""
    found = re.findall(r'"\$ref": "([^"]+)"', json.dumps(document))
    broken = []
    for reference in found:
        place: Any = document
        if reference.startswith("./"):
            place = reference[2:] in files
        else:
            for part in reference.removeprefix("#/").split("/"):
                place = place.get(part, {}) if isinstance(place, dict) else {}
        if not place:
            broken.append(reference)
    return broken


def test_control_a_wrong_asyncapi_document_is_caught() -> None:
    """The checks fail for a word, a binding or a reference that is wrong."""
    document = copy.deepcopy(asyncapi())
    document["operations"]["send-status"]["action"] = "shout"
    document["servers"]["broker"]["bindings"]["mqtt"]["lastWill"]["qos"] = 7
    assert {error.json_path for error in official().iter_errors(document)} == {
        "$.servers.broker",
        "$.operations['send-status']",
    }
    document["channels"]["status"]["messages"]["status"]["$ref"] = "#/components/messages/gone"
    files = {name: content for name, content in documents().items() if name != "schemas/info.json"}
    assert set(broken_references(document, files)) == {"#/components/messages/gone", "./schemas/info.json"}


def test_asyncapi_says_how_it_is_published() -> None:
    """State is retained with QoS 1, heartbeats are neither, what comes from the store has QoS 1 and is not retained."""
    found = {
        name.removeprefix("send-"): (each["bindings"]["mqtt"]["qos"], each["bindings"]["mqtt"]["retain"])
        for name, each in asyncapi()["operations"].items()
    }
    assert found["heartbeat"] == (0, False)
    assert {found[name] for name in ("status", "info", "health", "clock", "gap", "config", "camera")} == {(1, True)}
    assert {found[name] for name in found if "event" in name or name == "picture"} == {(1, False)}
    will = asyncapi()["servers"]["broker"]["bindings"]["mqtt"]["lastWill"]
    validate("up/status", will["message"].encode())


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


def centre() -> dict[str, Any]:
    """What the guide's example defines, run as it stands in the guide, beside the contract's files."""
    text = (TREE / FOLDER / "README.md").read_text()
    block = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert block
    assert block[1] == EXAMPLE
    names: dict[str, Any] = {}
    code = block[1].replace('"dictionary.bin"', repr(str(TREE / FOLDER / "dictionary.bin")))
    exec(compile(code, "README.md", "exec"), names)
    return names


def test_the_guides_example_reads_everything() -> None:
    """The guide's example inflates events, reads a picture's label and plain reports."""
    names = centre()
    root = ADDRESS.root
    assert names["receive"](f"{root}/{start().topic}", start().payload)["data"]["phase"] == "start"
    assert names["receive"](f"{root}/{picture().topic}", picture().payload)["lane"] == "media"
    assert names["receive"](f"{root}/up/status", plain(REPORTS["up/status"]))["state"] == "online"


def test_the_guides_example_finds_repeats_and_gaps() -> None:
    """The guide's example drops what came before, knows what is missing, and believes up/gap."""
    names = centre()
    lane = (ADDRESS.gateway, EPOCH, "event")

    def hear(seq: int) -> bool:
        return names["receive"](f"{ADDRESS.root}/{start().topic}", start(seq).payload) is not None

    assert [hear(seq) for seq in (1, 2, 2, 1, 7)] == [True, True, False, False, True]
    assert names["missing"][lane] == {3, 4, 5, 6}
    assert [hear(seq) for seq in (4, 4)] == [True, False]
    gap = {"v": 1, "epoch": EPOCH, "lanes": {"event": {"void": [[5, 6]]}}}
    names["receive"](f"{ADDRESS.root}/up/gap", plain(gap))
    assert names["missing"][lane] == {3}
    other = replace(ADDRESS, gateway="another")
    assert names["receive"](f"{other.root}/{start().topic}", start(1).payload) is not None


def test_the_guide_names_every_topic_and_its_example_is_valid() -> None:
    """The guide's table names every topic, and the event that it shows keeps to the contract."""
    text = (TREE / FOLDER / "README.md").read_text()
    assert all(f"| `{topic.address}` | {topic.qos} |" in text for topic in TOPICS)
    shown = re.search(r"```json\n(.*?)```", text, re.DOTALL)
    assert shown
    validate("up/event/motion/cam0", json.dumps(json.loads(shown[1])).encode())
