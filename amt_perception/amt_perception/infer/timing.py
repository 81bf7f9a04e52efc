"""How long each stage of the work takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")

STAGES = ("decode", "estimate", "draw", "write")


class Timing:
    """Seconds of each stage for each image, and the time of all together.

    Stages overlap: the rate may be higher than their sum allows.
    """

    def __init__(self) -> None:
        self._seconds: dict[str, list[float]] = {stage: [] for stage in STAGES}
        self._start = time.perf_counter()
        self._lock = threading.Lock()
        self.images = 0

    def count_image(self) -> None:
        """One more image is done; called from several threads."""
        with self._lock:
            self.images += 1

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the block as one image's stage; an error is not counted."""
        start = time.perf_counter()
        yield
        self._seconds[name].append(time.perf_counter() - start)

    def each(self, stage: str, items: Iterable[T]) -> Iterator[T]:
        """The items, with the time that each of them took to come."""
        start = time.perf_counter()
        for item in items:
            self._seconds[stage].append(time.perf_counter() - start)
            yield item
            start = time.perf_counter()

    def summary(self) -> dict[str, Any]:
        """Median and 99th percentile of each stage (ms), images and images per second."""
        elapsed = time.perf_counter() - self._start
        stages = {
            stage: dict(zip(("p50", "p99"), _percentiles_ms(seconds), strict=True))
            for stage, seconds in self._seconds.items()
            if seconds
        }
        rate = round(self.images / elapsed, 2)
        return {"images": self.images, "images_per_s": rate, "stages_ms": stages}


def format_table(summary: dict[str, Any]) -> str:
    """The summary for a person."""
    rows = [f"{'ms':<10}{'p50':>9}{'p99':>9}"]
    for stage, figures in summary["stages_ms"].items():
        rows.append(f"{stage:<10}{figures['p50']:>9.1f}{figures['p99']:>9.1f}")
    rows.append(f"{summary['images']} images, {summary['images_per_s']:.1f} images/s")
    return "\n".join(rows)


def _percentiles_ms(seconds: list[float]) -> list[float]:
    return np.round(1e3 * np.percentile(seconds, (50, 99)), 2).tolist()
