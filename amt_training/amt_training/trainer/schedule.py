"""The learning rate, as a function of the step alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

from amt_perception.errors import AmtError


@dataclass(frozen=True)
class ScheduleSettings:
    """How the learning rate goes."""

    kind: str = "cosine"
    """cosine: one fall over the whole training; restarts: falls over `first_period` epochs, then
    over `period_factor` times as many, and so on (SGDR); constant."""
    warm_up_steps: int = 1000
    """The rate rises linearly over so many first steps."""
    minimum: float = 1e-6
    """Where a fall ends; a group whose peak is below it stays at its peak."""
    first_period: int = 10
    """Of restarts, in epochs (T_0)."""
    period_factor: int = 2
    """Of restarts (T_mult)."""

    def __post_init__(self) -> None:
        if self.kind not in ("cosine", "restarts", "constant"):
            raise AmtError(
                f"there is no trainer.schedule.kind '{self.kind}'; choose cosine, restarts or "
                "constant"
            )
        if self.first_period < 1 or self.period_factor < 1:
            raise AmtError(
                "trainer.schedule.first_period and trainer.schedule.period_factor must be at least "
                f"1, not {self.first_period} and {self.period_factor}"
            )


def learning_rate(
    settings: ScheduleSettings, peak: float, step: int, max_steps: int, steps_per_epoch: int
) -> float:
    """Of step `step` (from 0) of `max_steps`, for a group whose highest rate is `peak`.

    The cosine and its restarts are those of Loshchilov and Hutter, "SGDR: stochastic gradient
    descent with warm restarts", ICLR 2017. Restarts count their epochs from the first step.
    """
    share = _share(settings, step, max_steps, steps_per_epoch)
    low = min(settings.minimum, peak)
    rate = low + (peak - low) * 0.5 * (1.0 + math.cos(math.pi * share))
    if step < settings.warm_up_steps:
        rate *= (step + 1) / settings.warm_up_steps
    return rate


def _share(settings: ScheduleSettings, step: int, max_steps: int, steps_per_epoch: int) -> float:
    """Of the present fall that is done (0..1)."""
    if settings.kind == "constant":
        return 0.0
    if settings.kind == "cosine":
        warm_up = settings.warm_up_steps
        return min(max((step - warm_up) / max(max_steps - warm_up, 1), 0.0), 1.0)
    period = settings.first_period * steps_per_epoch
    while step >= period:
        step -= period
        period *= settings.period_factor
    return step / period
