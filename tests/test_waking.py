"""What wakes the daemon: every eye is heard, whatever number the kernel gives its socket."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from gateway.channel import Channel
from gateway.daemon.waking import Waking
from gateway.recovery.eyes import Eye
from gateway.wire.draft import Draft, Rank, pack_draft, random_uuid7

EYES = ("cam0", "cam1")


@pytest.fixture
def waking() -> Iterator[tuple[Waking, list[Draft]]]:
    """A main loop's selector, and what eyes have said through it."""
    heard: list[Draft] = []
    found = Waking(heard.append)
    yield found, heard
    found.close()


def join(eye: Eye) -> socket.socket:
    """Give an eye a fresh socket, as its start does; return the other end."""
    eye.process.channel, theirs = Channel.pair()
    return theirs


def speak(theirs: socket.socket, camera: str) -> str:
    """Say something as an eye does; return its id."""
    name = random_uuid7(time.time())
    theirs.send(pack_draft(Draft(name, Rank.ALARM, "view", camera, time.monotonic(), name, "start")))
    return name


def test_an_eye_that_takes_the_place_of_another_at_once_is_heard(waking: tuple[Waking, list[Draft]]) -> None:
    """An eye started in the same round in which the one before was killed gets its socket's number, and is heard."""
    loop, heard = waking
    eye = Eye({"name": "cam0", "stall_s": 1.0, "picture_kb": 40})
    with join(eye):
        loop.watch([eye])
        assert eye.channel is not None
        before = eye.channel.fileno()
        eye.process.hang_up()
        with join(eye) as theirs:
            assert eye.channel.fileno() == before  # the control: else this test shows nothing
            loop.watch([eye])
            said = speak(theirs, "cam0")
            loop.wait(time.monotonic() + 1.0)
            eye.process.hang_up()
            loop.watch([eye])
    assert [draft.id for draft in heard] == [said]


def test_eyes_that_change_numbers_are_both_heard(waking: tuple[Waking, list[Draft]]) -> None:
    """Two eyes started anew in one round, each with the number that the other had, are both heard."""
    loop, heard = waking
    eyes = [Eye({"name": name, "stall_s": 1.0, "picture_kb": 40}) for name in EYES]
    old = [join(eye) for eye in eyes]
    loop.watch(eyes)
    before = [eye.channel.fileno() for eye in eyes if eye.channel is not None]
    for eye in eyes:
        eye.process.hang_up()
    for end in old:
        end.close()
    fresh = [join(eye) for eye in reversed(eyes)]
    after = [eye.channel.fileno() for eye in eyes if eye.channel is not None]
    assert set(before) & set(after)  # the control
    assert before != after
    loop.watch(eyes)
    said = {speak(theirs, eye.name) for theirs, eye in zip(fresh, reversed(eyes), strict=True)}
    until = time.monotonic() + 5.0
    while len(heard) < len(eyes) and time.monotonic() < until:
        loop.wait(until)
    for end, eye in zip(fresh, eyes, strict=True):
        end.close()
        eye.process.hang_up()
    loop.watch(eyes)
    assert {draft.id for draft in heard} == said
