"""Training the tiny model on toy scenes, as plain as it can be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import Side
from amt_perception.metrics.pose import mpjpe
from amt_perception.model.amt import Amt
from amt_perception.model.backbone import RANDOM
from amt_perception.model.config import model_config
from amt_perception.model.interface import AmtInput, AmtOutput, ObjectOutput
from amt_training.losses.config import LossConfig
from amt_training.losses.targets import AmtTarget
from amt_training.losses.total import AmtLoss
from amt_training.toy.scenes import ToyScenes

Batch = tuple[AmtInput, AmtTarget]
Watch = Callable[[int, dict[str, float]], None]
BATCH_SIZE = 16
OBJECT_ROTATION = 1.5
"""Weight of this loss. With the usual one, the last one or two of 64 boxes are still turning (by 20
to 40 degrees, the others are within 0.1) when the learning rate has become small."""


@dataclass(frozen=True)
class Schedule:
    """AdamW with a linear warm-up and a cosine."""

    steps: int = 1000
    learning_rate: float = 2e-3
    betas: tuple[float, float] = (0.9, 0.98)
    warm_up: int = 20
    weight_decay: float = 0.01
    gradient_norm: float = 1.0

    def factor(self, step: int) -> float:
        """Of the learning rate."""
        if step < self.warm_up:
            return (step + 1) / self.warm_up
        return 0.5 + 0.5 * math.cos(math.pi * (step - self.warm_up) / (self.steps - self.warm_up))


def build(seed: int) -> tuple[Amt, AmtLoss]:
    """The tiny model with random weights, and the loss.

    Without the noise that keeps a network from learning by heart: here it shall.
    """
    torch.manual_seed(seed)
    config = model_config("tiny")
    quiet = replace(config.stabilisers, drop_path=0.0, feature_noise=0.0)
    right_hand = generic_hand(Side.RIGHT)
    model = Amt(replace(config, stabilisers=quiet), right_hand, RANDOM)
    return model, AmtLoss(LossConfig(object_rotation=OBJECT_ROTATION), right_hand)


def crops(scenes: ToyScenes, model: Amt) -> Batch:
    """Crops of all scenes as the model wants them, and the truth about them."""
    return scenes.crops(model.config.image_size, model.config.crop_scale)


def shuffled(inputs: AmtInput, target: AmtTarget, seed: int) -> Iterator[Batch]:
    """Batches without end: every sample once, in a new order, and again."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(len(inputs.side), generator=generator)
        for chosen in order.split(BATCH_SIZE):
            yield inputs[chosen], target[chosen]


def train(
    model: Amt, loss: AmtLoss, batches: Iterator[Batch], schedule: Schedule, watch: Watch
) -> None:
    """Train in place. watch: is told every step and its terms of the loss."""
    trained = [one for one in (*model.parameters(), *loss.parameters()) if one.requires_grad]
    optimiser = torch.optim.AdamW(
        trained,
        lr=schedule.learning_rate,
        betas=schedule.betas,
        weight_decay=schedule.weight_decay,
        fused=True,
    )
    for step in range(schedule.steps):
        for group in optimiser.param_groups:
            group["lr"] = schedule.learning_rate * schedule.factor(step)
        model.train()
        inputs, target = next(batches)
        result = loss(model(inputs), target, inputs, progress=step / schedule.steps)
        optimiser.zero_grad()
        result.total.backward()
        torch.nn.utils.clip_grad_norm_(trained, schedule.gradient_norm)
        optimiser.step()
        watch(step, {name: term.item() for name, term in result.terms.items()})


@torch.no_grad()
def predict(model: Amt, inputs: AmtInput) -> AmtOutput:
    """In evaluation mode."""
    model.eval()
    output: AmtOutput = model(inputs)
    return output


@dataclass(frozen=True)
class Errors:
    """Mean over samples and, of joints, over the 21."""

    joints_mm: float
    """In the camera's frame."""
    relative_joints_mm: float
    """Seen from the wrist."""
    object_mm: float
    object_degrees: float
    """Of the most confident object."""


def errors(output: AmtOutput, target: AmtTarget) -> Errors:
    """Of predictions for scenes with one object each."""
    joints, truth = output.joints.numpy(), target.joints.numpy()
    best = most_confident(output.objects)
    offset = best.position - target.objects.position[:, 0]
    turn = _rotation(best.rotation).inv() * _rotation(target.objects.rotation[:, 0])
    return Errors(
        joints_mm=1e3 * float(mpjpe(joints, truth).mean()),
        relative_joints_mm=1e3 * float(mpjpe(joints, truth, root=0).mean()),
        object_mm=1e3 * float(offset.norm(dim=-1).mean()),
        object_degrees=float(np.degrees(turn.magnitude()).mean()),
    )


def most_confident(objects: ObjectOutput) -> ObjectOutput:
    """The object of each sample that the model is surest of: [B, ...] without slots."""
    best = objects.confidence.argmax(dim=1)
    row = torch.arange(len(best))
    return objects.each(lambda tensor: tensor[row, best])


def _rotation(matrices: Tensor) -> Rotation:
    return Rotation.from_matrix(matrices.double().numpy())
