"""A file system that is really full: the store ends in order and is the same at the next start."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from gateway.errors import StoreError
from gateway.uplink import beside
from gateway.uplink.broker import Broker
from gateway.uplink.outbox import Outbox
from gateway.wire.draft import Rank
from tests.conftest import Gateway, everything, message
from tests.mosquitto import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB."""
    if os.getuid() != 0:
        pytest.skip("mounting a file system of 12 MB takes root")
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", folder], check=False).returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill_up(folder: Path) -> None:
    """Take all the room that is left, as another program's files do."""
    room = os.statvfs(folder)
    (folder / "ballast").write_bytes(bytes(room.f_bavail * room.f_frsize))


def use_up(outbox: Outbox, folder: Path) -> None:
    """Fill the file system, then write into the store's own free pages until its journal would have to grow.

    Raises:
        StoreError: always, of the room that there is not.
    """
    numbers = iter(outbox.reserve("media", 4000))
    for _ in range(4):
        put_and_deliver(outbox, numbers)
    outbox.reserve("alarm", 1)  # all is written back, and the pictures' pages are free
    fill_up(folder)
    while True:  # as long as there are numbers
        put_and_deliver(outbox, numbers)


def put_and_deliver(outbox: Outbox, numbers: Iterator[int]) -> None:
    """Store ten pictures, and note that the centre has them."""
    made = [message(Rank.PICTURE, next(numbers), epoch=outbox.epoch, size=8000) for _ in range(10)]
    outbox.put(made)
    outbox.done([one.key for one in made])


def test_a_stop_on_a_full_card_is_no_damage(small: Path) -> None:
    """The daemon stops while nothing can be written: at the next start the store is neither set aside nor emptied."""
    gateway = Gateway(small / "store", Broker(port=1)).start()
    kept = [gateway.make(rank) for rank in (Rank.ALARM, Rank.END) * 5]
    wait_for(lambda: gateway.spool.status()["rows"] == len(kept), "all to be stored")
    failed: list[StoreError] = []

    def spend(outbox: Outbox) -> None:
        try:
            use_up(outbox, small)
        except StoreError as error:
            failed.append(error)
            raise

    gateway.spool.call(spend)
    wait_for(lambda: failed, "the card to be full")
    alarm = gateway.make(Rank.ALARM)
    wait_for(lambda: gateway.spool.status()["problem"], "the full card to be told")
    assert "has no room" in str(failed[0])
    gateway.stop()
    path = small / "store" / "outbox.db"
    (small / "ballast").unlink()
    again = Outbox.open(path, min_free=0)
    assert again.past.set_aside is None
    assert not beside.aside_of(path, "damaged").exists()
    assert again.epoch == alarm.epoch
    there = [*everything(again, "alarm"), *everything(again, "event")]
    assert {one.id for one in there} >= {one.id for one in kept}
    again.close(unused={})


def test_a_store_that_is_let_go_of_without_a_word_is_caught(small: Path) -> None:
    """The control: what was abandoned on a full card, with its journal in it, looks like one that lost it."""
    outbox = Outbox.open(small / "outbox.db", min_free=0)
    with pytest.raises(StoreError, match="has no room"):
        use_up(outbox, small)
    outbox.abandon()
    (small / "ballast").unlink()
    again = Outbox.open(small / "outbox.db", min_free=0)
    assert again.past.set_aside is not None
    again.close()


def test_a_start_on_a_full_card_after_a_kill_is_no_damage(small: Path) -> None:
    """Killed, and there is no room for the first write of the next start: the start after that finds it as it was."""
    path = small / "outbox.db"
    outbox = Outbox.open(path, min_free=0)
    made = [message(Rank.ALARM, seq, epoch=outbox.epoch, size=500) for seq in outbox.reserve("alarm", 20)]
    outbox.put(made)
    (small / "killed").mkdir()
    for file in (path, beside.journal_of(path)):
        shutil.copyfile(file, small / "killed" / file.name)
    outbox.close()
    path = small / "killed" / "outbox.db"
    fill_up(small)
    for _ in range(2):
        with pytest.raises(StoreError, match="has no room"):
            Outbox.open(path, min_free=0)
    (small / "ballast").unlink()
    again = Outbox.open(path, min_free=0)
    assert (again.past.set_aside, again.epoch) == (None, outbox.epoch)
    assert {one.id for one in everything(again, "alarm")} == {one.id for one in made}
    again.close()
