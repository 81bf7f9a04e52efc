"""Times of methods that take turns, frame by frame, on one core."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

WARM_UP_FRAMES = 20
"""First frames that no time figure counts: caches, lazy imports and the way to the first pose."""


@dataclass(frozen=True)
class Timed:
    """What one method gave for every frame, and what it cost."""

    outputs: np.ndarray
    """[T, ...] as the method returned them."""
    cpu_s: np.ndarray
    """[T] time that this thread computed (s)."""
    wall_s: np.ndarray
    """[T] time that passed (s)."""


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this thread on one core: no method gains or loses by moving between cores."""
    if not hasattr(os, "sched_setaffinity"):  # only Linux has it
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def alternate(steps: Mapping[str, Callable[[int], np.ndarray]], frames: int) -> dict[str, Timed]:
    """Let each method do frame 0, then each frame 1, and so on, so that all share good and bad
    moments of the machine. A step takes the frame's index and returns an array.
    """
    outputs: dict[str, list[np.ndarray]] = {name: [] for name in steps}
    cpu = {name: np.empty(frames) for name in steps}
    wall = {name: np.empty(frames) for name in steps}
    with one_core():
        for index in range(frames):
            for name, step in steps.items():
                wall_start, cpu_start = time.perf_counter(), time.thread_time()
                output = step(index)
                cpu[name][index] = time.thread_time() - cpu_start
                wall[name][index] = time.perf_counter() - wall_start
                outputs[name].append(output)
    return {name: Timed(np.array(outputs[name]), cpu[name], wall[name]) for name in steps}


def percentiles_ms(seconds: np.ndarray) -> dict[str, float]:
    """Median and 99th percentile in milliseconds of times [T] in seconds, after the warm-up."""
    times = 1e3 * seconds[WARM_UP_FRAMES:]
    return {"p50": float(np.percentile(times, 50)), "p99": float(np.percentile(times, 99))}
