"""The report's page: one HTML file that needs no network, made of what the story holds.

Pure text. Not here: the timeline (timeline.py), cards of episodes (cards.py), pictures (film.py).
"""

from __future__ import annotations

import html
import json
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

from gateway import __version__
from gateway.replay.cards import card
from gateway.replay.film import HIGHEST, NOISIEST
from gateway.replay.timeline import timeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gateway.motion import Motion
    from gateway.replay.score import Score
    from gateway.replay.story import Story, Told


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
    """What the core said and believed at one time; noise, threshold and fired are means of its Belief."""

    motion: Motion
    noise: float
    threshold: float
    fired: float
    held: str
    name: str = ""

    def says(self) -> dict[str, str]:
        """Return its numbers in words."""
        return {
            "score": f"{self.motion.score:.2%}",
            "fired": f"{self.fired:.2%}",
            "noise": f"{self.noise:.1f}",
            "threshold": f"{self.threshold:.1f}",
            "light": f"{self.motion.light:.0f}",
            "gain": f"{self.motion.gain:.2f}",
            "sharpness": f"{self.motion.sharpness:.1f}",
            "tracks": str(len(self.motion.tracks)),
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
        "moments": [{"t": moment.motion.t, "name": moment.name, "says": moment.says()} for moment in moments],
    }
    hidden = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    body = "".join(
        [
            _head(story, facts, verdict),
            _stage(film, moments),
            timeline(story, verdict),
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
    return resources.files("gateway.replay").joinpath(name).read_text(encoding="utf-8")


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
    nearest = min(moments, key=lambda moment: abs(moment.motion.t - told.started), default=None)
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
