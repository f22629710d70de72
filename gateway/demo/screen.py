"""What a person sees while the demo runs: a live table in a terminal, plain lines everywhere else.

Not here: what is true (replay/score.py), what was received (centre.py): a `View` brings both. Runs on the main thread.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, RenderableType

    from gateway.demo.centre import Episode, Tally

WORDS = {"zones": 4, "phase": 2, "on the wire": 4, "scene agrees": 4}
"""Columns that share what numbers leave, and their shares: in a narrow terminal words are cut, numbers never."""
COLUMNS = ("began", "zones", "phase", "lasted", "on the wire", "latency", "scene agrees")
HEADING = f"    began  {'zones':<24}  lasted  {'events + pictures':<22} latency  what the scene says was there"
NUMBER_WIDTH = 7
PROGRESS_SECONDS = 10.0
"""Between two lines of progress where there is no terminal."""


@dataclass(frozen=True, slots=True)
class Row:
    """An episode and what the scene says of it."""

    episode: Episode
    at: float
    """When it began, in seconds after the first frame."""
    scene: Sequence[str]
    """What it shows, most often shown first; empty: nothing was there."""


@dataclass(frozen=True, slots=True)
class View:
    """One moment of the demo."""

    elapsed: float
    seconds: float
    frames: int
    fps: float
    camera: str
    """State of the camera, in the gateway's words."""
    cpu_share: float
    rss_mb: float
    tally: Tally
    rows: Sequence[Row]
    notices: Sequence[str]
    """What else the gateway reported, e.g. a covered lens."""
    verdict: str
    """True, found and false so far; or why nobody can tell."""
    judged: bool
    """Whether there is a truth to compare with."""


class Screen(Protocol):
    """Where a demo is shown."""

    def say(self, text: str) -> None:
        """Print a line that stays."""

    def update(self, view: View) -> None:
        """Show this moment."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def open_screen(title: str) -> Screen:
    """Return a live screen when standard output is a terminal that can do it, otherwise plain lines."""
    from rich.console import Console

    console = Console()
    return LiveScreen(console, title) if console.is_terminal and not console.is_dumb_terminal else PlainScreen()


def size_text(episode: Episode) -> str:
    """Return an episode's size on the wire: its events, and its pictures."""
    text = f"{episode.event_bytes} B in {episode.events}"
    return text + (f" + {episode.picture_bytes / 1000:.1f} kB" if episode.picture_bytes else "")


def latency_text(episode: Episode) -> str:
    """Return how long the newest event took from its frame to the subscriber."""
    return f"{episode.latency * 1000:.0f} ms" if episode.latency is not None else ""


def scene_text(row: Row, view: View) -> str:
    """Return whether the scene agrees."""
    if not view.judged:
        return "-"
    if not row.scene:
        return "NO: nothing there"
    others = f" (+{len(row.scene) - 1})" if len(row.scene) > 1 else ""
    return f"yes: {row.scene[0]}{others}"


def progress_text(view: View) -> str:
    """Return the facts of this moment on one line."""
    return (
        f"{view.frames} frames, {view.fps:.1f} fps, camera {view.camera}; {view.tally.messages} messages "
        f"({view.tally.duplicates} twice); {view.verdict}; {view.cpu_share:.0%} of a core, {view.rss_mb:.0f} MB"
    )


@dataclass
class PlainScreen:
    """Lines: one for each episode that ended, one for each notice, one of progress every ten seconds."""

    _told: set[str] = field(default_factory=set)
    _notices: int = 0
    _progress: float = 0.0

    def say(self, text: str) -> None:
        """Print a line at once: the reader may be a pipe."""
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def update(self, view: View) -> None:
        """Print what is new."""
        for notice in view.notices[self._notices :]:
            self.say(f"  ! {notice}")
        self._notices = len(view.notices)
        for row in view.rows:
            episode = row.episode
            if episode.ended and episode.id not in self._told:
                if not self._told:
                    self.say(HEADING)
                self._told.add(episode.id)
                zones = ",".join(episode.zones)
                self.say(
                    f"  {row.at:5.1f} s  {zones:<24} {episode.duration:5.1f} s  {size_text(episode):<22} "
                    f"{latency_text(episode):>7}  scene: {scene_text(row, view)}"
                )
        if view.elapsed - self._progress >= PROGRESS_SECONDS:
            self._progress = view.elapsed
            self.say(f"{view.elapsed:3.0f} of {view.seconds:.0f} s: {progress_text(view)}")

    def close(self) -> None:
        """Nothing to tidy up."""


class LiveScreen:
    """A table that is drawn anew four times a second."""

    def __init__(self, console: Console, title: str) -> None:
        """Take over the lower part of the terminal.

        Args:
            console: rich's.
            title: stands above the table.
        """
        from rich.live import Live

        self._console = console
        self._title = title
        self._live = Live(console=console, auto_refresh=False, transient=False, vertical_overflow="crop")
        self._live.start()

    def say(self, text: str) -> None:
        """Print a line above the table."""
        self._console.print(text, markup=False, highlight=False)

    def update(self, view: View) -> None:
        """Draw this moment."""
        self._live.update(self._drawn(view), refresh=True)

    def close(self) -> None:
        """Leave the last picture standing."""
        self._live.stop()

    def _drawn(self, view: View) -> RenderableType:
        from rich.box import SIMPLE_HEAD
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        room = max(3, self._console.height - 11)
        table = Table(title=self._title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), expand=True)
        for name in COLUMNS:
            if name in WORDS:
                table.add_column(name, no_wrap=True, ratio=WORDS[name])
            else:
                table.add_column(name, no_wrap=True, justify="right", width=NUMBER_WIDTH)
        for row in list(view.rows)[-room:]:
            episode = row.episode
            agrees = scene_text(row, view)
            table.add_row(
                f"{row.at:.1f} s",
                Text(", ".join(episode.zones)),
                episode.outcome or episode.phase,
                f"{episode.duration:.1f} s",
                size_text(episode),
                latency_text(episode),
                Text(agrees, style="green" if row.scene else "bold red" if view.judged else ""),
                style="" if episode.ended else "bold",
            )
        parts: list[RenderableType] = [table]
        parts += [Text(f"! {notice}", style="yellow") for notice in view.notices[-3:]]
        parts.append(Text(f"{view.elapsed:.0f} of {view.seconds:.0f} s: {progress_text(view)}"))
        parts.append(ProgressBar(total=view.seconds, completed=min(view.elapsed, view.seconds)))  # ends no line: last
        return Group(*parts)
