"""Batches for training and evaluation read from a data set's files while they are needed."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from amt_perception.errors import AmtError
from amt_perception.model.interface import AmtInput
from amt_training.data.augmentation import Changes
from amt_training.data.batches import Batch, BatchPlan, CachedBatches, PictureBatches, spread_over
from amt_training.data.cache import CacheSettings, ResidentCache, fits_in_memory
from amt_training.data.crops import Crop, CropReader, StoredCrop, Unreadable
from amt_training.data.labels import Labels, stack_labels
from amt_training.data.reading import in_order
from amt_training.data.sample import HandDataset
from amt_training.data.sampler import PermutationSampler, windows
from amt_training.data.skipping import Skipping

_TRIES = 50
"""Windows in a row that may be unreadable before a batch is given up."""


def batch_source(
    dataset: HandDataset,
    crop: StoredCrop,
    plan: BatchPlan,
    settings: CacheSettings,
    device: torch.device | str,
) -> PictureBatches:
    """The data set's batches from a resident cache where its memory allows, else streamed."""
    if fits_in_memory(dataset, crop, settings):
        return CachedBatches(ResidentCache.build(dataset, crop, settings, device), plan)
    return StreamedBatches(dataset, crop, plan, device, settings.workers, settings.skip_limit)


class StreamedBatches:
    """PictureBatches for data sets larger than the memory: workers read, decode and crop, the
    device augments. An unreadable window gives its place to the next readable one."""

    def __init__(
        self,
        dataset: HandDataset,
        crop: StoredCrop,
        plan: BatchPlan,
        device: torch.device | str,
        workers: int,
        skip_limit: float,
    ) -> None:
        """skip_limit: share of the samples that may be unreadable. Raises AmtError when the plan
        asks for what the stored crops or the data set do not have."""
        plan.check(crop)
        self.plan, self.device, self.workers = plan, torch.device(device), workers
        self.windows = windows(dataset.entries, plan.frames)
        self._reader = CropReader(dataset, crop)
        self._skipping = Skipping(dataset.name, len(dataset.entries), skip_limit)

    @cached_property
    def _sampler(self) -> PermutationSampler:
        return self.plan.sampler(len(self.windows))

    @property
    def steps_per_epoch(self) -> int:
        """See PictureBatches."""
        return self._sampler.steps_per_epoch

    def batches(self, first_step: int) -> Generator[Batch, None, None]:
        """See PictureBatches."""
        steps = itertools.count(first_step)
        job = _ReadStep(self._reader, self.windows, self._sampler)
        for step, read in zip(itertools.count(first_step), self._read(job, steps), strict=False):
            yield self._finish(read, self.plan.changes(step))

    def once(self) -> Iterator[tuple[np.ndarray, AmtInput, Labels]]:
        """See PictureBatches; windows with an unreadable sample are left out."""
        own = list(self.plan.own(len(self.windows)))
        job = _ReadShare(self._reader, self.windows, own)
        for read in self._read(job, range(len(own))):
            yield read.rows[:, -1], *self._finish(read, None)
        self._skipping.report()

    def spread(self, count: int) -> Batch:
        """So many windows from all over the data set, in order and not augmented.

        Raises AmtError when none of them can be read.
        """
        chosen = spread_over(len(self.windows), count)
        job = _ReadShare(self._reader, self.windows, [chosen])
        for read in self._read(job, [0]):
            return self._finish(read, None)
        raise AmtError(f"none of {len(chosen)} samples from all over the data set can be read")

    def _read(self, job: _ReadStep | _ReadShare, numbers: Iterable[int]) -> Iterator[_Read]:
        pinned = self.device.type == "cuda"
        for images, labels, rows, unreadable in in_order(job, numbers, self.workers, pinned):
            for one in unreadable:
                self._skipping.add(one.index, one.message)
            if len(rows):
                yield _Read(images, Labels(**labels), rows)

    def _finish(self, read: _Read, changes: Changes | None) -> Batch:
        images = read.images.to(self.device, non_blocking=True).permute(0, 3, 1, 2)
        labels = read.labels.each(lambda tensor: tensor.to(self.device, non_blocking=True))
        return self.plan.finish(images, labels, changes)


class _Read(NamedTuple):
    """A batch's samples on the host."""

    images: Tensor
    """[B * T, P, P, 3] uint8."""
    labels: Labels
    rows: np.ndarray
    """[B, T] indices in the data set."""


_Parts = tuple[Tensor, dict[str, Tensor], np.ndarray, list[Unreadable]]
"""A _Read as the DataLoader can pin it, and what was unreadable on the way."""


@dataclass(frozen=True)
class _ReadStep:
    """A job: the samples of a training step."""

    reader: CropReader
    windows: np.ndarray
    sampler: PermutationSampler

    def __call__(self, step: int) -> _Parts:
        """Raises AmtError when one unreadable window follows the other."""
        found: list[Crop] = []
        rows, unreadable = [], []
        for first in self.sampler.indices(step):
            number = int(first)
            while isinstance(window := self._read(number), Unreadable):
                unreadable.append(window)
                number += 1
                if number == first + _TRIES:
                    raise AmtError(
                        f"{self.reader.dataset.name}: {_TRIES} samples in a row cannot be read "
                        f"(the last: {window.message}); check the data's folder"
                    )
            found += window
            rows.append(self._row(number))
        return *_stacked(found), np.stack(rows), unreadable

    def _row(self, number: int) -> np.ndarray:
        """Of a window, counted on from the last one to the first."""
        row: np.ndarray = self.windows[number % len(self.windows)]
        return row

    def _read(self, number: int) -> list[Crop] | Unreadable:
        return _read_window(self.reader, self._row(number))


@dataclass(frozen=True)
class _ReadShare:
    """A job: the readable ones of a range of windows."""

    reader: CropReader
    windows: np.ndarray
    shares: Sequence[range | np.ndarray]

    def __call__(self, number: int) -> _Parts:
        found: list[Crop] = []
        rows, unreadable = [], []
        for row in self.windows[self.shares[number]]:
            window = _read_window(self.reader, row)
            if isinstance(window, Unreadable):
                unreadable.append(window)
            else:
                found += window
                rows.append(row)
        if not rows:
            return torch.empty(0), {}, np.empty((0, self.windows.shape[1]), int), unreadable
        return *_stacked(found), np.stack(rows), unreadable


def _read_window(reader: CropReader, row: np.ndarray) -> list[Crop] | Unreadable:
    """The crops of a window's frames."""
    found = []
    for index in row:
        read = reader(int(index))
        if isinstance(read, Unreadable):
            return read
        found.append(read)
    return found


def _stacked(found: list[Crop]) -> tuple[Tensor, dict[str, Tensor]]:
    images = torch.from_numpy(np.stack([image for image, _ in found]))
    return images, dict(vars(stack_labels([row for _, row in found])))
