"""`gateway listen` and `gateway decode`: people read the wire with one command, and nobody notices them."""

from __future__ import annotations

import base64
import io
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from gateway.cli import main
from gateway.listen.lines import decode, messages
from gateway.listen.live import as_line, as_object
from gateway.listen.telling import tell
from gateway.uplink.mqtt import Connection
from gateway.wire.draft import Draft, Rank, uuid7
from gateway.wire.message import Address, Moment, deflate, inflate, make_message, plain, read_label
from tests.mosquitto import Mosquitto, Sniffer, wait_for
from tests.running import Gateway, make_clip, states

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = "citycam/v1/north/gw-0412/up"
NOW = Moment(1_790_000_000.0, synced=True, mono=500.0, boot="a1b2c3d4")
EPISODE = uuid7(2, b"\x05" * 10)


def event(kind: str, *, rank: Rank = Rank.END, phase: str | None = "end", **body: object) -> bytes:
    """Return an event as it travels."""
    said = body | {"phase": phase}
    found = Draft(uuid7(1, bytes(10)), rank, kind, "cam0", 490.0, EPISODE, phase, body=said)  # type: ignore[arg-type]
    return make_message(found, Address("north", "gw-0412"), "9c21d04e", 1207, NOW).payload


def picture() -> bytes:
    """Return a labelled picture as it travels."""
    found = Draft(uuid7(1, bytes(10)), Rank.PICTURE, "media", "cam0", 490.0, EPISODE, picture=b"\xff\xd8\xff\xd9")
    return make_message(found, Address("north", "gw-0412"), "9c21d04e", 3, NOW).payload


def say(mosquitto: Mosquitto, topic: str, payload: bytes, *, retain: bool = False) -> None:
    """Publish as some client of the broker, and wait until the broker has it."""
    connection = Connection(mosquitto.broker, "somebody")
    connection.open()
    wait_for(lambda: connection.wait(0.1), "the connection")
    connection.publish(topic, payload, 1, retain=retain)
    wait_for(lambda: connection.wait(0.1), "the broker's answer")
    connection.close()


ZONES = [{"id": "hydrant-2", "purpose": "hydrant"}]
BEAT = {"up": 61, "fps": {"cam0": 9.9}, "temp": 51, "out": [3, 900, 7, 0], "drop": 0, "synced": True}


@pytest.mark.parametrize(
    ("channel", "payload", "words"),
    [
        (
            "event/motion/cam0",
            event("motion", zones=ZONES, duration=13.4, outcome="left"),
            f"end in hydrant-2, 13.4 s, left; low, #{EPISODE[-6:]}, event 1207",
        ),
        (
            "event/view/cam0",
            event("view", rank=Rank.ALARM, phase="start", state="covered"),
            f"the picture is covered; ALARM, low, #{EPISODE[-6:]}, alarm 1207",
        ),
        ("media/cam0/" + EPISODE, picture(), f"picture, 0.1 kB; #{EPISODE[-6:]}, media 3"),
        ("heartbeat", plain(BEAT), "up 61 s, cam0 9.9 fps, 51 °C, 3 wait for up to 7 s"),
        ("status", plain({"state": "stopped", "reason": "SIGTERM"}), "stopped: SIGTERM"),
        ("camera/cam0", plain({"state": "off", "motion": False, "reason": "no frame"}), "off: no frame"),
        ("health", plain({"problems": ["gateway/hot"]}), "gateway/hot"),
        ("gap", plain({"lanes": {"event": {"evicted": [[3, 5], [9, 9]]}}}), "event evicted 3-5, 9"),
        ("novelty", plain({"v": 2}), '{"v":2}'),
        ("health", b"", "(empty: what the broker kept is taken back)"),
    ],
)
def test_a_message_is_put_into_words(channel: str, payload: bytes, words: str) -> None:
    """Each kind has its line, with its number and its episode; a kind that is not known is shown as it is."""
    told = tell(f"{ROOT}/{channel}", payload)
    assert (told.who, told.channel, told.size) == ("north/gw-0412", channel, len(payload))
    assert told.words() == words


@pytest.mark.parametrize(
    ("channel", "payload", "why"),
    [
        ("event/motion/cam0", event("motion", zones=ZONES)[:-9], "damaged payload"),
        ("event/motion/cam0", deflate({"data": {"phase": "end"}}), "not what the contract says: KeyError: 'duration'"),
        ("media/cam0/x", b"\xff\xd8\xff\xd9", "without a label"),
        ("heartbeat", b"[" * 100_000, "BROKEN"),
        ("status", b'{"state": 1', "BROKEN"),
        ("health", b'{"problems": 5}', "not what the contract says"),
    ],
    ids=["cut off", "half an event", "no label", "brackets", "half a state", "another type"],
)
def test_what_is_broken_is_told_with_its_reason(channel: str, payload: bytes, why: str) -> None:
    """A message that cannot be read is a line that says so; so is one whose fields are others than it should have."""
    words = tell(f"{ROOT}/{channel}", payload).words()
    assert words.startswith("BROKEN: ")
    assert why in words or "cut off" in words


@given(st.text(max_size=20), st.one_of(st.binary(max_size=80), st.just(b"{}"), st.just(b'{"data": []}')))
def test_whatever_comes_is_told_in_print(channel: str, payload: bytes) -> None:
    """No topic and no payload ends the listener, and none reaches the terminal but in print."""
    assert tell(f"{ROOT}/event/motion/{channel}", payload).words().isprintable()
    assert tell(channel, payload).words().isprintable()


@given(st.text(max_size=20), st.dictionaries(st.text(max_size=9), st.text() | st.floats(), max_size=3))
def test_a_line_is_print_and_json_is_json(topic: str, said: dict[str, object]) -> None:
    """Neither a topic nor a text commands the terminal, and what is no number is null for programs too."""
    payload = json.dumps(said).encode()
    assert as_line(topic, payload, kept=False).isprintable()
    line = as_object(topic, payload, kept=True)
    assert line.isprintable()
    json.loads(line, parse_constant=pytest.fail)


@pytest.mark.parametrize("form", ["raw", "hex", "HEX", "base64", "topic and hex", "topic and json"])
@pytest.mark.parametrize("payload", [event("motion", zones=ZONES, duration=1.0), picture()], ids=["event", "picture"])
def test_what_other_tools_wrote_down_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], payload: bytes, form: str
) -> None:
    """A raw payload, or a line of hexadecimal or base64, with its topic or without: the same JSON comes of it."""
    said = read_label(payload) if payload[:1] == b"\xff" else inflate(payload)
    written = {
        "raw": payload,
        "hex": payload.hex().encode() + b"\n",
        "HEX": payload.hex().upper().encode(),
        "base64": base64.b64encode(payload) + b"\r\n",
        "topic and hex": f"{ROOT}/x {payload.hex()}\n".encode(),
        "topic and json": f"{ROOT}/x ".encode() + plain(said),
    }[form]
    (tmp_path / "seen").write_bytes(written)
    assert main(["decode", str(tmp_path / "seen")]) == 0
    heard = capsys.readouterr()
    topic, _, text = heard.out.partition("{")
    assert topic == (f"{ROOT}/x " if "topic" in form else "")
    assert json.loads("{" + text) == said
    assert heard.err == ""


def test_a_pipe_is_read_as_it_comes() -> None:
    """Behind mosquitto_sub each line is read when it has come, not when the pipe ends."""
    command = [sys.executable, "-m", "gateway", "decode"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(2):
            process.stdin.write(deflate({"n": number}).hex().encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline()) == {"n": number}
        process.stdin.close()
    assert process.returncode == 0


def test_decoded_topics_and_texts_are_print(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a terminal would obey stands escaped in what is decoded, however deep; the JSON says the same."""
    deep = b"[" * 900 + b"NaN" + b"]" * 900
    (tmp_path / "seen").write_bytes(b'odd/\x1b[2J/t {"a":"\xc2\x9b2J"}\n{"a":' + deep + b"}\n")
    assert decode(tmp_path / "seen") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.isprintable()
    assert json.loads(first.partition(" ")[2]) == {"a": "\x9b2J"}
    assert second.count("[") == 900


def test_a_broken_line_does_not_stop_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of many lines the broken ones are told with their number, the others read; the exit code tells of both."""
    file = tmp_path / "seen.txt"
    file.write_bytes(b'{"a":1}\n\nzz zz\na/b 78f9\n{"b":"\x1b[2J"\n{"c":2}\n')
    assert decode(file) == 1
    said = capsys.readouterr()
    assert said.out.splitlines() == ['{"a":1}', '{"c":2}']
    assert [line.split("BROKEN")[0] for line in said.err.splitlines()] == [
        "gateway: line 3: ",
        "gateway: line 4: a/b: ",
        "gateway: line 5: ",
    ]
    assert "\x1b" not in said.err
    file.write_bytes(b'{"a":1}\n')
    assert decode(file) == 0
    assert list(messages(io.BytesIO(b""))) == []
    assert main(["decode", "/absent"]) == 1
    assert "/absent: cannot be read" in capsys.readouterr().err


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def ending(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """Give a signal that ends a listener, which is started as by a script in the background: with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield request.param
    signal.signal(signal.SIGINT, before)


@pytest.mark.broker
@pytest.mark.system
def test_a_listener_hears_a_corner_and_disturbs_nobody(
    tmp_path: Path, mosquitto: Mosquitto, sniffer: Sniffer, ending: signal.Signals
) -> None:
    """States, events and pictures are told as they come, and a broken one between them; the gateway's link stays."""
    gateway = Gateway(tmp_path, mosquitto, [make_clip(tmp_path / "clip.npy")]).start()
    log = tmp_path / "heard.txt"
    command = [sys.executable, "-m", "gateway", "listen", str(mosquitto.broker), "--config", str(gateway.config)]
    try:
        with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE) as listener:
            try:
                assert listener.stderr is not None
                assert b"listening to citycam/v1/+/+/up/#" in listener.stderr.readline()
                sniffer.wait_until(lambda _: states(sniffer, "status"), "the gateway")
                say(mosquitto, f"{ROOT}/event/motion/cam0", b"x\xf9nonsense")
                wait_for(
                    lambda: all(word in log.read_text() for word in ("status", "BROKEN", "picture, ")), "the lines"
                )
                listener.send_signal(ending)
                assert listener.wait(15) == 0
            finally:
                listener.kill()  # or the test would wait for it for ever
        assert gateway.link()["connects"] == 1
    finally:
        gateway.stop()
    assert not [topic for topic, _, _, _ in sniffer.seen if "/down/" in topic]


@pytest.mark.broker
def test_a_listener_for_programs_ends_by_itself(mosquitto: Mosquitto, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json and --seconds each message is an object, and the listener ends in order when its time is over."""
    say(mosquitto, f"{ROOT}/status", b'{"state": "online"}', retain=True)
    say(mosquitto, "elsewhere", b"\x78", retain=True)
    assert main(["listen", str(mosquitto.broker), "--topic", "#", "--json", "--seconds", "0.5"]) == 0
    found = {said["topic"]: said for said in map(json.loads, capsys.readouterr().out.splitlines())}
    assert found[f"{ROOT}/status"]["said"] == {"state": "online"}
    assert found[f"{ROOT}/status"]["retained"] is True
    assert found["elsewhere"]["bytes"] == 1
    assert "said" not in found["elsewhere"]
    assert "cut off" in found["elsewhere"]["broken"]


def test_a_broker_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody waits for a broker that cannot be reached: exit 1, with what to do."""
    assert main(["listen", "mqtt://127.0.0.1:1"]) == 1
    said = capsys.readouterr().err
    assert "nothing listens on 127.0.0.1:1" in said
    assert "what to do: " in said
