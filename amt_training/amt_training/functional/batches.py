"""Batches of grasps, each a pure function of the step: a resumed run needs only its number."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from amt_perception.errors import AmtError
from amt_perception.grasp.interface import CLOUD_POINTS, Grasps
from amt_perception.grasp.language.tokenizer import tokenize
from amt_perception.metrics.grasp import CONTACT_DISTANCE_M
from amt_perception.model.interface import HAND_PARTS, Tensors
from amt_training.data.batches import spread_over
from amt_training.data.sampler import PermutationSampler
from amt_training.functional.sample import GraspSample

ABSENT_PART_M = 1.0
"""Distance of a part that the hand has not, see `GraspSample.distances`."""


@dataclass
class GraspBatch(Tensors):
    """B grasps, each with its object, its instruction and where it touches."""

    points: Tensor
    """[B, 1024, 3] object frame (m)."""
    normals: Tensor
    """[B, 1024, 3]."""
    token_ids: Tensor
    """[B, L, P] int64 of the instructions, see `language.tokenizer`."""
    token_mask: Tensor
    """[B, L] bool."""
    grasps: Grasps
    distances: Tensor
    """[B, 1024, 6] from each point to each part of the hand (m)."""
    has_part: Tensor
    """[B, 6] bool: does the hand have it?"""


class GraspBatches:
    """Where a training run gets its batches from: a `trainer.interfaces.BatchSource`.

    All instructions are padded alike, so that every batch has the same shapes.
    """

    def __init__(
        self,
        samples: Sequence[GraspSample],
        batch_size: int,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        """batch_size: of this process. Raises AmtError when the samples fill no batch, or naming
        one that is not finite, touched nowhere, or of another hand than the first."""
        self._samples = samples
        self._sampler = PermutationSampler(len(samples), batch_size, seed, rank, world)
        self._share = range(rank, len(samples), world)
        for one in samples:
            check(one, samples[0])
        texts = {one.instruction: number for number, one in enumerate(samples)}
        self._row = {text: row for row, text in enumerate(texts)}
        self._token_ids, self._token_mask = tokenize(list(texts))

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every sample is seen once."""
        return self._sampler.steps_per_epoch

    def batches(self, first_step: int) -> Iterator[GraspBatch]:
        """Batches without end for the steps from `first_step` on."""
        for step in itertools.count(first_step):
            yield self.batch(self._sampler.indices(step))

    def once(self) -> Iterator[GraspBatch]:
        """This process's share of the samples once, in order; the last batch may be smaller."""
        size = self._sampler.batch_size
        for start in range(0, len(self._share), size):
            yield self.batch(np.array(self._share[start : start + size]))

    def spread(self, count: int) -> tuple[list[GraspSample], GraspBatch]:
        """So many samples from all over the set, as they are and as a batch."""
        chosen = spread_over(len(self._samples), count)
        return [self._samples[k] for k in chosen], self.batch(chosen)

    def batch(self, numbers: np.ndarray) -> GraspBatch:
        """The samples of these numbers [B]."""
        chosen = [self._samples[k] for k in numbers]
        rows = [self._row[one.instruction] for one in chosen]
        distances = np.stack([one.distances for one in chosen])
        return GraspBatch(
            points=_tensor(np.stack([one.object.points for one in chosen])),
            normals=_tensor(np.stack([one.object.normals for one in chosen])),
            token_ids=self._token_ids[rows],
            token_mask=self._token_mask[rows],
            grasps=stacked(chosen),
            distances=_tensor(distances),
            has_part=torch.from_numpy(distances.min(axis=1) < ABSENT_PART_M),
        )


def stacked(samples: Sequence[GraspSample]) -> Grasps:
    """The grasps of samples of one hand."""
    return Grasps(
        *(
            _tensor(np.stack([getattr(one, name) for one in samples]))
            for name in ("rotation", "position", "joints", "shape")
        )
    )


def check(sample: GraspSample, first: GraspSample) -> None:
    """Raises AmtError where a sample would teach nonsense, naming it."""
    name = f"the grasp of {sample.object.name} ('{sample.instruction}')"
    shapes = (sample.object.points.shape, sample.object.normals.shape, sample.distances.shape)
    if shapes != ((CLOUD_POINTS, 3), (CLOUD_POINTS, 3), (CLOUD_POINTS, len(HAND_PARTS))):
        raise AmtError(f"{name} has points, normals and distances of {shapes}; make it anew")
    if sample.joints.shape != first.joints.shape:
        raise AmtError(
            f"{name} has joints of shape {sample.joints.shape}, the first one of the set "
            f"{first.joints.shape}; a set is of one hand"
        )
    for what in ("rotation", "position", "joints", "shape", "distances"):
        if not np.isfinite(getattr(sample, what)).all():
            raise AmtError(f"{name} has {what} that are not finite; leave it out or make it anew")
    if sample.distances.min() > CONTACT_DISTANCE_M:
        raise AmtError(f"{name} touches its object nowhere; leave it out or make it anew")


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
