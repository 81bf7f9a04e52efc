"""Speed of training: `python -m benchmarks.training [--out out/bench]`.

On a GPU: the resident cache against a DataLoader of 16 workers, and stage 1 of `large` in bf16
against a plain loop. On a CPU: the cache against a DataLoader, with as many workers and threads,
and `tiny`. Figures that belong to a GPU are null elsewhere.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch

from amt_perception.model.precision import choose_device

from .cache import measure_cache
from .report import as_markdown
from .steps import measure_steps

_BATCH = {"cuda": 64, "cpu": 8}
_SIZE = {"cuda": "large", "cpu": "tiny"}
_STEPS = {"cuda": 50, "cpu": 5}


def measure(device: torch.device, seconds: float, threads: int) -> dict[str, Any]:
    """Everything that runs here."""
    on_gpu, kind = device.type == "cuda", device.type
    workers = 16 if on_gpu else threads
    cache = measure_cache(device, seconds, workers, threads)
    steps = measure_steps(device, _SIZE[kind], _BATCH[kind], _STEPS[kind], seconds, workers)

    def only_gpu(value: Any) -> Any:
        return value if on_gpu else None

    return {
        "gpu": only_gpu(torch.cuda.get_device_name() if on_gpu else None),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "cache_samples_per_s": cache["cache_samples_per_s"],
        "dataloader_samples_per_s": cache["dataloader_samples_per_s"],
        "cache_vs_dataloader": cache["cache_vs_dataloader"],
        "matmul_fraction": only_gpu(steps["matmul_fraction"]),
        "speedup_vs_plain_loop": only_gpu(steps["speedup_vs_plain_loop"]),
        "step_vs_constant_batch": only_gpu(steps["step_vs_constant_batch"]),
        "peak_memory_gb": only_gpu(steps["peak_memory_gb"]),
        "cache": cache,
        "steps": steps,
    }


def main() -> None:
    """Measure, print, write training.json and training_speed.md."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--seconds", type=float, default=4.0, help="for each turn")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU, where there is no GPU")
    parser.add_argument("--write-results", type=Path, metavar="FOLDER",
                        help="also put the files there (docs/results)")  # fmt: skip
    options = parser.parse_args()
    report = measure(choose_device(options.device), options.seconds, options.threads)
    page = as_markdown(report)
    print(page)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "training.json").write_text(json.dumps(report, indent=2) + "\n")
    (options.out / "training_speed.md").write_text(page)
    if options.write_results is not None:
        for name in ("training.json", "training_speed.md"):
            shutil.copy(options.out / name, options.write_results / name)


if __name__ == "__main__":
    main()
