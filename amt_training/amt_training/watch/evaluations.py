"""The metrics of a run's evaluations, in a file beside its losses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from amt_training.trainer.interfaces import StepReport
from amt_training.watch.curves import EVALUATIONS

if TYPE_CHECKING:
    from amt_training.trainer.trainer import Trainer


class EvaluationLog:
    """A `Watcher`: one JSON object a line, `step` and the metrics by name."""

    def on_start(self, trainer: Trainer) -> None:
        """Drop what is later than the checkpoint that the run goes on from."""
        self._path = trainer.folder / EVALUATIONS
        lines = self._path.read_text().splitlines() if trainer.step and self._path.exists() else []
        kept = [line for line in lines if _step(line) <= trainer.step]
        self._path.write_text("".join(f"{line}\n" for line in kept))

    def on_step(self, report: StepReport) -> None:
        """Nothing to do."""

    def on_evaluation(self, step: int, metrics: Mapping[str, float]) -> None:
        """Add a line."""
        with self._path.open("a") as file:
            file.write(json.dumps({"step": step, **metrics}) + "\n")

    def on_end(self) -> None:
        """Nothing to do."""


def _step(line: str) -> float:
    """Of a line; infinite for one that was cut off."""
    try:
        return float(json.loads(line)["step"])
    except ValueError:
        return float("inf")
