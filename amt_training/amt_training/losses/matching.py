"""Which prediction answers for which truth: never the order of the slots.

Bipartite matching as in DETR (Carion et al., ECCV 2020).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from amt_perception.model.interface import ContactOutput, ObjectOutput
from amt_training.losses.config import LENGTH_UNIT_M, LossConfig
from amt_training.losses.rotations import symmetric_geodesic
from amt_training.losses.targets import ContactTarget, ObjectTarget


class PredictionNotFiniteError(ValueError):
    """A prediction is NaN, so nothing can be matched with it."""


class Matches(NamedTuple):
    """N pairs, as indices: prediction [sample, slot] answers for truth [sample, place]."""

    sample: Tensor
    """[N] int64."""
    slot: Tensor
    """[N] int64 of the prediction."""
    place: Tensor
    """[N] int64 of the truth."""

    def predicted(self, values: Tensor) -> Tensor:
        """[N, ...] of predicted values [B, Q, ...]."""
        return values[self.sample, self.slot]

    def true(self, values: Tensor) -> Tensor:
        """[N, ...] of true values [B, M, ...]."""
        return values[self.sample, self.place]

    def taken(self, slots: Tensor) -> Tensor:
        """[B, Q] one where a slot has been matched, else zero; slots: any values [B, Q]."""
        taken = torch.zeros_like(slots)
        taken[self.sample, self.slot] = 1.0
        return taken


@torch.no_grad()
def match(cost: Tensor, valid: Tensor) -> Matches:
    """The cheapest one-to-one assignment. cost: [B, Q, M]; valid: [B, M] bool.

    Raises PredictionNotFiniteError where a cost is NaN.
    """
    costs, places = cost.cpu().numpy(), valid.cpu().numpy()
    pairs = []
    for sample in np.flatnonzero(places.any(axis=1)):
        known = np.flatnonzero(places[sample])
        try:
            slot, column = linear_sum_assignment(costs[sample][:, known])
        except ValueError as error:  # its "matrix contains invalid numeric entries"
            raise PredictionNotFiniteError(f"invalid prediction for sample {sample}") from error
        pairs.append(np.stack([np.full_like(slot, sample), slot, known[column]]))
    indices = np.concatenate(pairs, axis=1) if pairs else np.zeros((3, 0), np.int64)
    return Matches(*torch.from_numpy(indices).to(cost.device))


@torch.no_grad()
def match_objects(predicted: ObjectOutput, true: ObjectTarget, config: LossConfig) -> Matches:
    """Queries and objects that are alike in class, place and rotation."""
    probability = predicted.class_logits.softmax(-1)  # [B, Q, C]
    index = true.class_index.unsqueeze(1).expand(-1, probability.shape[1], -1)
    cost = (
        config.match_position / LENGTH_UNIT_M * torch.cdist(predicted.position, true.position)
        + config.match_rotation
        * symmetric_geodesic(
            predicted.rotation.unsqueeze(2),
            true.rotation.unsqueeze(1),
            true.symmetry_rotations.unsqueeze(1),
            true.symmetry_axis.unsqueeze(1),
        )
        - config.match_class * probability.gather(-1, index)
        - config.match_confidence * predicted.confidence.unsqueeze(-1)
    )
    return match(cost, true.valid & true.annotated.unsqueeze(-1))


@torch.no_grad()
def match_points(predicted: ContactOutput, true: ContactTarget, config: LossConfig) -> Matches:
    """Predicted and true contact points that are close."""
    cost = (
        config.match_position / LENGTH_UNIT_M * torch.cdist(predicted.points, true.points)
        - config.match_confidence * predicted.point_confidence.unsqueeze(-1)
    )  # fmt: skip
    return match(cost, true.point_valid & true.points_annotated.unsqueeze(-1))
