"""Speed of training steps: the trainer as it is, and a plain loop beside it, in the same run.

The trainer takes its batches from the resident cache, augmented, then one and the same batch again
and again. The plain loop is what one writes first: a DataLoader that decodes JPEGs, an eager
network under bf16 autocast, AdamW, no average of the weights.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.model.amt import Amt
from amt_perception.model.backbone import RANDOM
from amt_perception.model.config import model_config
from amt_training.data.batches import Batch, BatchPlan, CachedBatches
from amt_training.data.cache import CacheSettings, ResidentCache
from amt_training.data.crops import StoredCrop
from amt_training.data.sample import HandDataset
from amt_training.data.targets import TargetBuilder
from amt_training.losses.config import LossConfig
from amt_training.losses.total import AmtLoss
from amt_training.tasks.single_frame import SingleFrameTask
from amt_training.trainer.checkpoints import CheckpointSettings
from amt_training.trainer.distributed import World
from amt_training.trainer.interfaces import BatchSource, StepReport
from amt_training.trainer.precision import Precision, PrecisionSettings
from amt_training.trainer.schedule import ScheduleSettings
from amt_training.trainer.trainer import Trainer, TrainerSettings

from ..model.timing import matmul_rate
from .cache import AUGMENTATION, plain_batches, rate
from .pictures import made_pictures

REPORTS = 4
"""Of the trainer's speed; the first holds compilation and is left out."""


def measure_steps(
    device: torch.device, size: str, batch: int, steps: int, seconds: float, workers: int
) -> dict[str, Any]:
    """Rates of training `size` in samples/s, their ratios, FLOP and memory.

    steps: of the trainer between two looks at the clock. seconds: of the plain loop. Memory is None
    on a CPU.
    """
    on_gpu = device.type == "cuda"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset = made_pictures(folder / "pictures", 8 * batch)
        settings = CacheSettings(folder=str(folder / "cache"), workers=workers)
        config = model_config(size)
        crop = StoredCrop(round(1.25 * config.image_size))
        cache = ResidentCache.build(dataset, crop, settings, device)
        plan = BatchPlan(batch, config.image_size, config.crop_scale, AUGMENTATION)
        source = CachedBatches(cache, plan)
        flop = _flop(_task(size, dataset), next(source.batches(0)), device) / batch
        if on_gpu:
            torch.cuda.reset_peak_memory_stats()
        cached = _trainer_rate(_task(size, dataset), source, folder / "a", steps, device)
        memory = torch.cuda.max_memory_allocated() / 1e9 if on_gpu else None
        constant = _trainer_rate(
            _task(size, dataset), _Constant(source), folder / "b", steps, device
        )
        with closing(plain_batches(dataset, plan, workers, device)) as batches:
            plain = _plain_rate(_task(size, dataset), batches, workers, seconds, device)
    matmul = matmul_rate(device, 3.0)
    return {
        "size": size,
        "batch": batch,
        "train_samples_per_s": cached,
        "constant_batch_samples_per_s": constant,
        "plain_loop_samples_per_s": plain,
        "speedup_vs_plain_loop": cached / plain,
        "step_vs_constant_batch": constant / cached,
        "train_gflop_per_sample": flop / 1e9,
        "matmul_tflops": matmul / 1e12,
        "matmul_fraction": flop * cached / matmul,
        "peak_memory_gb": memory,
    }


def _task(size: str, dataset: HandDataset) -> SingleFrameTask:
    """With random weights."""
    torch.manual_seed(0)
    hand = generic_hand(Side.RIGHT)
    targets = TargetBuilder(hand, dataset.tip_vertices, dataset.object_models)
    model = Amt(model_config(size), hand, RANDOM)
    return SingleFrameTask(model, AmtLoss(LossConfig(), hand), targets)


def _flop(task: SingleFrameTask, batch: Batch, device: torch.device) -> float:
    """Of a forward and a backward pass; a multiply-add counts as two."""
    task.to(device)
    with FlopCounterMode(display=False) as counter:
        task(batch, 0.5).total.backward()
    return float(counter.get_total_flops())


class _Constant:
    """The same batch again and again."""

    def __init__(self, source: CachedBatches) -> None:
        self.steps_per_epoch = source.steps_per_epoch
        self._batch = next(source.batches(0))

    def batches(self, first_step: int) -> Iterator[Batch]:
        while True:
            yield self._batch


class _Rates:
    """A Watcher that remembers the trainer's speed."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    def on_start(self, trainer: Trainer) -> None:
        """Nothing to do."""

    def on_step(self, report: StepReport) -> None:
        self.rates.append(report.samples_per_second)

    def on_evaluation(self, step: int, metrics: Mapping[str, float]) -> None:
        """Nothing to do."""

    def on_end(self) -> None:
        """Nothing to do."""


def _trainer_rate(
    task: SingleFrameTask, source: BatchSource, folder: Path, steps: int, device: torch.device
) -> float:
    """Samples/s of the trainer, optimiser and average included."""
    on_gpu = device.type == "cuda"
    watcher = _Rates()
    settings = TrainerSettings(
        max_steps=REPORTS * steps,
        log_every=steps,
        schedule=ScheduleSettings(warm_up_steps=steps),
        precision=PrecisionSettings(compile="default" if on_gpu else "none"),
        checkpoints=CheckpointSettings(every_steps=0, every_minutes=0.0),
    )
    Trainer(settings, task, source, folder, World(0, 1, device), [watcher]).run()
    return float(np.median(watcher.rates[1:]))


def _plain_rate(
    task: SingleFrameTask,
    batches: Iterator[Batch],
    workers: int,
    seconds: float,
    device: torch.device,
) -> float:
    """Samples/s of the loop that one writes first."""
    task.to(device).train()
    precision = Precision(PrecisionSettings(), device)
    optimizer = torch.optim.AdamW(
        [one for one in task.parameters() if one.requires_grad], lr=1e-4, foreach=False
    )

    def trained() -> Iterator[Batch]:
        for batch in batches:
            optimizer.zero_grad()
            with precision.context():
                loss = task(batch, 0.5)
            loss.total.backward()
            torch.nn.utils.clip_grad_norm_(task.parameters(), 1.0)
            optimizer.step()
            yield batch

    return rate(trained(), seconds, workers, device)
