"""Composed scenes, rendered once: what was made lies in a folder for temporary files until its makers change."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .cuts import stock
from .stage import Shot
from .stress import shots

if TYPE_CHECKING:
    from collections.abc import Iterator

_stocks: dict[tuple[Path, str], object] = {}


def _folder() -> Path:
    makers = (Path(__file__).with_name(f"{name}.py").read_bytes() for name in ("cuts", "stage", "stress", "nature"))
    mark = hashlib.sha256(b"".join(makers)).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"gateway-composed-{os.getuid()}-{mark}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def composed(footage: Path, half: str, name: str, seed: int, frames: int) -> Iterator[Shot]:
    """Yield the frames of a composed scene with their truth.

    Raises:
        FileNotFoundError: a clip is missing; the text names it.
    """
    path = _folder() / f"{half}-{name}-{seed}-{frames}.npz"
    if not path.exists():
        key = (footage, half)
        if key not in _stocks:
            _stocks[key] = stock(footage, half)
        made = list(shots(name, _stocks[key], seed, frames))  # type: ignore[arg-type]
        part = path.with_name(f"{path.stem}-{os.getpid()}.part.npz")
        np.savez(
            part,
            luma=np.array([shot.luma for shot in made]),
            labels=np.array([shot.labels for shot in made]),
            ignore=np.packbits(np.array([shot.ignore for shot in made]), axis=2),
        )
        part.replace(path)
    with np.load(path) as kept:
        luma, labels, ignore = kept["luma"], kept["labels"], kept["ignore"]
    for number in range(frames):
        doubt = np.unpackbits(ignore[number], axis=1, count=luma.shape[2]).astype(np.bool_)
        yield Shot(luma[number], labels[number], doubt)
