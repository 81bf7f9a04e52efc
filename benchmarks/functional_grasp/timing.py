"""What one grasp costs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter

import torch

from amt_perception.grasp.object_input import ObjectCloud
from amt_perception.grasp.predictor import GraspPredictor

REPEATS, WARM_UP = 20, 3


def ms_per_grasp(checkpoint: Path, cloud: ObjectCloud, instruction: str) -> dict[str, float | None]:
    """Median (ms) to encode an object and draw one grasp of it, on the CPU and on a GPU.

    Nothing is remembered from one to the next. None where there is no GPU. What makes the grasp
    touch afterwards is not in it. Raises AmtError for a checkpoint that cannot be used.
    """
    times: dict[str, float | None] = {
        "gpu": None,
        "cpu": _measure(checkpoint, cloud, instruction, "cpu"),
    }
    if torch.cuda.is_available():
        times["gpu"] = _measure(checkpoint, cloud, instruction, "cuda")
    return times


def _measure(checkpoint: Path, cloud: ObjectCloud, instruction: str, device: str) -> float:
    predictor = GraspPredictor.load(checkpoint, device)
    seconds = []
    for seed in range(WARM_UP + REPEATS):
        unknown = replace(cloud)  # another one to the predictor, which remembers the last
        start = perf_counter()
        predictor.sample(unknown, instruction, 1, seed)  # its results are on the CPU: it has ended
        seconds.append(perf_counter() - start)
    return 1e3 * median(seconds[WARM_UP:])
