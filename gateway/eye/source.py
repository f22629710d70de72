"""The camera of one eye: opened as the settings say, judged, paced, and opened anew when that is asked for.

Not here: what a frame goes through (pipeline.py), who decides about recovery (the daemon's ladder), the sources
themselves (camera/). Runs on the eye's thread `watch`.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from gateway.camera.rate import Night, Rate
from gateway.camera.soundness import Soundness
from gateway.errors import CameraError, CameraGarbled, CameraStalled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.camera.frame import Camera, Exposure, Frame

log = logging.getLogger(__name__)


class Source:
    """See the module."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Open the camera; `settings` are plain values named as in settings.CameraSettings.

        Raises:
            CameraUnavailable: it cannot be opened.
        """
        self._settings = settings
        self._rate = Rate(settings["fps"], settings["night_fps"], settings["stall_s"])
        self._night = Night(settings["night_below_lux"], settings["day_above_lux"])
        self.share = 1.0
        """The share of the frame rate that the daemon allows."""
        self._exposure: Exposure | None = None
        self._last = -1
        self._lost = self._garbled = 0
        self._camera = self._open()
        self.size = self._camera.size
        self.simulated = self._camera.simulated
        self.lacks = self._camera.lacks
        self._soundness = Soundness(self.size)

    def take(self) -> Frame:
        """Return the next sound frame; what cannot be a picture is left out.

        Raises:
            CameraError: none came for `stall_s` seconds, or the camera broke.
        """
        until = time.monotonic() + self._settings["stall_s"]
        wrong = ""
        while True:
            try:
                frame = self._camera.read(max(0.0, until - time.monotonic()))
            except CameraStalled:
                if not wrong:
                    raise
                raise CameraGarbled(
                    f"the camera gives no picture but {wrong}",
                    "with the power off check both ends of the camera's cable; then replace the camera",
                ) from None
            self._lost += max(0, frame.number - self._last - 1)
            self._last = frame.number
            wrong = self._soundness.judge(frame)
            if not wrong:
                return frame
            frame.release()
            self._garbled += 1

    def wants(self, frame: Frame) -> bool:
        """Tell whether a frame is to be analysed, at the rate that heat and night leave."""
        self._exposure = frame.exposure
        night = self._night.see(frame.exposure.lux if frame.exposure else None, frame.mono)
        if self._rate.choose(share=self.share, night=night):
            log.info("%.3g frames a second from now on%s", self._rate.asked, self._rate.why and f": {self._rate.why}")
            self._camera.ask_rate(self._rate.asked)
        return self._rate.wants(frame.mono)

    def reopen(self) -> None:
        """Close the camera and open it anew.

        Raises:
            CameraError: it cannot be opened, or has another size now: another process has to begin from the start.
        """
        self._camera.close()
        self._camera = self._open()
        self._last = -1
        if self._camera.size != self.size:
            raise CameraError(f"the camera's picture is {self._camera.size} now, and was {self.size}", "fix its size")
        if self._rate.why:
            self._camera.ask_rate(self._rate.asked)

    def close(self) -> None:
        """Let go of the camera."""
        self._camera.close()

    def facts(self) -> dict[str, Any]:
        """Return what up/health says of it beside the motion core's figures."""
        return {
            "lost": self._lost,
            "garbled": self._garbled,
            "asked": round(self._rate.asked, 2),
            "why": self._rate.why,
            "night": self._night.now,
            "exposure": _told(self._exposure),
        }

    def _open(self) -> Camera:
        from gateway.camera.opening import open_camera

        settings = self._settings
        return open_camera(
            settings["source"],
            size=(settings["analysis"][0], settings["analysis"][1]),
            main_size=(settings["main"][0], settings["main"][1]),
            fps=settings["fps"],
            flicker=settings["flicker_hz"],
            tuning=settings["tuning_file"],
        )


def _told(exposure: Exposure | None) -> dict[str, float | None] | None:
    """Return what the camera says of its exposure; colour gains jump when an infra-red filter moves."""
    if exposure is None:
        return None
    red, blue = exposure.colour_gains or (None, None)
    found = {"us": exposure.time_us, "gain": exposure.gain, "lux": exposure.lux, "red": red, "blue": blue}
    return {name: None if value is None else round(value, 2) for name, value in found.items()}
