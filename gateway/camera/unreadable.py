"""Why a recording, a device or a network camera cannot be opened, and what the technician does about it.

Blocks as disk and network do.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.errors import CameraUnavailable

if TYPE_CHECKING:
    from pathlib import Path

RTSP_PORT = 554


def check_readable(path: Path, shown: str) -> None:
    """Look whether a file can be opened, before a library is asked that would not say why not.

    Raises:
        CameraUnavailable: it cannot; called `shown` in the message.
    """
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    except OSError as error:
        raise cannot_open(shown, error) from error


def cannot_open(shown: str, error: OSError) -> CameraUnavailable:
    """Return what is to be raised, with a hint that fits the error."""
    hint = "check the path and the card, and read the kernel's log: journalctl -k"
    if isinstance(error, FileNotFoundError):
        hint = "check the spelling; for a USB camera: is it plugged in? ls /dev/video*"
    elif isinstance(error, PermissionError):
        hint = "let the gateway's user read it; for a USB camera that user must be in the group 'video'"
    return CameraUnavailable(f"{shown}: {error.strerror or error}", hint)


def no_stream(address: str, shown: str, seconds: float) -> CameraUnavailable:
    """Return what is to be raised for a network camera that gave nothing: OpenCV does not say why it did not.

    Args:
        address: rtsp://[user:password@]host[:port]/...
        shown: how to call it in the message.
        seconds: for which it may keep us waiting again.
    """
    hint = "check the address and the network, and that the camera is on"
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or RTSP_PORT
        socket.create_connection((host, port), seconds).close()
    except socket.gaierror:
        why = f"the name {host!r} is not known"
    except TimeoutError:
        why = f"{host}:{port} does not answer"
    except ConnectionRefusedError:
        why = f"nothing listens on {host}:{port}"
    except OSError as error:
        why = f"{host}:{port} cannot be reached: {error.strerror}"
    except ValueError as error:
        why = f"the address cannot be used: {error}"
    else:
        why = f"what answers on {host}:{port} sends none"
        hint = "check path, user, password and what the camera can send; with gateway -v selftest, ffmpeg tells more"
    return CameraUnavailable(f"{shown}: it gives no video: {why}", hint)
