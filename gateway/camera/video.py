"""Recordings, network cameras (RTSP) and USB cameras (V4L2) as a Camera.

OpenCV's reads block in C++ and cannot be interrupted, so they happen on a thread "capture" that hands pictures over
through three slots made once: one being written, one ready, one held by the reader. Played at its pace, a picture that
nobody fetched is replaced by the next; otherwise the thread waits. A read that never returns leaves a thread behind,
never a caller. Not here: what is read (footage.py), into which sizes (scaling.py), reconnecting (the process is started
again).
"""

from __future__ import annotations

import logging
import threading
import time
from functools import partial
from typing import Literal

import cv2

from gateway.camera.footage import Footage, open_footage
from gateway.camera.frame import Frame
from gateway.camera.scaling import Scaler
from gateway.errors import CameraEnded, CameraError, CameraStalled, CameraUnavailable

log = logging.getLogger(__name__)

SLOTS = 3
OPEN_SECONDS = 10.0
CLOSE_SECONDS = 2.0
LATE_SECONDS = 1.0
"""A recording that is so far behind its pace goes on from where it is instead of racing to catch up."""


class Video:
    """A recording or a camera that OpenCV can read.

    The luma picture is scaled down into `size` and the main picture (BGR; None when the source is grey) into
    `main_size`, aspect kept, never up: a clip of 1920x1080 gives 640x360 and 1280x720, one of 320x240 stays as it is.
    """

    simulated = False
    lacks: tuple[str, ...] = ()

    def __init__(
        self,
        place: str,
        *,
        kind: Literal["rtsp", "v4l2", "recording"] = "recording",
        shown: str = "",
        size: tuple[int, int] = (640, 360),
        main_size: tuple[int, int] = (1280, 720),
        fps: float = 10.0,
        rate: float | None = None,
        pace: bool = True,
        loop: bool = False,
        wait: float = OPEN_SECONDS,
    ) -> None:
        """Open it and wait for its first picture.

        Args:
            place: path or address.
            kind: what it is.
            shown: how to call it in messages; without a password.
            size: largest width and height of the luma picture, in pixels.
            main_size: the same for the main picture.
            fps: frames a second that are wanted at most, when paced; rate of a recording that knows none.
            rate: frames a second of a recording, whatever it says itself.
            pace: as live; False: every picture of a recording, as fast as it is read.
            loop: begin again at the end.
            wait: seconds until it counts as not answering.

        Raises:
            CameraUnavailable: it cannot be opened, or gives no first picture in time.
        """
        self._place, self._kind, self._shown = place, kind, shown or place
        self._box, self._main_box, self._wait = size, main_size, wait
        self._fps, self._pace, self._loop = fps, pace or kind != "recording", loop
        self.rate = rate
        """Frames a second of a recording; None for a live camera."""
        self.frames: int | None = None
        """How many frames a recording has, as far as it says."""
        self.damaged: list[str] = []
        """Names of pictures that could not be read and were left out."""
        self.source_size = (0, 0)
        """Width and height of the pictures as they came, in pixels."""
        self._scaler: Scaler | None = None
        self._number = -1
        self._due = 0.0
        """When the next picture is due; of a recording, when its first was."""
        self._change = threading.Condition()
        self._ready: int | None = None
        self._held: int | None = None
        self._fault: Exception | None = None
        self._closed = False
        self._opened = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._capture, name="capture", daemon=True)
        self._thread.start()
        self._wait_for_first()

    def _wait_for_first(self) -> None:
        with self._change:
            self._change.wait_for(lambda: self._opened.is_set() or self._fault is not None, self._wait)
            fault = self._fault
            if self._opened.is_set():
                return
        self.close()
        if fault is None:
            raise CameraUnavailable(
                f"{self._shown}: no picture within {self._wait:g} s", "check that it is on and can be reached"
            )
        if isinstance(fault, CameraError) and not isinstance(fault, CameraUnavailable):
            raise CameraUnavailable(str(fault), fault.hint) from fault
        raise fault

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the luma picture in pixels."""
        return self._scaler.size if self._scaler is not None else (0, 0)

    def read(self, timeout: float) -> Frame:
        """Return the next frame; see Camera."""
        with self._change:
            if self._closed:
                raise CameraError(f"{self._shown}: the camera is closed", "open it anew")
            self._held = None  # the frame before ends here, released or not
            self._change.wait_for(lambda: self._ready is not None or self._fault is not None, max(0.0, timeout))
            if self._ready is None:
                if self._fault is not None:
                    raise self._fault
                raise CameraStalled(
                    f"{self._shown}: no frame within {timeout:g} s",
                    "check power, cable and network of the camera; for a recording, the disk it lies on",
                )
            self._held, self._ready = self._ready, None
            self._change.notify_all()
            assert self._scaler is not None
            slot = self._scaler.slots[self._held]
        colour = slot.main is not None
        return Frame(
            number=slot.number,
            mono=slot.mono,
            luma=slot.luma,
            main=slot.main,
            main_format="bgr" if colour else "none",
            main_size=(slot.main.shape[1], slot.main.shape[0]) if slot.main is not None else (0, 0),
            _release=partial(self._give_back, self._held, slot.number),
        )

    def ask_rate(self, fps: float) -> None:
        """Change nothing: the other side decides, and a recording has its own rate."""

    def close(self) -> None:
        """Let go; a read that hangs in the kernel keeps its thread and its file until it returns."""
        with self._change:
            self._closed = True
            self._stop.set()
            self._change.notify_all()
        self._thread.join(CLOSE_SECONDS)
        if self._thread.is_alive():
            log.warning("%s: a read hangs and was left behind", self._shown)

    def _give_back(self, slot: int, number: int) -> None:
        with self._change:
            if self._held == slot and self._scaler is not None and self._scaler.slots[slot].number == number:
                self._held = None

    def _capture(self) -> None:
        """Run the thread: whatever ends it, `read` tells."""
        fault: Exception
        try:
            fault = self._play()
        except cv2.error as error:
            fault = CameraError(f"{self._shown}: OpenCV failed: {error}", "report this with the recording")
        except OSError as error:
            fault = CameraError(f"{self._shown}: {error.strerror or error}", "check the disk: journalctl -k")
        except Exception as error:  # noqa: BLE001 (read() raises it on the reader's thread)
            fault = error
        with self._change:
            self._fault = fault
            self._change.notify_all()

    def _open(self) -> Footage:
        return open_footage(
            self._place, self._kind, self._shown, wait=self._wait, wanted_size=self._main_box, fps=self._fps
        )

    def _play(self) -> Exception:
        """Hand over picture after picture; return why there are no more."""
        footage = self._open()
        try:
            if self._kind == "recording":
                self.rate = self.rate or footage.rate or self._fps
                self.frames = footage.frames
            before = 0  # pictures of the rounds before, where it loops
            while not self._stop.is_set():
                self.damaged = footage.damaged
                if footage.take():
                    moment = self._moment(before + footage.number - 1)
                    if moment is not None:
                        self._hand_over(footage, *moment)
                elif self._kind != "recording":
                    return CameraError(f"{self._shown}: the stream ended", "check the camera; it is opened again")
                elif self._loop and footage.number:
                    before += footage.number
                    footage.close()
                    footage = self._open()
                else:
                    lost = f", {len(self.damaged)} could not be read, {self.damaged[0]} first" if self.damaged else ""
                    return CameraEnded(f"{self._shown}: the recording is over: {footage.number} frames{lost}")
            return CameraEnded(f"{self._shown}: closed")
        finally:
            footage.close()

    def _moment(self, index: int) -> tuple[int, float] | None:
        """Return number and time of picture `index`, when it is due; None when it is not wanted."""
        now = time.monotonic()
        if self._kind != "recording":
            if now < self._due - 0.25 / self._fps:  # a quarter: the camera's own clock wavers
                return None
            period = 1.0 / self._fps
            self._due = (self._due if self._due > now - period else now) + period
            self._number += 1
            return self._number, now
        assert self.rate is not None
        if not self._pace:
            return index, index / self.rate
        number = int(index * min(1.0, self._fps / self.rate) + 1e-9)
        if number == self._number:
            return None
        self._number = number
        if index == 0 or now - (self._due + index / self.rate) > LATE_SECONDS:
            self._due = now - index / self.rate
        self._stop.wait(max(0.0, self._due + index / self.rate - now))
        return number, time.monotonic()

    def _hand_over(self, footage: Footage, number: int, mono: float) -> None:
        """Scale the picture into a free slot and make that slot the ready one."""
        picture = footage.picture()
        scaler = self._scaler
        if scaler is None:
            scaler = Scaler(picture, self._box, self._main_box, SLOTS)
            self._scaler, self.source_size = scaler, scaler.source_size
        if picture.shape[1::-1] != self.source_size:
            (height, width), (first_width, first_height) = picture.shape[:2], self.source_size
            raise CameraError(
                f"{self._shown}: {footage.here} is {width}x{height}, what came before {first_width}x{first_height}",
                "give the camera one fixed picture size, a folder pictures of one size",
            )
        with self._change:
            free = next(i for i in range(SLOTS) if i not in {self._ready, self._held})
        slot = scaler.slots[free]
        scaler.fill(slot, picture)
        slot.number, slot.mono = number, mono
        with self._change:
            if not self._pace:
                self._change.wait_for(lambda: self._ready is None or self._stop.is_set())
            self._ready = free
            self._opened.set()
            self._change.notify_all()
