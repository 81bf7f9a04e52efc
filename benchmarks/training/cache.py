"""Samples/s of the resident cache and of a plain DataLoader, in turns, on the same data.

All give augmented crops of 224 pixels and their labels on the training device. The plain DataLoader
reads and decodes a JPEG, crops and augments it in one warp, sample by sample in its workers.
Streaming, for comparison, is what takes the cache's place where the memory is too small.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from amt_perception.model.interface import AmtInput
from amt_perception.model.precision import choose_device
from amt_training.data.augmentation import AugmentationSettings, augment, draw_changes
from amt_training.data.batches import Batch, BatchPlan, CachedBatches
from amt_training.data.cache import CacheSettings, ResidentCache
from amt_training.data.crops import StoredCrop
from amt_training.data.labels import Labels, label_row, stack_labels
from amt_training.data.sample import HandDataset
from amt_training.data.streaming import StreamedBatches

from .pictures import made_pictures

IMAGE_SIZE, CROP_SCALE = 224, 2.0
AUGMENTATION = AugmentationSettings()


def measure_cache(
    device: torch.device, seconds: float, workers: int, threads: int, rounds: int = 5
) -> dict[str, Any]:
    """Samples/s of cache, dataloader and streaming: medians over the rounds; and the ratio of the
    first two.

    seconds: for each of them in each round. workers: that read files. threads: of the cache on a
    CPU.
    """
    on_gpu = device.type == "cuda"
    batch = 512 if on_gpu else 64
    torch.set_num_threads(threads)
    report: dict[str, Any] = {"load_average_before": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as folder:
        dataset = made_pictures(Path(folder) / "pictures", 8 * batch)
        settings = CacheSettings(folder=str(Path(folder) / "cache"), workers=workers)
        cache = ResidentCache.build(dataset, StoredCrop(), settings, device)
        plan = BatchPlan(batch, IMAGE_SIZE, CROP_SCALE, AUGMENTATION)
        streamed = StreamedBatches(dataset, StoredCrop(), plan, device, workers, skip_limit=0.0)
        sources: dict[str, Callable[[], Generator[Batch, None, None]]] = {
            "cache": lambda: CachedBatches(cache, plan).batches(0),
            "dataloader": lambda: plain_batches(dataset, plan, workers, device),
            "streaming": lambda: streamed.batches(0),
        }
        rates: dict[str, list[float]] = {name: [] for name in sources}
        for _ in range(rounds):
            for name, begin in sources.items():
                # Begun anew, or its workers would fill their queues in another one's turn.
                with closing(begin()) as batches:
                    rates[name].append(rate(batches, seconds, workers, device))
    for name, some in rates.items():
        report[f"{name}_samples_per_s"] = float(np.median(some))
    ratio = report["cache_samples_per_s"] / report["dataloader_samples_per_s"]
    return report | {"cache_vs_dataloader": ratio, "dataloader_workers": workers,
                     "cache_threads": threads, "batch": batch}  # fmt: skip


def rate(batches: Iterator[Batch], seconds: float, workers: int, device: torch.device) -> float:
    """Samples/s after the first batches, which the workers' start makes late and their queues then
    early."""
    for _ in range(5 * max(workers, 1)):
        next(batches)
    _wait(device)
    count, start = 0, time.perf_counter()
    while time.perf_counter() < start + seconds:
        inputs, _ = next(batches)
        count += len(inputs.side)
    _wait(device)
    return count / (time.perf_counter() - start)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


class _Plain(Dataset[Any]):
    """A sample of the files as a batch of one."""

    def __init__(self, dataset: HandDataset, plan: BatchPlan) -> None:
        self.dataset, self.plan = dataset, plan

    def __getitem__(self, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
        sample = self.dataset.sample(number % len(self.dataset.entries))
        labels = stack_labels([label_row(sample, np.eye(2, 3))])
        image = torch.from_numpy(sample.image).permute(2, 0, 1)
        generator = torch.Generator().manual_seed(number)
        changes = draw_changes(AUGMENTATION, 1, 1, generator)
        inputs, labels = augment(
            image[None, None], labels, self.plan.image_size, self.plan.crop_scale, changes
        )
        first = torch.tensor(0)
        return dict(vars(inputs[first])), dict(vars(labels[first]))


def plain_batches(
    dataset: HandDataset, plan: BatchPlan, workers: int, device: torch.device
) -> Generator[Batch, None, None]:
    """On the device, without end, from a DataLoader with its defaults."""
    loader = DataLoader(
        _Plain(dataset, plan),
        batch_size=plan.batch_size,
        sampler=_Shuffled(len(dataset.entries)),
        num_workers=workers,
        pin_memory=device.type == "cuda",
        multiprocessing_context="forkserver",
    )
    for parts in loader:
        inputs, labels = (
            {name: value.to(device, non_blocking=True) for name, value in part.items()}
            for part in parts
        )
        yield AmtInput(**inputs), Labels(**labels)


class _Shuffled:
    """Numbers of samples, epoch after epoch."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[int]:
        random = np.random.default_rng(0)
        for epoch in itertools.count():
            yield from (int(i) + epoch * self.count for i in random.permutation(self.count))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--seconds", type=float, default=4.0, help="for each turn")
    parser.add_argument("--workers", type=int, help="of the DataLoader (2; 16 with a GPU)")
    parser.add_argument("--threads", type=int, default=2, help="of the cache, on a CPU")
    options = parser.parse_args()
    device = choose_device(options.device)
    workers = options.workers or (16 if device.type == "cuda" else 2)
    print(json.dumps(measure_cache(device, options.seconds, workers, options.threads), indent=2))


if __name__ == "__main__":
    main()
