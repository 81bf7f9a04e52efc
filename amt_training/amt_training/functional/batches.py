"""Batches of grasps, each a pure function of the step: a resumed run needs only its number."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from amt_perception.grasp.contact import ContactKernel, contact_places
from amt_perception.grasp.interface import Grasps
from amt_perception.grasp.language.tokenizer import tokenize
from amt_perception.model.interface import Tensors
from amt_training.data.batches import spread_over
from amt_training.data.reading import in_order
from amt_training.data.sampler import PermutationSampler
from amt_training.functional.sample import GraspSample

ABSENT_PART_M = 1.0
"""Distance of a part that the hand has not, see `GraspSample.distances`."""


class GraspDataset(Protocol):
    """Grasps to learn from."""

    @property
    def name(self) -> str:
        """For people."""

    def __len__(self) -> int:
        """How many grasps there are."""

    def sample(self, index: int, epoch: int, like: int | None = None) -> GraspSample:
        """A grasp; what chance decides about it is a function of index and epoch.

        like: of another grasp that is `alike`, to get its instruction and its view of the object.
        """

    def alike(self, index: int) -> np.ndarray:
        """Indices of the grasps, itself among them, of the same object for the same purpose."""


@dataclass
class GraspBatch(Tensors):
    """B objects with an instruction, and K grasps of each."""

    points: Tensor
    """[B, 1024, 3] object frame (m)."""
    normals: Tensor
    """[B, 1024, 3]."""
    token_ids: Tensor
    """[B, L, P] int64 of the instructions, see `language.tokenizer`."""
    token_mask: Tensor
    """[B, L] bool."""
    grouped: Grasps
    """[B, K, ...] instead of [G, ...]."""
    places: Tensor
    """[B, K, 6, 4] where each part of the hand touches, see `grasp.contact.contact_places`."""
    targets: Tensor
    """[B, 1024, 6] probability of each point to be touched by each part: the grasps' mean."""
    has_part: Tensor
    """[B, 6] bool: does the hand have it?"""

    @property
    def grasps(self) -> Grasps:
        """B * K, the first object's first."""
        return self.grouped.each(lambda one: one.flatten(0, 1))


class GraspBatches:
    """Where a training run gets its batches from: a `trainer.interfaces.BatchSource`."""

    def __init__(
        self,
        grasps: GraspDataset,
        kernel: ContactKernel,
        batch_size: int,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        workers: int = 0,
        together: int = 1,
    ) -> None:
        """batch_size: of this process, in objects; together: K of `GraspBatch`, chosen by chance
        from those that are alike; workers: processes that make batches, 0 for this one.

        Raises AmtError when the grasps fill no batch.
        """
        self._grasps, self._kernel, self._workers = grasps, kernel, workers
        self._seed, self._together = seed, together
        self._sampler = PermutationSampler(len(grasps), batch_size, seed, rank, world)

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every grasp is seen once."""
        return self._sampler.steps_per_epoch

    def batch(self, step: int) -> GraspBatch:
        """The batch of a step. Raises AmtError as `made` does."""
        epoch = step // self.steps_per_epoch
        indices = self._sampler.indices(step)
        return made([self._alike(int(one), epoch) for one in indices], self._kernel)

    def _alike(self, index: int, epoch: int) -> list[GraspSample]:
        """A grasp and others, different ones as far as there are."""
        others = self._grasps.alike(index)
        others = others[others != index]
        random = np.random.default_rng([self._seed, 1, epoch, index])
        chosen = random.permutation(others)[: self._together - 1]
        chosen = np.resize([index, *chosen], self._together)
        return [self._grasps.sample(int(one), epoch, index) for one in chosen]

    def batches(self, first_step: int) -> Iterator[GraspBatch]:
        """Batches without end for the steps from `first_step` on. Raises as `made` does."""
        with closing(in_order(self.batch, itertools.count(first_step), self._workers)) as batches:
            yield from batches


class HeldOutGrasps:
    """So many grasps from all over a data set, the same ones each time."""

    def __init__(
        self, grasps: GraspDataset, kernel: ContactKernel, count: int, batch_size: int
    ) -> None:
        """All of them where there are fewer than `count`. Raises AmtError as `made` does."""
        chosen = spread_over(len(grasps), count)
        self.samples = [grasps.sample(int(one), 0) for one in chosen]
        self.batches = [
            made([[one] for one in self.samples[start : start + batch_size]], kernel)
            for start in range(0, len(self.samples), batch_size)
        ]


def made(groups: list[list[GraspSample]], kernel: ContactKernel) -> GraspBatch:
    """The batch of B groups of K samples of one hand; a group shares its object and instruction.

    Raises AmtError naming samples whose distances are not finite or that touch nowhere.
    """
    first = [group[0] for group in groups]
    samples = [one for group in groups for one in group]
    together = len(groups[0])

    def grouped(arrays: list[np.ndarray]) -> Tensor:
        return _stacked(arrays).unflatten(0, (-1, together))

    points = _stacked([one.object.points for one in samples])
    distances = _stacked([one.distances for one in samples])
    targets = kernel.target(distances, [f"one of {one.object.name}" for one in samples])
    token_ids, token_mask = tokenize([one.instruction for one in first])
    return GraspBatch(
        points=points[::together],
        normals=_stacked([one.object.normals for one in first]),
        token_ids=token_ids,
        token_mask=token_mask,
        grouped=Grasps(
            rotation=grouped([one.rotation for one in samples]),
            position=grouped([one.position for one in samples]),
            joints=grouped([one.joints for one in samples]),
            shape=grouped([one.shape for one in samples]),
        ),
        places=contact_places(points, distances).unflatten(0, (-1, together)),
        targets=targets.unflatten(0, (-1, together)).mean(dim=1),
        has_part=distances[::together].amin(dim=1) < ABSENT_PART_M,
    )


def _stacked(arrays: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(arrays).astype(np.float32))
