"""Stills: keeps the best picture of each open episode, cropped with context, and makes a JPEG of it.

`keep` copies a crop into a buffer made once and returns; it runs on `watch`. Encoding runs on the thread `still`
(`run`), or in line for a recording (`work`). Not here: which episodes there are (episode.py), masks (they were burnt
into the frame before it came here). A still is never enlarged, and never longer than its limit.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from gateway.camera.planes import split
from gateway.wire.draft import Draft, Rank

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from gateway.camera.frame import Frame, MainFormat
    from gateway.motion.result import Box

LARGEST = (640, 480)
"""Width and height that a still is reduced to at most: 60 KiB hold no more detail."""
CONTEXT = 0.35
"""A crop is wider than its box by this part of the box on each side: where it happened matters."""
SMALLEST_CROP = 96
"""Pixels of the main picture that a crop spans at least, where the picture has them."""
BETTER = 1.2
"""A picture replaces a kept one when its quality is so many times as high; copies cost time."""
QUALITIES = (85, 70, 55, 40, 25)
"""JPEG qualities that are tried in turn until the limit is met; then the picture is halved."""
LATE_SECONDS = 2.0
"""A view that is wrong is suspected so late at most: pictures that are not older than that may be of it."""
JOBS = 24
"""Most drafts that wait for their picture; more leave without one."""


@dataclass(slots=True)
class _Slot:
    """One kept crop; the buffer is made once and used for one episode after another."""

    buffer: NDArray[np.uint8]
    format: MainFormat = "none"
    size: tuple[int, int] = (0, 0)
    quality: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Job:
    draft: Draft
    slot: _Slot | None


class Stills:
    """The best pictures of the episodes of one camera."""

    def __init__(
        self, post: Callable[[Draft], None], *, limit: int, new_id: Callable[[float], str], slots: int = 10
    ) -> None:
        """Make all buffers.

        Args:
            post: takes finished drafts; called on the thread that encodes.
            limit: longest JPEG in bytes.
            new_id: returns a UUIDv7 for a frame's time.
            slots: most pictures that are kept at the same time, 900 KiB each.
        """
        self._post = post
        self._new_id = new_id
        self._free = [_Slot(np.empty(LARGEST[0] * LARGEST[1] * 3, np.uint8)) for _ in range(slots)]
        self._kept: dict[str, _Slot] = {}
        self._sent: dict[str, float] = {}
        self._without: set[str] = set()
        """Open episodes for which there was no slot."""
        self._about: dict[str, dict[str, Any]] = {}
        """What the events said of each open episode's picture; of the encoding thread only."""
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._waiting = 0
        self._lock = threading.Lock()
        self.limit = limit
        self.withheld = ""
        """Why no picture may leave now, or empty: a mask that failed, a view that is suspect."""
        self.dropped = 0
        """Pictures that were not made because too many were wanted at once."""

    def withhold(self, reason: str, t: float, *, late: bool = True) -> None:
        """Let no picture leave for this reason, or let them leave again where it is empty; `t` in the frames' seconds.

        late: the reason was there before it was seen, so forget what was kept just before.
        """
        if late and reason and not self.withheld:
            for episode in [each for each, slot in self._kept.items() if t - slot.facts["mono"] <= LATE_SECONDS]:
                self._return(self._kept.pop(episode))
        self.withheld = reason

    def keep(self, episode: str, frame: Frame, box: Box) -> None:
        """Copy the crop of `box` if it is clearly the best of its episode so far."""
        if self.withheld:
            return
        worth = quality(box, frame)
        slot = self._kept.get(episode)
        if worth < BETTER * (slot.quality if slot is not None else self._sent.get(episode, 0.0)):
            return
        if slot is None:
            with self._lock:
                slot = self._free.pop() if self._free else None
            if slot is None:
                if episode not in self._without:
                    self._without.add(episode)
                    self.dropped += 1
                return
            self._kept[episode] = slot
        copy_crop(frame, box, slot)
        slot.quality = worth

    def fresh(self, episode: str) -> bool:
        """Tell whether a picture is kept that is better than the one that was sent."""
        return episode in self._kept

    def illustrate(self, draft: Draft) -> None:
        """Post the draft, with the episode's best picture if one can be had; never waits, never loses the draft."""
        slot = self._kept.pop(draft.episode, None)  # from here on it belongs to the job
        if slot is not None:
            self._sent[draft.episode] = slot.quality
            if self.withheld or self._waiting >= JOBS:
                self.dropped += 1
                self._return(slot)
                slot = None
        if draft.phase == "end":
            self._sent.pop(draft.episode, None)
            self._without.discard(draft.episode)
        self._hand_over(_Job(draft, slot))

    def snapshot(self, draft: Draft, frame: Frame, whole: Box) -> bool:
        """Post `draft` with a picture of the whole frame, later; tell whether there was room for it."""
        with self._lock:
            slot = self._free.pop() if self._free and not self.withheld else None
        if slot is None:
            return False
        copy_crop(frame, whole, slot)
        self._hand_over(_Job(draft, slot))
        return True

    def run(self) -> None:
        """Make pictures until `stop` is called; the body of the thread `still`."""
        while (job := self._jobs.get()) is not None:
            self._do(job)

    def work(self) -> None:
        """Make all pictures that wait, now: for a recording, which has no threads."""
        while not self._jobs.empty():
            if (job := self._jobs.get()) is not None:
                self._do(job)

    def stop(self) -> None:
        """Let `run` return when everything that waits is done."""
        self._jobs.put(None)

    def _hand_over(self, job: _Job) -> None:
        with self._lock:
            self._waiting += 1
        self._jobs.put(job)

    def _return(self, slot: _Slot | None) -> None:
        if slot is not None:
            with self._lock:
                self._free.append(slot)

    def _do(self, job: _Job) -> None:
        jpeg = shape = None
        if job.slot is not None and not self.withheld:
            picture = to_bgr(job.slot)
            jpeg, shape = encode(picture, self.limit)
        facts = dict(job.slot.facts) if job.slot is not None else {}
        self._return(job.slot)
        with self._lock:
            self._waiting -= 1
        draft = job.draft
        if draft.kind == "media":
            if jpeg is not None:
                self._post(replace(draft, picture=jpeg, body=draft.body | facts))
            return
        about = self._about.pop(draft.episode, None)  # the best so far may have gone out with an update
        if jpeg is not None and shape is not None:
            about = {"sha256": hashlib.sha256(jpeg).hexdigest(), "bytes": len(jpeg), "w": shape[0], "h": shape[1]}
        if about is not None and draft.phase != "end":
            self._about[draft.episode] = about
        self._post(replace(draft, body=draft.body | {"picture": about}))
        if jpeg is None:
            return
        body = facts
        if "simulated" in draft.body:
            body["simulated"] = draft.body["simulated"]
        media = replace(draft, id=self._new_id(draft.mono), rank=Rank.PICTURE, kind="media", body=body, picture=jpeg)
        self._post(replace(media, severity="low", subject=""))  # how bad and where is the event's to say


def quality(box: Box, frame: Frame) -> float:
    """How good a picture of this box would be: its size in pixels, a third where the picture's edge cuts it."""
    width, height = frame.main_size if frame.main is not None else frame.luma.shape[::-1]
    cut = box.x <= 0.004 or box.y <= 0.004 or box.x + box.w >= 0.996 or box.y + box.h >= 0.996
    return float(np.sqrt(box.w * width * box.h * height)) * (0.33 if cut else 1.0)


def crop_of(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """Return the crop (x, y, w, h) in pixels for a box, with context, in even numbers, within the picture."""
    w = min(max(box.w * (1 + 2 * CONTEXT) * width, SMALLEST_CROP), width)
    h = min(max(box.h * (1 + 2 * CONTEXT) * height, SMALLEST_CROP), height)
    x = min(max((box.x + box.w / 2) * width - w / 2, 0.0), width - w)
    y = min(max((box.y + box.h / 2) * height - h / 2, 0.0), height - h)
    left, top = int(x) // 2 * 2, int(y) // 2 * 2
    return left, top, min(int(w) // 2 * 2, width - left), min(int(h) // 2 * 2, height - top)


def copy_crop(frame: Frame, box: Box, slot: _Slot) -> None:
    """Copy the crop of `box` from the frame's best stream into the slot, reduced to LARGEST if need be."""
    planes = split(frame)
    width, height = frame.main_size if frame.main is not None else frame.luma.shape[::-1]
    x, y, w, h = crop_of(box, width, height)
    scale = min(1.0, LARGEST[0] / w, LARGEST[1] / h)
    out_w, out_h = max(2, int(w * scale) // 2 * 2), max(2, int(h * scale) // 2 * 2)
    start = 0
    for plane, divider in planes:
        part = plane[y // divider : (y + h) // divider, x // divider : (x + w) // divider]
        shape = (out_h // divider, out_w // divider, *plane.shape[2:])
        length = int(np.prod(shape))
        target = slot.buffer[start : start + length].reshape(shape)
        if part.shape == shape:
            np.copyto(target, part)
        else:
            cv2.resize(part, (shape[1], shape[0]), dst=target, interpolation=cv2.INTER_AREA)
        start += length
    slot.format, slot.size = frame.main_format if frame.main is not None else "none", (out_w, out_h)
    fractions = (x / width, y / height, w / width, h / height)
    slot.facts = {
        "box": [round(min(max(value, 0.0), 1.0), 3) for value in box],
        "crop": [round(value, 3) for value in fractions],
        "mono": round(frame.mono, 3),
    }


def to_bgr(slot: _Slot) -> NDArray[np.uint8]:
    """Return the slot's crop as (h, w, 3) BGR, or (h, w) where there was no colour."""
    w, h = slot.size
    if slot.format == "none":
        return slot.buffer[: w * h].reshape(h, w)
    if slot.format == "bgr":
        return slot.buffer[: w * h * 3].reshape(h, w, 3)
    code = cv2.COLOR_YUV2BGR_I420 if slot.format == "yuv420" else cv2.COLOR_YUV2BGR_NV12
    return np.asarray(cv2.cvtColor(slot.buffer[: w * h * 3 // 2].reshape(h * 3 // 2, w), code), np.uint8)


def encode(picture: NDArray[np.uint8], limit: int) -> tuple[bytes, tuple[int, int]]:
    """Return a JPEG of at most `limit` bytes and its width and height: lower quality first, then half the size."""
    while True:
        for quality_now in QUALITIES:
            fine, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality_now])
            if fine and jpeg.size <= limit:
                return jpeg.tobytes(), (picture.shape[1], picture.shape[0])
        half = (max(1, picture.shape[1] // 2), max(1, picture.shape[0] // 2))
        picture = np.asarray(cv2.resize(picture, half, interpolation=cv2.INTER_AREA), np.uint8)
