"""The report's page: one HTML file that needs no network, made of what the story holds.

Pure text. Not here: curves and bars (chart.py), cards of episodes (cards.py), pictures (film.py).
"""

from __future__ import annotations

import html
import json
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

from gateway import __version__
from gateway.report.cards import card, names
from gateway.report.chart import bands, clock, curve, place, rows, thin, ticks
from gateway.report.film import HIGHEST, NOISIEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gateway.report.story import Story, Told
    from gateway.score import Score


@dataclass(frozen=True, slots=True)
class Facts:
    """What was replayed, and how."""

    clip: str
    size: tuple[int, int]
    fps: float
    simulated: bool
    camera: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Moment:
    """What the core believed at one time; see motion.Motion and motion.Belief."""

    t: float
    score: float
    light: float
    gain: float
    sharpness: float
    noise: float
    threshold: float
    fired: float
    tracks: int
    held: str
    name: str = ""

    def says(self) -> dict[str, str]:
        """Return its numbers in words."""
        return {
            "score": f"{self.score:.2%}",
            "fired": f"{self.fired:.2%}",
            "noise": f"{self.noise:.1f}",
            "threshold": f"{self.threshold:.1f}",
            "light": f"{self.light:.0f}",
            "gain": f"{self.gain:.2f}",
            "sharpness": f"{self.sharpness:.1f}",
            "tracks": str(self.tracks),
            "held": self.held or "nothing",
        }


def page(story: Story, facts: Facts, moments: Sequence[Moment], film: str) -> str:
    """Return the page.

    Args:
        story: what happened.
        facts: what was replayed.
        moments: what the core believed, each with the `name` of its pictures.
        film: name of the film's file, or empty where none could be made.
    """
    verdict = story.verdict()
    aspect = f"{facts.size[0]} / {facts.size[1]}"
    data = {
        "start": story.start,
        "end": story.end,
        "opening": _opening(story),
        "moments": [{"t": moment.t, "name": moment.name, "says": moment.says()} for moment in moments],
    }
    hidden = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    body = "".join(
        [
            _head(story, facts, verdict),
            _stage(film, moments),
            _timeline(story, verdict),
            _episodes(story, facts.size, moments),
            _notes(facts),
        ]
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{html.escape(facts.clip)}: what the gateway saw</title>"
        f"<style>{_text('page.css')}</style></head>"
        f'<body style="--aspect:{aspect}"><main>{body}</main>'
        f'<script type="application/json" id="data">{hidden}</script><script>{_text("page.js")}</script>'
        "</body></html>\n"
    )


def _text(name: str) -> str:
    return resources.files("gateway.report").joinpath(name).read_text(encoding="utf-8")


def _opening(story: Story) -> float:
    """Return the time at which the page opens: in the middle of the longest episode, as there is most to see."""
    longest = max(story.episodes.values(), key=lambda told: told.last - told.started, default=None)
    return (longest.started + longest.last) / 2 if longest else story.start


def _seconds(spans: Iterable[tuple[float, float]]) -> float:
    """Return how long any of the spans lasts, overlaps counted once."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _head(story: Story, facts: Facts, verdict: Score | None) -> str:
    count = len(story.episodes)
    length = story.end - story.start
    said = f"{count or 'No'} episode{'' if count == 1 else 's'} in {_length(length)}"
    if verdict is not None:
        said += f": {verdict.found} of {verdict.true} things found, {verdict.false or 'none'} false"
    moving = _seconds((told.started, told.last) for told in story.episodes.values())
    held = _seconds((span.start, span.end) for span in story.suppressed() if span.what != "settling")
    settling = _seconds((span.start, span.end) for span in story.suppressed() if span.what == "settling")
    beside = f" beside {settling:.1f} s of settling" if settling else ""
    ill = _seconds((span.start, span.end) for span in story.view())
    tiles = [
        ("", str(count), "episodes"),
        ("", f"{moving / max(length, 1e-9):.0%}", "of the time something moves"),
        ("bad" if any(told.alarm for told in story.episodes.values()) else "",
         str(sum(told.alarm for told in story.episodes.values())), "alarms"),
        ("held" if held else "", f"{held:.1f} s", f"motion held back{beside}"),
        ("held" if ill else "", f"{ill:.1f} s", "doubt about the view"),
    ]  # fmt: skip
    if verdict is not None:
        tiles[1:1] = [
            ("good" if verdict.found == verdict.true else "bad", f"{verdict.found}/{verdict.true}", "things found"),
            ("bad" if verdict.false else "good", str(verdict.false), "false episodes"),
        ]
    rendered = "".join(f'<div class="tile {kind}"><b>{big}</b><span>{small}</span></div>' for kind, big, small in tiles)
    simulated = ' <span class="tag sim">simulated corner: the truth is known</span>' if facts.simulated else ""
    return (
        f'<header><p class="over"><b>{html.escape(facts.clip)}</b> · {len(story.samples)} frames at {facts.fps:g} a '
        f"second · {facts.size[0]}x{facts.size[1]} pixels{simulated}</p><h1>{said}</h1>"
        f'<div class="tiles">{rendered}</div></header>'
    )


def _length(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def _stage(film: str, moments: Sequence[Moment]) -> str:
    first = f' src="{moments[0].name}.jpg"' if moments else ""
    video = f'<video id="film" src="{film}" muted playsinline preload="auto"></video>' if film else ""
    sheets = "".join(
        f'<div class="sheet"><i></i><b>{name}</b><span>{text}</span></div>'
        for name, text in (
            ("Background", "what it takes for the empty street"),
            ("Noise", f"usual wavering; white is {NOISIEST:g} grey levels"),
            ("Threshold", f"what it takes to fire; white is {HIGHEST:g}"),
            ("Fired", "cells that differed by more"),
        )
    )
    says = moments[0].says() if moments else {}
    titles = {
        "tracks": "tracks", "score": "moves", "fired": "fired", "noise": "noise", "threshold": "threshold",
        "light": "light", "gain": "light change x", "sharpness": "sharpness", "held": "held back",
    }  # fmt: skip
    now = "".join(f'<span>{titles[key]} <b id="now-{key}">{says.get(key, "")}</b></span>' for key in titles)
    return (
        f'<section class="panel stage" id="stage"><div><div class="screen {"play" if film else "still"}" id="screen">'
        f'{video}<img id="still" alt="the frame with what was found"{first}></div>'
        '<div class="reel"><button id="play" type="button" aria-label="play or pause">►</button>'
        '<input id="slider" type="range" min="0" max="1" step="0.0005" value="0" aria-label="time">'
        '<output id="clock"></output></div></div>'
        "<div><h2>What the core believed<small>at the nearest moment kept</small></h2>"
        f'<div class="sheets">{sheets}</div>'
        f'<div class="now">{now}</div></div></section>'
    )


def _lane(name: str, small: str, inner: str, *, high: str = "", low: str = "", slim: bool = False) -> str:
    marks = (f'<em class="top">{high}</em>' if high else "") + (f'<em class="low">{low}</em>' if low else "")
    kind = ' class="slim"' if slim else ""
    return f'<div class="lane"><span>{name}<small>{small}</small></span><div{kind}>{inner}{marks}</div></div>'


def _timeline(story: Story, verdict: Score | None) -> str:
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


def _episodes(story: Story, size: tuple[int, int], moments: Sequence[Moment]) -> str:
    told = story.in_order()
    if not told:
        return (
            '<section><h2>Episodes</h2><p class="over">Nothing moved, or nothing that was worth telling.</p></section>'
        )
    cards = "".join(card(number, each, story, size, _street(each, moments)) for number, each in enumerate(told, 1))
    return f'<section><h2>Episodes<small>as the centre gets them</small></h2><div class="cards">{cards}</div></section>'


def _street(told: Told, moments: Sequence[Moment]) -> str:
    """Return the sheet whose first panel is the empty street as it was known when the episode began."""
    nearest = min(moments, key=lambda moment: abs(moment.t - told.started), default=None)
    return nearest.name + "b.jpg" if nearest else ""


def _notes(facts: Facts) -> str:
    shown = ("smallest_px", "sensitivity", "update_s", "picture_kb", "zones", "masks", "mask_file")
    settings = "".join(
        f"<dt>{key}</dt><dd>{html.escape(json.dumps(facts.camera[key]))}</dd>" for key in shown if key in facts.camera
    )
    truth = (
        "<p>White corners in the film are what the simulated corner really drew. An episode is false when none of its "
        "boxes holds anything that was drawn; a thing must be found when it moved in plain sight for a second.</p>"
        if facts.simulated
        else ""
    )
    return (
        "<details><summary>How to read this, and the settings in force</summary><p>Boxes carry the number of their "
        "track; thin ones are remembered, not seen. Background, noise and threshold are what the core compared the "
        "frame with, cell by cell; cells that differ by more than their threshold fire, and of these become tracks "
        f"what moves as a thing does.</p>{truth}<dl>{settings}</dl><p>gateway {__version__}</p></details>"
    )
