"""Angles between rotations, with gradients that are finite everywhere."""

from __future__ import annotations

import torch
from torch import Tensor

from amt_training.losses.reduction import length


def geodesic(one: Tensor, other: Tensor) -> Tensor:
    """[...] angle (0..pi) of the turn between rotations [..., 3, 3].

    By atan2 of sine and cosine: acos has an infinite gradient at zero and at pi, and errs by
    half a milliradian near them in single precision.
    """
    turn = one.transpose(-1, -2) @ other
    sine = 0.5 * length(
        torch.stack(
            [
                turn[..., 2, 1] - turn[..., 1, 2],
                turn[..., 0, 2] - turn[..., 2, 0],
                turn[..., 1, 0] - turn[..., 0, 1],
            ],
            dim=-1,
        )
    )
    cosine = 0.5 * (turn.diagonal(dim1=-2, dim2=-1).sum(-1) - 1.0)
    return torch.atan2(sine, cosine)


def symmetric_geodesic(
    predicted: Tensor, true: Tensor, symmetry_rotations: Tensor, symmetry_axis: Tensor
) -> Tensor:
    """[...] smallest angle (rad) to any rotation in which the object looks as it does.

    predicted, true: [..., 3, 3]; symmetry_rotations: [..., K, 3, 3] and symmetry_axis: [..., 3] as
    in `ObjectTarget`. Where there is an axis, only its direction counts.
    """
    alike = true.unsqueeze(-3) @ symmetry_rotations  # [..., K, 3, 3]
    whole = geodesic(predicted.unsqueeze(-3), alike)
    axis = symmetry_axis[..., None, :, None]
    one, other = (predicted.unsqueeze(-3) @ axis)[..., 0], (alike @ axis)[..., 0]
    sine, cosine = length(torch.linalg.cross(one, other)), (one * other).sum(-1)
    turns_freely = (symmetry_axis.abs().amax(-1) > 0.0).unsqueeze(-1)
    # Zero vectors have no angle: their place is taken by a harmless one.
    direction = torch.atan2(sine, torch.where(turns_freely, cosine, torch.ones_like(cosine)))
    return torch.where(turns_freely, direction, whole).amin(-1)
