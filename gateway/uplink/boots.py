"""The boots that the store's messages come from, and how far each boot's clock was off; as up/clock tells them.

When the clock is right is known elsewhere (daemon/condition.py), transactions are the books' (books.py). On the thread
that owns the store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

KEPT = 64
Boot = tuple[str, float | None, float | None]
"""Its id, its offset (wall minus monotonic seconds), and since when its clock was right; None if it never was."""


class Boots:
    """The boots of an open store. Changes are made inside a transaction of the books."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Take an open connection."""
        self._db = db

    def note(self, boot: str, offset: float | None, since: float | None) -> None:
        """Note a boot, or what is known of it by now."""
        self._db.execute(
            "INSERT INTO boot VALUES (?, (SELECT ifnull(max(place), 0) + 1 FROM boot), ?, ?)"
            " ON CONFLICT (boot) DO UPDATE SET offset = excluded.offset, since = excluded.since",
            (boot, offset, since),
        )
        self._forget()

    def note_older(self, boots: Sequence[Boot]) -> None:
        """Note boots that were before all that are known here, oldest first; what is known of one here stands."""
        known = {boot for (boot,) in self._db.execute("SELECT boot FROM boot").fetchall()}
        (first,) = self._db.execute("SELECT ifnull(min(place), 1) FROM boot").fetchone()
        fresh = [each for each in boots if each[0] not in known]
        rows = [(boot, first - len(fresh) + place, *rest) for place, (boot, *rest) in enumerate(fresh)]
        self._db.executemany("INSERT INTO boot VALUES (?, ?, ?, ?)", rows)
        self._forget()

    def told(self) -> list[dict[str, Any]]:
        """Return them as they stand in up/clock, oldest first."""
        found = self._db.execute("SELECT boot, offset, since FROM boot ORDER BY place").fetchall()
        return [{"boot": boot, "offset": offset, "since": since} for boot, offset, since in found]

    def _forget(self) -> None:
        self._db.execute("DELETE FROM boot WHERE place <= (SELECT max(place) FROM boot) - ?", (KEPT,))
