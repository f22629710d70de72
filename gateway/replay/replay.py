"""`gateway replay`: motion and events over a recording, as fast as it can, through the same pipeline as a live eye.

Ids and times come from the clip, so that the same input gives the same output. Not here: reading recordings
(camera/video.py), what is found (eye/pipeline.py). One thread does all; stills are made in line.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from gateway.camera.opening import open_camera, parse
from gateway.errors import CameraEnded, CameraError, CameraUnavailable, GatewayError
from gateway.eye.pipeline import Pipeline
from gateway.wire.draft import lane_of, uuid7
from gateway.wire.message import Address, Moment, cloud_event

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from gateway.camera.frame import Camera, Frame
    from gateway.motion import Motion
    from gateway.replay.report import Report
    from gateway.wire.draft import Draft

LARGEST = (640, 720)
"""Largest analysis size where none is given."""
CORNER = (640, 360)
"""The same of the simulated corner."""
ADDRESS = Address("replay", "replay")
EPOCH = BOOT = "00000000"
READ_SECONDS = 30.0
PROGRESS_SECONDS = 0.5


@dataclass(frozen=True)
class Outputs:
    """Where results go; None: nowhere."""

    events: Path | None = None
    frames: Path | None = None
    masks: Path | None = None
    pictures: Path | None = None
    report: Path | None = None


def replay(
    clip: str,
    outputs: Outputs,
    *,
    camera: Mapping[str, Any] | None = None,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
) -> int:
    """Run the recording through the pipeline; return the exit code.

    Args:
        clip: a video, a folder of numbered images, a .npy (n, h, w) uint8; or `street?seconds=N`.
        outputs: files and folders to write.
        camera: plain values as in settings.CameraSettings; None: its defaults.
        size: largest analysis size; None: the clip's own, at most 640 wide.
        fps: rate of a source that knows none; None: 10.

    Raises:
        CameraError: the clip cannot be read.
        GatewayError: the results cannot be written.
    """
    if camera is None:
        from gateway.configuration.settings import CameraSettings

        camera = CameraSettings().model_dump(mode="json")
    named = parse(clip)
    if named.kind not in {"recording", "street"}:
        hint = "name a video, a folder of images or a .npy"
        raise CameraUnavailable(f"{named.shown}: a {named.kind} source is no recording", hint)
    # The corner is drawn at the size that is asked for; a recording keeps its shape within it.
    source = open_camera(
        clip, size=size or (CORNER if named.kind == "street" else LARGEST), fps=fps or 10.0, pace=False
    )
    counter = itertools.count(1)
    drafts: list[Draft] = []
    with _told(), ExitStack() as stack:
        stack.callback(source.close)
        pipeline = Pipeline(
            camera,
            source.size,
            drafts.append,
            lambda t: uuid7(int(t * 1000), hashlib.sha256(b"%d" % next(counter)).digest()),
            simulated=source.simulated,
            outlines=outputs.masks is not None,
        )
        if pipeline.fault is not None:
            sys.stderr.write(f"no pictures: {pipeline.fault}\n  what to do: {pipeline.fault.hint}\n")
        writer = _Writer(outputs, stack, getattr(source, "source_size", source.size))
        progress = _Progress(getattr(source, "frames", None))
        report = _open_report(outputs.report, clip, camera, source) if outputs.report is not None else None
        code = _play(source, pipeline, drafts, writer, progress, report)
        if report is not None:
            report.finish()
            sys.stderr.write(f"the report is {outputs.report}/index.html\n")
        for name in getattr(source, "damaged", []):
            sys.stderr.write(f"could not be read and was left out: {name}\n")
    return code


@contextmanager
def _told() -> Iterator[None]:
    """Say in words why results cannot be written; cameras say in their own words why they cannot be read."""
    try:
        yield
    except OSError as error:
        what = error.filename or "the results"
        hint = "name another file or folder, or make room there"
        raise GatewayError(f"{what}: cannot be written: {error.strerror}", hint) from None


def _open_report(folder: Path, clip: str, camera: Mapping[str, Any], source: Camera) -> Report:
    """Begin a report; what makes it (an encoder, a page) is loaded for whoever asks for it only."""
    from gateway.replay.report import Report

    fps: float = getattr(source, "rate", None) or getattr(source, "fps", None) or 10.0
    return Report(folder, clip, camera, source.size, fps, simulated=source.simulated)


def _play(
    source: Camera,
    pipeline: Pipeline,
    drafts: list[Draft],
    writer: _Writer,
    progress: _Progress,
    report: Report | None,
) -> int:
    """Take every frame through the pipeline and write what comes of it."""
    t, code = 0.0, 0

    def look(frame: Frame, motion: Motion) -> None:
        if report is not None:
            report.frame(frame, motion, pipeline, getattr(source, "truth", ()), getattr(source, "state", None))

    def write() -> None:
        if report is not None:
            for draft in drafts:
                report.hear(draft)
        writer.drafts(drafts)

    try:
        while True:
            frame = source.read(READ_SECONDS)
            number, t = frame.number, frame.mono
            motion = pipeline.step(frame, look)
            pipeline.stills.work()
            write()
            writer.frame(number, motion, pipeline)
            progress.count(t, writer.episodes)
    except CameraEnded:
        pass
    except CameraError as error:
        sys.stderr.write(f"\n{error}\n  what to do: {error.hint}\n  what was found until then is written\n")
        code = 1
    pipeline.interrupt(t)
    pipeline.stills.work()
    write()
    progress.done(t, writer.episodes)
    return code


class _Writer:
    """Writes drafts as the centre would get them, a line for each frame, and masks."""

    def __init__(self, outputs: Outputs, stack: ExitStack, size: tuple[int, int]) -> None:
        self._events = stack.enter_context(outputs.events.open("w", encoding="utf-8")) if outputs.events else None
        self._frames = stack.enter_context(outputs.frames.open("w", encoding="utf-8")) if outputs.frames else None
        self._masks, self._pictures = outputs.masks, outputs.pictures
        for folder in (outputs.masks, outputs.pictures):
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
        self._canvas = np.zeros((size[1], size[0]), np.uint8)
        self._numbers: dict[str, int] = {}
        self.episodes = 0

    def drafts(self, drafts: list[Draft]) -> None:
        """Write and forget them."""
        for draft in drafts:
            self.episodes += draft.kind == "motion" and draft.phase == "start"
            if draft.picture is not None:
                if self._pictures is not None:
                    (self._pictures / f"{draft.episode}.jpg").write_bytes(draft.picture)
                continue
            lane = lane_of(draft.rank)
            number = self._numbers[lane] = self._numbers.get(lane, 0) + 1
            if self._events is not None:
                moment = Moment(wall=draft.mono, synced=False, mono=draft.mono, boot=BOOT)
                event = cloud_event(draft, ADDRESS, EPOCH, number, moment, draft.mono)
                self._events.write(json.dumps(event, separators=(",", ":"), ensure_ascii=False) + "\n")
        drafts.clear()

    def frame(self, number: int, motion: Motion, pipeline: Pipeline) -> None:
        """Write what one frame shows."""
        if self._frames is not None:
            line = {
                "frame": number,
                "t": round(motion.t, 4),
                "motion": motion.moving,
                "boxes": [[round(value, 4) for value in box] for box in motion.boxes],
                "suppressed": motion.suppressed,
            }
            self._frames.write(json.dumps(line) + "\n")
        if self._masks is not None:
            pipeline.detector.foreground(self._canvas)
            _, png = cv2.imencode(".png", self._canvas, [cv2.IMWRITE_PNG_COMPRESSION, 1])
            (self._masks / f"{number:06d}.png").write_bytes(png.tobytes())  # imwrite does not tell of a full disk


class _Progress:
    """A line on the terminal that says how far it is."""

    def __init__(self, frames: int | None) -> None:
        self._all = f"/{frames}" if frames else ""
        self._frames = 0
        self._begun = time.monotonic()
        self._due = self._begun + PROGRESS_SECONDS
        self._live = sys.stderr.isatty()

    def count(self, t: float, episodes: int) -> None:
        self._frames += 1
        now = time.monotonic()
        if now >= self._due and self._live:
            self._due = now + PROGRESS_SECONDS
            sys.stderr.write("\r" + self._line(t, episodes, now) + "\033[K")

    def done(self, t: float, episodes: int) -> None:
        line = self._line(t, episodes, time.monotonic())
        sys.stderr.write(("\r" + line + "\033[K\n") if self._live else line + "\n")

    def _line(self, t: float, episodes: int, now: float) -> str:
        rate = self._frames / max(now - self._begun, 1e-9)
        return f"{self._frames}{self._all} frames, {t:.1f} s of the clip, {rate:.0f} frames/s, {episodes} episodes"
