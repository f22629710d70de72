"""The store and the link measured: rates against other stores, an alarm's delay, bytes on the card, power cuts.

    scripts/bench outbox [--json FILE] [--quick] [--seeds N] [--week] [--folder FOLDER]

Rates: every store in a process of its own, in turn, the same messages in the same folder; bytes are those handed to the
kernel (/proc/self/io), fsyncs are counted by strace in runs of their own. Delays: real spool, link and mosquitto, the
card a FUSE file system whose flushes hang for 7 s. A day: 20 minutes at 600 episodes an hour, compressed with the
spool's own times. Pictures as rows and as files: the same commits, each way. Machines are noisy: read the ratios. Takes
about six minutes; `--seeds 3` makes 3 x 1,000 power cuts with both controls as well, `--week` a week of outage in
512 MiB.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from storing.rivals import DESCRIPTIONS


def _plain(value: Any) -> Any:
    """Return a value that JSON can say: keys that are tuples become text."""
    if not isinstance(value, dict):
        return value
    return {key if isinstance(key, str) else "/".join(map(str, key)): _plain(each) for key, each in value.items()}


def power_cuts(seeds: int, cuts: int) -> list[dict[str, Any]]:
    """Power cuts inside SQLite's VFS: ours, and both controls, for each seed."""
    from tests import test_outbox_power as power

    shared = Path("/dev/shm")
    weaker = {"synchronous=FULL": "synchronous=NORMAL"}
    default = {"journal_mode=WAL": "journal_mode=DELETE", "locking_mode=EXCLUSIVE": "locking_mode=NORMAL"}
    found = []
    for seed in range(11, 11 + seeds):
        for name, weaken in (("ours", None), ("WAL with NORMAL", weaker), ("rollback journal", default)):
            judge = power._judge
            if name == "rollback journal":
                power._judge = _judge_rows
            try:
                with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
                    verdict = power.try_cuts(Path(folder), seed, cuts, weaken)
            finally:
                power._judge = judge
            found.append({"seed": seed, "store": name, **asdict(verdict)})
            print(f"  seed {seed}, {name}: {verdict.lost} of {verdict.cuts} cuts lost messages", file=sys.stderr)
    return found


def _judge_rows(verdict: Any, path: Path, promises: Any, instant: int) -> None:
    """Look with SQLite alone: the outbox misses its own kind of journal there."""
    import sqlite3
    from contextlib import closing

    from gateway.wire.draft import LANES

    promised = {key for promise in promises if promise.step <= instant for key in promise.put}
    finished = {key for promise in promises for key in promise.done}
    with closing(sqlite3.connect(path)) as db:
        places = {place for (place,) in db.execute("SELECT key FROM stored")}
    lost = {key for key in promised - finished if (LANES.index(key[1]) << 48) + key[2] not in places}
    verdict.cuts += 1
    verdict.lost += bool(lost)
    verdict.worst = max(verdict.worst, len(lost))


def table(result: dict[str, Any]) -> str:
    """The table for the README."""
    stores = result["rates"]["stores"]
    base = stores["ours"]["per_second"]
    lines = [
        "| store | messages/s | to ours | fsyncs/message | bytes written/message | per payload byte |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in stores.items():
        lines.append(
            f"| {DESCRIPTIONS[name]} | {found['per_second']} | {found['per_second'] / base:.2f} "
            f"| {'-' if found['fsyncs_per_message'] is None else found['fsyncs_per_message']} "
            f"| {found['bytes_per_message']} | {found['bytes_per_payload_byte']} |"
        )
    lines += ["", "| an alarm's delay | median ms | worst ms |", "|---|---|---|"]
    for name in ("at_rest", "card_stalled", "backlog", "both"):
        found = result["alarm_delays"][name]
        lines.append(f"| {name.replace('_', ' ')} | {found['median_ms']} | {found['worst_ms']} |")
    drained = result["drain"]
    lines += ["", f"{drained['messages']} messages drain in {drained['seconds']} s ({drained['per_second']}/s).", ""]
    lines += [
        "| a day at 600 episodes an hour | payload MB | to the device MB | by the process MB |",
        "|---|---|---|---|",
    ]
    for found in result["days"]:
        lines.append(
            f"| link {found['link']} | {found['payload_mb_a_day']} | {found['device_mb_a_day'] or '-'} "
            f"| {found['process_mb_a_day']} |"
        )
    if "files_to_rows" in (found := result["pictures"]):
        ways = f"{found['rows']['device_mb_a_day']} as rows, {found['files']['device_mb_a_day']} as files"
        lines += ["", f"Pictures, link down, MB a day to the device: {ways} (x {found['files_to_rows']})."]
    return "\n".join(lines)


def main() -> int:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(prog="scripts/bench outbox")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything: to see that it works")
    parser.add_argument("--seeds", type=int, default=0, help="so many times 1,000 power cuts, with both controls")
    parser.add_argument("--week", action="store_true", help="seven days of outage in 512 MiB")
    parser.add_argument("--folder", type=Path, help="where the rates are measured (default: the temporary folder)")
    options = parser.parse_args()
    from storing import day, delays, pictures, rates

    few = 10 if options.quick else 1
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="gateway-bench-", dir=options.folder) as made:
        folder = Path(made)
        result["rates"] = rates.compare(folder, 1000 // few, 1 if options.quick else 5)
        result["alarm_delays"] = delays.alarm_delays(folder, 3000 // few)
        result["drain"] = delays.drain(folder, 10_000 // few)
    result["days"] = [day.day(3.0 if options.quick else 20.0, 20.0, link_up=link_up) for link_up in (True, False)]
    result["pictures"] = pictures.compare(0.3 if options.quick else 2.0)
    if options.seeds:
        result["power_cuts"] = power_cuts(options.seeds, 1000 // few)
    if options.week:
        from tests.week import live_through

        with tempfile.TemporaryDirectory(prefix="gateway-bench-", dir=options.folder) as made:
            week = live_through(Path(made), hours=168 // few, cap_bytes=(512 << 20) // few)
            result["week"] = _plain(asdict(week))
    print(table(result))
    for part in ("power_cuts", "week"):
        if part in result:
            print(f"\n{part}: {json.dumps(result[part])}")
    if "left_out" in result["pictures"]:
        print(f"left out: pictures as rows or as files ({result['pictures']['left_out']})")
    for what, why in result["rates"]["left_out"].items():
        print(f"left out: {what} ({why})")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
