"""A cable in user space between two network namespaces: delay, loss, rate, cuts one way; and what went over it.

This file is also the program that is the cable. It makes both namespaces, a TUN device in each, and carries packets
between them; kernel, TCP and sockets on both sides are real. Nothing of it has a name: when the program ends, all is
gone. A thread of the test enters a namespace with `near` (the gateway) or `far` (the broker), and threads and processes
that it starts there stay there.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import heapq
import os
import random
import select
import shutil
import struct
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

NEAR, FAR = "10.77.0.2", "10.77.0.1"
QUEUE_SECONDS = 2.0
"""A slow cable holds so much; what comes on top is lost, as in a modem."""
MTU = 1500

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_RECORD = struct.Struct("!dcH")


def _check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


@contextlib.contextmanager
def _inside(namespace: str) -> Iterator[None]:
    """Be in a network namespace, this thread only."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(namespace, os.O_RDONLY)
    try:
        _check(_LIBC.setns(there, _CLONE_NEWNET), "setns")
        yield
    finally:
        _check(_LIBC.setns(home, _CLONE_NEWNET), "setns")
        os.close(there)
        os.close(home)


def why_not() -> str:
    """Return why there can be no cable here, or nothing."""
    if os.getuid() != 0:
        return "not root: a network namespace cannot be made"
    if not Path("/dev/net/tun").exists():
        return "no /dev/net/tun"
    if shutil.which("ip", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
        return "no `ip`: apt-get install iproute2"
    return ""


class Cable:
    """The running cable."""

    def __init__(self, folder: Path) -> None:
        """Lay the cable; `folder` takes the record of what went over it.

        Raises:
            OSError: the kernel does not let us; says what it said.
        """
        self.record = folder / "cable.record"
        self._errors = folder / "cable.errors"
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(self.record)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                bufsize=1,
            )
        assert self._process.stdout is not None
        self._said = self._process.stdout
        ready = self._said.readline().split()
        if not ready:
            self.remove()
            raise OSError(self._errors.read_text().strip().rpartition("\n")[2])
        near, far = (f"/proc/{self._process.pid}/fd/{number}" for number in ready)
        self._namespaces = {"near": near, "far": far}

    def near(self) -> contextlib.AbstractContextManager[None]:
        """Be where the gateway is."""
        return _inside(self._namespaces["near"])

    def far(self) -> contextlib.AbstractContextManager[None]:
        """Be where the broker is."""
        return _inside(self._namespaces["far"])

    def be(self, *, delay: float = 0.0, jitter: float = 0.0, loss: float = 0.0, rate: float = 0.0) -> None:
        """Carry like this from now on: seconds, seconds, probability, bytes a second (0: no limit); both ways."""
        self._say(f"be {delay} {jitter} {loss} {rate}")

    def cut(self, way: str) -> None:
        """Carry nothing "up" (to the broker), "down", or "both" ways."""
        self._say(f"cut {way}")

    def mend(self) -> None:
        """Carry both ways again."""
        self._say("cut none")

    def remove(self) -> None:
        """End the cable and both namespaces."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._said.close()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        assert self._said.readline() == "ok\n", self._errors.read_text()


# What went over the cable


@dataclass
class _Stream:
    """One direction of one TCP connection, put together again, and the MQTT packets in it."""

    next: int | None = None
    early: dict[int, bytes] = field(default_factory=dict)
    rest: bytes = b""

    def packets(self, seq: int, data: bytes, *, first: bool) -> Iterator[tuple[int, bytes]]:
        """Take a segment; give the MQTT packets that it completes: first byte, body."""
        if first:
            self.next = seq + 1 & 0xFFFFFFFF
            return
        if self.next is None:
            return
        self.early[seq] = max(self.early.get(seq, b""), data, key=len)
        while True:
            for start, held in list(self.early.items()):
                skip = (self.next - start) & 0xFFFFFFFF
                if skip < 1 << 31:  # it begins at, or before, what is expected
                    del self.early[start]
                    self.rest += held[skip:]
                    self.next = self.next + len(held[skip:]) & 0xFFFFFFFF
                    break
            else:
                break
        yield from self._cut_off()

    def _cut_off(self) -> Iterator[tuple[int, bytes]]:
        while len(self.rest) >= 2:
            size = shift = 0
            at = 1
            while True:
                if at >= len(self.rest):
                    return
                byte = self.rest[at]
                size |= (byte & 127) << shift
                shift += 7
                at += 1
                if byte < 128:
                    break
            if len(self.rest) < at + size:
                return
            yield self.rest[0], self.rest[at : at + size]
            self.rest = self.rest[at + size :]


@dataclass
class Traffic:
    """What was seen at the gateway's end of the cable."""

    connections: int = 0
    published: int = 0
    """Messages with QoS 1 that the gateway sent, repetitions counted."""
    acknowledged: int = 0
    """Acknowledgements that reached it."""
    most_in_flight: int = 0
    """Most messages of one connection that were sent and whose acknowledgement had not arrived."""


def traffic(record: Path) -> Traffic:
    """Read a record: TCP put together again, MQTT read, without asking the gateway anything."""
    found = Traffic()
    streams: defaultdict[tuple[int, bytes], _Stream] = defaultdict(_Stream)
    flying: defaultdict[int, set[int]] = defaultdict(set)
    raw = record.read_bytes()
    at = 0
    while at + _RECORD.size <= len(raw):
        _, way, size = _RECORD.unpack_from(raw, at)
        packet = raw[at + _RECORD.size : at + _RECORD.size + size]
        at += _RECORD.size + size
        if packet[0] >> 4 != 4 or packet[9] != 6:
            continue
        tcp = packet[(packet[0] & 15) * 4 : int.from_bytes(packet[2:4], "big")]
        source, target, seq = struct.unpack("!HHL", tcp[:8])
        client = source if way == b"u" else target
        opening = bool(tcp[13] & 2)
        if opening and way == b"u" and (client, way) in streams:
            continue  # the same SYN once more
        if opening and way == b"u":
            found.connections += 1
        for head, body in streams[client, way].packets(seq, tcp[(tcp[12] >> 4) * 4 :], first=opening):
            if head >> 4 == 3 and head & 6 and way == b"u":
                topic = int.from_bytes(body[:2], "big")
                flying[client].add(int.from_bytes(body[2 + topic : 4 + topic], "big"))
                found.published += 1
                found.most_in_flight = max(found.most_in_flight, len(flying[client]))
            elif head >> 4 == 4 and way == b"d":
                flying[client].discard(int.from_bytes(body[:2], "big"))
                found.acknowledged += 1
    return found


# The program


def _make_end(address: str) -> tuple[int, int]:
    """Go into a new namespace with a TUN device in it; return the device and the namespace."""
    _check(_LIBC.unshare(_CLONE_NEWNET), "unshare")
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", b"cable", _IFF_TUN | _IFF_NO_PI))
    for command in (f"addr add {address}/24 dev cable", f"link set cable mtu {MTU} up", "link set lo up"):
        path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        subprocess.run(["ip", *command.split()], check=True, env={"PATH": path})
    return tun, os.open("/proc/self/ns/net", os.O_RDONLY)


class _Wire:
    """What carries packets from one TUN device to the other."""

    def __init__(self, near: int, far: int, log: IO[bytes]) -> None:
        self._near, self._far, self._log = near, far, log
        self._delay = self._jitter = self._loss = self._rate = 0.0
        self._cut = "none"
        self._chance = random.Random(1)
        self._under_way: list[tuple[float, int, int, bytes]] = []
        self._free = {near: 0.0, far: 0.0}
        self._count = 0
        self._orders = b""

    def carry(self) -> None:
        """Carry until standard input ends."""
        while True:
            wait = max(0.0, self._under_way[0][0] - time.monotonic()) if self._under_way else None
            for handle in select.select([0, self._near, self._far], [], [], wait)[0]:
                if handle:
                    with contextlib.suppress(BlockingIOError):
                        self._take(handle, os.read(handle, 65536))
                elif not self._obey(os.read(0, 4096)):
                    return
            while self._under_way and self._under_way[0][0] <= time.monotonic():
                _, _, out, packet = heapq.heappop(self._under_way)
                if out == self._near:
                    self._log.write(_RECORD.pack(time.monotonic(), b"d", len(packet)) + packet)
                os.write(out, packet)

    def _obey(self, text: bytes) -> bool:
        *lines, self._orders = (self._orders + text).split(b"\n")
        for word, *values in (line.decode().split() for line in lines):
            if word == "be":
                self._delay, self._jitter, self._loss, self._rate = map(float, values)
            else:
                self._cut = values[0]
            print("ok", flush=True)
        return bool(text)

    def _take(self, handle: int, packet: bytes) -> None:
        now = due = time.monotonic()
        up = handle == self._near
        out = self._far if up else self._near
        if up:
            self._log.write(_RECORD.pack(now, b"u", len(packet)) + packet)
        full = self._rate and self._free[out] - now > QUEUE_SECONDS
        if full or self._cut in {"up" if up else "down", "both"} or self._chance.random() < self._loss:
            return
        if self._rate:
            self._free[out] = due = max(now, self._free[out]) + len(packet) / self._rate
        self._count += 1
        due += self._delay + self._chance.uniform(0, self._jitter)
        heapq.heappush(self._under_way, (due, self._count, out, packet))


if __name__ == "__main__":
    _near, _near_namespace = _make_end(NEAR)
    _far, _far_namespace = _make_end(FAR)
    print(_near_namespace, _far_namespace, flush=True)
    with Path(sys.argv[1]).open("wb", buffering=0) as _log:
        _Wire(_near, _far, _log).carry()
