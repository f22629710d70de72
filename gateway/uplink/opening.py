"""How a store comes to be open: the one that is there, or a fresh one when that cannot be used and is set aside.

What makes a file unusable is known in store.py and books.py. On the thread that will own the store; it may wait for
the card.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.errors import StoreError
from gateway.uplink import store
from gateway.uplink.books import Books, NewerError

if TYPE_CHECKING:
    from collections.abc import Callable


def open_books(
    path: str,
    cap_bytes: int,
    min_free: int,
    clock: Callable[[], float],
    open_file: Callable[..., Any],
    *,
    as_it_is: bool = False,
) -> Books:
    """Open the store, or make it; see Outbox.open.

    With `as_it_is` one that cannot be used is left where it is.

    Raises:
        StoreError: there can be no store here now.
    """

    def books(aside: str) -> Books:
        db = store.connect(path, cap_bytes, open_file)
        found = _load(Books(db, path, cap_bytes, min_free, clock), aside, journalled=had)
        store.note_epoch(path, found.epoch)
        return found

    try:
        had = store.prepare(path)
        try:
            return books(_lying_aside(path))
        except (store.Damaged, NewerError) as error:
            if as_it_is:
                hint = "start the gateway: it sets this store aside, saves what can be read, and makes a fresh one"
                raise StoreError(str(error) or f"{path} is of a newer version of this program", hint) from error
            why = "newer" if isinstance(error, NewerError) else "damaged"
            store.set_aside(Path(path), why)
            return books(why)
    except OSError as error:
        raise StoreError(
            f"{path}: {error.strerror or error}", "check that the folder exists and belongs to the service"
        ) from error


def _lying_aside(path: str) -> str:
    """Return why a store was set aside that lies beside this path, the latest; what a fresh store has to salvage.

    That no fresh one was made yet comes of damage that showed in use, and of a power cut between the two.
    """
    if path == store.MEMORY:
        return ""
    found = [(aside, why) for why in ("damaged", "newer") if (aside := store.aside_of(Path(path), why)).exists()]
    return max(found, key=lambda each: each[0].stat().st_mtime)[1] if found else ""


def _load(books: Books, aside: str, *, journalled: bool) -> Books:
    """Load the books; close the file when they are of no use."""
    try:
        try:
            books.load(journalled=journalled, aside=aside)
        except sqlite3.Error as error:
            raise store.explain(error, books.path, opening=True) from error
        except (TypeError, ValueError, LookupError) as error:  # values that this program never writes
            raise store.Damaged(f"{books.path} holds nonsense: {error}", store.SET_ASIDE) from error
    except BaseException:
        books.db.close()
        raise
    return books
