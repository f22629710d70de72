"""The demo: the whole gateway on one computer, and a judge beside it.

An embedded broker, the production daemon with its eye on the simulated corner, and a real subscriber that knows only
what arrives. The scene's truth goes past the gateway through a file, and the two are compared. Runs on the main thread.
Not here: the pieces (broker.py, process.py, centre.py, replay/score.py, screen.py).
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from gateway.camera.opening import parse
from gateway.demo.broker import EmbeddedBroker
from gateway.demo.centre import Centre
from gateway.demo.follow import Rates, TruthFile
from gateway.demo.process import AREA, CAMERA, LOG, TRUTH, Gateway, configuration, street_source
from gateway.demo.screen import Row, View, open_screen
from gateway.demo.summary import Summary
from gateway.errors import CameraError, GatewayError, LinkError
from gateway.replay.score import Score, Truth, score, shown
from gateway.uplink.broker import parse_broker_url
from gateway.uplink.subscriber import Subscriber
from gateway.wire.message import Address

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gateway.demo.screen import Screen

TURN_SECONDS = 0.25
ASK_SECONDS = 1.0
CONNECT_SECONDS = 10.0
START_SECONDS = 30.0
"""Most time from the daemon's start to the first frame."""
FAREWELL_SECONDS = 3.0
"""After the daemon's end, most time until its last words have arrived."""


def run(
    *,
    seconds: float = 60.0,
    seed: int = 0,
    camera: str | None = None,
    broker: str | None = None,
    summary: Path | None = None,
    pictures: Path | None = None,
    keep: bool = False,
) -> int:
    """Show the gateway at work; return the exit code: 1 when things came by and not one message told of them.

    Args:
        seconds: how long to watch, from the first frame.
        seed: of the simulated corner.
        camera: another source; None: the simulated corner. Only that has a truth to compare with.
        broker: URL of another broker; None: an embedded one.
        summary: file for the summary as JSON.
        pictures: folder for the pictures; None: a new one, below the demo's own.
        keep: whether the demo's own folder stays when all went well; after a failure its log is needed.

    Raises:
        GatewayError: it cannot be shown; the hint says what to do.
    """
    if not seconds > 0:
        raise GatewayError(f"--seconds is {seconds:g}", "watch for more than 0 seconds, e.g. --seconds 60")
    try:
        import psutil  # noqa: F401
        import rich  # noqa: F401
    except ImportError as error:
        raise GatewayError(f"the demo needs {error.name}", "pip install 'camera-gateway[demo]'") from None
    if summary is not None and not summary.absolute().parent.is_dir():
        raise GatewayError(f"{summary}: there is no such folder to write the summary to", "make the folder first")
    with contextlib.ExitStack() as stack:
        own = stack.enter_context(OwnFolder(keep=keep))
        kept = (pictures or own.path / "pictures").absolute()
        try:
            kept.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise GatewayError(f"{kept}: {error.strerror}", "choose another folder with --pictures") from None
        if broker is None:
            broker = stack.enter_context(EmbeddedBroker(own.path)).url
        asked = stack.enter_context(_asked_to_stop())
        demo = Demo(own.path, kept, broker, camera, seed, seconds)
        result = demo.play(asked)
        for line in result.lines():
            _print(line)
        if pictures is not None:
            _print(f"pictures in {kept}")
        elif not keep and result.works:
            _print("pictures and log are removed now: --keep keeps them, --pictures DIR the pictures alone")
        if summary is not None:
            summary.write_text(result.json(), encoding="utf-8")
        own.keep = own.keep or not result.works
    return 0 if result.works else 1


class OwnFolder:
    """The demo's own folder: gone afterwards, unless somebody wants to look into it."""

    def __init__(self, *, keep: bool) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="gateway-demo-"))
        self.keep = keep

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Remove it, but not the log of a daemon that failed."""
        failed = kind is not None and issubclass(kind, GatewayError) and (self.path / LOG).exists()
        if self.keep or failed:
            _print(f"pictures, configuration and the daemon's log are kept in {self.path}")
        else:
            shutil.rmtree(self.path, ignore_errors=True)


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@contextlib.contextmanager
def _asked_to_stop() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C and SIGTERM set: the demo ends in order and still sums up."""
    asked = threading.Event()
    before = {n: signal.signal(n, lambda *_: asked.set()) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Demo:
    """One showing."""

    def __init__(
        self, folder: Path, pictures: Path, broker_url: str, camera: str | None, seed: int, seconds: float
    ) -> None:
        """Prepare a gateway in `folder`; the other arguments are those of `run`."""
        street = street_source(camera, seed)
        self._folder = folder
        self._pictures = pictures
        self._seconds = seconds
        self._broker = parse_broker_url(broker_url)
        self._address = Address(AREA, f"demo-{secrets.token_hex(3)}")
        self._source = street or str(camera)
        self._settings = configuration(
            folder, self._address.gateway, self._source, self._broker, simulated=street is not None
        )
        self._centre = Centre(self._address.root, pictures)
        watched = self._settings.cameras[0]
        self._truth = TruthFile(folder / TRUTH, Truth(watched.smallest_px / watched.analysis[1])) if street else None
        self._rates = Rates()
        self._began = 0.0
        """Monotonic time of the first frame."""
        self._elapsed = 0.0
        self._shown: dict[str, list[str]] = {}
        """Of each ended episode: what the scene says that it shows."""

    def play(self, asked: threading.Event) -> Summary:
        """Show it, from the daemon's start to its last word; `asked` ends it early."""
        subscriber = Subscriber(self._broker, [f"{self._address.root}/up/#"], self._centre.take)
        subscriber.start()
        try:
            self._wait_for_broker(subscriber)
            _print(f"gateway {self._address.gateway}: the production daemon on camera {parse(self._source).shown}")
            _print(f"broker {self._broker}; pictures arrive in {self._pictures}")
            gateway = Gateway(self._folder, self._settings)
            try:
                self._wait_for_first_frame(gateway, asked)
                logging.getLogger("gateway").setLevel(logging.ERROR)  # a log line would tear the table
                screen = open_screen(f"what the centre receives from {self._address.root}")
                try:
                    self._watch(gateway, screen, asked)
                    orderly = gateway.stop() and self._centre.wait_for_status("stopped", FAREWELL_SECONDS)
                    screen.update(self._view(gateway))  # with the ends that its end brought
                finally:
                    screen.close()
            finally:
                gateway.stop()
        finally:
            subscriber.stop()
        return self._summary(gateway, orderly=orderly)

    def _wait_for_broker(self, subscriber: Subscriber) -> None:
        """Return when the broker has confirmed the subscription.

        Raises:
            LinkError: it refuses, or does not answer.
        """
        deadline = time.monotonic() + CONNECT_SECONDS
        while not subscriber.wait_ready(TURN_SECONDS):
            error = subscriber.error
            if error is not None or time.monotonic() > deadline:
                hint = (error and error.hint) or "is it running, and does it speak MQTT 5?"
                raise LinkError(f"{self._broker}: the broker cannot be used: {error or 'it does not answer'}", hint)

    def _wait_for_first_frame(self, gateway: Gateway, asked: threading.Event) -> None:
        """Return when the first frame was analysed, and set the clock.

        Raises:
            CameraError: there is none; with the daemon's reason.
            GatewayError: the daemon ended.
        """
        deadline = time.monotonic() + START_SECONDS
        self._began = time.monotonic()
        while not asked.wait(TURN_SECONDS):
            gateway.check()
            camera = gateway.camera()
            self._rates.take(camera)
            if self._rates.frames:
                if self._truth is not None:
                    self._truth.read()
                self._began = self._truth.first if self._truth else time.monotonic()
                gateway.cost.begin()
                return
            if camera.get("code") in {"camera-failed", "camera-ended"} or time.monotonic() > deadline:
                said = self._centre.state(f"camera/{CAMERA}")
                raise CameraError(
                    f"the camera gives no picture: {said.get('reason', 'it says nothing')}",
                    said.get("hint") or f"see {gateway.log}",
                )

    def _watch(self, gateway: Gateway, screen: Screen, asked: threading.Event) -> None:
        """Show what arrives until the time is over, the recording has ended, or somebody has seen enough."""
        ask_at = 0.0
        while not asked.is_set():
            now = time.monotonic()
            self._elapsed = now - self._began
            if now >= ask_at or self._elapsed >= self._seconds:
                ask_at = now + ASK_SECONDS
                gateway.check()
                self._rates.take(gateway.camera())
                gateway.cost.measure()
            screen.update(self._view(gateway))
            if self._elapsed >= self._seconds or self._rates.ended:
                return
            asked.wait(max(min(TURN_SECONDS, self._seconds - self._elapsed), 0.01))

    def _view(self, gateway: Gateway) -> View:
        judged = self._judge()
        frames = len(self._truth.truth.times) if self._truth else self._rates.frames
        return View(
            elapsed=self._elapsed,
            seconds=self._seconds,
            frames=frames,
            fps=self._rates.now,
            camera=self._centre.state(f"camera/{CAMERA}").get("state", self._rates.state),
            cpu_share=gateway.cost.share,
            rss_mb=gateway.cost.rss_mb,
            tally=self._centre.tally(),
            rows=self._rows(),
            notices=self._centre.notices(),
            verdict=f"{judged.found} of {judged.true} found, {judged.false} false" if judged else "nothing to judge by",
            judged=judged is not None,
        )

    def _rows(self) -> Sequence[Row]:
        rows = []
        for episode in self._centre.episodes():
            scene = self._shown.get(episode.id, [])
            if not scene and self._truth is not None:
                scene = [f"{thing.kind} {thing.id}" for thing in shown(episode.received(), self._truth.truth)]
                if episode.ended and self._truth.last > episode.started + episode.duration:
                    self._shown[episode.id] = scene
            rows.append(Row(episode, episode.started - self._began, scene))
        return rows

    def _judge(self) -> Score | None:
        """Compare with the truth so far; None where there is none."""
        if self._truth is None:
            return None
        self._truth.read()
        return score((episode.received() for episode in self._centre.episodes()), self._truth.truth)

    def _summary(self, gateway: Gateway, *, orderly: bool) -> Summary:
        judged = self._judge()
        times = self._truth.truth.times if self._truth else []
        return Summary(
            frames=len(times) or self._rates.frames,
            fps=(len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else self._rates.mean,
            score=judged,
            tally=self._centre.tally(),
            episodes=self._centre.episodes(),
            cpu_share=gateway.cost.share,
            rss_mb=gateway.cost.rss_mb,
            orderly=orderly,
        )
