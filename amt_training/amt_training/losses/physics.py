"""What bodies cannot do: bend too far, pass through each other, press too hard."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from amt_perception.hand.limits import JointLimits
from amt_perception.hand.model_data import HandModelData
from amt_perception.model.interface import LEFT
from amt_training.losses.config import LENGTH_UNIT_M
from amt_training.losses.matching import Matches
from amt_training.losses.reduction import masked_mean

_GIMBAL = 1e-4
"""Squared length of a matrix row below which its angle has no direction: no gradient there."""


class JointLimitLoss(nn.Module):
    """How far the fingers' anatomical angles are outside their ranges (`hand/limits.py`)."""

    axes: Tensor
    lower: Tensor
    upper: Tensor
    mirror: Tensor

    def __init__(self, right_hand: HandModelData) -> None:
        super().__init__()
        limits = JointLimits(right_hand)
        for name in ("axes", "lower", "upper"):
            value = torch.tensor(getattr(limits, name), dtype=torch.float32)
            self.register_buffer(name, value)
        self.register_buffer("mirror", torch.tensor([-1.0, 1.0, 1.0]))

    def angles(self, rotation: Tensor, side: Tensor) -> Tensor:
        """[B, 15, 3] flexion, abduction and twist (rad) of MANO rotations [B, 16, 3, 3].

        side: [B], LEFT or RIGHT. As `JointLimits.angles`; a left hand is mirrored first.
        """
        local = rotation[:, 1:]
        mirrored = self.mirror[:, None] * local * self.mirror
        local = torch.where((side == LEFT)[:, None, None, None], mirrored, local)
        turned = self.axes.transpose(-1, -2) @ local @ self.axes
        # Intrinsic X, Y, Z: R = Rx(a) Ry(b) Rz(c).
        b = torch.atan2(
            turned[..., 0, 2],
            (turned[..., 0, 0].square() + turned[..., 0, 1].square() + 1e-12).sqrt(),
        )
        return torch.stack(
            [
                _angle(-turned[..., 1, 2], turned[..., 2, 2]),
                b,
                _angle(-turned[..., 0, 1], turned[..., 0, 0]),
            ],
            dim=-1,
        )

    def forward(self, rotation: Tensor, side: Tensor, weight: Tensor) -> Tensor:
        """Mean excess (rad) of MANO rotations [B, 16, 3, 3]."""
        angles = self.angles(rotation, side)
        excess = (angles - self.upper).clamp(min=0.0) + (self.lower - angles).clamp(min=0.0)
        return masked_mean(excess, torch.ones_like(side, dtype=torch.bool), weight)


def penetration_loss(
    vertices: Tensor, surface: Tensor, normals: Tensor, matches: Matches, reach: float,
    weight: Tensor,
) -> Tensor:  # fmt: skip
    """Mean depth of the hand's vertices inside the objects.

    vertices: [B, 778, 3]; surface, normals: [N, P, 3] of the N matched objects, in the camera
    frame. A vertex is inside where it lies behind its nearest surface point's tangent
    plane; beyond `reach` (m) from that point nothing is said.
    """
    hand = vertices[matches.sample]
    distance, nearest = torch.cdist(hand, surface).min(-1)  # [N, 778]
    nearest = nearest.unsqueeze(-1).expand(-1, -1, 3)
    offset = hand - surface.gather(1, nearest)
    depth = -(offset * normals.gather(1, nearest)).sum(-1)
    inside = (depth > 0.0) & (distance < reach)
    depth = torch.where(inside, depth, torch.zeros_like(depth)) / LENGTH_UNIT_M
    every = torch.ones_like(matches.sample, dtype=torch.bool)
    return masked_mean(depth, every, weight[matches.sample])


def force_bound_loss(forces: Tensor, limit: float, weight: Tensor) -> Tensor:
    """Mean of contact forces [B, K] (N) beyond the limit, over the limit."""
    excess = (forces - limit).clamp(min=0.0) / limit
    return masked_mean(excess, torch.ones_like(weight, dtype=torch.bool), weight)


def _angle(y: Tensor, x: Tensor) -> Tensor:
    defined = y.square() + x.square() > _GIMBAL
    return torch.atan2(
        torch.where(defined, y, torch.zeros_like(y)), torch.where(defined, x, torch.ones_like(x))
    )
