"""The way of a frame: mask, motion, episodes, stills. The same for a live eye and for a recording.

Takes frames, hands drafts to `post`. Not here: where frames come from and where drafts go (eye.py,
replay/replay.py), settings (plain values come in). `step` runs on the thread that reads the camera and waits for
nothing.
"""

from __future__ import annotations

import math
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.camera.mask import Mask
from gateway.errors import CameraUnavailable, MaskError
from gateway.events.episode import Episodes
from gateway.events.still import Stills
from gateway.events.zones import WHOLE_PICTURE, Zone
from gateway.motion import Box
from gateway.motion.detector import Detector
from gateway.wire.draft import Draft, Rank

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.camera.frame import Frame
    from gateway.motion import Motion

WHOLE = Box(0.0, 0.0, 1.0, 1.0)


class Pipeline:
    """Everything that happens to the frames of one camera."""

    def __init__(
        self,
        camera: Mapping[str, Any],
        size: tuple[int, int],
        post: Callable[[Draft], None],
        new_id: Callable[[float], str],
        *,
        simulated: bool = False,
        moved: bool = False,
        outlines: bool = False,
    ) -> None:
        """Make all buffers for one camera.

        Args:
            camera: plain values named as in settings.CameraSettings.
            size: width and height of the luma plane.
            post: takes finished drafts, on this thread or on `still`.
            new_id: returns a UUIDv7 for a frame's time.
            simulated: whether what is seen did not happen; every event says so.
            moved: the view moved in an earlier run and nobody has confirmed it since.
            outlines: the core is to be asked for what moves pixel by pixel; no event needs that.

        Raises:
            CameraUnavailable: pictures of this size cannot be analysed.
        """
        self._camera = str(camera["name"])
        self._post = post
        self._new_id = new_id
        self.fault: MaskError | None = None
        """Why no pictures are sent although the camera works."""
        self._mask: Mask | None = None
        ignore = None
        try:
            self._mask = make_mask(camera)
            if self._mask is not None:
                ignore = self._mask.ignore(size)
        except MaskError as error:
            self.fault = error  # fail closed: what must be hidden is not known, so no picture leaves
        self.facts: dict[str, Any] = {"simulated": True} if simulated else {}
        if self._mask is not None:
            self.facts["mask"] = self._mask.hash
        try:
            self.detector = Detector(
                *size,
                smallest=float(camera["smallest_px"]),
                sensitivity=camera["sensitivity"],
                ignore=ignore,
                outlines=outlines,
            )
        except ValueError as error:  # of a size that only the source knows
            raise CameraUnavailable(
                f"the camera's picture cannot be analysed: {error}",
                "choose another size (analysis), or a source that gives larger pictures",
            ) from None
        self.episodes = Episodes(
            self._camera, make_zones(camera), new_id, update_seconds=float(camera["update_s"]), facts=self.facts
        )
        self.stills = Stills(post, limit=int(camera["picture_kb"]) * 1024, new_id=new_id)
        self.wanted: list[str] = []
        """Ids of commands that want a picture of the next frame."""
        self.taken: deque[tuple[str, str]] = deque()
        """What became of them: the id, and why there is no picture, or nothing."""
        self.view = "ok"
        self.moved = moved
        self._view_episode: tuple[str, float] | None = None
        self._now = -math.inf
        """Time of the latest frame."""
        self._hold_back(suspect=False)

    def step(self, frame: Frame, look: Callable[[Frame, Motion], None] | None = None) -> Motion:
        """Take one frame through all stages and give its buffers back to the camera.

        `look` sees the frame, masked, and what was found in it, before its buffers go back.
        """
        self._now = frame.mono
        try:
            self._burn(frame)
            exposure = frame.exposure
            motion = self.detector.step(
                frame.luma,
                frame.mono,
                exposure_us=exposure.time_us if exposure else None,
                gain=exposure.gain if exposure else None,
                lux=exposure.lux if exposure else None,
            )
            self._see_view(motion)
            drafts = self.episodes.step(motion, self.stills.fresh)
            for track in motion.tracks:
                episode = self.episodes.open.get(track.id) if track.seen else None
                if episode is not None:
                    self.stills.keep(episode.id, frame, track.box)
            while self.wanted:
                self._snapshot(self.wanted.pop(), frame)
            if look is not None:
                look(frame, motion)
        finally:
            frame.release()
        for draft in drafts:
            self._say(draft)
        return motion

    def interrupt(self, t: float) -> None:
        """End all open episodes, the view's too: no frame will come, or the next one comes from a camera opened anew.

        t: seconds as in the frames.
        """
        self.detector.resume()  # or an alarm that ended here would begin again until the view is looked at
        for draft in self.episodes.interrupt(t):
            self._say(draft)
        if self._view_episode is not None:
            self.view = "off"
            self._post(self._view_draft("end", *self._view_episode, t))
            self._view_episode = None

    def confirm_view(self) -> None:
        """A person says that masks and zones fit what the camera sees now: pictures may leave again."""
        self.moved = False
        self.detector.confirm_view()
        self._hold_back(suspect=False)

    def _snapshot(self, command: str, frame: Frame) -> None:
        draft = Draft(
            id=self._new_id(frame.mono),
            rank=Rank.PICTURE,
            kind="media",
            camera=self._camera,
            mono=frame.mono,
            episode=command,
            body={"mono": round(frame.mono, 3)} | ({"simulated": True} if "simulated" in self.facts else {}),
        )
        refused = self.stills.withheld
        if not refused and not self.stills.snapshot(draft, frame, WHOLE):
            refused = "busy"
        self.taken.append((command, refused))

    def _burn(self, frame: Frame) -> None:
        """Hide what must be hidden; when that fails, no picture leaves from now on, and events still do."""
        if self._mask is None:
            return
        try:
            self._mask.burn(frame)
        except MaskError as error:
            self.fault = error
            self._hold_back(suspect=True)

    def _say(self, draft: Draft) -> None:
        """What carries a path is worth a picture; starts and rises must not wait for one."""
        if draft.kind == "motion" and "path" in draft.body:
            self.stills.illustrate(draft)
        else:
            self._post(draft)

    def _see_view(self, motion: Motion) -> None:
        if motion.view == "moved":
            self.moved = True
        self._hold_back(suspect=motion.suspect or motion.view != "ok")
        # What moved in an earlier run has moved still, though this one has never seen another view.
        view = "moved" if motion.view == "ok" and self.moved else motion.view
        if view == self.view:
            return
        self.view = view
        if self._view_episode is not None:
            self._post(self._view_draft("end", *self._view_episode, motion.t))
            self._view_episode = None
        if view != "ok":
            self._view_episode = (self._new_id(motion.t), motion.t)
            self._post(self._view_draft("start", *self._view_episode, motion.t))

    def _view_draft(self, phase: Any, episode: str, started: float, t: float) -> Draft:
        return Draft(
            id=self._new_id(t),
            rank=Rank.ALARM,
            kind="view",
            camera=self._camera,
            mono=t,
            episode=episode,
            phase=phase,
            severity="high",
            body={"phase": phase, "state": self.view, "started": round(started, 3)} | self.facts,
            alarm=True,
        )

    def _hold_back(self, *, suspect: bool) -> None:
        if self.fault is not None:
            reason = "mask"
        elif self.moved:
            reason = "moved"
        else:
            reason = "view" if suspect else ""
        # Where nothing is hidden a lorry that covers the view for a moment must not cost an alarm its picture.
        self.stills.withhold(reason, self._now, late=self._mask is not None or self.fault is not None)


def make_zones(camera: Mapping[str, Any]) -> list[Zone]:
    """Return the zones of a camera's plain values; the whole picture where there are none."""
    zones = [
        Zone(
            id=zone["id"],
            purpose=zone["purpose"],
            polygon=tuple((float(x), float(y)) for x, y in zone["polygon"]),
            minimum_height=float(zone["minimum_height"]),
            severity=zone["severity"],
            alarm=bool(zone["alarm"]),
        )
        for zone in camera["zones"]
    ]
    return zones or [WHOLE_PICTURE]


def make_mask(camera: Mapping[str, Any]) -> Mask | None:
    """Return the camera's privacy mask, or None where nothing is hidden.

    Raises:
        MaskError: the mask's file cannot be used.
    """
    polygons, file = camera["masks"], camera["mask_file"]
    return Mask(polygons, Path(file) if file else None) if polygons or file else None
