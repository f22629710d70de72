"""One episode as a card: its picture, its way through the frame, and in words what went from where to where.

Pure text. Not here: the rest of the page (page.py).
"""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

from gateway.replay.chart import clock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.replay.score import Drawn
    from gateway.replay.story import Story, Told

ARROWS = "→↘↓↙←↖↑↗"
COURSES = (
    "to the right", "down to the right", "towards the camera", "down to the left",
    "to the left", "up to the left", "away from the camera", "up to the right",
)  # fmt: skip
"""Of a camera that looks down on a street, as they all do."""
STANDS = 0.01
"""Picture units a second below which a thing is said to stand."""


def names(things: Sequence[Drawn] | None) -> str:
    """Return the names of things that were really there."""
    return ", ".join(f"{thing.kind} {thing.id}" for thing in things or ())


def where(x: float, y: float) -> str:
    """Return a place in the picture (0..1 from the top left) in words."""
    across = "left" if x < 1 / 3 else "right" if x > 2 / 3 else "middle"
    down = "far " if y < 1 / 3 else "near " if y > 2 / 3 else ""
    return f"the {down}{across}"


def course(velocity: tuple[float, float]) -> int | None:
    """Return which eighth of the compass a velocity points to, 0 = right, 2 = down; None when it hardly moves."""
    if math.hypot(*velocity) < STANDS:
        return None
    return round(math.atan2(velocity[1], velocity[0]) / (math.pi / 4)) % 8


def headline(told: Told) -> str:
    """Return what went from where to where."""
    if told.velocity is None or len(told.path) < 2:
        return "in passing" if told.outcome != "stationary" else "came to stay"
    first, last = told.path[0], told.path[-1]
    begin, end = where(first[1] + first[3] / 2, first[2] + first[4]), where(last[1] + last[3] / 2, last[2] + last[4])
    heading = course(told.velocity)
    if heading is None:
        return f"stays at {end}"
    return f"{ARROWS[heading]} from {begin} to {end}" if begin != end else f"{ARROWS[heading]} within {end}"


OUTCOMES = {"left": "went away", "stationary": "came to stay", "interrupted": "the clip ended"}


def card(number: int, told: Told, story: Story, size: tuple[int, int], street: str) -> str:
    """Return the card of an episode.

    Args:
        number: as it stands beside the episode everywhere on the page.
        told: the episode.
        story: to which it belongs.
        size: width and height of the analysed picture in pixels.
        street: file whose upper quarter shows the empty street, or empty.
    """
    shows = story.shows(told)
    tags = [f'<span class="tag">{html.escape(zone)}</span>' for zone in told.zones]
    if told.alarm:
        tags.append('<span class="tag alarm">alarm</span>')
    if told.outcome:
        tags.append(f'<span class="tag">{OUTCOMES.get(told.outcome, html.escape(told.outcome))}</span>')
    if told.stationary and told.outcome != "stationary":
        tags.append('<span class="tag">came to stay</span>')
    if shows is not None:
        tags.append(
            f'<span class="tag true">{html.escape(names(shows))}</span>'
            if shows
            else '<span class="tag false">false: nothing was there</span>'
        )
    shot = (
        f'<img src="{told.picture}" alt="the best picture of episode {number}" loading="lazy">'
        if told.picture
        else "no picture could be made"
    )
    heading = course(told.velocity) if told.velocity else None
    speed = f"{told.speed:.2f} picture widths a second" if told.speed is not None else ""
    speed += f" {COURSES[heading]}" if heading is not None else ""
    middle = (told.started + told.last) / 2
    track = f"track {told.track}" if told.track is not None else ""
    false = " false" if shows == [] else ""
    return (
        f'<button type="button" class="card{false}" id="e{number}" data-t="{middle:.2f}">'
        f'<span class="shot">{shot}</span><div>'
        f'<span class="who"><b>{number}</b><span>{clock(told.started)} to {clock(told.last)} · {track}</span></span>'
        f"<h3>{headline(told)}</h3>{_way(told, 160 * size[1] / size[0], street)}"
        f"<p>{told.last - told.started:.1f} s{', ' + speed if speed else ''}; "
        f"seen in {told.glimpses:.0%} of its frames</p>"
        f'<span class="tags">{"".join(tags)}</span></div></button>'
    )


def _way(told: Told, high: float, street: str) -> str:
    """Draw its way through the picture, 160 wide and `high`: the line of its feet, with the first and the last box."""
    if not told.path:
        return ""
    wide = 160.0
    feet = [((point[1] + point[3] / 2) * wide, (point[2] + point[4]) * high) for point in told.path]
    behind = (
        f'<image href="{street}" width="160" height="{4 * high:.1f}" preserveAspectRatio="none"/>' if street else ""
    )
    ghosts = "".join(
        f'<rect class="ghost" x="{p[1] * wide:.1f}" y="{p[2] * high:.1f}" '
        f'width="{p[3] * wide:.1f}" height="{p[4] * high:.1f}"/>'
        for p in (told.path[0], told.path[-1])
    )
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in feet)
    head = ""
    if len(feet) > 1 and math.dist(feet[-1], feet[-2]) > 0.5:
        (x1, y1), (x2, y2) = feet[-2:]
        turn = math.degrees(math.atan2(y2 - y1, x2 - x1))
        place = f"translate({x2:.1f} {y2:.1f}) rotate({turn:.0f})"
        head = f'<polygon class="head" points="0,0 -6,-3 -6,3" transform="{place}"/>'
    return (
        f'<svg class="way" viewBox="0 0 160 {high:.0f}" role="img" aria-label="its way through the picture">'
        f"{behind}{ghosts}"
        f'<circle cx="{feet[0][0]:.1f}" cy="{feet[0][1]:.1f}" r="1.8"/><polyline points="{line}"/>{head}</svg>'
    )
