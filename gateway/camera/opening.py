"""Choose and open a camera by its source's name; imports only the one that is asked for.

    picamera2                   the Pi's camera (picamera2:1: second)  ?tuning=imx219_noir.json&flicker=50&rotate=180
    street                      the simulated corner                    ?seed=3&scene=corner&truth=F&fps=30&seconds=60
    /dev/video0                 a USB camera
    rtsp://user:password@host/… a network camera; what follows its own "?" belongs to the address
    clip.mp4, folder, a.npy     a recording, as a camera                ?fps=25&loop=1

Not here: reading (picam.py, street, video.py). No thread of its own, touches no disk; the daemon may call `describe`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from gateway.errors import CameraUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.camera.frame import Camera

T = TypeVar("T")
Kind = Literal["picamera2", "street", "rtsp", "v4l2", "recording"]

OPTIONS: dict[Kind, tuple[str, ...]] = {
    "picamera2": ("tuning", "flicker", "rotate"),
    "street": ("seed", "scene", "truth", "fps", "seconds"),
    "rtsp": (),
    "v4l2": (),
    "recording": ("fps", "loop"),
}
SOURCES = (
    "picamera2, picamera2:1, street, /dev/video0, rtsp://host/path, or the path of a video file, "
    "a folder of numbered pictures or a .npy array"
)


@dataclass(frozen=True, slots=True)
class Source:
    """A source's name, taken apart."""

    kind: Kind
    place: str
    """What to open: a path, an address, the number of a camera; may hold a password."""
    options: dict[str, str]
    shown: str
    """How it may stand in messages and logs: without user and password."""


def parse(source: str) -> Source:
    """Take a source's name apart.

    Raises:
        CameraUnavailable: it is none of the known kinds, or has an option that its kind does not know.
    """
    scheme, separator, _ = source.partition("://")
    if separator:
        shown = without_password(source)
        if scheme.lower() not in {"rtsp", "rtsps"}:
            raise CameraUnavailable(f"{shown}: {scheme}:// is not spoken here", f"set the source to one of: {SOURCES}")
        return Source("rtsp", source, {}, shown)
    place, mark, query = source.rpartition("?")
    if not mark or any("=" not in pair for pair in query.split("&")):
        place, query = source, ""  # a file may have a question mark in its name
    if not place:
        raise CameraUnavailable("the camera's source is empty", f"set it to one of: {SOURCES}")
    kind = _kind(place)
    options: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        key, _, value = pair.partition("=")
        if key not in OPTIONS[kind]:
            allowed = ", ".join(OPTIONS[kind]) or "no options"
            raise CameraUnavailable(
                f"{without_password(place)}: unknown option '{key}'", f"correct or remove it; {kind} takes: {allowed}"
            )
        options[key] = value
    return Source(kind, place, options, without_password(source))


def describe(source: str) -> Kind | Literal["unknown"]:
    """Return what kind of camera a source names, without address, path or password; never raises, never looks."""
    try:
        return parse(source).kind
    except CameraUnavailable:
        return "unknown"


def without_password(address: str) -> str:
    """Return a source as it may be logged: user and password, and an address's query that may hold them, left out.

    Also of an address whose `rtsp://` was forgotten or misspelt, which then counts as a recording's path.
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        before, _, after = address.rpartition("@")
        return f"***@{after}" if ":" in before else address
    rest = rest.partition("?")[0]
    authority, slash, path = rest.partition("/")
    if "@" in path and "@" not in authority:  # a password with an unescaped slash
        authority, slash, path = rest.rpartition("@")[2], "", ""
    return scheme + separator + authority.rpartition("@")[2] + slash + path


def open_camera(
    source: str,
    *,
    size: tuple[int, int] = (640, 360),
    main_size: tuple[int, int] = (1280, 720),
    fps: float = 10.0,
    flicker: int = 50,
    tuning: str = "",
    pace: bool = True,
) -> Camera:
    """Open the camera that `source` names.

    Args:
        source: see the top of this module.
        size: width and height of the luma picture to analyse, in pixels; recordings, network and USB cameras are
            scaled down into it with their aspect kept, never up: ask the camera's `size`.
        main_size: the same for the picture that stills are cut from.
        fps: frames a second that are wanted; also the rate of a recording that does not know its own.
        flicker: frequency in Hz of the mains whose lamps must not make bands; 0: off. Of a Pi's camera.
        tuning: libcamera's tuning file, by name or path; empty: the camera's own. Of a Pi's camera.
        pace: True plays as live and a late reader loses frames; False gives every frame of a recording, or of the
            simulated corner, as fast as it is read, with times counted from its first frame.

    Raises:
        CameraUnavailable: it cannot be opened; the hint says what to do.
    """
    wanted = parse(source)
    fps = _number(wanted, "fps", 0.1, 240.0, fps)
    if wanted.kind == "picamera2":
        from gateway.camera.picam import PiCamera

        return PiCamera(
            int(wanted.place.partition(":")[2] or 0),
            size=size,
            main_size=main_size,
            fps=fps,
            tuning=wanted.options.get("tuning", tuning) or None,
            flicker=_choice(wanted, "flicker", {"50": 50, "60": 60, "off": 0}, str(flicker or "off")),
            rotate=_choice(wanted, "rotate", {"0": 0, "180": 180}, "0"),
        )
    if wanted.kind == "street":
        from gateway.camera.street import Street

        seconds = _number(wanted, "seconds", 0.1, 1e9, 0.0)
        return Street(
            size,
            fps,
            int(_number(wanted, "seed", 0, 2**32 - 1, 0)),
            main_size=main_size,
            scene=wanted.options.get("scene", "corner"),
            truth=Path(wanted.options["truth"]) if "truth" in wanted.options else None,
            pace=pace,
            seconds=seconds or None,
        )
    from gateway.camera.video import Video

    return Video(
        wanted.place,
        kind=wanted.kind,
        shown=wanted.shown,
        size=size,
        main_size=main_size,
        fps=fps,
        rate=fps if "fps" in wanted.options else None,
        pace=pace,
        loop=_choice(wanted, "loop", {"0": False, "1": True}, "0"),
    )


def _kind(place: str) -> Kind:
    if re.fullmatch(r"picamera2(:\d)?", place):
        return "picamera2"
    if place == "street":
        return "street"
    if re.match(r"/dev/(video\d+$|v4l/)", place):
        return "v4l2"
    return "recording"


def _number(source: Source, key: str, least: float, most: float, default: float) -> float:
    text = source.options.get(key)
    if text is None:
        return default
    value = _converted(float, text)
    if value is None or not least <= value <= most:
        raise CameraUnavailable(
            f"{source.shown}: {key} is '{text}'", f"set {key} to a number from {least:g} to {most:g}"
        )
    return value


def _choice(source: Source, key: str, choices: dict[str, T], default: str) -> T:
    text = source.options.get(key, default)
    if text not in choices:
        raise CameraUnavailable(f"{source.shown}: {key} is '{text}'", f"set {key} to one of: {', '.join(choices)}")
    return choices[text]


def _converted(convert: Callable[[str], float], text: str) -> float | None:
    try:
        return convert(text)
    except ValueError:
        return None
