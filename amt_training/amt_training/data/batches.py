"""Batches for training and evaluation from a resident cache; the same as those of a stream.

A batch is a pure function of the step: which samples it has comes from the sampler, how they are
changed from a generator seeded by the seed and the step. Any step can be made again, so a resumed
run needs only its number.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from amt_perception.model.interface import AmtInput
from amt_training.data.augmentation import (
    AugmentationSettings,
    Changes,
    augment,
    check_resolution,
    draw_changes,
)
from amt_training.data.cache import ResidentCache
from amt_training.data.crops import StoredCrop
from amt_training.data.labels import Labels
from amt_training.data.sampler import PermutationSampler, windows

Batch = tuple[AmtInput, Labels]


class PictureBatches(Protocol):
    """Where a training run gets its batches from."""

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every sample is seen once."""

    def batches(self, first_step: int) -> Generator[Batch, None, None]:
        """The batches of first_step and all that follow, without end, on the device; close it to
        end the workers behind it.

        AmtInput [B, T, ...] and the Labels of its B * T frames, sample by sample: labels[T - 1::T]
        are those of the last frames, which the model is asked about.
        """

    def once(self) -> Iterator[tuple[np.ndarray, AmtInput, Labels]]:
        """Every window once, in order and not augmented, shared among the processes; the last
        batch may be smaller. With each batch [B] the last frames' indices in the data set."""

    def spread(self, count: int) -> Batch:
        """So many windows from all over the data set, in order and not augmented."""


@dataclass(frozen=True)
class BatchPlan:
    """What a batch is made of."""

    batch_size: int
    """Samples of this process in a step."""
    image_size: int
    """`AmtConfig.image_size`."""
    crop_scale: float
    """`AmtConfig.crop_scale`."""
    augmentation: AugmentationSettings | None
    """None: the estimator's own crops."""
    frames: int = 1
    """Consecutive frames of a sample."""
    seed: int = 0
    rank: int = 0
    """Of this process."""
    world: int = 1
    """How many processes there are."""

    def check(self, crop: StoredCrop) -> None:
        """Raises AmtError when such crops are too fine or narrow for the model's."""
        least = 1.0 if self.augmentation is None else self.augmentation.scale[0]
        check_resolution(crop, self.image_size, self.crop_scale, least)

    def sampler(self, count: int) -> PermutationSampler:
        """For so many windows. Raises AmtError when they fill no batch."""
        return PermutationSampler(count, self.batch_size, self.seed, self.rank, self.world)

    def own(self, count: int) -> Iterator[range]:
        """This process's share of so many windows, in batches, in order."""
        share = range(self.rank, count, self.world)
        for start in range(0, len(share), self.batch_size):
            yield share[start : start + self.batch_size]

    def changes(self, step: int) -> Changes | None:
        """Of this process's samples in a step; with the others' they are those of one process that
        has the whole batch."""
        if self.augmentation is None:
            return None
        seed = int(np.random.SeedSequence([self.seed, step]).generate_state(1, np.uint64)[0])
        generator = torch.Generator().manual_seed(seed)
        count = self.batch_size * self.world
        drawn = draw_changes(self.augmentation, count, self.frames, generator)
        return drawn[slice(self.rank * self.batch_size, (self.rank + 1) * self.batch_size)]

    def finish(self, images: Tensor, labels: Labels, changes: Changes | None) -> Batch:
        """The model's crops of stored ones [B * T, 3, P, P], on their device."""
        images = images.unflatten(0, (-1, self.frames))
        if changes is not None:
            changes = changes.each(lambda tensor: to_device(tensor, images.device))
        return augment(images, labels, self.image_size, self.crop_scale, changes)


class CachedBatches:
    """PictureBatches whose pictures wait on the device."""

    def __init__(self, cache: ResidentCache, plan: BatchPlan) -> None:
        """Raises AmtError when the plan asks for what the cache does not have."""
        plan.check(cache.crop)
        self.cache, self.plan = cache, plan
        self.windows = windows(cache.entries, plan.frames)

    @cached_property
    def _sampler(self) -> PermutationSampler:
        return self.plan.sampler(len(self.windows))

    @property
    def steps_per_epoch(self) -> int:
        """See PictureBatches."""
        return self._sampler.steps_per_epoch

    def batches(self, first_step: int) -> Generator[Batch, None, None]:
        """See PictureBatches."""
        for step in itertools.count(first_step):
            rows = self.windows[self._sampler.indices(step)]
            yield self._batch(rows, self.plan.changes(step))

    def once(self) -> Iterator[tuple[np.ndarray, AmtInput, Labels]]:
        """See PictureBatches."""
        for numbers in self.plan.own(len(self.windows)):
            rows = self.windows[numbers]
            yield self.cache.indices[rows[:, -1]], *self._batch(rows, None)

    def spread(self, count: int) -> Batch:
        """So many windows from all over the data set, in order and not augmented."""
        return self._batch(self.windows[spread_over(len(self.windows), count)], None)

    def _batch(self, rows: np.ndarray, changes: Changes | None) -> Batch:
        index = to_device(torch.from_numpy(rows.ravel()), self.cache.pictures.device)
        # On a CPU index_select takes a sixth of the time of pictures[index].
        images = self.cache.pictures.index_select(0, index).permute(0, 3, 1, 2)
        return self.plan.finish(images, self.cache.labels[index], changes)


def spread_over(count: int, wanted: int) -> np.ndarray:
    """[wanted] places among `count`, as far apart as can be; all of them if there are fewer."""
    return np.linspace(0, count - 1, min(count, wanted)).astype(int)


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the host on the device, without waiting for what the device is doing."""
    if device.type == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)
