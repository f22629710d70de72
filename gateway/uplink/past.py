"""What was before this store: one that was set aside, and epochs that are over and whose losses are still to be told.

Reading what was set aside is salvage's business (salvage.py), the numbers of former epochs are in former.py. On the
thread that owns the store.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.uplink import beside

if TYPE_CHECKING:
    from gateway.uplink.books import Books


class Past:
    """The past of an open store."""

    def __init__(self, books: Books) -> None:
        """Take the books of an open store."""
        self._books = books
        why = books.meta.get("aside", "")
        self.set_aside = beside.aside_of(Path(books.path), why) if why else None
        """Where a store lies that could not be used and is not yet salvaged, or None."""

    def salvaged(self) -> None:
        """Note that what was set aside has been read; it stays, unless it takes the room that this store needs."""
        if self.set_aside is None:
            return
        with self._books.writing():
            self._books.set_meta("aside", "")
        aside, self.set_aside = self.set_aside, None
        if self._books.cramped:
            _remove(aside)
        self._books.resize()

    def forget(self, pictures: float) -> None:
        """Remove a damaged store that was set aside `pictures` seconds ago or more: no picture in it may be kept."""
        damaged = beside.aside_of(Path(self._books.path), "damaged")
        if self._books.path == beside.MEMORY or self.set_aside is not None or self._books.age() < pictures:
            return
        if damaged.exists():
            _remove(damaged)
            self._books.resize()

    @property
    def ended(self) -> list[str]:
        """Epochs that are over, and whose lost numbers were not told yet."""
        return self._books.meta.get("former", "").split()

    def end(self, epoch: str) -> None:
        """Note that an epoch is over; what becomes of its numbers is told by `tell`."""
        if epoch and epoch != self._books.epoch and epoch not in self.ended:
            with self._books.writing():
                self._books.set_meta("former", " ".join([*self.ended, epoch]))

    def tell(self) -> None:
        """Tell as gaps which numbers of ended epochs are lost: all that could be saved is here."""
        if self.ended:
            with self._books.writing():
                for epoch in self.ended:
                    self._books.former.end(epoch)
                self._books.set_meta("former", "")


def _remove(aside: Path) -> None:
    with contextlib.suppress(OSError):
        for file in (aside, beside.journal_of(aside)):
            file.unlink(missing_ok=True)
