"""The service manager's socket: heard for real, on a datagram socket with a path and on an abstract one."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from gateway.device.notify import ServiceManager

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket on which a service manager would listen, and its address as it stands in NOTIFY_SOCKET."""
    address = str(tmp_path / "notify") if request.param == "path" else f"@camera-gateway-{os.getpid()}-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(5)
        listening.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        yield listening, address


def test_what_is_said(manager: tuple[socket.socket, str]) -> None:
    """Ready, alive, status and stopping arrive as systemd writes them."""
    listening, address = manager
    service = ServiceManager({"NOTIFY_SOCKET": address})
    assert service.ready("one camera, link up")
    assert listening.recv(4096) == b"READY=1\nSTATUS=one camera, link up"
    assert service.feed()
    assert listening.recv(4096) == b"WATCHDOG=1"
    assert service.status("camera off")
    assert listening.recv(4096) == b"STATUS=camera off"
    assert service.stopping()
    assert listening.recv(4096) == b"STOPPING=1"
    service.close()
    assert not service.feed()


def test_a_status_gives_no_orders(manager: tuple[socket.socket, str]) -> None:
    """A line break in a status does not begin an assignment: nobody can name another main process through it."""
    listening, address = manager
    service = ServiceManager({"NOTIFY_SOCKET": address})
    service.status("camera says:\nMAINPID=1\n\nSTOPPING=1")
    assert listening.recv(4096) == b"STATUS=camera says: MAINPID=1 STOPPING=1"
    service.close()


def test_what_a_full_socket_did_not_take_is_said_later(tmp_path: Path) -> None:
    """When systemd does not read, we do not wait; readiness goes along with what is said next."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(5)
        listening.bind(address)
        service = ServiceManager({"NOTIFY_SOCKET": address})
        while service.status("filling"):
            pass
        assert not service.ready("late")
        while listening.recv(4096) == b"STATUS=filling":
            listening.settimeout(0)
            try:
                listening.recv(4096, socket.MSG_PEEK)
            except BlockingIOError:
                break
        assert service.feed()
        assert set(listening.recv(4096).split(b"\n")) == {b"STATUS=late", b"READY=1", b"WATCHDOG=1"}
        assert service.feed()
        assert listening.recv(4096) == b"WATCHDOG=1"
        service.close()


def test_without_a_service_manager() -> None:
    """Started by hand, nothing is said, nothing is raised, and there is no watchdog."""
    for environ in ({}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}):
        service = ServiceManager(environ)
        assert not service.ready()
        assert service.watchdog_s is None
        service.close()


def test_a_service_manager_that_went_away(tmp_path: Path) -> None:
    """A socket that nobody listens on raises nothing."""
    service = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    assert not service.feed()
    service.close()


@pytest.mark.parametrize(
    ("microseconds", "pid", "expected"),
    [
        ("30000000", "", 30.0),
        ("30000000", "own", 30.0),
        ("30000000", "1", None),  # meant for the process that started us
        ("0", "", None),
        ("soon", "", None),
        ("", "own", None),
    ],
)
def test_watchdog_time(microseconds: str, pid: str, expected: float | None) -> None:
    """The watchdog's time is ours only when it is a number and meant for this process."""
    pid = str(os.getpid()) if pid == "own" else pid
    assert ServiceManager({"WATCHDOG_USEC": microseconds, "WATCHDOG_PID": pid}).watchdog_s == expected


def test_children_inherit_nothing(tmp_path: Path) -> None:
    """The variables are taken out of the environment, so that an eye cannot speak for the daemon."""
    environ = {"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "HOME": "/"}
    ServiceManager(environ).close()
    assert environ == {"HOME": "/"}
