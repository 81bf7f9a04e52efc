"""Size, arithmetic and speed of the AMT model: `python -m benchmarks.model [--out out/bench]`.

On a GPU: `large`, eager fp32 and bf16 against the engine's bf16 and fp8. On a CPU: `tiny` in the
same way, and `small` through OpenVINO at two threads. Weights are random, which speed does not
mind; the shift of joints by fp8 is then that of a random network. A figure not run is null.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from amt_perception.model.config import SIZES
from amt_perception.model.precision import choose_device

from .parts import count_operations, count_parameters, random_model
from .report import as_markdown, print_report
from .timing import (
    cpu_speed,
    joint_shift_p99_mm,
    matmul_rate,
    time_batch,
    variants,
)

BATCHES = (1, 16, 64)


def measure(device: str, seconds: float, threads: int) -> dict[str, Any]:
    """Everything that runs here."""
    on_gpu = device == "cuda"
    timed = "large" if on_gpu else "tiny"
    sizes = {name: count_parameters(name) for name in SIZES}
    models = {name: count_operations(random_model(name)) for name in (timed, "small")}
    report: dict[str, Any] = {
        "parameters": sizes["large"]["parameters"],
        "frozen": sizes["large"]["frozen"],
        "gpu": torch.cuda.get_device_name() if on_gpu else None,
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "load_average_before": os.getloadavg()[0],
        "torch": torch.__version__,
        "weights": "random",
        "sizes": sizes,
        "gflop": models,
        "latency_ms": {"b1_p50": None, "b1_p99": None},
        "speedup_vs_eager_bf16": None,
        "matmul_fraction_b64": None,
        "fp8_speedup_b64": None,
        "fp8_joint_shift_p99_mm": None,
        "cpu_small_images_per_s": None,
        "timed": timed,
    }
    estimators = variants(timed, device)
    rate = matmul_rate(choose_device(device), seconds)
    report["matmul_tflops"] = rate / 1e12
    table: dict[str, dict[str, Any]] = {label: {} for label in estimators}
    for batch in BATCHES:
        for label, times in time_batch(estimators, batch, seconds).items():
            median = float(np.median(times))
            table[label][f"b{batch}"] = {
                "p50_ms": 1e3 * median,
                "p99_ms": 1e3 * float(np.percentile(times, 99)),
                "matmul_fraction": models[timed]["total"] * 1e9 * batch / median / rate,
            }
    report["table"] = table
    if on_gpu:
        engine, eager = table["engine bf16"], table["eager bf16"]
        report["latency_ms"] = {f"b1_{p}": engine["b1"][f"{p}_ms"] for p in ("p50", "p99")}
        report["speedup_vs_eager_bf16"] = eager["b1"]["p50_ms"] / engine["b1"]["p50_ms"]
        report["matmul_fraction_b64"] = engine["b64"]["matmul_fraction"]
        if "engine fp8" in table:
            fp8 = table["engine fp8"]["b64"]["p50_ms"]
            report["fp8_speedup_b64"] = engine["b64"]["p50_ms"] / fp8
            report["fp8_joint_shift_p99_mm"] = joint_shift_p99_mm(estimators)
    if importlib.util.find_spec("openvino") is not None and (os.cpu_count() or 1) >= threads:
        small = {kind: cpu_speed("small", kind, threads, seconds) for kind in ("fp32", "bf16")}
        report["cpu_small_images_per_s"] = small["fp32"]["images_per_s"]
        report["cpu_small"] = {"threads": threads} | small
    return report


def main() -> None:
    """Measure, print, write model.json and model.md."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each figure")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU")
    parser.add_argument("--write-results", type=Path, metavar="FOLDER",
                        help="also put model.json and model.md there (docs/results)")  # fmt: skip
    options = parser.parse_args()
    report = measure(choose_device(options.device).type, options.seconds, options.threads)
    print_report(report)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "model.json").write_text(json.dumps(report, indent=2) + "\n")
    (options.out / "model.md").write_text(as_markdown(report))
    if options.write_results is not None:
        for name in ("model.json", "model.md"):
            shutil.copy(options.out / name, options.write_results / name)


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
