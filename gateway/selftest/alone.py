"""Tries every part of the gateway while no daemon runs, each with the product's own code.

Not here: what is printed, what a running daemon answers (__init__.py). Runs in the command line's process, one thread;
heavy imports wait until their part is tried, so that the first lines come at once.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.device.identity import boot_id, gateway_id
from gateway.errors import GatewayError, LinkError, SettingsError
from gateway.selftest.check import Check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.configuration.loading import Loaded
    from gateway.configuration.settings import CameraSettings

FRAMES = 5
"""Frames that a camera must deliver."""
SLOW_SYNC_MS = 500.0
"""A card that needs so long for one durable write is worn, or not made for this."""
BROKER_SECONDS = 15.0


def every_part(loaded: Loaded) -> Iterator[Check]:
    """Try cameras, motion core, store and broker, one after the other."""
    for camera in loaded.settings.cameras:
        yield from _camera(camera)
    yield walker(loaded.settings.cameras[0])
    yield _outbox(loaded)
    yield _broker(loaded)


def _camera(camera: CameraSettings) -> Iterator[Check]:
    from gateway.camera.opening import without_password
    from gateway.configuration.credentials import unmasked
    from gateway.errors import MaskError
    from gateway.eye.pipeline import Pipeline, make_mask
    from gateway.eye.source import Source

    name = f"camera.{camera.name}"
    try:
        values = camera.model_dump(mode="json")
        source = Source(values | {"stall_s": max(camera.stall_s, 5.0)})
        with contextlib.closing(source):
            Pipeline(values, source.size, lambda _draft: None, lambda _t: "")  # can such pictures be analysed at all?
            masked = make_mask(values)
            begun = time.monotonic()
            light = 0.0
            for _ in range(FRAMES):
                frame = source.take()
                light = float(frame.luma.mean())
                if masked is not None:
                    masked.burn(frame)
                frame.release()
            rate = FRAMES / (time.monotonic() - begun)
    except MaskError as error:
        yield Check(f"mask.{camera.name}", "failure", str(error), error.hint)
        return
    except GatewayError as error:
        yield Check(name, "failure", str(error), error.hint)
        return
    if light < 4:
        yield Check(
            name, "warning", f"delivers, but its picture is black (mean {light:.0f} of 255)", "is the lens covered?"
        )
    elif source.simulated:
        yield Check(
            name, "warning", "delivers the SIMULATED corner", f"set the source of {camera.name} to the real camera"
        )
    else:
        without = f", without {', '.join(source.lacks)}" if source.lacks else ""
        without += f", {unmasked(camera)}" if unmasked(camera) else ""
        size = f"{source.size[0]}x{source.size[1]}"
        shown = without_password(camera.source)
        yield Check(name, "ok", f"{shown}: {size}, {rate:.0f} frames/s, light {light:.0f}{without}")


def walker(camera: CameraSettings) -> Check:
    """The product's motion core must find who walks through the simulated corner, and nothing in an empty one."""
    from gateway.camera.street import Street
    from gateway.motion.detector import Detector

    found = {}
    for scene in ("stand", "empty"):
        street = Street((320, 180), 10.0, 1, main_size=(320, 180), scene=scene, pace=False)
        detector = Detector(320, 180, smallest=min(camera.smallest_px, 8.0), sensitivity=camera.sensitivity)
        tracks = set()
        with contextlib.closing(street):
            for _ in range(150):
                frame = street.read(1.0)
                tracks |= {track.id for track in detector.step(frame.luma, frame.mono).tracks}
                frame.release()
        found[scene] = len(tracks)
    if found["stand"] and not found["empty"]:
        return Check("motion.walker", "ok", "the synthetic walker was found, an empty street stayed quiet")
    message = f"{found['stand']} tracks for the synthetic walker, {found['empty']} for an empty street"
    return Check("motion.walker", "failure", message, "reinstall the software; report this with `gateway --version`")


def _outbox(loaded: Loaded) -> Check:
    """Write one message to a fresh store in the store's own folder, durably, and read it back."""
    from gateway.uplink.outbox import Outbox
    from gateway.wire.draft import Draft, Rank, random_uuid7
    from gateway.wire.message import Address, Moment, make_message

    folder = loaded.settings.store.dir
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="selftest-", dir=folder) as scratch:
            outbox = Outbox.open(Path(scratch) / "outbox.db", cap_bytes=16 << 20, min_free=0)
            seq = outbox.reserve("event", 1).start
            name = random_uuid7(time.time())
            draft = Draft(name, Rank.END, "motion", "cam0", time.monotonic(), name, "end")
            moment = Moment(time.time(), synced=False, mono=time.monotonic(), boot=boot_id())
            message = make_message(draft, Address("selftest", "selftest"), outbox.epoch, seq, moment)
            begun = time.monotonic()
            outbox.put([message])
            took = (time.monotonic() - begun) * 1000
            kept = [stored.id for _, stored in outbox.pending("event", 0, 10)]
            outbox.close()
    except (OSError, GatewayError) as error:
        hint = getattr(error, "hint", "") or "check that the card is not full or read-only, and who owns the folder"
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Check("outbox.writes", "failure", f"{folder}: {text}", hint)
    if kept != [name]:
        return Check("outbox.writes", "failure", f"{folder}: what was written was not read back", "exchange the card")
    if took > SLOW_SYNC_MS:
        return Check(
            "outbox.writes", "warning", f"{folder}: a durable write took {took:.0f} ms", "the card may be worn"
        )
    return Check("outbox.writes", "ok", f"{folder}: a durable write took {took:.0f} ms")


def _broker(loaded: Loaded) -> Check:
    """Connect as ourselves, publish a heartbeat with QoS 1, and wait for its acknowledgement."""
    from gateway.configuration.credentials import broker_of
    from gateway.uplink import reasons
    from gateway.uplink.happened import Acked, Connected
    from gateway.uplink.mqtt import Connection
    from gateway.wire.message import Address, plain

    url = loaded.settings.broker.url
    try:
        address = Address(loaded.settings.area, gateway_id(loaded.settings.id))
        connection = Connection(broker_of(loaded.settings.broker), address.gateway)
        try:
            connection.open()
            sent = begun = 0.0
            mid = None
            deadline = time.monotonic() + BROKER_SECONDS
            while time.monotonic() < deadline:
                for found in connection.wait(1.0):
                    if isinstance(found, Connected):
                        sent = begun = time.monotonic()
                        mid = connection.publish(f"{address.root}/up/heartbeat", plain(_beat()), 1)
                    elif isinstance(found, Acked) and found.mid == mid:
                        return _judged(url, found.code, (time.monotonic() - begun) * 1000, reasons.verdict(found.code))
            text = "no acknowledgement came" if sent else "the broker accepted the connection and said nothing"
            return Check("broker.roundtrip", "failure", f"{url}: {text}", "is it an MQTT broker, and does it run?")
        finally:
            connection.close()
    except (LinkError, SettingsError) as error:
        return Check("broker.roundtrip", "failure", f"{url}: {error}", error.hint)


def _beat() -> dict[str, Any]:
    from gateway.device import heartbeat

    now = time.monotonic()
    beat = heartbeat.heartbeat(
        number=0,
        session="selftest",
        wall=time.time(),
        boot=boot_id(),
        mono=now,
        synced=False,
        up=0,
        temperature_c=None,
        memory_mb=None,
        disk_mb=None,
        fps={},
        waiting=heartbeat.Waiting(),
        dropped=0,
        connections=0,
    )
    return dict(beat)


def _judged(url: str, code: int, took_ms: float, verdict: str) -> Check:
    if verdict == "accepted":
        return Check("broker.roundtrip", "ok", f"{url} acknowledged within {took_ms:.0f} ms")
    if verdict == "unheard":
        return Check(
            "broker.roundtrip",
            "warning",
            f"{url} answers, but nobody at the centre listens",
            "tell the centre's operator",
        )
    return Check(
        "broker.roundtrip",
        "failure",
        f"{url} refused the message (reason 0x{code:02x})",
        "check this gateway's rights there",
    )
