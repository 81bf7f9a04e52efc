"""The progress bar of a training."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from amt_training.trainer.interfaces import StepReport

if TYPE_CHECKING:
    from amt_training.trainer.trainer import Trainer

_log = logging.getLogger(__name__)


class ProgressBar:
    """A `Watcher`: steps, time left, samples/s, loss; metrics go to the log.

    On a terminal only; where the output goes to a file there are the log's lines, which are the
    metrics. A resumed run's bar begins where the run does.
    """

    def __init__(self) -> None:
        self._open = ExitStack()

    def on_start(self, trainer: Trainer) -> None:
        """Show the bar; lines of the log go above it."""
        self._bar = self._open.enter_context(
            tqdm(
                total=trainer.settings.max_steps,
                initial=trainer.step,
                desc="training",
                unit="step",
                smoothing=0.1,
                dynamic_ncols=True,
                disable=None,
            )
        )
        self._step = trainer.step
        if not self._bar.disable:
            self._open.enter_context(logging_redirect_tqdm())

    def on_step(self, report: StepReport) -> None:
        """Move on."""
        self._bar.set_postfix_str(
            f"loss {report.loss:.4g}, {report.samples_per_second:.4g} samples/s", refresh=False
        )
        self._bar.update(report.step - self._step)
        self._step = report.step

    def on_evaluation(self, step: int, metrics: Mapping[str, float]) -> None:
        """Say how good the network is."""
        values = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        _log.info("step %d: %s", step, values)

    def on_end(self) -> None:
        """Leave the bar as it stands."""
        self._open.close()
