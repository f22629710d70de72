"""Sets of numbers as few ranges: what will never come, lane by lane. Pure; any thread."""

from __future__ import annotations

from bisect import bisect_left

Range = tuple[int, int]
"""First and last number, both included."""


class Ranges:
    """A set of whole numbers, kept as sorted ranges that neither overlap nor touch."""

    def __init__(self, limit: int) -> None:
        """Keep at most `limit` ranges; beyond that the lowest are forgotten (`forgotten` counts them)."""
        self._ranges: list[Range] = []
        self._limit = limit
        self.forgotten = 0

    def add(self, first: int, last: int) -> tuple[list[Range], list[Range]]:
        """Add `first`..`last`; return the ranges that went and those that came, for whoever stores them."""
        at = bisect_left(self._ranges, (first, first))
        if at and self._ranges[at - 1][1] >= first - 1:
            at -= 1
        end = at
        while end < len(self._ranges) and self._ranges[end][0] <= last + 1:
            first = min(first, self._ranges[end][0])
            last = max(last, self._ranges[end][1])
            end += 1
        gone = self._ranges[at:end]
        if gone == [(first, last)]:
            return [], []
        self._ranges[at:end] = [(first, last)]
        while len(self._ranges) > self._limit:
            gone.append(self._ranges.pop(0))
            self.forgotten += 1
        return gone, [(first, last)] if (first, last) in self._ranges else []

    def cut(self, upto: int) -> tuple[list[Range], list[Range]]:
        """Forget everything up to and including `upto`; return what went and what came."""
        gone = [range_ for range_ in self._ranges if range_[0] <= upto]
        came = [(upto + 1, last) for _, last in gone if last > upto]
        self._ranges[: len(gone)] = came
        return gone, came

    def __contains__(self, number: int) -> bool:
        at = bisect_left(self._ranges, (number + 1, 0)) - 1
        return at >= 0 and self._ranges[at][1] >= number

    def as_list(self) -> list[Range]:
        """Return the ranges in rising order."""
        return list(self._ranges)

    def copy(self) -> Ranges:
        """Return an independent copy."""
        twin = Ranges(self._limit)
        twin._ranges = list(self._ranges)
        twin.forgotten = self.forgotten
        return twin
