"""The answer to a fetch: what follows a place in the order of sending, from store and memory together, nothing skipped.

When it is asked for is the deliver thread's business (dispatch.py), what becomes of the answer the lane's (lanes.py).
On the spool's thread: it waits for the card.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.uplink.lanes import Batch

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from gateway.uplink.outbox import Outbox
    from gateway.uplink.rows import Key, Stream
    from gateway.wire.message import Message


def read_batch(
    outbox: Outbox,
    stream: Stream,
    after: int,
    limit: int,
    *,
    waiting: Sequence[Message],
    done: Collection[Key],
    upto: int,
) -> Batch:
    """Return the answer to a fetch.

    Args:
        outbox: the store in use.
        stream: of what.
        after: only what has a greater place.
        limit: at most so many from the store.
        waiting: what is only in memory, of this stream and the store's epoch, behind `after`.
        done: delivered, though the store does not know it yet.
        upto: up to this number everything was offered before `waiting` was looked at.

    Raises:
        StoreError: the store cannot be read.
    """
    place = after
    while found := outbox.pending(stream, place, limit):
        place = found[-1][0]
        if stored := [message for _, message in found if message.key not in done]:
            between = [message for message in waiting if message.seq < place]
            ordered = list({message.key: message for message in [*stored, *between]}.values())
            if stream != "saved":
                ordered.sort(key=_number)
            return Batch(stream, outbox.epoch, ordered, place)
    rest = sorted(waiting, key=_number)[:limit]
    if rest:
        return Batch(stream, outbox.epoch, rest, rest[-1].seq)
    return Batch(stream, outbox.epoch, upto=upto)


def _number(message: Message) -> int:
    return message.seq
