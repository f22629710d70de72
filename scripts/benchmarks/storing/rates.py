"""Our outbox against other stores: each in a process of its own, in turn, in one folder."""

from __future__ import annotations

import importlib.util
import json
import random
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from storing.rivals import DESCRIPTIONS, PACKAGES

WORKER = str(Path(__file__).with_name("rivals.py"))


def compare(folder: Path, count: int, rounds: int) -> dict[str, Any]:
    """Durable messages a second, bytes and fsyncs a message, of each store."""
    missing = [name for name, package in PACKAGES.items() if importlib.util.find_spec(package) is None]
    names = [name for name in DESCRIPTIONS if name not in missing]
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    rng = random.Random(1)
    for _ in range(rounds):
        for name in rng.sample(names, len(names)):
            runs[name].append(_run([], name, folder, count))
    found: dict[str, Any] = {"messages": count, "rounds": rounds, "left_out": {}, "stores": {}}
    for name in missing:
        found["left_out"][name] = f"not installed: pip install '.[bench]', or pip install {name}"
    tracer = shutil.which("strace")
    if tracer is None:
        found["left_out"]["fsyncs"] = "no strace: apt-get install strace"
    for name in names:
        rates = [run["per_second"] for run in runs[name]]
        first = runs[name][0]
        found["stores"][name] = {
            "per_second": round(statistics.median(rates)),
            "slowest": round(min(rates)),
            "fastest": round(max(rates)),
            "bytes_per_message": round(first["bytes"] / count),
            "bytes_per_payload_byte": round(first["bytes"] / first["payload"], 2),
            "fsyncs_per_message": None if tracer is None else _fsyncs(tracer, name, folder, count),
        }
    return found


def _run(prefix: list[str], name: str, folder: Path, count: int) -> dict[str, Any]:
    place = folder / name
    shutil.rmtree(place, ignore_errors=True)
    command = [*prefix, sys.executable, WORKER, name, str(place), str(count)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    shutil.rmtree(place, ignore_errors=True)
    if ran.returncode:
        raise SystemExit(f"{name}: {ran.stderr.strip()}")
    return dict(json.loads(ran.stdout))


def _fsyncs(tracer: str, name: str, folder: Path, count: int) -> float:
    """Count fsync and fdatasync in two runs of different length, so that opening and closing fall out."""
    found = []
    for messages in (count // 2, count):
        trace = folder / "trace"
        _run([tracer, "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", str(trace)], name, folder, messages)
        found.append(len(re.findall(r"\bf(?:data)?sync\(", trace.read_text())))
        trace.unlink()
    return round((found[1] - found[0]) / (count - count // 2), 3)
