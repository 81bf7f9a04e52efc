"""The whole pipeline on a video, as the demo runs it: rate, latency, drops and CPU of each node.

    python -m benchmarks.pipeline [--video FILE] [--runs 3] [--out out/bench]

Runs the demo several times and takes the median of each figure. CPU is each node's user + system
time over the wall time, in percent of one core, while the video plays.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

SAMPLE_PERIOD_S = 0.5
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def children(pid: int) -> dict[str, int]:
    """Process ids of a process's nodes, by node name."""
    found = {}
    try:
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            words = Path(f"/proc/{child}/cmdline").read_text().split("\0")
            if "-m" in words:
                found[words[words.index("-m") + 1].rpartition(".")[2]] = int(child)
    except FileNotFoundError:  # it ended meanwhile
        pass
    return found


def cpu_seconds(pid: int) -> float:
    """User + system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def run_once(video: str, out: Path) -> dict[str, Any]:
    """One run of the demo: its summary, and the CPU shares of its nodes."""
    command = [sys.executable, "-m", "amt_perception.demo", "--video", video, "--out", str(out)]
    demo = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    samples: dict[str, list[tuple[float, float]]] = {}
    while demo.poll() is None:
        time.sleep(SAMPLE_PERIOD_S)
        nodes = children(demo.pid)
        if "video_node" not in nodes:
            continue
        for name, pid in nodes.items():
            try:
                samples.setdefault(name, []).append((time.monotonic(), cpu_seconds(pid)))
            except FileNotFoundError:
                continue
    if demo.returncode:
        sys.exit(f"error: the demo ended with exit code {demo.returncode}; see its message above")
    summary = json.loads((out / "summary.json").read_text())
    summary["cpu_percent"] = {
        name: 100 * (last[1] - first[1]) / (last[0] - first[0])
        for name, (first, *_, last) in samples.items()
        if len(samples[name]) > 2
    }
    return summary


def median_of(values: list[Any]) -> Any:
    """Median of numbers; of dictionaries key by key; the first of anything else."""
    if isinstance(values[0], dict):
        return {key: median_of([value[key] for value in values]) for key in values[0]}
    if isinstance(values[0], (int, float)):
        return float(np.median(values))
    return values[0]


def main() -> None:
    """Measure, print, write pipeline.json."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--video", default="sample")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = [run_once(options.video, Path(folder)) for _ in range(options.runs)]
    median = median_of(runs)
    print(f"{median['video']}, median of {options.runs} runs on {os.cpu_count()} cores")
    for name, value in median.items():
        print(f"  {name:26s} {_text(value)}")
    options.out.mkdir(parents=True, exist_ok=True)
    report = {"median": median, "runs": runs, "cores": os.cpu_count()}
    (options.out / "pipeline.json").write_text(json.dumps(report, indent=2) + "\n")


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{name} {_text(item)}" for name, item in value.items())
    return f"{value:.1f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
