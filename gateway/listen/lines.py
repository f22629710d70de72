"""Reads messages that other tools wrote down: raw as they travel, or a line each in hexadecimal, base64 or JSON.

    mosquitto_sub ... -F '%t %x' | gateway decode

Not here: what they say in words (telling.py). Runs on the main thread of the command line's process.
"""

from __future__ import annotations

import base64
import binascii
import re
import sys
from typing import IO, TYPE_CHECKING

from gateway.errors import GatewayError
from gateway.listen.telling import in_print, read
from gateway.logs import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEX = re.compile(rb"[0-9a-fA-F]+")
WITH_DICTIONARY = 0x20
"""Of the second byte of a zlib stream (RFC 1950): it has a preset dictionary."""


def decode(file: Path | None) -> int:
    """Print what stands in a file, or in standard input, as JSON; return 1 where something of it is broken.

    Raises:
        GatewayError: the file cannot be read.
    """
    try:
        if file is None:
            return _print(sys.stdin.buffer)
        with file.open("rb") as opened:
            return _print(opened)
    except BrokenPipeError:  # nobody reads what we print: not the file's fault
        raise
    except OSError as error:
        raise GatewayError(f"{file or 'standard input'}: cannot be read: {error.strerror}", "name another") from None


def _print(source: IO[bytes]) -> int:
    worst = 0
    for where, topic, found in messages(source):
        if isinstance(found, str):
            sys.stderr.write(f"gateway: {where}BROKEN: {printable(found)}\n")
            worst = 1
        else:
            try:
                text = in_print(read(found))
            except ValueError as error:
                sys.stderr.write(f"gateway: {where}BROKEN: {printable(str(error))} ({found[:8].hex(' ')})\n")
                worst = 1
            else:
                sys.stdout.write(f"{printable(topic)} {text}\n" if topic else f"{text}\n")
                sys.stdout.flush()
    return worst


def messages(source: IO[bytes]) -> Iterator[tuple[str, str, bytes | str]]:
    """Yield where each message stands, its topic if that stands before it, and its payload or why it is none.

    Args:
        source: bytes; one raw payload, or lines.
    """
    first = source.readline()
    if is_raw(first):
        yield "", "", first + source.read()
        return
    number = 0
    while first:
        number += 1
        if line := first.strip():
            topic, payload = _split(line)
            where = f"line {number}: " + (f"{printable(topic)}: " if topic else "")
            try:
                yield where, topic, _payload(payload)
            except ValueError as error:
                yield where, topic, str(error)
        first = source.readline()


def is_raw(text: bytes) -> bool:
    """Whether this is how a payload begins that is not JSON: a deflated event, or a picture."""
    if text[:2] == b"\xff\xd8":
        return True
    return text[:1] == b"\x78" and (len(text) == 1 or bool(text[1] & WITH_DICTIONARY and not _as_number(text) % 31))


def _as_number(text: bytes) -> int:
    return int.from_bytes(text[:2], "big")


def _split(line: bytes) -> tuple[str, bytes]:
    """The topic before a blank, if there is one, and the rest."""
    head, blank, rest = line.partition(b" ")
    if blank and b"/" in head and not head.startswith(b"{"):
        return head.decode(errors="replace"), rest.strip()
    return "", line


def _payload(text: bytes) -> bytes:
    """Return the bytes that a text stands for.

    Raises:
        ValueError: it is neither.
    """
    if text.startswith(b"{"):
        return text
    if HEX.fullmatch(text) and len(text) % 2 == 0:
        return bytes.fromhex(text.decode("ascii"))
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("neither hexadecimal, nor base64, nor JSON: write it with mosquitto_sub -F '%t %x'") from None
