"""What a replay's page is made of: curves that keep their peaks, bars side by side, spans, and where a thing went."""

from __future__ import annotations

from typing import Any

from gateway.replay.chart import clock, curve, rows, thin, ticks
from gateway.replay.score import Box
from gateway.replay.story import Span, Story, Told


def test_charts_keep_peaks_and_never_overlap() -> None:
    """Thinning keeps the peak; rows keep bars apart; ticks are round and few; times read as a clock."""
    assert max(thin([0.0] * 5000 + [7.0] + [0.0] * 5000, peak=True)) == 7.0
    assert max(thin([0.0] * 5000 + [7.0] + [0.0] * 5000, peak=False)) < 7.0
    spans = [(0.0, 4.0), (1.0, 2.0), (2.5, 6.0), (4.2, 5.0), (7.0, 8.0)]
    chosen = rows(spans, 0.1)
    for n, (start, end) in enumerate(spans):
        for m in range(n):
            assert chosen[m] != chosen[n] or spans[m][1] <= start or spans[m][0] >= end
    assert chosen == [0, 1, 1, 0, 0]
    for length in (3.0, 61.0, 5000.0, 86400.0):
        assert 2 <= len(ticks((0.0, length))) <= 9
    assert clock(75.25) == "1:15.2"
    assert 'points="0.0,40.0 1000.0,2.0"' in curve([0.0, 1.0], 0.0, 1.0)


def test_spans_join_what_is_alike() -> None:
    """Stretches of one cause are one span; `None` is a gap; the last one ends with the clip."""
    story = Story()
    for t, why in enumerate(["settling", "settling", None, "light", "view", "view"]):
        story.samples.append(_sample(float(t), why))
    assert story.suppressed() == [Span(0.0, 2.0, "settling"), Span(3.0, 4.0, "light"), Span(4.0, 5.0, "view")]


def _sample(t: float, why: str | None) -> Any:
    from gateway.replay.story import Sample

    return Sample(t, 0.0, 100.0, 1.0, 4.0, 1.0, why, "ok", suspect=False)


def test_an_episode_says_what_went_where() -> None:
    """The card's headline names the ends of the way and its direction, or that the thing stayed."""
    from gateway.replay.cards import headline

    told = Told("e", 0.0, 4.0, velocity=(0.2, 0.0), path=[[0, 0.0, 0.5, 0.1, 0.2], [4, 0.8, 0.5, 0.1, 0.2]])
    assert headline(told) == "→ from the near left to the near right"
    told.velocity, told.path = (0.0, -0.1), [[0, 0.4, 0.7, 0.1, 0.2], [4, 0.4, 0.1, 0.1, 0.1]]
    assert headline(told) == "↑ from the near middle to the far middle"
    told.velocity = (0.001, 0.0)
    assert headline(told) == "stays at the far middle"
    assert told.received().boxes == ()
    told.boxes[1.0] = Box(0, 0, 1, 1)
    assert told.received().boxes == ((1.0, Box(0, 0, 1, 1)),)
