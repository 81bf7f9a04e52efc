"""How right a model's contact maps are on held-out grasps, with intervals over objects."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from amt_perception.metrics.classification import BINS, Decisions
from amt_perception.metrics.grasp import (
    bootstrap_interval,
    contact_decisions,
    contact_reliability,
)
from amt_perception.model.interface import HAND_PARTS
from amt_training.functional.batches import HeldOutGrasps
from amt_training.functional.task import NEAR, FunctionalGraspTask


@torch.no_grad()
def contact_figures(task: FunctionalGraspTask, held_out: HeldOutGrasps) -> dict[str, Any]:
    """F1 of each hand part and of all together, and calibration errors, as {value, low, high}.

    `ece_near` leaves out the points that are far from the hand, predicted and true.
    """
    decisions: list[np.ndarray] = []
    bins: dict[str, list[np.ndarray]] = {"ece": [], "ece_near": []}
    device = next(task.model.parameters()).device
    for batch in held_out.batches:
        context = task.context(batch.to(device))
        found = context.contact_logits.float().sigmoid().cpu()
        truth = batch.targets.masked_fill(~batch.has_part[:, None], torch.nan)
        for one, true in zip(found.double(), truth.double(), strict=True):
            decisions.append(_decisions(task, one, true))
            probabilities = one.numpy(), true.numpy()
            bins["ece"].append(_bins(*probabilities, 0.0))
            bins["ece_near"].append(_bins(*probabilities, NEAR))
    groups = np.array([one.object.name for one in held_out.samples])
    counts = np.stack(decisions)  # [S, 6, 4]
    figures = {"f1": bootstrap_interval(counts, groups, _f1)}
    for k, part in enumerate(HAND_PARTS):
        if counts[:, k].any():
            figures[f"f1/{part}"] = bootstrap_interval(counts[:, k], groups, _f1)
    for name, values in bins.items():
        figures[name] = bootstrap_interval(np.stack(values), groups, _calibration_error)
    return {
        "grasps": len(groups),
        "objects": len(set(groups)),
        **{name: one._asdict() for name, one in figures.items()},
    }


def _decisions(task: FunctionalGraspTask, found: torch.Tensor, truth: torch.Tensor) -> np.ndarray:
    """[6, 4] counts of one sample's `Decisions`; zeros for a part that the hand has not."""
    inverse = task.model.kernel.distance
    by_part = contact_decisions(inverse(found).numpy(), inverse(truth).numpy())
    return np.array([by_part.get(part, (0, 0, 0, 0)) for part in HAND_PARTS])


def _bins(found: np.ndarray, truth: np.ndarray, least: float) -> np.ndarray:
    """[bins, 3] of one sample: points, sum of their predicted and of their true probabilities."""
    result = contact_reliability(found, truth, least)
    sums = np.nan_to_num(np.stack([result.confidence, result.accuracy])) * result.sizes
    return np.concatenate([result.sizes[None], sums]).T


def _f1(counts: np.ndarray) -> float:
    return Decisions(*counts.reshape(-1, 4).sum(axis=0).tolist()).f1


def _calibration_error(sums: np.ndarray) -> float:
    total = sums.reshape(-1, BINS, 3).sum(axis=0)
    return float(np.abs(total[:, 1] - total[:, 2]).sum() / total[:, 0].sum())
