"""The configuration: what can be set, its defaults, and its limits. `loading.py` reads it from files.

Stages never see this module: plain values are passed to them. Not here: files, environment, the last good
configuration. Pure values; imported by the daemon's side only (pydantic is heavy, and the eye must start fast).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.camera.opening import parse
from gateway.errors import CameraUnavailable
from gateway.wire.fields import ID, Purpose, Severity

BROKER_URL = r"^mqtts?://[^/@\s]+/?$"
CAMERA_BYTES = 80 * 1024
"""A camera's settings travel to its eye in one packet of wire.draft.PACKET_BYTES."""
OPTIONAL_ID = r"^[a-z0-9-]{0,64}$"
INTERFACE = r"^([A-Za-z0-9_.][A-Za-z0-9_.-]{0,14})?$"

Name = Annotated[str, Field(pattern=ID)]
Size = Annotated[tuple[int, int], Field(description="width and height in pixels")]


def _corners(polygon: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """A polygon has at least three corners, and each lies in the picture."""
    if len(polygon) < 3:
        raise ValueError(f"a polygon needs at least 3 corners, this has {len(polygon)}: [[x, y], [x, y], [x, y], ...]")
    for x, y in polygon:
        if not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0):
            raise ValueError(
                f"corner [{x:g}, {y:g}] lies outside the picture: allowed is 0..1, from the top left corner"
            )
    area = 0.0
    for (x1, y1), (x2, y2) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        area += x1 * y2 - x2 * y1
    if abs(area) < 1e-6:
        raise ValueError("the polygon has no area: its corners lie on one line")
    return polygon


Polygon = Annotated[list[tuple[float, float]], AfterValidator(_corners)]


class _Strict(BaseModel):
    """A misspelt key is an error, and nothing changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ZoneSettings(_Strict):
    """A part of the picture that somebody cares about."""

    id: Name = "all"
    purpose: Purpose = "general"
    polygon: Polygon = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    minimum_height: Annotated[float, Field(ge=0, le=1)] = 0.0
    severity: Severity = "low"
    alarm: bool = False


class CameraSettings(_Strict):
    """One camera and what is looked for in its picture."""

    name: Name = "cam0"
    source: Annotated[str, Field(min_length=1)] = "picamera2"
    fps: Annotated[float, Field(ge=1, le=60)] = 10.0
    analysis: Size = (640, 360)
    main: Size = (1280, 720)
    stall_s: Annotated[float, Field(ge=0.5, le=60)] = 5.0
    flicker_hz: Literal[0, 50, 60] = 50
    tuning_file: Annotated[str, Field(max_length=200)] = ""
    night_fps: Annotated[float, Field(ge=0, le=60)] = 0.0
    night_below_lux: Annotated[float, Field(ge=0, le=10_000)] = 5.0
    day_above_lux: Annotated[float, Field(ge=0, le=100_000)] = 15.0
    smallest_px: Annotated[float, Field(ge=3, le=200)] = 6.0
    sensitivity: Literal["low", "normal", "high"] = "normal"
    update_s: Annotated[float, Field(ge=1, le=600)] = 5.0
    picture_kb: Annotated[int, Field(ge=4, le=59)] = 40
    masks: Annotated[list[Polygon], Field(max_length=64)] = []
    mask_file: Path | None = None
    zones: Annotated[list[ZoneSettings], Field(max_length=64)] = [ZoneSettings()]

    @field_validator("source")
    @classmethod
    def _source(cls, source: str) -> str:
        """What no camera can ever be: of an unknown scheme, or with an unknown option. Looks for no file."""
        try:
            parse(source)
        except CameraUnavailable as error:
            raise ValueError(f"{error}; {error.hint}") from None
        return source

    @field_validator("analysis")
    @classmethod
    def _analysis(cls, size: tuple[int, int]) -> tuple[int, int]:
        if not (160 <= size[0] <= 1280 and 120 <= size[1] <= 720):
            raise ValueError(f"analysis is {size[0]}x{size[1]}: allowed is 160x120 to 1280x720")
        return size

    @field_validator("main")
    @classmethod
    def _main(cls, size: tuple[int, int]) -> tuple[int, int]:
        if size[0] % 2 or size[1] % 2 or not (160 <= size[0] <= 4608 and 120 <= size[1] <= 2592):
            raise ValueError(f"main is {size[0]}x{size[1]}: allowed are even numbers from 160x120 to 4608x2592")
        return size

    @field_validator("zones")
    @classmethod
    def _zones(cls, zones: list[ZoneSettings]) -> list[ZoneSettings]:
        ids = [zone.id for zone in zones]
        if len(set(ids)) < len(ids):
            raise ValueError(f"two zones have the same id: {', '.join(ids)}")
        return zones or [ZoneSettings()]

    @model_validator(mode="after")
    def _patience(self) -> Self:
        if self.stall_s * self.fps < 2:
            raise ValueError(
                f"stall_s is {self.stall_s:g}, and at {self.fps:g} fps a picture comes every {1 / self.fps:g} s: "
                f"allowed is stall_s from {2 / self.fps:g}"
            )
        return self

    @model_validator(mode="after")
    def _night(self) -> Self:
        if self.night_fps and (self.night_fps < 1 or self.stall_s * self.night_fps < 2):
            least = max(1.0, 2 / self.stall_s)
            raise ValueError(f"night_fps is {self.night_fps:g}: allowed is 0 (as by day), or {least:g} and more")
        if self.day_above_lux <= self.night_below_lux:
            raise ValueError(
                f"day_above_lux is {self.day_above_lux:g} and night_below_lux {self.night_below_lux:g}: the first must "
                "be the larger one, three times is usual"
            )
        return self

    @model_validator(mode="after")
    def _length(self) -> Self:
        length = len(json.dumps(self.model_dump(mode="json")))
        if length > CAMERA_BYTES:
            raise ValueError(
                f"zones and masks take {length} bytes: allowed are {CAMERA_BYTES}; draw polygons with fewer corners"
            )
        return self


class BrokerSettings(_Strict):
    """Where the centre's broker is, and how it knows us."""

    url: Annotated[str, Field(pattern=BROKER_URL)] = "mqtt://127.0.0.1:1883"
    protocol: Literal["5", "3.1.1"] = "5"
    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    keepalive_s: Annotated[int, Field(ge=5, le=300)] = 20
    inflight: Annotated[int, Field(ge=1, le=100)] = 20
    first_connect_spread_s: Annotated[float, Field(ge=0, le=3600)] = 90.0
    reconnect_spread_s: Annotated[float, Field(ge=1, le=3600)] = 120.0

    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        """What the pattern cannot say: no host, a port that is none, half an IPv6 address."""
        allowed = "allowed is mqtt://host:port or mqtts://host:port, the port from 1 to 65535"
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise ValueError(f"{error}; {allowed}") from None
        try:
            usable = parts.port != 0
        except ValueError:  # no number, or beyond 65535
            usable = False
        if not usable:
            raise ValueError(f"its port cannot be used; {allowed}")
        if not parts.hostname:
            raise ValueError(f"it names no host; {allowed}")
        return url

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together: set both or none")
        if self.cert_file is not None and self.url.startswith("mqtt://"):
            raise ValueError("a client certificate needs TLS: the url must start with mqtts://")
        return self


class StoreSettings(_Strict):
    """The outbox on the card."""

    dir: Path = Path("/var/lib/camera-gateway")
    cap_mb: Annotated[int, Field(ge=9, le=65536)] = 512
    free_mb: Annotated[int, Field(ge=0, le=65536)] = 64
    replay_hours: Annotated[float, Field(ge=0, le=720)] = 24.0
    picture_hours: Annotated[float, Field(ge=0, le=720)] = 72.0


class DeliverySettings(_Strict):
    """How messages look on the wire."""

    compression: Literal["deflate", "none"] = "deflate"
    confirm: Literal["broker", "centre"] = "broker"
    backlog_per_s: Annotated[float, Field(ge=0.1, le=1000)] = 50.0
    daily_mb: Annotated[float, Field(ge=0, le=100_000)] = 0.0


class ReportSettings(_Strict):
    """How often the device says how it is."""

    heartbeat_s: Annotated[float, Field(ge=1, le=3600)] = 30.0
    health_s: Annotated[float, Field(ge=10, le=86400)] = 900.0


class RecoverySettings(_Strict):
    """What may be done when a camera gives no picture, or the broker cannot be reached."""

    reboots_a_day: Annotated[int, Field(ge=0, le=10)] = 0
    reboot_after_s: Annotated[float, Field(ge=60, le=86400)] = 900.0
    link_reboot_after_s: Annotated[float, Field(ge=0, le=604_800)] = 0.0
    interface: Annotated[str, Field(pattern=INTERFACE)] = ""

    @field_validator("link_reboot_after_s")
    @classmethod
    def _patient(cls, seconds: float) -> float:
        if 0 < seconds < 1800:
            raise ValueError(f"link_reboot_after_s is {seconds:g}: allowed is 0 (never), or 1800 and more")
        return seconds


class Settings(BaseSettings):
    """The whole configuration. `config/gateway.toml` explains every key."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="GATEWAY_", env_nested_delimiter="__", env_ignore_empty=True
    )

    area: Name = "unassigned"
    id: Annotated[str, Field(pattern=OPTIONAL_ID)] = ""
    runtime_dir: Path = Path("/run/camera-gateway")
    broker: BrokerSettings = BrokerSettings()
    store: StoreSettings = StoreSettings()
    delivery: DeliverySettings = DeliverySettings()
    report: ReportSettings = ReportSettings()
    recovery: RecoverySettings = RecoverySettings()
    cameras: Annotated[list[CameraSettings], Field(min_length=1, max_length=4)] = [CameraSettings()]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 (the base class's signature)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what loading.py hands over: it merges file, environment and --set itself, to name the culprit."""
        return (init_settings,)

    @field_validator("cameras")
    @classmethod
    def _cameras(cls, cameras: list[CameraSettings]) -> list[CameraSettings]:
        names = [camera.name for camera in cameras]
        if "gateway" in names:
            raise ValueError("the camera name 'gateway' is reserved for the device itself")
        if len(set(names)) < len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise ValueError(f"two cameras have the same name: {', '.join(twice)}")
        return cameras
