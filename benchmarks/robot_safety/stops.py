"""Stops of the whole pipeline at random moments: what is left behind, how it ends, how fast."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.robot_safety.leftovers import abandoned, mapped_by, segments
from benchmarks.robot_safety.processes import marked
from benchmarks.robot_safety.rows import Rows, write_report

PHASES = (("imports", 0.15, 1.2), ("coming up", 1.2, 5.0), ("running", 5.0, 8.0))
"""Names and times after the start (s) from which a stop's moment is drawn.

Earlier than that Python itself is starting, and has nothing of ours to run yet."""
PATIENCE_S = 20.0
LOOK_S = 0.25
"""Between two looks at which shared memory the processes use."""
GRACE_S = 1.0
"""For processes that see their parent gone."""
MARK = "AMT_STOP_MARK"
EXPECTED_CODES = (130,)
EARLY_CODES = (130, -signal.SIGINT, -signal.SIGTERM)
"""A signal that comes before the runner has taken signals over ends Python itself."""
EARLY_S = 1.2


@dataclass(frozen=True)
class Stop:
    """One stop."""

    name: str
    phase: str
    after_s: float
    number: signal.Signals
    everybody: bool
    """To every process, as a terminal or a service manager does; else to the runner alone."""


def plan(count: int, seed: int) -> list[Stop]:
    """Moments, signals and receivers; the same for the same seed."""
    rng = np.random.default_rng(seed)
    stops = []
    for index in range(count):
        phase, first, last = PHASES[index % len(PHASES)]
        number = (signal.SIGINT, signal.SIGTERM)[index // len(PHASES) % 2]
        everybody = bool(rng.random() < 0.25)
        name = f"{index}: {number.name} to {'all' if everybody else 'the runner'}, {phase}"
        stops.append(Stop(name, phase, float(rng.uniform(first, last)), number, everybody))
    return stops


def stop_once(stop: Stop, video: str, domain: int) -> dict[str, Any]:
    """Start the pipeline, stop it, look at what is left. domain: ROS_DOMAIN_ID."""
    mark = f"{MARK}={uuid.uuid4()}"
    environment = dict(os.environ) | {MARK: mark.partition("=")[2], "ROS_DOMAIN_ID": str(domain)}
    before = segments()
    process = subprocess.Popen(
        [sys.executable, "-m", "amt_perception.pipeline", f"video:={video}", "loop:=true"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", start_new_session=True, preexec_fn=_default_signals,
    )  # fmt: skip
    used: set[str] = set()
    due = time.monotonic() + stop.after_s
    while (left := due - time.monotonic()) > 0 and process.poll() is None:
        time.sleep(min(left, LOOK_S))
        used |= mapped_by(marked(mark))
    ended_early = process.poll() is not None
    start = time.monotonic()
    for pid in marked(mark) if stop.everybody else [process.pid]:
        _send(pid, stop.number)
    try:
        output, _ = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        output = process.communicate()[0] + "\nstill running after the patience had ended"
    ended_s = time.monotonic() - start
    orphans = _orphans(mark)
    leaked = abandoned(used, before)
    code = process.returncode
    codes = EARLY_CODES if stop.after_s < EARLY_S else EXPECTED_CODES
    return {
        "name": stop.name,
        "phase": stop.phase,
        "after_s": round(stop.after_s, 3),
        "exit_code": code,
        "exit_code_right": code in codes and not ended_early,
        "ended_s": round(ended_s, 3),
        "orphans": orphans,
        "leaked_segments": sorted(leaked),
        "segments_used": len(used),
        "traceback": "Traceback" in output,
        "output": output[-2000:] if _is_bad(output, code, codes, orphans, leaked) else "",
    }


def _default_signals() -> None:
    """A shell's background jobs ignore Ctrl-C, and all their children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _is_bad(
    output: str, code: int, codes: tuple[int, ...], orphans: list[str], leaked: set[str]
) -> bool:
    return "Traceback" in output or code not in codes or bool(orphans) or bool(leaked)


def _orphans(mark: str) -> list[str]:
    """Command lines of what still runs after GRACE_S; they are killed, so that all goes on."""
    deadline = time.monotonic() + GRACE_S
    while (left := marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    lines = []
    for pid in left:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        except FileNotFoundError:
            continue
        lines.append(" ".join(words)[:200])
        _send(pid, signal.SIGKILL)
    return lines


def main(
    video: str, count: int, parallel: int, seed: int, out: Path, results: Path, command: str
) -> int:
    """Run the stops that are missing, write stops.json. Exit code 1 where anything was left."""
    rows = Rows(out / "stops.jsonl")
    stops = plan(count, seed)
    missing = [stop for stop in stops if stop.name not in rows.names()]
    first = int(os.environ.get("ROS_DOMAIN_ID", "40"))
    domains: queue.Queue[int] = queue.Queue()
    for index in range(parallel):
        domains.put((first + index) % 100)

    def one(stop: Stop) -> dict[str, Any]:
        domain = domains.get()  # of no other pipeline that runs now
        try:
            return stop_once(stop, video, domain)
        finally:
            domains.put(domain)

    with (
        ThreadPoolExecutor(parallel) as pool,
        tqdm(total=count, initial=count - len(missing)) as bar,
    ):
        futures = [pool.submit(one, stop) for stop in missing]
        try:
            for future in as_completed(futures):
                row = future.result()
                rows.add(row)
                bar.update()
                if row["orphans"] or row["leaked_segments"] or row["traceback"]:
                    tqdm.write(f"LEFT BEHIND {row}", file=sys.stderr)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    names = {stop.name for stop in stops}
    done = [row for row in rows.all if row["name"] in names]
    figures = summary(done)
    write_report(results / "stops.json", command, {"seed": seed} | figures)
    print("\n".join(f"{name}: {value}" for name, value in figures.items()))
    return int(bool(figures["orphans"] or figures["leaked_segments"] or figures["tracebacks"]))


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of all stops."""
    times = [row["ended_s"] for row in rows]
    p50, p99, largest = (float(value) for value in np.percentile(times, (50, 99, 100)))
    codes: dict[str, int] = {}
    for row in rows:
        codes[str(row["exit_code"])] = codes.get(str(row["exit_code"]), 0) + 1
    return {
        "stops": len(rows),
        "orphans": sum(len(row["orphans"]) for row in rows),
        "leaked_segments": sum(len(row["leaked_segments"]) for row in rows),
        "leaked_ports": sum("port" in name for row in rows for name in row["leaked_segments"]),
        "segments_watched": sum(row["segments_used"] for row in rows),
        "tracebacks": sum(row["traceback"] for row in rows),
        "wrong_exit_codes": sum(not row["exit_code_right"] for row in rows),
        "exit_codes": codes,
        "ended_s": {"p50": round(p50, 2), "p99": round(p99, 2), "max": round(largest, 2)},
        "bad": [row for row in rows if row["output"]][:10],
    }
