"""The page's timeline: lanes of episodes, of what was true, and of what the core saw in every frame.

Pure text. Not here: how a curve or a bar is drawn (chart.py), the rest of the page (page.py).
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from gateway.replay.cards import names
from gateway.replay.chart import bands, clock, curve, place, rows, thin, ticks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.replay.score import Score
    from gateway.replay.story import Story


def _lane(name: str, small: str, inner: str, *, high: str = "", low: str = "", slim: bool = False) -> str:
    marks = (f'<em class="top">{high}</em>' if high else "") + (f'<em class="low">{low}</em>' if low else "")
    kind = ' class="slim"' if slim else ""
    return f'<div class="lane"><span>{name}<small>{small}</small></span><div{kind}>{inner}{marks}</div></div>'


def timeline(story: Story, verdict: Score | None) -> str:
    """Return the section: what was told, what was true, and what the core saw, one below the other."""
    whole = story.start, story.end
    samples = story.samples
    score = thin([100 * s.score for s in samples], peak=True)
    light = thin([s.light for s in samples], peak=False)
    gain = thin([s.gain for s in samples], peak=False)
    sharp = thin([s.sharpness for s in samples], peak=False)
    noise = thin([s.noise for s in samples], peak=False)
    lanes = [_episode_lane(story, whole)]
    if verdict is not None:
        lanes.append(_truth_lane(story, verdict, whole))
    top = max([*score, 0.1])
    lanes += [
        # the root, so that a far walker shows beside a lamp that was switched
        _lane("Motion", "of the picture, root", curve([each**0.5 for each in score], 0, top**0.5, filled=True),
              high=f"{top:.1f} %", low="0"),
        _lane("Held back", "and why", bands(story.suppressed(), whole), slim=True),
        _lane("View", "as a whole", bands(story.view(), whole), slim=True),
        _lane("Light", "mean grey level", curve(light, 0, 255, filled=True, name="light"), high="255", low="0"),
        _lane("Light change", "to what it learned",
              curve(gain, min([*gain, 0.5]), max([*gain, 1.5]), name="gain"),
              high=f"x {max([*gain, 1.5]):.2g}", low=f"x {min([*gain, 0.5]):.2g}"),
        _lane("Sharpness", "slow fall: dirt", curve(sharp, 0, max([*sharp, 1e-6]), name="sharp"),
              high=f"{max([*sharp, 0.0]):.1f}", low="0"),
        _lane("Noise", "grey levels", curve(noise, 0, max([*noise, 2.0]), name="grain"),
              high=f"{max([*noise, 2.0]):.1f}", low="0"),
    ]  # fmt: skip
    length = max(whole[1] - whole[0], 1e-9)
    axis = "".join(
        f'<i style="left:{100 * (t - whole[0]) / length:.3f}%">{clock(t)}</i>'
        for t in ticks(whole)
        if 0.03 < (t - whole[0]) / length < 0.97
    )
    return (
        '<section class="panel"><h2>The timeline<small>click anywhere to go there</small></h2>'
        f'<div class="time" id="time">{"".join(lanes)}<div class="axis">{axis}</div>'
        '<div id="cursor"></div></div></section>'
    )


def _bars(bars: Sequence[tuple[float, float, str, str, str]], whole: tuple[float, float]) -> tuple[str, int]:
    """Return bars (start, end, classes, label, title) packed into rows, and the height that they need in pixels."""
    chosen = rows([(start, end) for start, end, *_ in bars], (whole[1] - whole[0]) / 150)
    text = "".join(
        f'<a class="bar {kind}" data-t="{(start + end) / 2:.2f}" title="{html.escape(title)}" '
        f'style="{place(start, end, whole)};top:{5 + 18 * row}px"><b>{label}</b></a>'
        for (start, end, kind, label, title), row in zip(bars, chosen, strict=True)
    )
    return text, 10 + 18 * (max(chosen, default=0) + 1)


def _episode_lane(story: Story, whole: tuple[float, float]) -> str:
    bars = []
    for number, told in enumerate(story.in_order(), 1):
        shows = story.shows(told)
        kind = "false" if shows == [] else "alarm" if told.alarm else ""
        title = f"episode {number}, {told.started:.1f} to {told.last:.1f} s" + (f": {names(shows)}" if shows else "")
        bars.append((told.started, told.last, kind, str(number), title))
    text, high = _bars(bars, whole)
    return _lane("Episodes", "told to the centre", f'<p style="height:{high}px"></p>{text}')


def _truth_lane(story: Story, verdict: Score, whole: tuple[float, float]) -> str:
    missed = set(verdict.missed)
    bars = []
    for thing in story.things():
        name = f"{thing.kind} {thing.id}"
        kind = "missed" if name in missed else "thing" if thing.counts else "small"
        why = (
            "missed" if name in missed else "found" if thing.counts else "too small, too short or standing: need not be"
        )
        bars.append((thing.first, thing.last, kind, html.escape(thing.kind), f"{name}: {why}"))
    text, high = _bars(bars, whole)
    return _lane("Truth", "red: missed", f'<p style="height:{high}px"></p>{text}')
