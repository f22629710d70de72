"""The demo's little centre: what it makes of messages, of damage and of repetitions, and of the truth beside them."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway.demo.centre import Centre
from gateway.demo.follow import TruthFile
from gateway.replay.score import Truth
from gateway.wire.draft import Draft, random_uuid7, rank_of
from gateway.wire.message import Address, Message, Moment, inflate, make_message, plain

if TYPE_CHECKING:
    from gateway.wire.draft import Phase

ADDRESS = Address("demo", "gw-1")
EPISODE = random_uuid7(1_700_000_000.0)


def message(phase: Phase, mono: float, *, picture: bytes | None = None, **body: Any) -> Message:
    """Return a message as the daemon makes it, of an episode that began at second 10."""
    data: dict[str, Any] = {
        "phase": phase,
        "started": 10.0,
        "duration": mono - 10.0,
        "zones": [{"id": "road", "purpose": "carriageway"}],
        "box": [0.1, 0.2, 0.3, 0.4],
        "score": 1.0,
    }
    draft = Draft(
        id=random_uuid7(mono),
        rank=rank_of(phase, alarm=False),
        kind="motion",
        camera="cam0",
        mono=mono,
        episode=EPISODE,
        phase=phase,
        body={} if picture else data | body,
        picture=picture,
    )
    return make_message(draft, ADDRESS, "0123abcd", 1, Moment(1.7e9, synced=True, mono=mono, boot="00000000"))


def centre_with(folder: Path, *messages: Message, delay: float = 0.05) -> Centre:
    """Return a centre that has received messages, each `delay` seconds after its frame."""
    centre = Centre(ADDRESS.root, folder)
    for number, sent in enumerate(messages):
        centre.take(f"{ADDRESS.root}/{sent.topic}", sent.payload, False, 10.0 + number + delay)
    return centre


def test_phases_of_an_episode_are_joined(tmp_path: Path) -> None:
    """Start and end make one episode, with all its boxes in time, its bytes, and the latency of the newest event."""
    start = message("start", 10.0)
    end = message("end", 11.0, outcome="left", path=[[0.0, 0.1, 0.2, 0.3, 0.4], [0.5, 0.2, 0.2, 0.3, 0.4]])
    centre = centre_with(tmp_path, start, end)
    (episode,) = centre.episodes()
    assert episode.ended
    assert (episode.zones, episode.outcome, episode.duration) == (("road",), "left", 1.0)
    assert episode.event_bytes == len(start.payload) + len(end.payload)
    assert [time for time, _ in episode.received().boxes] == [10.0, 10.5, 11.0]
    assert episode.latency == pytest.approx(0.05)


def test_what_came_before_is_dropped_and_counted(tmp_path: Path) -> None:
    """The same event twice is one event and one duplicate; another event of the episode is no duplicate."""
    start = message("start", 10.0)
    twice = centre_with(tmp_path, start, start)
    assert (twice.tally().messages, twice.tally().duplicates, twice.tally().events) == (2, 1, 1)
    assert twice.episodes()[0].event_bytes == len(start.payload)
    assert centre_with(tmp_path, start, message("update", 11.0)).tally().duplicates == 0


def test_a_picture_is_kept_under_its_episode(tmp_path: Path) -> None:
    """The folder holds the picture as it came, and its bytes stand apart from those of the events."""
    picture = message("end", 11.0, picture=b"\xff\xd8" + bytes(30_000) + b"\xff\xd9")
    (episode,) = centre_with(tmp_path, message("end", 11.0), picture).episodes()
    assert (tmp_path / episode.picture).read_bytes() == picture.payload
    assert episode.picture_bytes == len(picture.payload)
    assert episode.event_bytes < 400


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b"\x78nonsense", b"[1]", b'{"id":1,"correlationid":2,"data":3}', b"\xff\xd8"]
)
@pytest.mark.parametrize("topic", ["event/motion/cam0", f"media/cam0/{EPISODE}"], ids=["event", "picture"])
def test_a_damaged_message_is_counted_and_stops_nothing(tmp_path: Path, topic: str, payload: bytes) -> None:
    """What cannot be read is one damaged message; the next one is taken as if nothing had been."""
    centre = Centre(ADDRESS.root, tmp_path)
    centre.take(f"{ADDRESS.root}/up/{topic}", payload, False, 10.0)
    good = message("start", 10.0)
    centre.take(f"{ADDRESS.root}/{good.topic}", good.payload, False, 10.0)
    assert (centre.tally().damaged, centre.tally().events, len(centre.episodes())) == (1, 1, 1)


def test_a_damaged_event_may_come_again_whole(tmp_path: Path) -> None:
    """Damage leaves no trace: the same id that comes whole afterwards is an event and no duplicate."""
    good = message("start", 10.0)
    event = inflate(good.payload)
    del event["data"]["duration"]
    centre = Centre(ADDRESS.root, tmp_path)
    for payload in (plain(event), good.payload):
        centre.take(f"{ADDRESS.root}/{good.topic}", payload, False, 10.0)
    assert (centre.tally().damaged, centre.tally().duplicates, centre.tally().events) == (1, 0, 1)


def test_the_last_state_is_known_and_waited_for(tmp_path: Path) -> None:
    """`wait_for_status` returns when the state arrives from another thread, and says no when it does not."""
    centre = Centre(ADDRESS.root, tmp_path)
    said = json.dumps({"v": 1, "state": "stopped", "session": "x"}).encode()
    threading.Thread(target=centre.take, args=(f"{ADDRESS.root}/up/status", said, True, 1.0)).start()
    assert centre.wait_for_status("stopped", 10.0)
    assert not centre.wait_for_status("online", 0.0)


def test_truth_is_read_while_it_is_written(tmp_path: Path) -> None:
    """A line that is not complete yet is left for the next time, and no line is taken twice."""
    truth = TruthFile(tmp_path / "truth.jsonl", Truth(0.02))
    truth.read()
    assert truth.truth.times == []
    with truth.path.open("w") as file:
        for part, times in (
            ('{"mono":1.0,"obj', []),
            ('ects":[]}\n{"mono":2.0,"objects":[]}\n{', [1.0, 2.0]),
            ("", [1.0, 2.0]),
        ):
            file.write(part)
            file.flush()
            truth.read()
            assert truth.truth.times == times


def test_a_truth_that_begins_anew_is_followed(tmp_path: Path) -> None:
    """When the eye was started again and its scene writes the file anew, its lines are read from their beginning."""
    truth = TruthFile(tmp_path / "truth.jsonl", Truth(0.02))
    line = json.dumps({"frame": 0, "mono": 1.0, "objects": [], "state": {}}) + "\n"
    truth.path.write_text(line * 3)
    truth.read()
    truth.path.write_text(line.replace("1.0", "9.0"))
    truth.read()
    assert truth.last == 9.0
