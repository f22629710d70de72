"""The eye: the process of one camera, from its frames to drafts on the daemon's socket.

Threads: `watch` (this process's main thread: camera, motion, episodes; never disk or network) and `still` (JPEG).
It never waits for the daemon: before the socket stands a bounded queue. Not here: numbers, wall time, the store, the
link (daemon), settings (the first packet on the socket carries plain values). Imports no paho, sqlite3 or pydantic.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import signal
import socket
import termios
import threading
import time
from collections import deque
from typing import Any

from gateway import logs
from gateway.errors import CameraEnded, CameraError, CameraStalled, GatewayError
from gateway.wire.draft import LANES, PACKET_BYTES, Draft, Rank, lane_of, pack_draft, pack_note, random_uuid7, unpack

log = logging.getLogger(__name__)

QUEUED_DRAFTS = 256
QUEUED_PICTURES = 8
BEAT_SECONDS = 1.0


class Outlet:
    """The bounded queue before the socket. Lanes leave in the order alarm, event, media, each first in, first out.

    When it is full, pictures drop first, then updates, starts, ends; an alarm drops only behind 256 other alarms.
    A picture is sent only while the socket is less than half full, so that an alarm always finds room behind it.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._room = sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) // 2
        self._lanes: dict[str, deque[Draft]] = {lane: deque() for lane in LANES}
        self._notes: deque[bytes] = deque(maxlen=32)
        self._lock = threading.Lock()
        self.dropped = dict.fromkeys((rank.name.lower() for rank in Rank), 0)
        """Drafts that were dropped, by rank."""
        self.broken = False
        """The daemon is gone."""

    def draft(self, draft: Draft) -> None:
        """Queue a draft and send what can be sent; never waits. Any thread."""
        with self._lock:
            lane = self._lanes[lane_of(draft.rank)]
            lane.append(draft)
            self._shed()
        self.flush()

    def note(self, **fields: Any) -> None:
        """Queue a control note, ahead of all drafts; never waits. Any thread."""
        self._notes.append(pack_note(fields))
        self.flush()

    def flush(self) -> bool:
        """Send as much as the socket takes now; tell whether nothing is left."""
        with self._lock:
            while self._notes and self._send(self._notes[0]):
                self._notes.popleft()
            for name, lane in self._lanes.items():
                while lane and not self._notes:
                    if name == "media" and self._unread() > self._room:
                        break
                    if not self._send(pack_draft(lane[0])):
                        break
                    lane.popleft()
            return not self._notes and not any(self._lanes.values())

    def _unread(self) -> int:
        return int.from_bytes(fcntl.ioctl(self._sock, termios.TIOCOUTQ, b"\0\0\0\0"), "little")

    def _send(self, packet: bytes) -> bool:
        try:
            self._sock.send(packet, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return False
        except OSError:
            self.broken = True
            return False
        return True

    def _shed(self) -> None:
        media, event, alarm = self._lanes["media"], self._lanes["event"], self._lanes["alarm"]
        while len(media) > QUEUED_PICTURES:
            self._count(media.popleft())
        while len(event) > QUEUED_DRAFTS:
            worst = max(event, key=lambda draft: draft.rank)
            event.remove(worst)
            self._count(worst)
        while len(alarm) > QUEUED_DRAFTS:
            self._count(alarm.popleft())

    def _count(self, draft: Draft) -> None:
        self.dropped[draft.rank.name.lower()] += 1


class Eye:
    """One camera's run: opens it, takes its frames through the pipeline, says how it is."""

    def __init__(self, config: dict[str, Any], sock: socket.socket) -> None:
        self._config = config
        self._camera = config["camera"]
        self._sock = sock
        self.outlet = Outlet(sock)
        self._stopping = False
        self._limit_asked: int | None = None
        self._beat_due = 0.0
        self._frames = 0
        self._lost = 0
        self._last_beat = (0.0, 0)
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
            code = "camera-stalled" if isinstance(error, CameraStalled) else "camera-failed"
            self.outlet.note(note="failed", code=code, message=str(error), hint=error.hint)
            return 1
        except Exception as error:  # the daemon must hear of it, and the way out is main's: a destructor may hang
            log.critical("the eye failed", exc_info=error)
            message = f"the camera's process failed: {type(error).__name__}: {error}"
            self.outlet.note(note="failed", code="eye-failed", message=message, hint="it is started again by itself")
            return 1

    def _watch(self) -> int:
        from gateway.camera.opening import open_camera
        from gateway.pipeline import Pipeline

        settings = self._camera
        camera = open_camera(
            settings["source"],
            size=(settings["analysis"][0], settings["analysis"][1]),
            main_size=(settings["main"][0], settings["main"][1]),
            fps=settings["fps"],
        )
        still: threading.Thread | None = None
        pipeline: Pipeline | None = None
        try:
            pipeline = Pipeline(
                settings,
                camera.size,
                self.outlet.draft,
                lambda _t: random_uuid7(time.time()),
                simulated=camera.simulated,
                moved=self._config.get("moved", False),
            )
            still = threading.Thread(target=self._make_stills, args=(pipeline,), name="still", daemon=True)
            still.start()
            self.outlet.note(note="open", size=list(camera.size), simulated=camera.simulated)
            told = ""
            last = -1
            while not self._stopping and not self.outlet.broken:
                if self._died is not None:
                    raise self._died
                if (fault := pipeline.fault) is not None and str(fault) != told:
                    told = str(fault)
                    self.outlet.note(note="fault", code="mask", message=told, hint=fault.hint)
                frame = camera.read(settings["stall_s"])
                self._lost += max(0, frame.number - last - 1)
                last = frame.number
                motion = pipeline.step(frame)
                self._frames += 1
                while pipeline.taken:
                    command, refused = pipeline.taken.popleft()
                    self.outlet.note(note="snapshot", id=command, refused=refused)
                self._beat(pipeline, motion)
                self._hear(pipeline)
                self.outlet.flush()
        finally:
            if pipeline is not None:
                pipeline.interrupt(time.monotonic())
                pipeline.stills.stop()
            if still is not None:
                still.join(2.0)
            camera.close()
        return 0

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
        while True:
            try:
                packet = self._sock.recv(PACKET_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if not packet:
                self.outlet.broken = True
                return
            note = unpack(packet)
            if isinstance(note, Draft):
                continue
            match note.get("note"):
                case "stop":
                    self._stopping = True
                case "confirm-view":
                    pipeline.confirm_view()
                case "picture-limit":
                    pipeline.stills.limit = int(note["bytes"])
                case "snapshot":
                    pipeline.wanted.append(str(note["id"]))
                case other:
                    log.warning("the daemon said %r, which this eye does not know", other)


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


__all__ = ["CameraError", "Eye", "Outlet", "main"]
