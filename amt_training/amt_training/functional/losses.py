"""What the grasp model is trained to minimise: contact at every point, and the flow's velocity."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from amt_perception.errors import AmtError
from amt_perception.grasp.flow import between
from amt_training.losses.whole_batch import mean_over_parts

TIMES = ("uniform", "logit_normal")


@dataclass(frozen=True)
class GraspLossSettings:
    """The losses' weights, and what is drawn by chance."""

    contact: float = 1.5
    """Weight of the contact loss; the flow's is one."""
    far: float = 0.1
    """Weight of a point that no part of the hand is near; one that is touched counts as 1."""
    draws: int = 4
    """Places of the flow that are learned from each grasp in a step: object and instruction are
    encoded once for all of them."""
    time: str = "uniform"
    """How those places are spread over the flow's time: uniform, or logit_normal, which is denser
    in the middle (Esser et al., "Scaling rectified flow transformers", ICML 2024)."""

    def __post_init__(self) -> None:
        """Raises AmtError for what cannot be, naming the key."""
        if self.time not in TIMES:
            raise AmtError(f"grasp.loss.time is '{self.time}'; choose one of: {', '.join(TIMES)}")
        if self.draws < 1:
            raise AmtError(f"grasp.loss.draws is {self.draws}; it must be at least 1")
        if self.contact < 0.0 or not 0.0 < self.far <= 1.0:
            raise AmtError("grasp.loss.contact must not be negative, and far be in 0..1")


def contact_loss(
    logits: Tensor, targets: Tensor, has_part: Tensor, far: float
) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy with soft targets, and the part of it that a model can learn; scalars.

    logits, targets: [B, N, 6], targets in 0..1; has_part: [B, 6] bool, the parts that the hand has:
    others do not count. Points are weighted by their largest target: 0.1 + 0.9 of it for a `far` of
    0.1. The second value is the first without the targets' own entropy, which no model gets below:
    zero for a model that is right.
    """
    with torch.autocast(logits.device.type, enabled=False):
        logits, targets = logits.float(), targets.float()
        weight = far + (1.0 - far) * (targets * has_part[:, None]).amax(dim=-1)
        share = weight[..., None] * has_part[:, None]
        share = share / mean_over_parts(share.sum())
        loss = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        entropy = -torch.xlogy(targets, targets) - torch.xlogy(1.0 - targets, 1.0 - targets)
        total = (share * loss).sum()
        return total, total.detach() - (share * entropy).sum()


def flow_times(count: torch.Size, spread: str, like: Tensor) -> Tensor:
    """Places in the flow's time, [B, K] in 0..1, by torch's default generator.

    spread: one of TIMES. like: a tensor of the device and type that is wanted.
    """
    times = torch.empty(count, device=like.device, dtype=like.dtype)
    return times.uniform_() if spread == "uniform" else times.normal_().sigmoid()


def on_the_way(ends: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
    """States of rectified flow and their velocities, both [B, K, D].

    From fresh noise straight to the ends [B, K, D], at times [B, K]: see `grasp.flow`.
    """
    noise = torch.randn_like(ends)
    return between(noise, ends, times), ends - noise


def flow_loss(velocity: Tensor, true_velocity: Tensor) -> Tensor:
    """Mean squared error of velocities [B, K, D], in the units of the flow's space; a scalar."""
    with torch.autocast(velocity.device.type, enabled=False):
        return functional.mse_loss(velocity.float(), true_velocity.float())
