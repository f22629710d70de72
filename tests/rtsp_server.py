"""A network camera for tests: RTSP (RFC 2326) on loopback, JPEG over RTP (RFC 2435) in the same TCP connection.

One client at a time; it can fall silent, hang up, or never answer. Not here: sound, UDP, H.264.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from typing import TYPE_CHECKING, Self

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from numpy.typing import NDArray

PACKET = 1400


class RtspServer:
    """Plays pictures in a loop, `fps` a second, until closed.

    `frames_then_silent` or `frames_then_hang_up` end it after so many frames; `mute` accepts and never answers.
    """

    def __init__(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        fps: float = 50.0,
        *,
        frames_then_silent: int | None = None,
        frames_then_hang_up: int | None = None,
        mute: bool = False,
    ) -> None:
        self._jpegs = [cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures]
        self._fps = fps
        self._silent, self._hang_up, self._mute = frames_then_silent, frames_then_hang_up, mute
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, name="rtsp-server", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens, with a user and a password that nobody may see."""
        return f"rtsp://operator:hunter2@127.0.0.1:{self._listener.getsockname()[1]}/street?channel=1"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(10)
        self._listener.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            if not select.select([self._listener], [], [], 0.1)[0]:
                continue
            connection, _ = self._listener.accept()
            with connection:
                connection.settimeout(5)
                try:
                    self._talk(connection)
                except OSError:
                    continue  # the client went away

    def _talk(self, connection: socket.socket) -> None:
        heard = b""
        packets: Iterator[bytes] | None = None
        sent = 0
        due = time.monotonic()
        while not self._stop.is_set():
            wait = 0.1 if packets is None else min(0.1, max(0.0, due - time.monotonic()))
            if select.select([connection], [], [], wait)[0]:
                data = connection.recv(65536)
                if not data:
                    return
                heard = b"" if self._mute else heard + data
            while b"\r\n\r\n" in heard:
                request, _, heard = heard.partition(b"\r\n\r\n")
                if request[:1] == b"$":  # receiver reports of the client, between its requests
                    request = request[request.find(b"\n", 4) + 1 :]
                if self._answer(connection, request.decode(errors="replace")):
                    packets = self._packets()
                    due = time.monotonic()
            if packets is None or time.monotonic() < due or sent == self._silent:
                continue
            connection.sendall(next(packets))
            sent += 1
            due += 1.0 / self._fps
            if sent == self._hang_up:
                return

    def _answer(self, connection: socket.socket, request: str) -> bool:
        """Answer one request; return whether it was PLAY."""
        lines = request.split("\r\n")
        verb = lines[0].split(" ")[0]
        number = next((line.split(":")[1].strip() for line in lines if line.lower().startswith("cseq:")), "0")
        extra, body = "Session: 1\r\n", ""
        if verb == "OPTIONS":
            extra = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        elif verb == "DESCRIBE":
            body = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=street\r\nt=0 0\r\n"
            body += f"m=video 0 RTP/AVP 26\r\na=framerate:{self._fps:g}\r\na=control:track1\r\n"
            extra = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
        elif verb == "SETUP":
            extra += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        connection.sendall(f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{extra}\r\n{body}".encode())
        return verb == "PLAY"

    def _packets(self) -> Iterator[bytes]:
        """Yield the interleaved RTP packets of one picture after the other."""
        sequence = 0
        frame = 0
        while True:
            tables, kind, width, height, scan = _taken_apart(self._jpegs[frame % len(self._jpegs)])
            stamp = int(frame * 90_000 / self._fps) & 0xFFFFFFFF
            out = b""
            for offset in range(0, len(scan), PACKET):
                part = scan[offset : offset + PACKET]
                head = b"\0" + offset.to_bytes(3, "big") + bytes((kind, 255, width // 8, height // 8))
                if offset == 0:
                    head += b"\0\0" + len(tables).to_bytes(2, "big") + tables
                last = 0x80 if offset + PACKET >= len(scan) else 0
                rtp = bytes((0x80, last | 26)) + sequence.to_bytes(2, "big") + stamp.to_bytes(4, "big") + b"\0\0\0\7"
                packet = rtp + head + part
                out += b"$\0" + len(packet).to_bytes(2, "big") + packet
                sequence = (sequence + 1) & 0xFFFF
            yield out
            frame += 1


def _taken_apart(jpeg: bytes) -> tuple[bytes, int, int, int, bytes]:
    """Return quantisation tables, RTP's type (0: 4:2:2, 1: 4:2:0), width, height and the coded scan."""
    tables, kind, width, height = b"", 1, 0, 0
    at = 2
    while True:
        marker, length = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        body = jpeg[at + 4 : at + 2 + length]
        at += 2 + length
        if marker == 0xDB:
            while body:
                tables, body = tables + body[1:65], body[65:]
        elif marker == 0xC0:
            height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
            kind = 1 if body[7] == 0x22 else 0
        elif marker == 0xDA:
            return tables, kind, width, height, jpeg[at:-2]
