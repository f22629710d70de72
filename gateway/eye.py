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
from gateway.outlet import Outlet
from gateway.wire.draft import PACKET_BYTES, Draft, random_uuid7

if TYPE_CHECKING:
    from gateway.camera.frame import Camera, Frame
    from gateway.camera.soundness import Soundness

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
        self._frames = 0
        self._lost = 0
        self._garbled = 0
        self._last_beat = (0.0, 0)
        self._last = -1
        """Number of the last frame."""
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

    def _open(self) -> Camera:
        from gateway.camera.opening import open_camera

        settings = self._camera
        return open_camera(
            settings["source"],
            size=(settings["analysis"][0], settings["analysis"][1]),
            main_size=(settings["main"][0], settings["main"][1]),
            fps=settings["fps"],
        )

    def _watch(self) -> int:
        from gateway.camera.soundness import Soundness
        from gateway.pipeline import Pipeline

        camera = self._open()
        still: threading.Thread | None = None
        pipeline: Pipeline | None = None
        try:
            pipeline = Pipeline(
                self._camera,
                camera.size,
                self.outlet.draft,
                lambda _t: random_uuid7(time.time()),
                simulated=camera.simulated,
                moved=self._config.get("moved", False),
            )
            still = threading.Thread(target=self._make_stills, args=(pipeline,), name="still", daemon=True)
            still.start()
            self.outlet.note(note="open", size=list(camera.size), simulated=camera.simulated)
            soundness = Soundness(camera.size)
            while not self._stopping and not self.outlet.broken:
                if self._died is not None:
                    raise self._died
                try:
                    frame = self._take(camera, soundness)
                except CameraEnded:
                    raise
                except CameraError as error:
                    camera = self._in_trouble(error, camera, pipeline)
                    continue
                self._see(frame, pipeline)
                self._hear(pipeline)
                if self._step:  # the same picture for ever: there are frames, and all the same it is opened anew
                    camera = self._obey(camera, pipeline)
                self.outlet.flush()
        finally:
            if pipeline is not None:
                pipeline.interrupt(time.monotonic())
                pipeline.stills.stop()
            if still is not None:
                still.join(2.0)
            camera.close()
        return 0

    def _take(self, camera: Camera, soundness: Soundness) -> Frame:
        """Return the next sound frame; what cannot be a picture is left out.

        Raises:
            CameraError: none came for `stall_s` seconds, or the camera broke.
        """
        until = time.monotonic() + self._camera["stall_s"]
        wrong = ""
        while True:
            try:
                frame = camera.read(max(0.0, until - time.monotonic()))
            except CameraStalled:
                if not wrong:
                    raise
                raise CameraGarbled(
                    f"the camera gives no picture but {wrong}",
                    "With the power off check both ends of the camera's cable; then replace the camera.",
                ) from None
            wrong = soundness.judge(frame)
            if not wrong:
                return frame
            frame.release()
            self._garbled += 1

    def _see(self, frame: Frame, pipeline: Any) -> None:
        """Take one frame through all stages."""
        if (fault := pipeline.fault) is not None and str(fault) != self._told:
            self._told = str(fault)
            self.outlet.note(note="fault", code="mask", message=self._told, hint=fault.hint)
        self._lost += max(0, frame.number - self._last - 1)
        self._last = frame.number
        motion = pipeline.step(frame)
        self._frames += 1
        while pipeline.taken:
            command, refused = pipeline.taken.popleft()
            self.outlet.note(note="snapshot", id=command, refused=refused)
        self._beat(pipeline, motion)

    def _in_trouble(self, error: CameraError, camera: Camera, pipeline: Any) -> Camera:
        """Say that no picture comes, and do what the daemon says about it; return the camera to go on with.

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
        return self._obey(camera, pipeline)

    def _obey(self, camera: Camera, pipeline: Any) -> Camera:
        """Do what the daemon said; return the camera to go on with.

        A camera is opened anew by the same process: what was learnt of the view stays, so that a knock is noticed.

        Raises:
            CameraError: it cannot be opened, or has another size now: another process has to begin from the start.
        """
        step, self._step = self._step, ""
        if step != "reopen":
            return camera
        pipeline.interrupt(time.monotonic())
        camera.close()
        fresh = self._open()
        self._last = -1
        if fresh.size != camera.size:
            fresh.close()
            raise CameraError(f"the camera's picture is {fresh.size} now, and was {camera.size}", "Fix its size.")
        return fresh

    def _make_stills(self, pipeline: Any) -> None:
        """The body of the thread `still`; when it dies, so does the process: updates and ends go through it."""
        try:
            pipeline.stills.run()
        except BaseException as error:  # noqa: BLE001 (the thread `watch` raises it)
            self._died = error

    def _beat(self, pipeline: Any, motion: Any) -> None:
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
            lost=self._lost,
            garbled=self._garbled,
            fps=round(rate, 1),
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

    def _hear(self, pipeline: Any) -> None:
        """Take what the daemon says, without waiting for it."""
        while (note := self._channel.hear()) is not None:
            if isinstance(note, Draft):
                continue
            match note.get("note"):
                case "stop":
                    self._stopping = True
                case "recover":
                    self._step = str(note["step"])
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
