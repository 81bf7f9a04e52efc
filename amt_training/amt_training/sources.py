"""From settings to batches: data sets in memory or streamed, to train on and to look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch

from amt_perception.model.amt import Amt
from amt_perception.model.baseline import BaselineModel
from amt_perception.model.interface import AmtInput
from amt_training.data.batches import Batch, BatchPlan, PictureBatches
from amt_training.data.cache import ResidentCache
from amt_training.data.crops import StoredCrop
from amt_training.data.labels import Labels
from amt_training.data.sample import HandDataset
from amt_training.data.sampler import windows
from amt_training.data.streaming import batch_source
from amt_training.settings import TrainSettings
from amt_training.tasks.transition import PoseWindows, PoseWindowSource
from amt_training.trainer.distributed import World

_LABELS_ONLY = StoredCrop(size=1)
"""The refiner of poses looks at no pictures."""


class FrameSource:
    """Batches of pictures for training; see `trainer.interfaces.BatchSource`.

    Labels stand beside their frames: [B, ...] of single frames, [B, T, ...] of windows.
    """

    def __init__(self, source: PictureBatches, frames: int) -> None:
        self._source, self._frames = source, frames

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every sample is seen once."""
        return self._source.steps_per_epoch

    def batches(self, first_step: int) -> Iterator[Batch]:
        """Batches without end for the steps from `first_step` on."""
        for inputs, labels in self._source.batches(first_step):
            yield _by_window(inputs, labels, self._frames)

    def once(self) -> Iterator[Batch]:
        """Every window once, not augmented."""
        for _, inputs, labels in self._source.once():
            yield _by_window(inputs, labels, self._frames)

    def spread(self, count: int) -> Batch:
        """So many windows from all over the data set, not augmented."""
        return _by_window(*self._source.spread(count), self._frames)


def training_frames(
    settings: TrainSettings, dataset: HandDataset, model: Amt | BaselineModel, world: World
) -> FrameSource:
    """Batches of this process for training. Raises AmtError when the data set fills none."""
    augmentation = settings.augmentation if settings.augment else None
    plan = BatchPlan(
        settings.batch_size, model.config.image_size, model.config.crop_scale, augmentation,
        _frames(model), settings.trainer.seed, world.rank, world.size,
    )  # fmt: skip
    source = batch_source(dataset, settings.stored_crop, plan, settings.cache, world.device)
    return FrameSource(source, plan.frames)


def validation_frames(
    settings: TrainSettings, dataset: HandDataset, model: Amt | BaselineModel, world: World
) -> FrameSource:
    """All of a data set as the estimator sees it, the same in every process."""
    config = model.config
    crop = StoredCrop(config.image_size, config.crop_scale)
    plan = BatchPlan(
        settings.batch_size, config.image_size, config.crop_scale, None, _frames(model)
    )  # fmt: skip
    source = batch_source(dataset, crop, plan, settings.cache, world.device)
    return FrameSource(source, plan.frames)


def pose_windows(
    settings: TrainSettings, dataset: HandDataset, world: World, seed: int
) -> PoseWindowSource:
    """Windows of poses for the transition refiner, in batches of all of them at the most."""
    cache = ResidentCache.build(dataset, _LABELS_ONLY, settings.cache, "cpu")
    index = torch.from_numpy(windows(cache.entries, settings.transition.frames))
    return PoseWindowSource(
        cache.labels,
        index,
        settings.transition,
        min(settings.batch_size, len(index) // world.size),
        seed,
        world.rank,
        world.size,
    )


@dataclass(frozen=True)
class First:
    """The first so many batches of windows of poses, to look at."""

    source: PoseWindowSource
    count: int

    def once(self) -> Iterable[PoseWindows]:
        """The same ones each time."""
        for _, batch in zip(range(self.count), self.source.batches(0), strict=False):
            yield batch


def _frames(model: Amt | BaselineModel) -> int:
    """Frames of a window: one, unless the model has a temporal encoder."""
    return model.config.frames if isinstance(model, Amt) and model.temporal is not None else 1


def _by_window(inputs: AmtInput, labels: Labels, frames: int) -> Batch:
    if frames == 1:
        return inputs, labels
    return inputs, labels.each(lambda tensor: tensor.unflatten(0, (-1, frames)))
