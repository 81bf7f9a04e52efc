"""Against mode collapse: predictions differ between samples as much as the truth does."""

from __future__ import annotations

import torch
from torch import Tensor

from amt_training.losses.whole_batch import rows_of_all_parts

_ALIKE_M = 1e-4
"""Truths that differ by less than this ask for no diversity."""


def diversity_losses(joints: Tensor, truth: Tensor, valid: Tensor) -> dict[str, Tensor]:
    """Variance and pairwise distance of poses, by how much they fall short of the truth's.

    joints, truth: [B, 21, 3]; valid: [B, 21]. Poses are seen from the wrist; samples with every
    joint known count. Each term is 0 for predictions as varied as their truth and 1 for one and the
    same pose; 0 where fewer than two samples count. A batch in parts is one batch here.
    """
    joints, truth, valid = map(rows_of_all_parts, (joints, truth, valid))
    whole = valid.all(-1)
    poses, true = ((one - one[:, :1])[whole].flatten(1) for one in (joints, truth))
    if len(poses) < 2:
        nothing = 0.0 * poses.sum()
        return {"diversity_variance": nothing, "diversity_pairwise": nothing}
    return {
        "diversity_variance": _shortfall(_deviation(poses), _deviation(true)),
        "diversity_pairwise": _shortfall(torch.pdist(poses).mean(), torch.pdist(true).mean()),
    }


def _deviation(poses: Tensor) -> Tensor:
    return (poses.var(0) + 1e-12).sqrt().mean()  # a gradient also where all are the same


def _shortfall(value: Tensor, reference: Tensor) -> Tensor:
    shortfall = (1.0 - value / reference.clamp(min=_ALIKE_M)).clamp(min=0.0)
    return shortfall * (reference > _ALIKE_M)
