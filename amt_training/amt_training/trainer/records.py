"""Losses of the last steps, left on the device until somebody looks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from amt_training.losses.total import Loss
from amt_training.trainer.distributed import World


@dataclass(frozen=True)
class StepRecord:
    """One step's numbers, over all processes."""

    step: int
    """Steps done, this one included."""
    learning_rate: float
    loss: float
    gradient_norm: float
    terms: dict[str, float]

    @property
    def not_finite(self) -> list[str]:
        """Names of its numbers that are not finite: terms, else the loss or the gradient."""
        terms = [name for name, value in self.terms.items() if not math.isfinite(value)]
        whole = {"the whole loss": self.loss, "the gradient": self.gradient_norm}
        return terms or [name for name, value in whole.items() if not math.isfinite(value)]

    def line(self) -> Mapping[str, float]:
        """For the loss log."""
        return {
            "step": self.step,
            "loss": self.loss,
            "gradient_norm": self.gradient_norm,
            "learning_rate": self.learning_rate,
            **self.terms,
        }


class StepRecords:
    """Collects steps; `fetch` waits for the device once for all of them."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, float, list[str], Tensor]] = []

    def add(self, step: int, learning_rate: float, loss: Loss, gradient_norm: Tensor) -> None:
        """Note a step."""
        values = torch.stack([loss.total, gradient_norm, *loss.terms.values()])
        self._waiting.append((step, learning_rate, list(loss.terms), values))

    def fetch(self, world: World | None) -> list[StepRecord]:
        """The steps since the last call, in order.

        world: all of its processes must call it, and numbers are their means; None for this one's.
        """
        if not self._waiting:
            return []
        numbers = torch.cat([values for *_, values in self._waiting]).cpu()
        flat = (world.mean(numbers) if world else numbers).tolist()
        records = []
        for step, rate, names, values in self._waiting:
            (loss, norm, *terms), flat = flat[: len(values)], flat[len(values) :]
            records.append(StepRecord(step, rate, loss, norm, dict(zip(names, terms, strict=True))))
        self._waiting = []
        return records
