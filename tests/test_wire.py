"""What travels: packets between the processes, messages to the centre, their codec."""

from __future__ import annotations

import json
import math
import os
import re
import zlib

import pytest
from hypothesis import given, strategies as st

from gateway.wire.dictionary import DICTIONARY
from gateway.wire.draft import Draft, Rank, lane_of, pack_draft, pack_note, rank_of, unpack, uuid7
from gateway.wire.fields import UUID
from gateway.wire.message import (
    Address,
    Moment,
    deflate,
    inflate,
    label_jpeg,
    make_message,
    plain,
    read_label,
    text_of,
    timestamp,
)

ADDRESS = Address("north", "gw-0412")
JPEG = b"\xff\xd8\xff\xd9"
NOW = Moment(wall=1_790_000_000.0, synced=True, mono=500.0, boot="a1b2c3d4")


def draft(rank: Rank = Rank.START, **changes: object) -> Draft:
    """Return a draft of a motion event with some fields changed."""
    fields: dict[str, object] = {
        "id": uuid7(1, bytes(10)),
        "rank": rank,
        "kind": "motion",
        "camera": "cam0",
        "mono": 490.0,
        "episode": uuid7(2, bytes(10)),
        "phase": "start",
        "body": {"phase": "start", "started": 489.5},
    }
    return Draft(**(fields | changes))  # type: ignore[arg-type]


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_uuid7_has_its_form(milliseconds: int, entropy: bytes) -> None:
    """A UUIDv7 has version, variant and its time in front, so that ids sort by time."""
    text = uuid7(milliseconds, entropy)
    assert re.fullmatch(UUID, text)
    assert int(text.replace("-", "")[:12], 16) == milliseconds


@given(
    st.sampled_from(list(Rank)),
    st.none() | st.binary(min_size=1, max_size=5000),
    st.dictionaries(st.text(max_size=8), st.text() | st.integers() | st.booleans() | st.none(), max_size=5),
)
def test_a_draft_survives_the_border(rank: Rank, picture: bytes | None, body: dict[str, object]) -> None:
    """What the eye packs is what the daemon unpacks, whatever the text and the picture."""
    sent = draft(rank, picture=picture, body=body)
    assert unpack(pack_draft(sent)) == sent


def test_a_note_survives_the_border() -> None:
    """Control notes are told apart from drafts."""
    assert unpack(pack_note({"note": "stop"})) == {"note": "stop"}


@pytest.mark.parametrize("packet", [b"", b"X", b"J[1]", b"hello"])
def test_a_strange_packet_is_refused(packet: bytes) -> None:
    """A packet of another make is an error that shows its beginning."""
    with pytest.raises(ValueError, match="packet"):
        unpack(packet)


def test_ranks_lanes_and_phases() -> None:
    """Alarms have a lane of their own in all phases, pictures too; ends are dearer than starts, starts than updates."""
    assert [lane_of(rank) for rank in Rank] == ["alarm", "event", "event", "event", "media"]
    assert [rank_of(phase, alarm=False) for phase in ("end", "start", "update")] == [Rank.END, Rank.START, Rank.UPDATE]
    assert {rank_of(phase, alarm=True) for phase in ("end", "start", "update")} == {Rank.ALARM}


@given(st.dictionaries(st.text(), st.text() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()))
def test_deflate_and_plain_say_the_same(payload: dict[str, object]) -> None:
    """Both forms inflate to what was said, and their first byte tells them apart."""
    assert inflate(deflate(payload)) == payload == inflate(plain(payload))
    assert deflate(payload)[:1] == b"\x78"
    assert plain(payload)[:1] == b"{"


@pytest.mark.parametrize(
    "payload", [b"", b"\x78", b"\x78\xbbgarbage", b"[1]", zlib.compress(b"{}"), deflate({"a": 1})[:-3]]
)
def test_a_damaged_payload_is_an_error(payload: bytes) -> None:
    """Damaged, cut off, foreign and empty payloads raise ValueError and nothing else."""
    if payload == zlib.compress(b"{}"):
        assert inflate(payload) == {}  # zlib without the dictionary is still zlib: any sender may
        return
    with pytest.raises(ValueError):  # noqa: PT011 (the messages differ)
        inflate(payload)


def test_a_bomb_is_refused() -> None:
    """A small payload that inflates to more than a megabyte is refused."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)
    bomb = packer.compress(b'{"a":"' + b"x" * (2 << 20) + b'"}') + packer.flush()
    assert len(bomb) < 10_000
    with pytest.raises(ValueError, match="too long"):
        inflate(bomb)


def test_an_event_carries_numbers_and_both_clocks() -> None:
    """An event says epoch, lane, number, when it happened by wall clock (reckoned back), and the device's own clock."""
    message = make_message(draft(), ADDRESS, "00ff00ff", 17, NOW)
    event = inflate(message.payload)
    assert message.topic == "up/event/motion/cam0"
    assert message.key == ("00ff00ff", "event", 17)
    assert (event["epoch"], event["lane"], event["sequence"]) == ("00ff00ff", "event", "000000000017")
    assert event["time"] == timestamp(NOW.wall - 10.0)
    assert event["data"] | {"boot": "a1b2c3d4", "synced": True, "mono": 490.0} == event["data"]


def test_an_unsynchronised_clock_promises_no_expiry() -> None:
    """An event made before the clock was right does not say until when it is of interest: nobody could tell."""
    unsynced = Moment(NOW.wall, synced=False, mono=NOW.mono, boot=NOW.boot)
    assert "expirytime" in inflate(make_message(draft(), ADDRESS, "00ff00ff", 1, NOW).payload)
    assert "expirytime" not in inflate(make_message(draft(), ADDRESS, "00ff00ff", 1, unsynced).payload)


def test_a_picture_carries_its_numbers_in_a_comment() -> None:
    """A picture is plain JPEG whose comment segment says whose it is: nothing depends on MQTT 5."""
    media = draft(Rank.PICTURE, kind="media", picture=JPEG, body={"box": [0, 0, 1, 1]})
    message = make_message(media, ADDRESS, "00ff00ff", 3, NOW)
    assert message.topic == f"up/media/cam0/{media.episode}"
    assert read_label(message.payload) == {
        "gateway": "gw-0412",
        "epoch": "00ff00ff",
        "lane": "media",
        "seq": 3,
        "id": media.id,
        "box": [0, 0, 1, 1],
    }
    assert message.payload[:2] == b"\xff\xd8"
    assert message.payload.endswith(JPEG[2:])


def test_what_is_no_jpeg_gets_no_label() -> None:
    """Labelling something else than a JPEG is an error."""
    with pytest.raises(ValueError, match="no JPEG"):
        label_jpeg(b"GIF89a", {})
    with pytest.raises(ValueError, match="without a label"):
        read_label(JPEG)


def test_an_end_is_small() -> None:
    """An end with path and picture stays near 300 bytes on the wire; without the dictionary it would not (control)."""
    body = {
        "phase": "end",
        "started": 12340.123,
        "duration": 5.55,
        "outcome": "left",
        "zones": [{"id": "crossing-n", "purpose": "footway"}],
        "box": [0.123, 0.456, 0.067, 0.145],
        "path": [[0.0, 0.1, 0.2, 0.05, 0.12], [1.2, 0.21, 0.22, 0.05, 0.123], [5.5, 0.77, 0.3, 0.05, 0.144]],
        "speed": 0.123,
        "score": 0.91,
        "picture": {"sha256": os.urandom(32).hex(), "bytes": 5312, "w": 320, "h": 240},
    }
    ended = draft(Rank.END, phase="end", body=body, subject="crossing-n", episode=uuid7(3, os.urandom(10)))
    message = make_message(ended, ADDRESS, "00ff00ff", 12345, NOW)
    text = plain(inflate(message.payload))
    assert len(message.payload) < 330
    assert len(zlib.compress(text, 9)) > 1.5 * len(message.payload)


def test_what_is_no_number_and_no_text_is_still_json() -> None:
    """A measured nothing is said as null and half a character as `?`, as strict readers want; the rest is as it was."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    said = {"lux": math.nan, "gains": [1.5, math.inf, {"red": -math.inf}], "by": "a\ud800b", "ok": "°", "n": 3}
    for payload in (plain(said), text_of(deflate(said))):
        found = json.loads(payload.decode("utf-8"), parse_constant=refuse)
        assert found == {"lux": None, "gains": [1.5, None, {"red": None}], "by": "a?b", "ok": "°", "n": 3}
    draft = Draft("x", Rank.END, "motion", "cam0", 1.0, "x", "end", body={"speed": math.nan, "by": "\ud800"})
    assert isinstance(unpack(pack_draft(draft)), Draft)
