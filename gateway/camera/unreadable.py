"""Why a recording or a device cannot be opened, and what the technician does about it. Blocks as the disk does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gateway.errors import CameraUnavailable

if TYPE_CHECKING:
    from pathlib import Path


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
    hint = "Check the path and the card, and read the kernel's log: journalctl -k."
    if isinstance(error, FileNotFoundError):
        hint = "Check the spelling; for a USB camera: is it plugged in? ls /dev/video*"
    elif isinstance(error, PermissionError):
        hint = "Let the gateway's user read it; for a USB camera that user must be in the group 'video'."
    return CameraUnavailable(f"{shown}: {error.strerror or error}", hint)
