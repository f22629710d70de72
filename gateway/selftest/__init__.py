"""`gateway selftest`: does this corner work? A line for each part, with what to do; exit code 0, 1, 2 or 3.

While the daemon runs it holds store, camera and client id, so it is asked through its socket; otherwise every part is
tried here (alone.py), with the daemon's own code. Not here: the parts themselves. Runs in the command line's process,
one thread.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gateway.configuration.credentials import unmasked
from gateway.configuration.loading import load
from gateway.control import SOCKET_NAME, NotAllowed, NotRunning, ask
from gateway.device import health
from gateway.device.identity import boot_id, gateway_id
from gateway.device.problems import problems
from gateway.errors import GatewayError, SettingsError
from gateway.recovery.known import STARTING
from gateway.selftest.alone import BROKER_SECONDS, every_part, walker
from gateway.selftest.check import Check, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from gateway.configuration.loading import Loaded

MARKS: dict[Result, str] = {"ok": " ok ", "warning": "WARN", "failure": "FAIL", "skipped": "skip"}
FINE, WARNINGS, FAILURES, COULD_NOT_RUN = range(4)
OPENING_SECONDS = 20.0
"""A camera that takes longer to open than this is not waited for."""
WITHOUT_THESE = {"config.valid", "rights.ask"}
"""Where one of these fails nothing is known of the corner."""


def run(file: Path | None, sets: Sequence[str], *, as_json: bool) -> int:
    """Check every part, print a line for each as it is known; return the exit code."""
    checks = []
    for check in _checks(file, sets):
        checks.append(check)
        if not as_json:
            sys.stdout.write(f"[{MARKS[check.result]}] {check.id:<27} {check.message}\n")
            if check.hint:
                sys.stdout.write(f"{'':>8}what to do: {check.hint}\n")
            sys.stdout.flush()
    code = exit_code(checks)
    if as_json:
        sys.stdout.write(json.dumps({"exit": code, "checks": [asdict(check) for check in checks]}, indent=2) + "\n")
    else:
        words = {
            FINE: "this corner works",
            WARNINGS: "this corner works, with warnings",
            FAILURES: "this corner does NOT work",
            COULD_NOT_RUN: "the test could not run",
        }
        sys.stdout.write(f"{words[code]}\n")
    return code


def exit_code(checks: Sequence[Check]) -> int:
    """0: all fine; 1: warnings; 2: failures; 3: the test could not run, for its configuration or for want of rights."""
    failed = [check for check in checks if check.result == "failure"]
    if any(check.id in WITHOUT_THESE for check in failed):
        return COULD_NOT_RUN
    if failed:
        return FAILURES
    return WARNINGS if any(check.result in {"warning", "skipped"} for check in checks) else FINE


def _checks(file: Path | None, sets: Sequence[str]) -> Iterator[Check]:
    try:
        loaded = load(file, sets)
    except SettingsError as error:
        yield Check("config.valid", "failure", str(error).replace("\n", "; "), error.hint)
        return
    yield _config(loaded)
    yield from _identity(loaded)
    yield from _device(loaded)
    try:
        status = once_opened(_status(loaded), lambda: _status(loaded))
    except NotRunning:
        yield Check("daemon.running", "ok", "no gateway is running: every part is tried here")
        yield from every_part(loaded)
    except NotAllowed as error:
        yield Check("rights.ask", "failure", str(error), error.hint)
    except GatewayError as error:
        yield Check("daemon.running", "failure", str(error), error.hint)
    else:
        yield _daemon(loaded, status)
        yield from _running(loaded, status)


def _config(loaded: Loaded) -> Check:
    if loaded.in_force == "last-good":
        hint = f"correct it, then: gateway config check --config {loaded.file}"
        return Check("config.valid", "warning", "the last good one is in force: " + "; ".join(loaded.errors), hint)
    if loaded.warnings:
        return Check("config.valid", "warning", "; ".join(loaded.warnings), "correct or remove the variable")
    return Check("config.valid", "ok", f"revision {loaded.revision}, from {loaded.in_force}")


def _identity(loaded: Loaded) -> Iterator[Check]:
    try:
        name = gateway_id(loaded.settings.id)
    except SettingsError as error:
        yield Check("identity.name", "failure", str(error), error.hint)
        return
    area = loaded.settings.area
    if area == "unassigned":
        yield Check(
            "identity.name", "warning", f"{name}, in no area", "set area to the district's name, as the centre has it"
        )
    else:
        yield Check("identity.name", "ok", f"{name} in {area}, boot {boot_id()}")


def _device(loaded: Loaded) -> Iterator[Check]:
    facts = health.read(store=loaded.settings.store.dir)
    found = problems(facts, loaded.settings.store.free_mb)
    for problem in found:
        yield Check(f"device.{problem.code}", "warning", problem.message, problem.hint)
    if not found:
        degrees = "unknown" if facts.temperature_c is None else f"{facts.temperature_c:.0f} °C"
        yield Check(
            "device.health", "ok", f"{facts.model or 'no Raspberry Pi'}, {degrees}, {facts.disk_free_mb} MB free"
        )


def _daemon(loaded: Loaded, status: dict[str, Any]) -> Check:
    """A file that was changed is not in force before a restart: what is tested then is not what was written."""
    text = f"asking the running gateway, up for {status['up_s']:.0f} s"
    running = status["config"]["revision"]
    if running == loaded.revision:
        return Check("daemon.running", "ok", text)
    message = f"{text}: it runs on revision {running}, not on {loaded.revision}"
    return Check("daemon.running", "warning", message, "sudo systemctl restart camera-gateway, then test again")


def _status(loaded: Loaded) -> dict[str, Any]:
    return ask(loaded.settings.runtime_dir / SOCKET_NAME, {"ask": "status"})


def once_opened(
    status: dict[str, Any], again: Callable[[], dict[str, Any]], seconds: float = OPENING_SECONDS
) -> dict[str, Any]:
    """Return the status when no camera is being opened any more, or after so many seconds: none has failed before."""
    until = time.monotonic() + seconds
    while any(told["code"] == STARTING for told in status["health"]["cameras"].values()) and time.monotonic() < until:
        time.sleep(0.2)
        status = again()
    return status


def _running(loaded: Loaded, status: dict[str, Any]) -> Iterator[Check]:
    """Judge what the daemon says of itself."""
    for name, camera in status["health"]["cameras"].items():
        told = status["cameras"][name]
        for code, fault in told["faults"].items():
            result: Result = "failure" if code == "mask" else "warning"  # as without the daemon: no picture leaves
            yield Check(f"{code}.{name}", result, fault["message"], fault["hint"])
        if camera["state"] == "ok" and told["simulated"]:
            hint = f"set the source of {name} to the real camera"
            yield Check(f"camera.{name}", "warning", "delivers the SIMULATED corner", hint)
        elif camera["state"] == "ok":
            masks = ", ".join(filter(None, [unmasked(each) for each in loaded.settings.cameras if each.name == name]))
            text = f"{camera.get('fps', 0)} frames/s{', ' if masks else ''}{masks}"
            yield Check(f"camera.{name}", "ok", text)
        else:
            yield Check(
                f"camera.{name}",
                "failure",
                f"{camera['state']}: {camera.get('reason', camera['code'])}",
                camera.get("hint", "") or "look at the camera's cable and picture",
            )
    yield walker(loaded.settings.cameras[0])
    yield _store(status["health"]["outbox"])
    try:
        answer = ask(loaded.settings.runtime_dir / SOCKET_NAME, {"ask": "roundtrip"}, BROKER_SECONDS)
    except GatewayError as error:
        yield Check("broker.roundtrip", "failure", str(error), error.hint)
        return
    link = answer["link"]
    if not answer["answered"]:
        message = link.get("problem") or "no acknowledgement came"
        if link.get("next_attempt_s") is not None:
            message += f" (next attempt in {link['next_attempt_s']:.0f} s)"
        yield Check("broker.roundtrip", "failure", message, link.get("hint") or "check the network and broker.url")
    elif link.get("centre_absent") is not None:
        yield Check(
            "broker.roundtrip", "warning", f"{link['rtt_ms']} ms, but nobody hears our alarms", "tell the centre"
        )
    else:
        yield Check("broker.roundtrip", "ok", f"{loaded.settings.broker.url} acknowledged within {link['rtt_ms']} ms")


def _store(store: dict[str, Any]) -> Check:
    if store.get("problem"):
        return Check("outbox.writes", "failure", str(store["problem"]), str(store.get("hint") or ""))
    message = f"{store.get('rows', 0)} messages wait, epoch {store['epoch']}"
    if store.get("stalled_s", 0) > 1:
        message += f", the card has stalled for {store['stalled_s']} s"
        return Check("outbox.writes", "warning", message, "the card may be worn: exchange it")
    return Check("outbox.writes", "ok", message)
