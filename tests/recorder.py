"""A block device that records: ext4 on a loop device whose file is served by a program, which keeps every write.

The program is disk.py (FUSE). From one recording any power cut can be made: what was written before the last
flush that was answered is there, and of what came later any sector may be there or not. The file system, its journal
and the kernel's page cache are real; that a card keeps what it said was flushed is assumed.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 32 << 20
SECTOR = 512
EVENT = struct.Struct("<dcQI")
"""Before each write and flush, as disk.py records it: when, W or F, where, how many bytes follow."""
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def run(*command: str | Path, check: bool = True) -> str:
    """Run a tool of the system; return what it printed."""
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": _PATH},
    )
    if check and done.returncode:
        raise OSError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout.strip()


def why_not() -> str:
    """Return why there can be no recording device here, or nothing."""
    if os.getuid() != 0:
        return "not root: nothing can be mounted"
    for node in ("/dev/fuse", "/dev/loop-control"):
        if not Path(node).exists():
            return f"no {node}"
    for tool in ("mkfs.ext4", "losetup", "mount", "umount", "fusermount3"):
        if shutil.which(tool, path=_PATH) is None:
            return f"no {tool}"
    try:
        import mfusepy  # noqa: F401
    except (ImportError, OSError) as error:
        return f"mfusepy: {error}"
    return ""


class Device:
    """A mounted ext4 on a recording device."""

    def __init__(self, folder: Path, size: int = SIZE) -> None:
        """Make and mount it, `size` bytes; raises OSError, with what the tool said, where the system forbids it."""
        self._fuse = folder / "fuse"
        self.path = folder / "card"
        self.log = folder / "device.log"
        for made in (self._fuse, self.path):
            made.mkdir()
        self._loop = ""
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("disk.py")), str(self._fuse), str(self.log), str(size)],
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        try:
            if not self._process.stdout.readline():
                raise OSError("FUSE does not mount here")
            disk = self._fuse / "disk"
            run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", disk)
            self._loop = run("losetup", "-f", "--show", disk)
            run("mount", self._loop, self.path)
        except OSError:
            self.remove()
            raise

    def remove(self) -> None:
        """Unmount, whatever state it is in; the log stays."""
        run("umount", self.path, check=False)
        if self._loop:
            run("losetup", "-d", self._loop, check=False)
        run("fusermount3", "-u", "-z", self._fuse, check=False)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._process.kill()
        self._process.wait(5)
        assert self._process.stdout is not None
        self._process.stdout.close()


def cuts(log: Path, instants: list[float], image: Path, rng: random.Random, size: int = SIZE) -> Iterator[float]:
    """Make `image` what a power cut may leave, for each instant (monotonic seconds, in order); give that instant."""
    raw = log.read_bytes()
    durable = bytearray(size)
    late: list[tuple[int, bytes]] = []
    at = 0
    for instant in sorted(instants):
        while at + EVENT.size <= len(raw):
            when, what, offset, size = EVENT.unpack_from(raw, at)
            if when >= instant:
                break
            at += EVENT.size + size
            if what == b"W":
                late.append((offset, raw[at - size : at]))
                continue
            for start, data in late:
                durable[start : start + len(data)] = data
            late = []
        found = bytearray(durable)
        kept = rng.choice((0.0, 1.0, rng.random(), rng.random()))
        for start, data in late:
            for shift in range(0, len(data), SECTOR):
                if rng.random() < kept:
                    sector = data[shift : shift + SECTOR]
                    found[start + shift : start + shift + len(sector)] = sector
        image.unlink(missing_ok=True)  # a device that somebody still holds open would show the blocks it remembers
        image.write_bytes(found)
        yield instant


@contextlib.contextmanager
def mounted(image: Path, path: Path) -> Iterator[None]:
    """Mount what a power cut left; ext4 replays its journal."""
    run("mount", "-o", "loop", image, path)
    try:
        yield
    finally:
        run("umount", path)
