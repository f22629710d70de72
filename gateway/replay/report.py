"""Gathers a replay, frame by frame, and writes the folder of the report at its end.

    DIR/index.html            the page, which needs nothing else to be read
    DIR/film.webm             the film with boxes
    DIR/pictures/EPISODE.jpg  the very bytes that the centre would get
    DIR/moments/N.jpg, Nb.jpg a frame, and what the core believed then

Not here: what is on the page (page.py). Runs on the thread that replays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.errors import GatewayError
from gateway.replay.film import Film, believed, draw, encode, picture_of
from gateway.replay.page import Facts, Moment, page
from gateway.replay.score import Truth
from gateway.replay.story import Story

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gateway.camera.frame import Frame
    from gateway.eye.pipeline import Pipeline
    from gateway.motion import Motion
    from gateway.wire.draft import Draft

MOMENTS = 120
"""Most moments that a report keeps; in a longer clip every second one goes whenever there are more."""
EVERY = 0.5
"""Seconds between two moments of a short clip."""


@dataclass(slots=True)
class _Kept:
    """A moment before it is written."""

    moment: Moment
    frame: bytes
    belief: bytes


class Report:
    """One report in the making."""

    def __init__(
        self, folder: Path, clip: str, camera: Mapping[str, Any], size: tuple[int, int], fps: float, *, simulated: bool
    ) -> None:
        """Make the folder.

        Args:
            folder: where it goes; a new one, an empty one, or one that holds an earlier report.
            clip: how to call what is replayed.
            camera: plain values named as in settings.CameraSettings.
            size: width and height of the analysed picture in pixels.
            fps: frames a second of the clip.
            simulated: whether it comes with the truth.

        Raises:
            GatewayError: the folder holds other things.
            OSError: it cannot be made or written.
        """
        _check(folder)
        self._folder = folder
        for name in ("pictures", "moments"):
            (folder / name).mkdir(parents=True, exist_ok=True)
            for old in (folder / name).glob("*.jpg"):
                old.unlink()
        (folder / "film.webm").unlink(missing_ok=True)
        (folder / "index.html").write_text("<!doctype html><title>gateway replay</title>The replay goes on ...\n")
        self._film = Film(folder / "film.webm", size, fps)
        self._facts = Facts(clip, size, fps, simulated, camera)
        truth = Truth(float(camera["smallest_px"]) / size[1]) if simulated else None
        self.story = Story(truth)
        self._kept: list[_Kept] = []
        self._every = EVERY
        self._due = 0.0
        self.written = 0
        """Frames that the report holds."""

    def frame(self, frame: Frame, motion: Motion, pipeline: Pipeline, seen: Sequence[Any], state: Any = None) -> None:
        """Take a frame in, after its masks were burnt and before its buffers go back.

        Args:
            frame: the frame.
            motion: what was found in it.
            pipeline: through which it went.
            seen: what was really there (`street.truth.Seen`), nothing where nobody knows.
            state: what was really the matter with the view, as in a line of truth.
        """
        self.story.see(motion, {track: episode.id for track, episode in pipeline.episodes.open.items()})
        if self.story.truth is not None:
            objects = [{"id": s.id, "kind": s.kind, "box": s.box, "moving": s.moving} for s in seen]
            self.story.truth.add({"mono": frame.mono, "objects": objects, "state": state or {}})
        filmed = self._film.due(frame.number)
        due = frame.mono >= self._due
        self.written += 1
        if not (filmed or due):
            return
        picture = self._film.still(picture_of(frame, self._film.size))
        draw(picture, motion, seen, _held(motion))
        if filmed:
            self._film.add(picture)
        if due:
            self._keep(picture, motion, pipeline)

    def hear(self, draft: Draft) -> None:
        """Take in a draft as it would go to the centre."""
        if draft.picture is None:
            self.story.hear(draft)
            return
        name = f"pictures/{draft.episode}.jpg"
        (self._folder / name).write_bytes(draft.picture)
        self.story.illustrate(draft.episode, name)

    def finish(self) -> None:
        """Write the moments and the page."""
        self._film.close()
        moments = []
        for number, kept in enumerate(self._kept):
            kept.moment.name = f"moments/{number:03d}"
            (self._folder / f"{kept.moment.name}.jpg").write_bytes(kept.frame)
            (self._folder / f"{kept.moment.name}b.jpg").write_bytes(kept.belief)
            moments.append(kept.moment)
        film = "film.webm" if self._film.frames else ""
        (self._folder / "index.html").write_text(page(self.story, self._facts, moments, film), encoding="utf-8")

    def _keep(self, picture: Any, motion: Motion, pipeline: Pipeline) -> None:
        """Keep a moment; every second one goes when there are too many, so that they stay evenly spread."""
        belief = pipeline.detector.belief()
        sheet = believed(belief)
        moment = Moment(
            motion=motion,
            noise=float(belief.noise.mean()),
            threshold=float(belief.threshold.mean()),
            fired=float(belief.fired.mean()),
            held=_held(motion),
        )
        self._kept.append(_Kept(moment, encode(picture, 60), encode(sheet)))
        if len(self._kept) > MOMENTS:
            self._every *= 2
            del self._kept[1::2]
        self._due = self._kept[-1].moment.motion.t + self._every - 1e-6


def _held(motion: Motion) -> str:
    """Return in a few words why a frame says nothing, or nothing."""
    if motion.view != "ok":
        return f"view: {motion.view}"
    if motion.suspect:
        return "view: suspect"
    return f"held back: {motion.suppressed}" if motion.suppressed else ""


OURS = {"index.html", "film.webm", "pictures", "moments"}


def _check(folder: Path) -> None:
    """Refuse a folder with other people's files in it: the report must not be mixed up with them."""
    if folder.exists() and not folder.is_dir():
        raise GatewayError(f"{folder}: is a file, and the report is a folder", "name a new folder after --report")
    others = sorted(entry.name for entry in folder.iterdir() if entry.name not in OURS) if folder.exists() else []
    if others:
        raise GatewayError(
            f"{folder}: holds other things than an earlier report: {', '.join(others[:3])}",
            "name a new or empty folder after --report",
        )
