"""The eye: the process of one camera, from its frames to drafts on the daemon's socket.

Threads: `watch` (this process's main thread: camera, motion, episodes; never disk or network) and `still` (JPEG).
While there are pictures it never waits for the daemon: before the socket stands a bounded queue (outlet.py). When none
come it says so, and does what the daemon's recovery ladder says. Not here: numbers, wall time, the store, the link
(daemon), settings (the first packet on the socket carries plain values). Imports no paho, sqlite3 or pydantic.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from gateway import logs
from gateway.channel import Channel
from gateway.errors import CameraEnded, CameraError, CameraGarbled, CameraStalled, GatewayError
from gateway.eye.outlet import Outlet
from gateway.wire.draft import PACKET_BYTES, Draft, random_uuid7

if TYPE_CHECKING:
    from gateway.camera.frame import Frame
    from gateway.eye.pipeline import Pipeline
    from gateway.eye.source import Source
    from gateway.motion import Motion

log = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
ANSWER_SECONDS = 1.0
"""So long the daemon is waited for when no picture comes; then the camera is read again."""


class Eye:
    """One camera's run: opens it, takes its frames through the pipeline, says how it is."""

    def __init__(self, config: dict[str, Any], sock: socket.socket) -> None:
        self._config = config
        self._camera = config["camera"]
        self._channel = Channel(sock)
        self.outlet = Outlet(self._channel)
        self._stopping = False
        self._step = ""
        """What the daemon says is to be tried now: flush or reopen."""
        self._beat_due = 0.0
        self._share = 1.0
        """The share of the frame rate that the daemon allows."""
        self._frames = 0
        self._last_beat = (0.0, 0)
        self._told = ""
        """The pipeline's fault that was told last."""
        self._died: BaseException | None = None
        """What ended the thread `still`."""

    def run(self) -> int:
        """Work until stopped, or until the camera fails; return the process's exit code."""
        self.outlet.note(note="hello", pid=os.getpid())
        try:
            return self._watch()
        except CameraEnded as error:
            self.outlet.note(note="ended", message=str(error), hint=error.hint)
            return 0
        except GatewayError as error:
            self.outlet.note(note="failed", code=code_of(error), message=str(error), hint=error.hint)
            return 1
        except Exception as error:  # the daemon must hear of it, and the way out is main's: a destructor may hang
            log.critical("the eye failed", exc_info=error)
            message = f"the camera's process failed: {type(error).__name__}: {error}"
            self.outlet.note(note="failed", code="eye-failed", message=message, hint="it is started again by itself")
            return 1

    def _watch(self) -> int:
        from gateway.eye.pipeline import Pipeline
        from gateway.eye.source import Source

        source = Source(self._camera)
        still: threading.Thread | None = None
        pipeline: Pipeline | None = None
        try:
            pipeline = Pipeline(
                self._camera,
                source.size,
                self.outlet.draft,
                lambda _t: random_uuid7(time.time()),
                simulated=source.simulated,
                moved=self._config.get("moved", False),
            )
            still = threading.Thread(target=self._make_stills, args=(pipeline,), name="still", daemon=True)
            still.start()
            self.outlet.note(note="open", size=list(source.size), simulated=source.simulated, lacks=list(source.lacks))
            while not self._stopping and not self.outlet.broken:
                if self._died is not None:
                    raise self._died
                try:
                    frame = source.take()
                except CameraEnded:
                    raise
                except CameraError as error:
                    self._in_trouble(error, source, pipeline)
                    continue
                source.share = self._share
                if source.wants(frame):
                    self._see(frame, pipeline, source)
                else:
                    frame.release()
                self._hear(pipeline)
                if self._step:  # the same picture for ever: there are frames, and all the same it is opened anew
                    self._obey(source, pipeline)
                self.outlet.flush()
        finally:
            if pipeline is not None:
                pipeline.interrupt(time.monotonic())
                pipeline.stills.stop()
            if still is not None:
                still.join(2.0)
            source.close()
        return 0

    def _see(self, frame: Frame, pipeline: Pipeline, source: Source) -> None:
        """Take one frame through all stages."""
        if (fault := pipeline.fault) is not None and str(fault) != self._told:
            self._told = str(fault)
            self.outlet.note(note="fault", code="mask", message=self._told, hint=fault.hint)
        motion = pipeline.step(frame)
        self._frames += 1
        while pipeline.taken:
            command, refused = pipeline.taken.popleft()
            self.outlet.note(note="snapshot", id=command, refused=refused)
        self._beat(pipeline, motion, source)

    def _in_trouble(self, error: CameraError, source: Source, pipeline: Pipeline) -> None:
        """Say that no picture comes, and do what the daemon says about it.

        Whoever is told nothing reads again, which is all that `flush` asks for: a read that timed out has given up what
        was queued, and a camera gives only what comes after it was asked.
        """
        self.outlet.note(note="trouble", code=code_of(error), message=str(error), hint=error.hint)
        self._beat_due = 0.0  # when a frame comes, it is told at once
        until = time.monotonic() + ANSWER_SECONDS
        self._hear(pipeline)
        while not self._step and not self._stopping and not self.outlet.broken and time.monotonic() < until:
            self._channel.wait(until - time.monotonic())
            self._hear(pipeline)
            self.outlet.flush()
        self._obey(source, pipeline)

    def _obey(self, source: Source, pipeline: Pipeline) -> None:
        """Do what the daemon said.

        A camera is opened anew by the same process: what was learnt of the view stays, so that a knock is noticed.

        Raises:
            CameraError: it cannot be opened anew.
        """
        step, self._step = self._step, ""
        if step == "reopen":
            pipeline.interrupt(time.monotonic())
            source.reopen()

    def _make_stills(self, pipeline: Pipeline) -> None:
        """The body of the thread `still`; when it dies, so does the process: updates and ends go through it."""
        try:
            pipeline.stills.run()
        except BaseException as error:  # noqa: BLE001 (the thread `watch` raises it)
            self._died = error

    def _beat(self, pipeline: Pipeline, motion: Motion, source: Source) -> None:
        now = time.monotonic()
        if now < self._beat_due:
            return
        since, frames = self._last_beat
        rate = (self._frames - frames) / (now - since) if since else 0.0
        self._last_beat = (now, self._frames)
        self._beat_due = now + BEAT_SECONDS
        self.outlet.note(
            note="beat",
            frames=self._frames,
            fps=round(rate, 1),
            **source.facts(),
            view=pipeline.view,
            moved=pipeline.moved,
            motion=bool(pipeline.episodes.open),
            suppressed=motion.suppressed,
            light=round(motion.light, 1),
            gain=round(motion.gain, 2),
            sharpness=round(motion.sharpness, 2),
            noise=round(motion.noise, 2),
            withheld=pipeline.stills.withheld,
            pictures_dropped=pipeline.stills.dropped,
            dropped=self.outlet.dropped,
        )

    def _hear(self, pipeline: Pipeline) -> None:
        """Take what the daemon says, without waiting for it."""
        while (note := self._channel.hear()) is not None:
            if isinstance(note, Draft):
                continue
            match note.get("note"):
                case "stop":
                    self._stopping = True
                case "recover":
                    self._step = str(note["step"])
                case "rate":
                    self._share = float(note["share"])
                case "confirm-view":
                    pipeline.confirm_view()
                case "picture-limit":
                    pipeline.stills.limit = int(note["bytes"])
                case "snapshot":
                    pipeline.wanted.append(str(note["id"]))
                case other:
                    log.warning("the daemon said %r, which this eye does not know", other)


def code_of(error: GatewayError) -> str:
    """Return the stable word for what is wrong with a camera."""
    if isinstance(error, CameraGarbled):
        return "camera-garbled"
    return "camera-stalled" if isinstance(error, CameraStalled) else "camera-failed"


def main(fd: int) -> int:
    """Run the eye on the socket that the daemon passed as descriptor `fd`."""
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the daemon, which stops us in order over the socket
        signal.signal(number, signal.SIG_IGN)
    listener = logs.start()
    sock = socket.socket(fileno=fd)
    config = json.loads(sock.recv(PACKET_BYTES))
    threading.current_thread().name = "watch"
    eye = Eye(config, sock)
    code = eye.run()
    deadline = time.monotonic() + 1.0
    while not eye.outlet.flush() and not eye.outlet.broken and time.monotonic() < deadline:
        time.sleep(0.01)  # the daemon reads within milliseconds; when it does not, it is gone or will kill us
    listener.finish()
    os._exit(code)  # a camera library whose destructors hang must not keep the device
