"""Lanes of the timeline as text: curves as SVG that stretches with the page, spans as bars in per cent.

Pure. Not here: what is drawn (page.py).
"""

from __future__ import annotations

import html
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.replay.story import Span

COLUMNS = 900
"""Points across a curve: more than a wide screen can show would only make the page heavy."""


def thin(values: Sequence[float], *, peak: bool) -> list[float]:
    """Return at most COLUMNS values, each the mean of those it stands for, or their peak."""
    if len(values) <= COLUMNS:
        return list(values)
    edges = [len(values) * n // COLUMNS for n in range(COLUMNS + 1)]
    parts = (values[a:b] for a, b in itertools.pairwise(edges))
    return [max(part) if peak else sum(part) / len(part) for part in parts]


def curve(values: Sequence[float], low: float, high: float, *, filled: bool = False, name: str = "") -> str:
    """Return a curve as SVG over the full width; `low` is its lower edge, `high` its upper."""
    reach = high - low if high > low else 1.0
    last = max(len(values) - 1, 1)
    points = " ".join(
        f"{1000 * n / last:.1f},{40 - 38 * min(max((value - low) / reach, 0.0), 1.0):.1f}"
        for n, value in enumerate(values)
    )
    shape = f'<polyline class="line {name}" points="{points}"/>'
    if filled:
        shape = f'<polygon class="area {name}" points="0,40 {points} 1000,40"/>' + shape
    return f'<svg viewBox="0 0 1000 40" preserveAspectRatio="none" aria-hidden="true">{shape}</svg>'


def place(start: float, end: float, whole: tuple[float, float]) -> str:
    """Return where a span lies in the whole, as a style."""
    length = max(whole[1] - whole[0], 1e-9)
    left = min(max((start - whole[0]) / length, 0.0), 1.0)
    right = min(max((end - whole[0]) / length, left), 1.0)
    return f"left:{100 * left:.3f}%;width:{100 * (right - left):.3f}%"


def bands(spans: Iterable[Span], whole: tuple[float, float]) -> str:
    """Return spans as coloured bands, each named."""
    return "".join(
        f'<i class="band {html.escape(span.what)}" style="{place(span.start, span.end, whole)}" '
        f'title="{html.escape(span.what)}, {span.start:.1f} to {span.end:.1f} s"><b>{html.escape(span.what)}</b></i>'
        for span in spans
    )


def rows(spans: Sequence[tuple[float, float]], gap: float) -> list[int]:
    """Return a row for each span (start, end), in order of start, so that no two in a row overlap or touch."""
    ends: list[float] = []
    chosen = []
    for start, end in spans:
        row = next((n for n, before in enumerate(ends) if before + gap <= start), len(ends))
        if row == len(ends):
            ends.append(end)
        ends[row] = end
        chosen.append(row)
    return chosen


def ticks(whole: tuple[float, float], most: int = 8) -> list[float]:
    """Return round times within the whole, at most `most`."""
    length = max(whole[1] - whole[0], 1e-9)
    steps = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
    step = next((step for step in steps if length / step <= most), 43200)
    first = int(whole[0] // step) + (whole[0] % step > 0)
    return [n * step for n in range(first, int(whole[1] // step) + 1)]


def clock(t: float) -> str:
    """Return seconds as minutes and seconds."""
    minutes, seconds = divmod(t, 60)
    return f"{int(minutes)}:{seconds:04.1f}" if minutes else f"{seconds:.1f} s"
