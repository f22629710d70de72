"""The Raspberry Pi's own camera, through picamera2 (the only file that imports it).

Rules learned the hard way, each with a test: a capture without a deadline never returns when the sensor falls silent; a
capture that timed out must be cancelled and flushed, or its job takes a buffer that nobody gives back; `stop()` can
wait for ever, so only `close()` is called, on a thread with a deadline; views of a buffer change silently after it was
released; configuring again leaks, so it is done once.
Not here: what is done when it stalls (the process is started again). Runs on the thread that reads; picamera2 has an
event loop on a thread of its own.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import CancelledError
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from gateway.camera.frame import Exposure, Frame, MainFormat
from gateway.errors import CameraError, CameraStalled, CameraUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

BUFFERS = 6
CLOSE_SECONDS = 10.0
FLUSH_SECONDS = 1.0
FORMATS: dict[str, MainFormat] = {"YUV420": "yuv420", "NV12": "nv12"}
_INSTALL = (
    "install Debian's package python3-picamera2, in a virtual environment made with --system-site-packages, as its "
    "libcamera cannot be had otherwise; or set the camera's source to another one"
)


class PiCamera:
    """A camera of the Pi: luma from the small stream, the main picture from the large one, no copies."""

    simulated = False

    def __init__(
        self,
        index: int = 0,
        *,
        size: tuple[int, int] = (640, 360),
        main_size: tuple[int, int] = (1280, 720),
        fps: float = 10.0,
        tuning: str | None = None,
        flicker: int = 50,
        rotate: int = 0,
    ) -> None:
        """Open, configure and start it.

        Args:
            index: which camera, from 0.
            size: width and height of the luma picture in pixels; even numbers, multiples of 64 waste least.
            main_size: the same for the main picture.
            fps: frames a second; brought into what the sensor can do.
            tuning: name of a tuning file of libcamera, such as imx708_noir.json for a camera without infrared filter,
                which no camera tells by itself; or the path of one.
            flicker: frequency of the mains in Hz whose lamps must not make bands, 50 or 60; 0: off.
            rotate: 180 for a camera that hangs upside down.

        Raises:
            CameraUnavailable: picamera2 or the camera is missing, busy, or refuses the configuration.
        """
        try:
            from picamera2 import MappedArray, Picamera2
        except ImportError as error:
            raise CameraUnavailable(f"picamera2 cannot be imported: {error}", _INSTALL) from error
        self._name = f"picamera2:{index}"
        self._map = MappedArray
        self.lacks: tuple[str, ...] = ()
        """Controls that were wanted and that this camera does not have."""
        self._given: ExitStack | None = None
        self._first: int | None = None
        self._mono = 0.0
        found = [str(camera["Model"]) for camera in Picamera2.global_camera_info()]
        if index >= len(found):
            raise CameraUnavailable(
                f"{self._name}: {len(found)} camera(s) found{': ' + ', '.join(found) if found else ''}",
                "check the ribbon cable at both ends with the power off, then: rpicam-hello --list-cameras",
            )
        try:
            # A path goes to libcamera as it is; a name alone it would not find.
            found_tuning = Picamera2.load_tuning_file(tuning) if tuning and "/" not in tuning else tuning or None
            self._camera = Picamera2(index, tuning=found_tuning)
        except RuntimeError as error:
            raise CameraUnavailable(
                f"{self._name}: {error.__cause__ or error}",
                "is another program using it (the gateway's service), does the tuning file exist? journalctl -k",
            ) from error
        try:
            self._configure(size, main_size, self._controls(fps, flicker), rotate)
            self._camera.start()
        except BaseException as error:
            self.close()
            if isinstance(error, RuntimeError | ValueError):
                raise CameraUnavailable(
                    f"{self._name}: it refuses {size[0]}x{size[1]} beside {main_size[0]}x{main_size[1]}: {error}",
                    "set even sizes within what the sensor has: rpicam-hello --list-cameras",
                ) from error
            raise

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the luma picture in pixels."""
        return self._size

    def read(self, timeout: float) -> Frame:
        """Return the next frame; see Camera. A frame that was not released is given back first."""
        if self._camera is None:
            raise CameraError(f"{self._name}: the camera is closed", "open it anew")
        self._give_back(self._given)
        request = self._capture(timeout)
        given = ExitStack()
        given.callback(request.release)
        try:
            small = given.enter_context(self._map(request, "lores", write=True)).array
            main = given.enter_context(self._map(request, "main", write=True)).array
            metadata = request.get_metadata()
            number = request.request.sequence
        except BaseException:
            given.close()
            raise
        if self._first is None:
            self._first = number
        self._given = given
        width, height = self._size
        return Frame(
            number=number - self._first,
            mono=self._when(metadata.get("SensorTimestamp")),
            luma=small[:height, :width],
            main=main,
            main_format=self._main_format,
            main_size=self._main_size,
            exposure=exposure_of(metadata),
            _release=lambda: self._give_back(given),
        )

    def ask_rate(self, fps: float) -> None:
        """Ask for another frame rate from now on, and with it for another longest exposure; no new configuration."""
        if self._camera is not None and (limits := self._limits(fps)):
            self._camera.set_controls(limits)

    def close(self) -> None:
        """Let go of the camera; when its driver hangs, its thread is left behind and the process has to end."""
        camera, self._camera = self._camera, None
        if camera is None:
            return
        self._give_back(self._given)
        camera.cancel_all_and_flush()
        closing = threading.Thread(target=camera.close, name="camera-close", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)
        if closing.is_alive():
            log.error(
                "%s: it does not close within %g s: only the end of this process helps", self._name, CLOSE_SECONDS
            )

    def _controls(self, fps: float, flicker: int) -> dict[str, Any]:
        """Return the controls that are wanted and that this camera has; the others are named once."""
        from libcamera import controls

        known: Mapping[str, tuple[Any, Any, Any]] = self._camera.camera_controls
        wanted: dict[str, Any] = self._limits(fps) or {"FrameDurationLimits": None}
        if flicker:
            # Lamps flicker at twice the frequency of the mains.
            wanted |= {"AeFlickerMode": controls.AeFlickerModeEnum.Manual, "AeFlickerPeriod": round(500_000 / flicker)}
        self.lacks = tuple(name for name in wanted if name not in known)
        if self.lacks:
            log.info("%s: this camera has no %s", self._name, ", ".join(self.lacks))
        return {name: value for name, value in wanted.items() if name in known}

    def _limits(self, fps: float) -> dict[str, tuple[int, int]]:
        """Return the control for a frame rate, brought into what the sensor can do; nothing where it has none."""
        known = self._camera.camera_controls.get("FrameDurationLimits")
        if known is None:
            return {}
        period = min(max(round(1_000_000 / fps), known[0]), known[1])
        return {"FrameDurationLimits": (period, period)}

    def _configure(
        self, size: tuple[int, int], main_size: tuple[int, int], controls: dict[str, Any], rotate: int
    ) -> None:
        """Configure two YUV streams of the whole field of view, without the raw stream that picamera2 adds."""
        from libcamera import Transform

        for wish in whole_view(self._camera.sensor_resolution, main_size):
            configuration = self._camera.create_video_configuration(
                main={"size": main_size, "format": "YUV420"},
                lores={"size": size, "format": "YUV420"},
                raw=None,
                sensor={"output_size": wish},
                transform=Transform(hflip=1, vflip=1) if rotate == 180 else Transform(),
                buffer_count=BUFFERS,
                queue=False,  # a frame that was seen before it was asked for is old
                display=None,
                encode="main",
                controls=controls,
            )
            self._camera.configure(configuration)
            sensor = self._camera.camera_configuration().get("sensor")
            if not sensor or tuple(sensor["output_size"]) == wish:
                break
        small, main = (self._camera.stream_configuration(name) for name in ("lores", "main"))
        for stream in (small, main):
            if stream["format"] not in FORMATS:
                raise ValueError(f"it gives {stream['format']}, allowed are {', '.join(FORMATS)}")
        self._size: tuple[int, int] = tuple(small["size"])
        self._main_size: tuple[int, int] = tuple(main["size"])
        self._main_format = FORMATS[main["format"]]

    def _capture(self, timeout: float) -> Any:
        """Return the next completed request, or leave nothing behind that waits for one."""
        job = self._camera.capture_request(wait=False)
        try:
            return self._camera.wait(job, timeout=timeout)
        except TimeoutError:
            self._camera.cancel_all_and_flush()
            try:
                return job.get_result(timeout=FLUSH_SECONDS)  # it came just then: dropping it would lose a buffer
            except (CancelledError, TimeoutError):
                raise CameraStalled(
                    f"{self._name}: no frame within {timeout:g} s",
                    "if it stays so: check the power (vcgencmd get_throttled), and with it off the ribbon cable",
                ) from None

    def _give_back(self, given: ExitStack | None) -> None:
        if given is None:
            return
        if given is self._given:
            self._given = None
        given.close()

    def _when(self, sensor_ns: int | None) -> float:
        """Return the frame's time on the monotonic clock: the sensor's, where it is of that clock."""
        now = time.monotonic()
        stamp = now if sensor_ns is None else sensor_ns / 1e9
        # libcamera counts since boot, the monotonic clock leaves out a suspend; a Pi has none, but others do.
        if not now - 5.0 < stamp <= now:
            stamp = now
        self._mono = stamp if stamp > self._mono else self._mono + 1e-6
        return self._mono


def whole_view(sensor: tuple[int, int], main_size: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the sizes that a sensor may read out with its whole field of view, the smallest sufficient one first.

    These are its own size and the binned ones, a half or a quarter of it. Without a wish picamera2 takes the mode
    nearest to the main picture, with many sensors one that is cut from the middle: a narrower corner.
    """
    binned = [(sensor[0] // part, sensor[1] // part) for part in (4, 2)]
    return [size for size in binned if size[0] >= main_size[0] and size[1] >= main_size[1]] + [sensor]


def exposure_of(metadata: Mapping[str, Any]) -> Exposure:
    """Return what libcamera's metadata say of the exposure; what they do not say is None."""
    analogue, digital = metadata.get("AnalogueGain"), metadata.get("DigitalGain")
    gain = None if analogue is None else float(analogue) * float(1.0 if digital is None else digital)
    colour = metadata.get("ColourGains")
    time_us, lux = metadata.get("ExposureTime"), metadata.get("Lux")
    return Exposure(
        time_us=None if time_us is None else float(time_us),
        gain=gain,
        lux=None if lux is None else float(lux),
        colour_gains=None if colour is None else (float(colour[0]), float(colour[1])),
    )
