"""Training on toy scenes, as plain as it can be."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from amt_perception.metrics.pose import mpjpe
from amt_perception.model.amt import Amt
from amt_perception.model.interface import AmtInput, AmtOutput
from amt_training.losses.targets import AmtTarget
from amt_training.losses.total import AmtLoss

Batch = tuple[AmtInput, AmtTarget]


@dataclass(frozen=True)
class Schedule:
    """AdamW with a linear warm-up and a cosine."""

    steps: int
    learning_rate: float = 2e-3
    warm_up: int = 20
    weight_decay: float = 0.01
    gradient_norm: float = 1.0

    def factor(self, step: int) -> float:
        """Of the learning rate."""
        if step < self.warm_up:
            return (step + 1) / self.warm_up
        return 0.5 + 0.5 * math.cos(math.pi * (step - self.warm_up) / (self.steps - self.warm_up))


def train(
    model: Amt, loss: AmtLoss, batch: Callable[[int], Batch], schedule: Schedule,
    watch: Callable[[int, dict[str, float]], None],
) -> None:  # fmt: skip
    """Train in place; batch: what to learn at a step; watch: is told the terms of every step."""
    trained = [one for one in (*model.parameters(), *loss.parameters()) if one.requires_grad]
    optimiser = torch.optim.AdamW(
        trained, lr=schedule.learning_rate, weight_decay=schedule.weight_decay
    )
    model.train()
    for step in range(schedule.steps):
        for group in optimiser.param_groups:
            group["lr"] = schedule.learning_rate * schedule.factor(step)
        inputs, target = batch(step)
        result = loss(model(inputs), target, inputs, progress=step / schedule.steps)
        optimiser.zero_grad(set_to_none=True)
        result.total.backward()
        torch.nn.utils.clip_grad_norm_(trained, schedule.gradient_norm)
        optimiser.step()
        watch(step, {name: term.item() for name, term in result.terms.items()})


@dataclass(frozen=True)
class Errors:
    """Mean over samples."""

    joints_mm: float
    """In the camera's frame."""
    relative_joints_mm: float
    """Seen from the wrist."""
    object_mm: float
    object_degrees: float
    """Of the most confident object."""


def errors(output: AmtOutput, target: AmtTarget) -> Errors:
    """Of predictions for scenes with one object."""
    joints, truth = output.joints.detach().numpy(), target.joints.numpy()
    best = output.objects.confidence.argmax(dim=1)
    row = torch.arange(len(best))
    position = output.objects.position[row, best] - target.objects.position[:, 0]
    turn = _rotation(output.objects.rotation[row, best]).inv() * _rotation(
        target.objects.rotation[:, 0]
    )
    return Errors(
        joints_mm=1e3 * float(mpjpe(joints, truth).mean()),
        relative_joints_mm=1e3 * float(mpjpe(joints, truth, root=0).mean()),
        object_mm=1e3 * float(position.norm(dim=-1).mean()),
        object_degrees=float(np.degrees(turn.magnitude()).mean()),
    )


def _rotation(matrices: Tensor) -> Rotation:
    return Rotation.from_matrix(matrices.detach().double().numpy())
