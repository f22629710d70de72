"""The control of the power cuts: with this loaded, a store synchronises when it is written back, not at each commit.

Loaded by a .pth file of the test's own (test_power.py). The product has no such setting: it is taken from outside.
"""

from __future__ import annotations

import functools
import sqlite3
from typing import Any


class Weaker(sqlite3.Connection):
    """A connection in WAL with NORMAL, as others use it."""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """Run a statement, weakened."""
        return super().execute(sql.replace("synchronous=FULL", "synchronous=NORMAL"), *values)


sqlite3.connect = functools.partial(sqlite3.connect, factory=Weaker)  # type: ignore[assignment]
