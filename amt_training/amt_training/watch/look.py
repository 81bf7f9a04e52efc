"""At intervals, a look at a few samples: what the network says about them, and how."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import nn

from amt_perception.errors import AmtError
from amt_perception.model.interface import AmtInput, AmtOutput
from amt_training.losses.targets import AmtTarget
from amt_training.trainer.interfaces import StepReport
from amt_training.watch.collapse import CollapseSettings, CollapseWatch
from amt_training.watch.gradients import is_sharded
from amt_training.watch.loggers import LogWatcher
from amt_training.watch.pictures import draw_sheet, write_picture

if TYPE_CHECKING:
    from amt_training.trainer.trainer import Trainer

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LookSettings:
    """When and at how much to look."""

    every: int = 1000
    """Steps between looks; 0 for none."""
    samples: int = 16
    """How many are shown, always the same ones."""
    columns: int = 4
    """Samples in a row of the picture."""
    collapse: CollapseSettings = field(default_factory=CollapseSettings)

    def __post_init__(self) -> None:
        if self.every < 0 or min(self.samples, self.columns) < 1:
            raise AmtError(
                "watch.look.every must not be negative, samples and columns be at least 1"
            )


class LookWatcher:
    """A `Watcher`: before the first step, every so many steps and at the end, a sheet of
    predictions (`<run>/pictures/<step>.png`, and to the loggers) and the collapse watch's numbers.

    The network runs once without gradients, in evaluation, uncompiled and in float32, with random
    numbers of its own: a run that is watched learns what one that is not learns. Not where
    parameters are sharded (FSDP2), which the log says.

    inputs, target: `settings.samples` samples, better not of the training split. log: comes before
    this one in the trainer's list of watchers.
    """

    def __init__(
        self, settings: LookSettings, inputs: AmtInput, target: AmtTarget, log: LogWatcher
    ) -> None:
        self._settings = settings
        self._inputs, self._target = inputs, target
        self._log = log

    def on_start(self, trainer: Trainer) -> None:
        """Look at the start, where inputs and truth can be checked before hours of training."""
        self._model = trainer.model
        self._enabled = self._settings.every > 0
        if self._enabled and is_sharded(trainer.model):
            _log.info("no pictures and no collapse watch: the network's parameters are sharded")
            self._enabled = False
        self._device = trainer.world.device
        self._folder = trainer.folder / "pictures"
        self._collapse = CollapseWatch(self._settings.collapse, trainer.model)
        self._looked_at = trainer.step
        if self._enabled and trainer.step == 0:
            self._look(0)

    def on_step(self, report: StepReport) -> None:
        """Look when an interval is full, and at the end."""
        every = self._settings.every
        if not self._enabled or report.step == self._looked_at:
            return
        if report.step // every > self._looked_at // every or report.step == report.max_steps:
            self._look(report.step)

    def on_evaluation(self, step: int, metrics: Mapping[str, float]) -> None:
        """Nothing to do."""

    def on_end(self) -> None:
        """Nothing to do."""

    def _look(self, step: int) -> None:
        self._looked_at = step
        inputs, target = self._inputs.to(self._device), self._target.to(self._device)
        with quietly(self._model, self._device), self._collapse:
            output: AmtOutput = self._model(inputs)
        numbers = self._collapse.numbers(output.joints, target, inputs.side)
        self._log.scalars(step, {f"collapse/{name}": value for name, value in numbers.items()})
        sheet = draw_sheet(inputs, output, target, f"step {step:,}", self._settings.columns)
        write_picture(self._folder / f"{step:08d}.png", sheet)
        self._log.picture(step, "predictions", sheet)


@contextmanager
def quietly(model: nn.Module, device: torch.device) -> Iterator[None]:
    """In evaluation, without a trace: modes and random numbers are afterwards as before."""
    modes = {module: module.training for module in model.modules()}
    devices = [device] if device.type == "cuda" else []
    try:
        model.eval()
        with (
            torch.random.fork_rng(devices),
            torch.compiler.set_stance("force_eager"),
            torch.no_grad(),
        ):
            torch.manual_seed(0)  # the same tokens' attention at every look
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
