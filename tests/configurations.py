"""What tests of the configuration share: the sample, and files to write."""

from __future__ import annotations

from pathlib import Path

SAMPLE = Path(__file__).parent.parent / "config" / "gateway.toml"


def write(folder: Path, text: str) -> Path:
    """Put a configuration into a file and return its path."""
    file = folder / "gateway.toml"
    file.write_text(text, encoding="utf-8")
    return file
