"""At intervals, a page of what the grasp model says about a few held-out samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch

from amt_perception.grasp.interface import Grasps
from amt_perception.metrics.grasp import grasp_errors
from amt_training.functional.batches import GraspDataset, HeldOutGrasps
from amt_training.functional.figures import hand_figure
from amt_training.functional.pages import ShownSample, write_page
from amt_training.functional.task import FunctionalGraspTask
from amt_training.trainer.interfaces import StepReport
from amt_training.watch.look import LookSettings, quietly

if TYPE_CHECKING:
    from amt_training.trainer.trainer import Trainer

SHOWN = 3
"""Drawn grasps beside the true one, those nearest to it."""


class PageWatcher:
    """A `Watcher`: before the first step, every so many steps and at the end, a page
    (`<run>/pages/<step>.html`) of `settings.samples` samples, always the same ones.

    A run that is watched learns what one that is not learns.
    """

    def __init__(
        self, settings: LookSettings, task: FunctionalGraspTask, held_out: GraspDataset
    ) -> None:
        self._every = settings.every
        self._task = task
        chosen = HeldOutGrasps(held_out, task.model.kernel, settings.samples, settings.samples)
        self._samples, (self._batch,) = chosen.samples, chosen.batches

    def on_start(self, trainer: Trainer) -> None:
        """Look at the start, where the truth can be checked before hours of training."""
        self._folder = trainer.folder / "pages"
        self._device = trainer.world.device
        self._looked_at = trainer.step
        if self._every and trainer.step == 0:
            self._look(0)

    def on_step(self, report: StepReport) -> None:
        """Look when an interval is full, and at the end."""
        if not self._every or report.step == self._looked_at:
            return
        full = report.step // self._every > self._looked_at // self._every
        if full or report.step == report.max_steps:
            self._look(report.step)

    def on_evaluation(self, step: int, metrics: Mapping[str, float]) -> None:
        """Nothing to do."""

    def on_end(self) -> None:
        """Nothing to do."""

    def _look(self, step: int) -> None:
        self._looked_at = step
        config = self._task.model.config
        path = self._folder / f"{step:08d}.html"
        write_page(path, f"step {step:,}", self._shown(), hand_figure(config.hand))

    def _shown(self) -> list[ShownSample]:
        batch = self._batch.to(self._device)
        with quietly(self._task.model, self._device):
            context = self._task.context(batch)
            drawn = self._task.draw(context).to("cpu")
            probability = context.contact_logits.float().sigmoid().cpu().numpy()
        truth, targets = self._batch.grasps, self._batch.targets.numpy()
        count = len(drawn.position) // len(self._samples)
        shown = []
        for k, sample in enumerate(self._samples):
            mine = drawn[slice(k * count, (k + 1) * count)]
            true = truth[slice(k, k + 1)]
            errors = grasp_errors(*_arrays(mine), *_arrays(true))
            nearest = np.argsort(errors.distance)
            note = (
                f"nearest of {count}: {1e3 * errors.place[nearest[0]]:.0f} mm, "
                f"{np.degrees(errors.angle[nearest[0]]):.0f}°"
            )
            shown.append(
                ShownSample(
                    object=sample.object,
                    instruction=sample.instruction,
                    truth=true,
                    true_strength=targets[k],
                    drawn=mine[torch.from_numpy(nearest[:SHOWN])],
                    strength=probability[k],
                    note=note,
                )
            )
        return shown


def _arrays(grasps: Grasps) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return grasps.rotation.numpy(), grasps.position.numpy(), grasps.joints.numpy()
