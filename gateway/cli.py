"""The command line: what can be asked, exit codes, where log lines go. Each command's work is in its own module.

Exit codes: 0 fine · 1 failed · 2 wrong usage · 78 the configuration cannot be used (EX_CONFIG); `selftest` has its
own: 0 fine, 1 warnings, 2 failures, 3 could not run. Not here: the eye's start (__main__.py), which must be quick.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import __version__
from gateway.errors import GatewayError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

EX_CONFIG = 78


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the process's exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    try:
        return int(options.work(options))
    except SettingsError as error:
        _complain(error)
        return EX_CONFIG
    except GatewayError as error:
        _complain(error)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `gateway ... | head`: nobody reads, and that is no failure of ours
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left in the buffer must go somewhere
        return 0


def _complain(error: GatewayError) -> None:
    sys.stderr.write(f"gateway: {error}\n")
    if error.hint:
        sys.stderr.write(f"  what to do: {error.hint}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gateway", description="A street corner's camera gateway: motion events and pictures over MQTT."
    )
    parser.add_argument("--version", action="version", version=f"gateway {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="log in detail")
    parser.add_argument("--config", "--set", action=_TooEarly, help=argparse.SUPPRESS)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    configured = argparse.ArgumentParser(add_help=False)
    configured.add_argument("--config", type=Path, metavar="FILE", help="default: /etc/camera-gateway/gateway.toml")
    configured.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change one setting, e.g. cameras.0.fps=5"
    )

    run = commands.add_parser("run", parents=[configured], help="the daemon: watch, store, deliver")
    run.set_defaults(work=_run)

    test = commands.add_parser("selftest", parents=[configured], help="does this corner work? a line for each part")
    test.add_argument("--json", action="store_true", help="print JSON instead of lines")
    test.set_defaults(work=_selftest)

    demo = commands.add_parser("demo", help="the whole gateway on this computer, with a simulated street corner")
    demo.add_argument("--seconds", type=float, default=60.0, metavar="N", help="how long (60)")
    demo.add_argument("--seed", type=int, default=0, metavar="N", help="of the street corner (0)")
    demo.add_argument("--camera", metavar="SOURCE", help="another camera than the simulated corner")
    demo.add_argument("--broker", metavar="URL", help="a broker of yours instead of the embedded one")
    demo.add_argument("--summary", type=Path, metavar="FILE", help="write the summary as JSON")
    demo.add_argument("--pictures", type=Path, metavar="DIR", help="keep the pictures there")
    demo.add_argument("--keep", action="store_true", help="keep pictures, configuration and log in a new folder")
    demo.set_defaults(work=_demo)

    replay = commands.add_parser("replay", help="motion and events over a recording, as fast as it can")
    replay.add_argument("clip", metavar="CLIP", help="a video, a folder of numbered images, or a .npy (n, h, w) uint8")
    replay.add_argument("--events", type=Path, metavar="FILE", help="write the events as JSON lines")
    replay.add_argument("--frames", type=Path, metavar="FILE", help="write a JSON line for each frame")
    replay.add_argument("--masks", type=Path, metavar="DIR", help="write each frame's foreground as PNG")
    replay.add_argument("--pictures", type=Path, metavar="DIR", help="keep the episodes' pictures")
    replay.add_argument("--report", type=Path, metavar="DIR", help="write a page to look at: open DIR/index.html")
    replay.add_argument("--size", type=_size, metavar="WxH", help="analysis size (the clip's own, at most 640 wide)")
    replay.add_argument("--config", type=Path, metavar="FILE", help="zones and masks of its first camera")
    replay.add_argument("--fps", type=_rate, default=None, metavar="N", help="for a source without a rate (10)")
    replay.set_defaults(work=_replay)

    config = commands.add_parser("config", help="show, check, or describe the configuration")
    config.add_argument("what", choices=["show", "check", "schema"])
    config.add_argument("--config", type=Path, metavar="FILE")
    config.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    config.set_defaults(work=_config)

    status = commands.add_parser("status", parents=[configured], help="what the running daemon says of itself, as JSON")
    status.set_defaults(work=_status)
    confirm = commands.add_parser(
        "confirm-view", parents=[configured], help="say that masks and zones fit what a camera sees now"
    )
    confirm.add_argument("camera", nargs="?", metavar="CAMERA", help="may be left out where there is only one")
    confirm.set_defaults(work=_confirm_view)
    lines = commands.add_parser(
        "logs", parents=[configured], help="the latest log lines, those of earlier runs and boots included"
    )
    lines.set_defaults(work=_logs)
    box = commands.add_parser("outbox", parents=[configured], help="what waits for the centre")
    box.add_argument("what", choices=["status", "list", "export"])
    box.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="where export writes")
    box.set_defaults(work=_outbox)
    _for_desks(commands, configured)
    return parser


def _for_desks(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], configured: argparse.ArgumentParser
) -> None:
    """Add what is asked at the centre and not at the pole."""
    hear = commands.add_parser(
        "listen", parents=[configured], help="what gateways say to a broker, a line for each message; publishes nothing"
    )
    hear.add_argument("broker", nargs="?", metavar="BROKER", help="mqtt://[user[:password]@]host[:port] or mqtts://...")
    hear.add_argument("--topic", action="append", metavar="FILTER", help="instead of all that gateways say")
    hear.add_argument("--json", action="store_true", help="print JSON instead of words")
    hear.add_argument("--seconds", type=float, metavar="N", help="how long (until Ctrl-C)")
    hear.set_defaults(work=_listen)
    read = commands.add_parser(
        "decode", help="messages that another tool wrote down, as JSON: mosquitto_sub ... -F '%%t %%x' | gateway decode"
    )
    read.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a raw payload, or lines of hex (stdin)")
    read.set_defaults(work=_decode)


class _TooEarly(argparse.Action):
    """Says where an option belongs that stands before the command: its value would be taken for the command."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        parser.error("--config and --set stand behind the command: gateway config check --config FILE")


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write e.g. 320x240")
    return int(width), int(height)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0.1 <= rate <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is no rate: write a number from 0.1 to 1000")
    return rate


def _run(options: argparse.Namespace) -> int:
    from gateway import logs

    writer = logs.start(verbose=options.verbose)
    code = 1
    try:
        code = _daemon(options)
    finally:
        if not writer.finish():
            os._exit(code)  # the interpreter's own end would wait for whoever does not read our lines
    return code


def _daemon(options: argparse.Namespace) -> int:
    from gateway.configuration.credentials import broker_of
    from gateway.configuration.loading import load

    # Before anything else is imported: a wrong value is told at once.
    loaded = load(options.config, options.set, must=lambda settings: broker_of(settings.broker))
    from gateway.daemon.start import run

    asked = [*(["--config", str(options.config)] if options.config else []), *(f"--set={text}" for text in options.set)]
    return run(loaded, asked)


def _selftest(options: argparse.Namespace) -> int:
    from gateway.selftest import run

    if not options.verbose:  # a dozen lines of the camera's library would hide those that a technician looks for
        logging.getLogger().setLevel(logging.WARNING)
        os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:ERROR")
    return run(options.config, options.set, as_json=options.json)


def _demo(options: argparse.Namespace) -> int:
    from gateway.demo import run

    return run(
        seconds=options.seconds,
        seed=options.seed,
        camera=options.camera,
        broker=options.broker,
        summary=options.summary,
        pictures=options.pictures,
        keep=options.keep,
    )


def _replay(options: argparse.Namespace) -> int:
    from gateway.replay.replay import Outputs, replay

    camera = None
    if options.config is not None:
        from gateway.configuration.loading import load_strict

        camera = load_strict(options.config, (), {}).settings.cameras[0].model_dump(mode="json")
    outputs = Outputs(options.events, options.frames, options.masks, options.pictures, options.report)
    return replay(options.clip, outputs, camera=camera, size=options.size, fps=options.fps)


def _config(options: argparse.Namespace) -> int:
    import json
    import os

    from gateway.configuration.loading import as_toml, load_strict
    from gateway.configuration.settings import Settings

    if options.what == "schema":
        sys.stdout.write(json.dumps(Settings.model_json_schema(), indent=2) + "\n")
        return 0
    loaded = load_strict(options.config, options.set, os.environ)
    for warning in loaded.warnings:
        sys.stderr.write(f"gateway: {warning}\n")
    if options.what == "show":
        from gateway.configuration.credentials import without_passwords

        public = without_passwords(loaded.settings)
        if public != loaded.settings:
            sys.stderr.write("gateway: user, password and query of cameras' addresses are left out here\n")
        sys.stdout.write(as_toml(public))
    else:
        from gateway.camera.opening import without_password
        from gateway.configuration.credentials import broker_of, doubts

        broker_of(loaded.settings.broker)  # what `gateway run` would refuse is refused here
        for doubt in doubts(loaded.settings):
            sys.stderr.write(f"gateway: warning: {doubt}\n")
        cameras = ", ".join(f"{camera.name} ({without_password(camera.source)})" for camera in loaded.settings.cameras)
        read = f"{loaded.file} can be used"
        if loaded.in_force == "defaults":
            read = f"there is no {loaded.file}: the defaults are in force"
        sys.stdout.write(f"{read}: revision {loaded.revision}, cameras {cameras}\n")
    return 0


def _outbox(options: argparse.Namespace) -> int:
    from gateway import waiting
    from gateway.configuration.loading import load

    settings = load(options.config, options.set).settings
    if options.what == "export":
        if options.folder is None:
            sys.stderr.write("gateway: name the folder: gateway outbox export DIR\n")
            return 2
        return waiting.export(settings, options.folder)
    return waiting.status(settings) if options.what == "status" else waiting.show(settings)


def _logs(options: argparse.Namespace) -> int:
    from gateway import asking
    from gateway.configuration.loading import load

    return asking.logs(load(options.config, options.set).settings)


def _confirm_view(options: argparse.Namespace) -> int:
    from gateway import asking
    from gateway.configuration.loading import load

    return asking.confirm_view(load(options.config, options.set).settings, options.camera)


def _status(options: argparse.Namespace) -> int:
    from gateway import asking
    from gateway.configuration.loading import load

    return asking.status(load(options.config, options.set).settings)


def _listen(options: argparse.Namespace) -> int:
    from gateway.configuration.loading import load_strict
    from gateway.listen.live import EVERYTHING, broker_named, listen

    broker = broker_named(options.broker, load_strict(options.config, options.set, os.environ).settings.broker)
    return listen(broker, options.topic or [EVERYTHING], as_json=options.json, seconds=options.seconds)


def _decode(options: argparse.Namespace) -> int:
    from gateway.listen.lines import decode

    return decode(options.file)
