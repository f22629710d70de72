"""The contract's files: current, valid, and enough for a centre that has nothing else."""

from __future__ import annotations

import copy
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from gateway.contract import TOPICS, documents, schemas, validate
from gateway.contract.documents import FOLDER, asyncapi, differences, main
from gateway.contract.guide import EXAMPLE
from gateway.wire.dictionary import DICTIONARY
from gateway.wire.message import plain
from tests.contract_messages import ADDRESS, EPOCH, REPORTS, TREE, picture, start


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
