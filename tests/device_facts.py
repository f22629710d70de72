"""What tests of a device's health share: facts of made-up machines, and their faults."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gateway.device.health import Facts, parse
from gateway.device.problems import problems
from gateway.device.readings import KernelClock, Space, collect
from tests.device_trees import plant

STORE = Path("/var/lib/camera-gateway")
UNSYNCHRONISED = KernelClock(5, 0x40, 16_000_000)
SYNCHRONISED = KernelClock(0, 0x2001, 1_500)


def facts_of(root: Path, files: dict[str, str], clock: KernelClock | None = SYNCHRONISED) -> Facts:
    """Facts of a made-up machine whose store lies on its card."""
    readings = collect(plant(root, files), root, lambda: clock)
    return parse(replace(readings, store=str(STORE), space=Space(31_000_000_000, 24_000_000_000, read_only=False)))


def codes(facts: Facts, free_mb: int = 64, already_open: tuple[str, ...] = ()) -> list[str]:
    """Codes of the open faults."""
    return [problem.code for problem in problems(facts, free_mb, already_open)]
