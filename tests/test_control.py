"""The socket through which the command line asks the running daemon."""

from __future__ import annotations

import contextlib
import selectors
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.control import CONNECTIONS, SOCKET_NAME, ControlServer, NotRunning, ask
from gateway.errors import GatewayError


class Loop:
    """A main loop on a thread of its own that answers with an echo."""

    def __init__(self, path: Path) -> None:
        self.selector = selectors.DefaultSelector()
        self.server = ControlServer(path, self.selector, self._answer)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loop", daemon=True)
        self._thread.start()

    def _answer(self, request: dict[str, Any], respond: Any) -> None:
        respond(echo=request)

    def _run(self) -> None:
        while not self._stop.is_set():
            for key, _ in self.selector.select(0.05):
                key.data()

    def close(self) -> None:
        """End it."""
        self._stop.set()
        self._thread.join(5)
        self.server.close()
        self.selector.close()


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """The socket of a loop that answers."""
    loop = Loop(tmp_path / SOCKET_NAME)
    yield tmp_path / SOCKET_NAME
    loop.close()


def test_a_question_is_answered(path: Path) -> None:
    """One object goes there, one comes back, as often as one asks."""
    for number in range(3 * CONNECTIONS):
        assert ask(path, {"ask": number}, 5.0) == {"echo": {"ask": number}}


def test_a_long_path_is_no_hindrance(tmp_path: Path) -> None:
    """A folder whose name is longer than the kernel lets a socket's path be serves as well."""
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as plain, pytest.raises(OSError, match="too long"):
        plain.bind(str(folder / SOCKET_NAME))
    loop = Loop(folder / SOCKET_NAME)
    assert ask(folder / SOCKET_NAME, {"ask": 1}, 5.0) == {"echo": {"ask": 1}}
    loop.close()
    with pytest.raises(NotRunning):
        ask(tmp_path / ("none" * 30) / SOCKET_NAME, {"ask": 1}, 5.0)


def test_only_owner_and_group_may_ask(path: Path) -> None:
    """The socket's mode is 0660."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_nobody_there_is_said_in_words(tmp_path: Path) -> None:
    """No socket, and a socket that nobody listens on, are both `NotRunning`."""
    with pytest.raises(NotRunning, match="no gateway is running"):
        ask(tmp_path / "absent", {})
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead"))
    with pytest.raises(NotRunning):
        ask(tmp_path / "dead", {})


@pytest.mark.parametrize("text", [b"\n", b"no json\n", b"[1]\n", b"[" * 60_000 + b"\n"])
def test_nonsense_gets_an_error_and_harms_nobody(path: Path, text: bytes) -> None:
    """What is no JSON object is answered with an error, and the next question is answered."""
    with socket.socket(socket.AF_UNIX) as asker:
        asker.settimeout(5)
        asker.connect(str(path))
        asker.sendall(text)
        assert b"error" in asker.recv(1000)
    assert ask(path, {}, 5.0) == {"echo": {}}


def test_silent_askers_do_not_shut_others_out(path: Path) -> None:
    """An asker that says nothing and goes leaves its place to others."""
    for _ in range(2 * CONNECTIONS):
        with socket.socket(socket.AF_UNIX) as asker:
            asker.connect(str(path))
    assert ask(path, {}, 5.0) == {"echo": {}}


def test_a_daemon_that_does_not_answer_is_told_apart(tmp_path: Path) -> None:
    """A socket that accepts and stays silent is an error that says what to do."""
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        deaf.listen()
        with pytest.raises(GatewayError, match="does not answer") as caught:
            ask(tmp_path / "deaf", {}, 0.1)
    assert "systemctl restart" in caught.value.hint


def test_silent_askers_that_stay_make_room(path: Path) -> None:
    """Askers that connect and say nothing for ever are turned out for one that asks."""
    with contextlib.ExitStack() as stack:
        for _ in range(3 * CONNECTIONS):
            silent = stack.enter_context(socket.socket(socket.AF_UNIX))
            silent.connect(str(path))
        assert ask(path, {}, 5.0) == {"echo": {}}


def test_an_asker_that_is_cut_off_hears_so_in_words(tmp_path: Path) -> None:
    """A gateway that closes the connection at once is an error in words, never a broken pipe that counts as success."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "busy"))
        server.listen()

        def turn_away() -> None:
            for _ in range(20):
                server.accept()[0].close()

        thread = threading.Thread(target=turn_away, name="busy")
        thread.start()
        for _ in range(20):
            with pytest.raises(GatewayError) as caught:
                ask(tmp_path / "busy", {"ask": "status"}, 5.0)
            assert caught.value.hint
        thread.join(5)
