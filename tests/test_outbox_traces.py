"""Of a picture that has left the store nothing is left on the card that a reader of the files would find."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from gateway.errors import StoreError
from gateway.uplink import beside
from gateway.uplink.books import Books
from gateway.uplink.outbox import Outbox
from gateway.wire.draft import Rank
from tests.conftest import everything, message

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.wire.message import Message

pytestmark = pytest.mark.usefixtures("tidy")


def with_pictures(outbox: Outbox) -> list[Message]:
    """Store pictures among events; return them."""
    pictures: list[Message] = []
    media, event = iter(outbox.reserve("media", 48)), iter(outbox.reserve("event", 120))
    for _ in range(3):
        pictures += [message(Rank.PICTURE, next(media), epoch=outbox.epoch, size=8000) for _ in range(16)]
        outbox.put(pictures[-16:])
        outbox.put_delivered([message(Rank.END, next(event), epoch=outbox.epoch) for _ in range(40)])
    return pictures


def traces(file: Path, pictures: list[Message]) -> int:
    """Return how many pieces of pictures are in a file."""
    raw = file.read_bytes()
    pieces = [one.payload[at : at + 64] for one in pictures for at in range(200, len(one.payload) - 64, 256)]
    left = sum(piece in raw for piece in pieces)
    print(f"{left} of {len(pieces)} pieces are left in {file.name}")
    return left


@pytest.mark.parametrize("zeroing", [True, False])
def test_nothing_of_a_picture_is_left_in_the_store(
    tmp_path: Path, zeroing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of pictures that were delivered or expired no piece is in the file; without zeroing (control) there are some."""
    if not zeroing:
        writing = Books.writing
        monkeypatch.setattr(Books, "writing", lambda books, **how: writing(books, **{**how, "zeroing": False}))
    now = [0.0]
    outbox = Outbox.open(tmp_path / "outbox.db", 8 << 20, 0, clock=lambda: now[0])
    pictures = with_pictures(outbox)
    outbox.reserve("alarm", 1)  # the journal is written back
    outbox.done([one.key for one in pictures[::2]])
    now[0] = 73 * 3600.0
    outbox.expire()
    assert list(everything(outbox, "media")) == []
    outbox.close(unused={})
    assert not beside.journal_of(tmp_path / "outbox.db").exists()
    assert (traces(tmp_path / "outbox.db", pictures) == 0) == zeroing


def test_nothing_of_a_picture_is_left_in_the_journal(tmp_path: Path) -> None:
    """A day after it has left, also on a quiet corner whose journal is hardly written; before, there is (control)."""
    now = [0.0]
    outbox = Outbox.open(tmp_path / "outbox.db", 8 << 20, 0, clock=lambda: now[0])
    outbox.expire()
    pictures = with_pictures(outbox)
    outbox.done([one.key for one in pictures])
    journal = beside.journal_of(tmp_path / "outbox.db")
    now[0] = 3600.0
    outbox.expire()
    assert traces(journal, pictures) > 0
    now[0] = 25 * 3600.0
    outbox.expire()
    assert traces(journal, pictures) == traces(tmp_path / "outbox.db", pictures) == 0


@pytest.mark.parametrize("refused", [False, True])
def test_a_store_whose_journal_was_cut_off_knows_that_it_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: bool
) -> None:
    """Where it is lost afterwards that is seen at the next start, also when the card refused to cut it off at first."""
    outbox = Outbox.open(tmp_path / "outbox.db", 8 << 20, 0)
    (number,) = outbox.reserve("alarm", 1)
    with_pictures(outbox)
    read = Books.read

    def refuse(books: Books, query: str, *more: Any) -> Any:
        if "TRUNCATE" in query:
            raise StoreError("an input/output error", "")
        return read(books, query, *more)

    if refused:
        with monkeypatch.context() as broken:
            broken.setattr(Books, "read", refuse)
            with pytest.raises(StoreError):
                outbox.expire()
        outbox.reserve("event", 1)  # writes the journal back
    outbox.expire()
    outbox.put([message(Rank.ALARM, number, epoch=outbox.epoch)])
    (tmp_path / "copy").mkdir()
    shutil.copyfile(outbox.path, tmp_path / "copy" / "outbox.db")
    outbox.close()
    again = Outbox.open(tmp_path / "copy" / "outbox.db", 8 << 20, 0)
    assert again.past.set_aside is not None
    again.close()


def test_a_journal_without_pictures_keeps_its_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To cut it costs the file system work at each commit until it has grown again: events alone never cause it."""
    cut: list[bool] = []
    checkpoint = Books.checkpoint

    def watch(books: Books, **how: Any) -> None:
        cut.append(bool(how))
        checkpoint(books, **how)

    monkeypatch.setattr(Books, "checkpoint", watch)
    now = [0.0]
    outbox = Outbox.open(tmp_path / "outbox.db", 8 << 20, 0, clock=lambda: now[0])
    outbox.expire()
    assert cut.count(True) == 1, "once in a run, for who knows what was before"
    for day in range(1, 5):
        outbox.put([message(Rank.END, seq, epoch=outbox.epoch) for seq in outbox.reserve("event", 50)])
        now[0] = day * 25 * 3600.0
        outbox.expire()
    assert cut.count(True) == 1
