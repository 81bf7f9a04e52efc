"""Losses of contact: which parts touch, where, how and how hard."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, smooth_l1_loss

from amt_perception.model.interface import ContactOutput
from amt_training.losses.config import LENGTH_UNIT_M
from amt_training.losses.matching import Matches
from amt_training.losses.reduction import length, masked_mean
from amt_training.losses.targets import ContactTarget

_FORCE_UNIT_N = 10.0


def contact_losses(
    predicted: ContactOutput, true: ContactTarget, matches: Matches, weight: Tensor
) -> dict[str, Tensor]:
    """Terms by name. matches: of predicted and true points; weight: [B] of the samples."""
    pair_weight = weight[matches.sample]
    every = torch.ones_like(matches.sample, dtype=torch.bool)
    part = binary_cross_entropy_with_logits(
        predicted.part_logits, true.part.to(predicted.part_logits.dtype), reduction="none"
    )
    taken = matches.taken(predicted.point_logits)
    point_confidence = binary_cross_entropy_with_logits(
        predicted.point_logits, taken, reduction="none"
    )
    offset = matches.predicted(predicted.points) - matches.true(true.points)
    force = smooth_l1_loss(
        matches.predicted(predicted.forces) / _FORCE_UNIT_N,
        matches.true(true.force) / _FORCE_UNIT_N,
        reduction="none",
    )
    contact_type = matches.true(true.contact_type)
    return {
        "contact_part": masked_mean(part, true.part_valid, weight),
        "contact_point_confidence": masked_mean(point_confidence, true.points_annotated, weight),
        "contact_point": masked_mean(length(offset) / LENGTH_UNIT_M, every, pair_weight),
        "contact_force": masked_mean(force, matches.true(true.force_valid), pair_weight),
        "contact_type": _labels(
            matches.predicted(predicted.type_logits), contact_type, pair_weight
        ),
        "contact_interaction": _labels(predicted.interaction_logits, true.interaction, weight),
    }


def proximity_loss(
    contact: ContactOutput, surfaces: Tensor, sample: Tensor, tolerance: float, valid: Tensor,
    weight: Tensor,
) -> Tensor:  # fmt: skip
    """A point that is called a contact is close to a surface: probability times distance.

    surfaces: [N, V, 3] points of N surfaces, each in the sample [N] that it belongs to, of which
    the nearest counts; tolerance: a distance (m) that costs nothing; valid, weight: [B].
    """
    distance = torch.cdist(contact.points[sample], surfaces).amin(-1)  # [N, K]
    nearest = torch.full_like(contact.point_logits, torch.inf).scatter_reduce(
        0, sample.unsqueeze(-1).expand_as(distance), distance, "amin"
    )
    known = nearest.isfinite()
    nearest = torch.where(known, nearest, torch.zeros_like(nearest))
    away = (nearest - tolerance).clamp(min=0.0) / LENGTH_UNIT_M
    return masked_mean(contact.point_confidence * away, known & valid.unsqueeze(-1), weight)


def _labels(logits: Tensor, labels: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy of logits [N, C]; labels below zero are unknown."""
    loss = cross_entropy(logits, labels.clamp(min=0), reduction="none")
    return masked_mean(loss, labels >= 0, weight)
