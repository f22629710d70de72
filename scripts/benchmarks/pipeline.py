"""The whole gateway measured: pipeline against bare MOG2, start-up, latency, memory, bytes.

    scripts/bench pipeline [--seconds N] [--json FILE] [--hour]

Frames are rendered before the clock runs, the same ones for both sides; the order of the two is shuffled in every
frame, OpenCV has one thread, the first 50 frames are not counted. Latency, memory and bytes come from the production
daemon and eye with a real mosquitto. Machines are noisy: read the ratios. `--hour` runs an hour of street as fast as
the eye can and prints memory on the way.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent.parent.parent))

WARM_UP = 50
SIZE = (640, 360)


def pipeline_speed(frames: int) -> dict[str, Any]:
    """Frames a second of the whole pipeline (mask, motion, episodes, crops; JPEGs apart) and of bare MOG2."""
    import cv2
    import numpy as np

    from gateway.camera.frame import Frame
    from gateway.camera.street import Street
    from gateway.configuration.settings import CameraSettings
    from gateway.eye.pipeline import Pipeline
    from gateway.wire.draft import Draft, random_uuid7

    cv2.setNumThreads(1)
    street = Street(SIZE, 10.0, 1, main_size=(1280, 720), pace=False)
    drafts: list[Draft] = []
    camera = CameraSettings(masks=[[(0, 0), (0.2, 0), (0.2, 0.1)]]).model_dump(mode="json")
    pipeline = Pipeline(camera, SIZE, drafts.append, random_uuid7)
    mog2 = cv2.createBackgroundSubtractorMOG2(detectShadows=False)
    ours, theirs, jpeg = [], [], 0.0
    rng = random.Random(1)
    luma = np.empty(SIZE[::-1], np.uint8)
    gc.disable()
    for number in range(frames):
        frame = street.read(5.0)
        np.copyto(luma, frame.luma)
        copy = Frame(
            frame.number, frame.mono, frame.luma, frame.main, frame.main_format, frame.main_size, frame.exposure
        )
        for side in rng.sample(("ours", "theirs"), 2):
            begun = time.perf_counter()
            if side == "ours":
                pipeline.step(copy)
            else:
                mog2.apply(luma)
            took = time.perf_counter() - begun
            if number >= WARM_UP:
                (ours if side == "ours" else theirs).append(took)
        begun = time.perf_counter()
        pipeline.stills.work()
        jpeg += time.perf_counter() - begun
        frame.release()
    gc.enable()
    return {
        "frames": len(ours),
        "pipeline_fps": round(1 / statistics.mean(ours)),
        "mog2_fps": round(1 / statistics.mean(theirs)),
        "cost_mean": round(statistics.mean(ours) / statistics.mean(theirs), 3),
        "cost_median": round(statistics.median(ours) / statistics.median(theirs), 3),
        "worst_to_median": round(max(ours) / statistics.median(ours), 1),
        "jpeg_share": round(jpeg / (sum(ours) + jpeg), 3),
        "events": sum(draft.picture is None for draft in drafts),
    }


class Running:
    """A production daemon on the simulated corner, with a broker of its own and a subscriber."""

    def __init__(self, source: str, fps: float) -> None:
        from gateway.uplink.broker import Broker
        from gateway.uplink.subscriber import Subscriber
        from tests.mosquitto import Mosquitto

        self.folder = Path(tempfile.mkdtemp(prefix="gateway-bench-"))
        self.broker = Mosquitto(self.folder / "mosquitto", persistent=False)
        self.broker.start()
        self.heard: list[tuple[str, bytes, float]] = []
        address = Broker(host="127.0.0.1", port=self.broker.port)
        self.subscriber = Subscriber(
            address, ["citycam/#"], lambda topic, payload, _kept, mono: self.heard.append((topic, payload, mono))
        )
        self.subscriber.start()
        self.subscriber.wait_ready(10)
        config = self.folder / "gateway.toml"
        config.write_text(
            f'area = "bench"\nid = "gw-bench"\nruntime_dir = "{self.folder}/run"\n'
            f'[broker]\nurl = "mqtt://127.0.0.1:{self.broker.port}"\n'
            "first_connect_spread_s = 0\nreconnect_spread_s = 1\n"
            f'[store]\ndir = "{self.folder}/state"\nfree_mb = 0\n[[cameras]]\nsource = "{source}"\nfps = {fps}\n'
        )
        self.started = time.monotonic()
        log = (self.folder / "log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "run", "--config", str(config)], stdout=log, stderr=log
        )

    def ask(self) -> dict[str, Any]:
        """Ask the daemon how it is; empty while it does not answer."""
        from gateway.control import SOCKET_NAME, ask
        from gateway.errors import GatewayError

        try:
            return ask(self.folder / "run" / SOCKET_NAME, {"ask": "status"}, 2.0)
        except GatewayError:
            return {}

    def first_frame(self) -> float:
        """Seconds from the daemon's start until its eye has analysed a frame (seen to 20 ms)."""
        while time.monotonic() - self.started < 30:
            camera = self.ask().get("health", {}).get("cameras", {}).get("cam0", {})
            if camera.get("frames", 0) >= 1:
                return time.monotonic() - self.started
            time.sleep(0.02)
        raise SystemExit(f"no frame came; see {self.folder}/log")

    def memory(self) -> dict[str, float]:
        """Resident memory in MB; `pss` counts what both share once."""
        pids = {"daemon": self.process.pid, "eye": self.ask()["health"]["cameras"]["cam0"]["pid"]}
        found: dict[str, float] = {}
        for name, pid in pids.items():
            lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
            found[f"{name}_rss"] = round(int(lines["Rss"].split()[0]) / 1000, 1)
            found[f"{name}_pss"] = round(int(lines["Pss"].split()[0]) / 1000, 1)
        found["rss"] = round(found["daemon_rss"] + found["eye_rss"], 1)
        found["pss"] = round(found["daemon_pss"] + found["eye_pss"], 1)
        return found

    def stop(self) -> None:
        """End daemon, subscriber and broker."""
        self.process.terminate()
        self.process.wait(10)
        self.subscriber.stop()
        self.broker.stop()


def start_up(runs: int = 5) -> dict[str, Any]:
    """Seconds from `gateway run` to the first analysed frame."""
    took = []
    for _ in range(runs):
        running = Running("street", 10)
        took.append(running.first_frame())
        running.stop()
    return {"median_s": round(statistics.median(took), 2), "worst_s": round(max(took), 2), "runs": runs}


def delivery(seconds: float) -> dict[str, Any]:
    """Latency from a frame's time to the subscriber's callback, bytes, and memory, of the running gateway."""
    from gateway.wire.message import inflate

    running = Running("street", 10)
    running.first_frame()
    time.sleep(seconds)
    memory = running.memory()
    running.stop()
    late, sizes, pictures = [], [], []
    episodes = set()
    for topic, payload, mono in running.heard:
        if "/up/event/motion/" in topic:
            event = inflate(payload)
            late.append((mono - event["data"]["mono"]) * 1000)
            sizes.append(len(payload))
            episodes.add(event["correlationid"])
        elif "/up/media/" in topic:
            pictures.append(len(payload))
    late.sort()
    return {
        "seconds": seconds,
        "episodes": len(episodes),
        "events": len(sizes),
        "latency_p50_ms": round(statistics.median(late), 1) if late else None,
        "latency_p99_ms": round(late[min(len(late) - 1, int(len(late) * 0.99))], 1) if late else None,
        "bytes_per_event": round(statistics.mean(sizes)) if sizes else None,
        "event_bytes_per_episode": round(sum(sizes) / max(len(episodes), 1)),
        "picture_bytes_per_episode": round(sum(pictures) / max(len(episodes), 1)),
        "memory_mb": memory,
    }


def hour() -> dict[str, Any]:
    """Memory of the pipeline's process over an hour of street (36,000 frames at 10 a second), as fast as it can."""
    from gateway.camera.street import Street
    from gateway.configuration.settings import CameraSettings
    from gateway.eye.pipeline import Pipeline
    from gateway.wire.draft import random_uuid7

    street = Street(SIZE, 10.0, 1, main_size=(1280, 720), pace=False)
    count = [0]

    def post(_draft: object) -> None:
        count[0] += 1

    pipeline = Pipeline(CameraSettings().model_dump(mode="json"), SIZE, post, random_uuid7)
    memory = []
    begun = time.monotonic()
    for number in range(36_000):
        pipeline.step(street.read(5.0))
        pipeline.stills.work()
        if number % 3_000 == 300 or number == 35_999:
            memory.append(
                round(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)
            )
            print(f"  frame {number}: {memory[-1]} MB, {count[0]} drafts", file=sys.stderr)
    return {"frames": 36_000, "took_s": round(time.monotonic() - begun), "rss_mb": memory, "drafts": count[0]}


def main() -> int:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(prog="scripts/bench pipeline")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--frames", type=int, default=1200)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--hour", action="store_true")
    options = parser.parse_args()
    result: dict[str, Any] = {"pipeline": pipeline_speed(options.frames)}
    result["start_up"] = start_up()
    result["delivery"] = delivery(options.seconds)
    if options.hour:
        result["hour"] = hour()
    for part, values in result.items():
        print(part)
        for name, value in values.items():
            print(f"  {name:<28} {value}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
