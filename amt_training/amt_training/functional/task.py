"""Trains the functional grasp model: contact at every point, and the flow that draws grasps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from amt_perception.errors import AmtError
from amt_perception.grasp.grasp_model import GraspModel
from amt_perception.grasp.interface import GraspContext, Grasps
from amt_perception.metrics.classification import Decisions
from amt_perception.metrics.grasp import (
    GraspErrors,
    class_accuracy,
    contact_decisions,
    contact_reliability,
    grasp_errors,
)
from amt_training.functional.batches import GraspBatch
from amt_training.functional.losses import (
    GraspLossSettings,
    contact_loss,
    flow_loss,
    flow_times,
    on_the_way,
)
from amt_training.losses.total import Loss

NEAR = 0.05
"""Least probability of contact, predicted or true, of points that tell something about it."""


@dataclass(frozen=True)
class ValidationSettings:
    """How a model is judged while it is trained."""

    samples: int = 256
    """Held-out ones, always the same."""
    grasps: int = 8
    """Drawn for each; the one that is nearest to the truth counts."""
    steps: int = 20
    """Of the flow."""

    def __post_init__(self) -> None:
        """Raises AmtError for what cannot be, naming the keys."""
        if min(self.samples, self.grasps, self.steps) < 1:
            raise AmtError("grasp.validation.samples, grasps and steps must be at least 1")


@dataclass(frozen=True)
class GraspTrainSettings:
    """Of `task=functional_grasp`."""

    together: int = 4
    """Grasps of an object for one purpose that a sample consists of: the object and the instruction
    are encoded once for all of them."""
    loss: GraspLossSettings = field(default_factory=GraspLossSettings)
    validation: ValidationSettings = field(default_factory=ValidationSettings)

    def __post_init__(self) -> None:
        """Raises AmtError for what cannot be, naming the key."""
        if self.together < 1:
            raise AmtError(f"grasp.together is {self.together}; it must be at least 1")


class FunctionalGraspTask(nn.Module):
    """Trains a grasp model whose language encoder is the small one."""

    def __init__(self, model: GraspModel, settings: GraspTrainSettings) -> None:
        """Raises AmtError for a model with another language encoder."""
        super().__init__()
        if model.language_encoder is None:
            raise AmtError(
                f"training with the language encoder '{model.config.language_encoder}' is not "
                "built in: set +model.changes={language_encoder: small, language_width: 128}"
            )
        self.model = model
        self.settings = settings

    def parameter_groups(self) -> dict[str, list[nn.Module]]:
        """All of it is new."""
        return {"backbone": [], "decoders": []}

    def forward(self, batch: GraspBatch, progress: float) -> Loss:
        """The loss of a batch; it does not change with the progress."""
        context = self.context(batch)
        contact, excess = self._contact(context, batch)
        flow = self._flow(context, batch)
        terms = {"contact": contact, "contact_excess": excess, "flow": flow}
        return Loss(self.settings.loss.contact * contact + flow, terms)

    def context(self, batch: GraspBatch) -> GraspContext:
        """What the model knows of the batch's objects and instructions."""
        assert self.model.language_encoder is not None
        language = self.model.language_encoder(batch.token_ids, batch.token_mask)
        return self.model.context(batch.points, batch.normals, language)

    def _contact(self, context: GraspContext, batch: GraspBatch) -> tuple[Tensor, Tensor]:
        far = self.settings.loss.far
        return contact_loss(context.contact_logits, batch.targets, batch.has_part, far)

    def _flow(self, context: GraspContext, batch: GraspBatch) -> Tensor:
        settings = self.settings.loss
        ends = self.model.flow_state(batch.grasps, batch.places.flatten(0, 1), context.frame)
        ends = ends.repeat_interleave(settings.draws, dim=1)  # [B, K, D]
        times = flow_times(ends.shape[:2], settings.time, ends)
        state, true_velocity = on_the_way(ends, times)
        return flow_loss(self.model.velocity(state, times, context), true_velocity)

    @torch.no_grad()
    def validate(self, batches: Iterable[GraspBatch]) -> dict[str, float]:
        """Over held-out batches: losses, figures of contact, and errors of drawn grasps.

        `best` is of the grasp that is nearest to the true one, in degrees, mm, and degrees of the
        joints. The same random numbers each time.
        """
        losses: dict[str, list[Tensor]] = {}
        found: list[np.ndarray] = []
        truth: list[np.ndarray] = []
        errors: list[GraspErrors] = []
        device = next(self.model.parameters()).device
        devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(0)
            for batch in batches:
                batch = batch.to(device)
                context = self.context(batch)
                contact, excess = self._contact(context, batch)
                terms = {"contact_excess": excess, "flow": self._flow(context, batch)}
                terms["loss"] = self.settings.loss.contact * contact + terms["flow"]
                for name, value in terms.items():
                    losses.setdefault(name, []).append(value.float())
                found.append(_numpy(context.contact_logits.float().sigmoid()))
                absent = ~batch.has_part[:, None]
                truth.append(_numpy(batch.targets.masked_fill(absent, torch.nan)))
                errors.append(self._errors(self.draw(context), batch.grasps))
        means = {name: float(torch.stack(values).mean()) for name, values in losses.items()}
        nearest = GraspErrors(*(np.concatenate(one) for one in zip(*errors, strict=True)))
        return {
            **means,
            **self._contact_figures(np.concatenate(found), np.concatenate(truth)),
            "best_degrees": float(np.degrees(nearest.angle).mean()),
            "best_mm": 1e3 * float(nearest.place.mean()),
            "best_joint_degrees": float(np.degrees(nearest.joints).mean()),
            "best_distance_mm": 1e3 * float(nearest.distance.mean()),
        }

    def draw(self, context: GraspContext) -> Grasps:
        """B * `validation.grasps` grasps, the first object's first."""
        settings = self.settings.validation
        return self.model.sample(context, settings.grasps, settings.steps)[0]

    def _errors(self, drawn: Grasps, truth: Grasps) -> GraspErrors:
        """[B] of the drawn grasp that is nearest to each true one."""
        count = len(truth.position)
        rotation, position, joints = (
            _numpy(one).reshape(count, -1, *one.shape[1:])
            for one in (drawn.rotation, drawn.position, drawn.joints)
        )
        true = (_numpy(one)[:, None] for one in (truth.rotation, truth.position, truth.joints))
        return grasp_errors(rotation, position, joints, *true).nearest()

    def _contact_figures(self, found: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        """Of probabilities [S, N, 6], the truth NaN for parts that are not there."""
        inverse = self.model.kernel.distance
        distances = [inverse(torch.from_numpy(one)).numpy() for one in (found, truth)]
        decisions = contact_decisions(*distances)
        overall = Decisions(*np.sum(list(decisions.values()), axis=0).tolist())
        figures = {
            "contact_f1": overall.f1,
            "contact_precision": overall.precision,
            "contact_recall": overall.recall,
            "contact_ece": contact_reliability(found, truth).calibration_error,
            "contact_ece_near": contact_reliability(found, truth, NEAR).calibration_error,
            **{f"contact_f1/{part}": one.f1 for part, one in decisions.items()},
            **{f"accuracy/{name}": one for name, one in class_accuracy(*distances).items()},
        }
        return {name: value for name, value in figures.items() if np.isfinite(value)}


def _numpy(tensor: Tensor) -> np.ndarray:
    array: np.ndarray = tensor.detach().cpu().double().numpy()
    return array
