"""Losses of the objects, on matched pairs of query and object."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from amt_perception.model.interface import ObjectOutput
from amt_training.losses.config import LENGTH_UNIT_M, LossConfig
from amt_training.losses.matching import Matches
from amt_training.losses.reduction import length, masked_mean
from amt_training.losses.rotations import symmetric_geodesic
from amt_training.losses.targets import ObjectTarget
from amt_training.losses.whole_batch import mean_over_parts


def object_losses(
    predicted: ObjectOutput, true: ObjectTarget, matches: Matches, config: LossConfig,
    weight: Tensor,
) -> dict[str, Tensor]:  # fmt: skip
    """Terms by name: position, rotation, confidence and class. weight: [B] of the samples.

    Queries without an object learn that they have none, in samples whose objects are annotated.
    """
    pair_weight = weight[matches.sample]
    every = torch.ones_like(matches.sample, dtype=torch.bool)
    offset = matches.predicted(predicted.position) - matches.true(true.position)
    angle = symmetric_geodesic(
        matches.predicted(predicted.rotation),
        matches.true(true.rotation),
        matches.true(true.symmetry_rotations),
        matches.true(true.symmetry_axis),
    )
    taken = matches.taken(predicted.confidence_logits)
    confidence = binary_cross_entropy_with_logits(
        predicted.confidence_logits, taken, reduction="none"
    )
    return {
        "object_position": masked_mean(length(offset) / LENGTH_UNIT_M, every, pair_weight),
        "object_rotation": masked_mean(angle, every, pair_weight),
        "object_confidence": masked_mean(confidence, true.annotated, weight),
        "object_class": _class_loss(predicted, true, matches, config, weight),
    }


def _class_loss(
    predicted: ObjectOutput, true: ObjectTarget, matches: Matches, config: LossConfig,
    weight: Tensor,
) -> Tensor:  # fmt: skip
    """Cross-entropy; the many queries without an object (class 0) count less."""
    logits = predicted.class_logits
    label = torch.zeros(logits.shape[:2], dtype=torch.int64, device=logits.device)
    label[matches.sample, matches.slot] = matches.true(true.class_index)
    share = torch.where(label > 0, 1.0, config.background_class) * true.annotated.unsqueeze(-1)
    loss = cross_entropy(logits.flatten(0, 1), label.flatten(), reduction="none")
    loss = loss.unflatten(0, label.shape)
    total = (loss * share * weight.unsqueeze(-1)).sum()
    return total / mean_over_parts(share.sum()).clamp(min=1e-6)
