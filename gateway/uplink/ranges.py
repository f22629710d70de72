"""Sets of numbers as few ranges. Pure; any thread."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Range = tuple[int, int]
"""First and last number, both included."""


class Ranges:
    """A set of whole numbers, kept as sorted ranges that neither overlap nor touch."""

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        """Begin with some ranges, in any order."""
        self._ranges: list[Range] = []
        for first, last in ranges:
            self.add(first, last)

    def add(self, first: int, last: int) -> None:
        """Add `first`..`last`."""
        at = bisect_left(self._ranges, (first, first))
        if at and self._ranges[at - 1][1] >= first - 1:
            at -= 1
        end = at
        while end < len(self._ranges) and self._ranges[end][0] <= last + 1:
            first = min(first, self._ranges[end][0])
            last = max(last, self._ranges[end][1])
            end += 1
        self._ranges[at:end] = [(first, last)]

    def take_out(self, number: int) -> None:
        """Remove one number, if it is there."""
        at = bisect_left(self._ranges, (number + 1, 0)) - 1
        if at >= 0 and self._ranges[at][1] >= number:
            first, last = self._ranges[at]
            parts = ((first, number - 1), (number + 1, last))
            self._ranges[at : at + 1] = [part for part in parts if part[0] <= part[1]]

    def holes(self, first: int, last: int) -> list[Range]:
        """Return what is missing of `first`..`last`."""
        found = []
        for begin, end in self._ranges:
            if begin > last:
                break
            if begin > first:
                found.append((first, begin - 1))
            first = max(first, end + 1)
        return [*found, (first, last)] if first <= last else found

    def __contains__(self, number: int) -> bool:
        at = bisect_left(self._ranges, (number + 1, 0)) - 1
        return at >= 0 and self._ranges[at][1] >= number

    def as_list(self) -> list[Range]:
        """Return the ranges in rising order."""
        return list(self._ranges)
