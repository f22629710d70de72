"""The eye's queue before the socket: bounded, in order, and an alarm always passes."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.eye import QUEUED_DRAFTS, QUEUED_PICTURES, Outlet
from gateway.wire.draft import PACKET_BYTES, Draft, Rank, unpack, uuid7


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield both ends of the socket that joins eye and daemon."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs


def draft(number: int, rank: Rank, size: int = 0) -> Draft:
    """Return a numbered draft, with a picture of `size` bytes."""
    picture = os.urandom(size) if size else None
    return Draft(uuid7(number, bytes(10)), rank, "motion", "cam0", float(number), "e", picture=picture)


def everything(sock: socket.socket) -> list[Draft | dict[str, Any]]:
    """Read all that is in the socket."""
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(unpack(sock.recv(PACKET_BYTES, socket.MSG_DONTWAIT)))
    return found


def test_an_alarm_passes_four_pictures_that_nobody_reads(pair: tuple[socket.socket, socket.socket]) -> None:
    """With the daemon reading nothing and more pictures waiting than the socket holds, an alarm still gets through."""
    outlet = Outlet(pair[0])
    for number in range(6):
        outlet.draft(draft(number, Rank.PICTURE, 60_000))
    outlet.draft(draft(99, Rank.ALARM))
    found = everything(pair[1])
    assert any(isinstance(each, Draft) and each.rank == Rank.ALARM for each in found)


def test_without_the_reserve_the_alarm_would_be_stuck(pair: tuple[socket.socket, socket.socket]) -> None:
    """When pictures may fill the whole socket, the same alarm does not get through (control)."""
    outlet = Outlet(pair[0])
    outlet._room = 1 << 30
    for number in range(6):
        outlet.draft(draft(number, Rank.PICTURE, 60_000))
    outlet.draft(draft(99, Rank.ALARM))
    assert not any(isinstance(each, Draft) and each.rank == Rank.ALARM for each in everything(pair[1]))


def test_lanes_leave_in_order(pair: tuple[socket.socket, socket.socket]) -> None:
    """Alarms leave before events and events before pictures; within a lane the first comes first."""
    outlet = Outlet(pair[0])
    filler = b"J" + b" " * 90_000
    with contextlib.suppress(BlockingIOError):
        while True:
            pair[0].send(filler, socket.MSG_DONTWAIT)
    for number, rank in enumerate([Rank.PICTURE, Rank.START, Rank.END, Rank.ALARM, Rank.START, Rank.ALARM]):
        outlet.draft(draft(number, rank))
    with contextlib.suppress(BlockingIOError):
        while True:
            pair[1].recv(PACKET_BYTES, socket.MSG_DONTWAIT)
    assert outlet.flush()
    ranks = [each.rank for each in everything(pair[1]) if isinstance(each, Draft)]
    assert ranks == [Rank.ALARM, Rank.ALARM, Rank.START, Rank.END, Rank.START, Rank.PICTURE]


def test_what_drops_first_is_counted(pair: tuple[socket.socket, socket.socket]) -> None:
    """When nobody reads, pictures drop beyond their few places, then updates, then starts; ends and alarms stay."""
    outlet = Outlet(pair[0])
    with contextlib.suppress(BlockingIOError):
        while True:
            pair[0].send(b"J" + b" " * 90_000, socket.MSG_DONTWAIT)
    for number in range(QUEUED_PICTURES + 3):
        outlet.draft(draft(number, Rank.PICTURE, 100))
    for rank, count in ((Rank.UPDATE, 100), (Rank.START, 100), (Rank.END, QUEUED_DRAFTS - 50), (Rank.ALARM, 20)):
        for number in range(count):
            outlet.draft(draft(number, rank))
    assert outlet.dropped == {"alarm": 0, "end": 0, "start": 50, "update": 100, "picture": 3}


def test_a_daemon_that_is_gone_is_noticed(pair: tuple[socket.socket, socket.socket]) -> None:
    """Sending to a closed socket raises nothing and marks the outlet as broken."""
    outlet = Outlet(pair[0])
    pair[1].close()
    outlet.draft(draft(1, Rank.END))
    assert outlet.broken


def test_notes_go_first(pair: tuple[socket.socket, socket.socket]) -> None:
    """A control note overtakes drafts that wait: a beat must not look late because pictures are."""
    outlet = Outlet(pair[0])
    with contextlib.suppress(BlockingIOError):
        while True:
            pair[0].send(b"J" + b" " * 90_000, socket.MSG_DONTWAIT)
    outlet.draft(draft(1, Rank.END))
    outlet.note(note="beat")
    with contextlib.suppress(BlockingIOError):
        while True:
            pair[1].recv(PACKET_BYTES, socket.MSG_DONTWAIT)
    outlet.flush()
    first, second = everything(pair[1])
    assert first == {"note": "beat"}
    assert isinstance(second, Draft)
