"""What a self-test says of one part. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Result = Literal["ok", "warning", "failure", "skipped"]


@dataclass(frozen=True)
class Check:
    """What became of one part."""

    id: str
    """Stable, for scripts."""
    result: Result
    message: str
    hint: str = ""
