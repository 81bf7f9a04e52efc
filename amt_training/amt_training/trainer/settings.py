"""Every number of the training loop."""

from __future__ import annotations

from dataclasses import dataclass, field

from amt_perception.errors import AmtError
from amt_training.trainer.checkpoints import CheckpointSettings
from amt_training.trainer.distributed import DistributedSettings
from amt_training.trainer.ema import EmaSettings
from amt_training.trainer.optimizer import OptimizerSettings
from amt_training.trainer.precision import PrecisionSettings
from amt_training.trainer.schedule import ScheduleSettings


@dataclass(frozen=True)
class TrainerSettings:
    """The training loop and its parts."""

    max_steps: int = 100_000
    seed: int = 0
    """Of everything that is random in a step, together with the step and the process."""
    accumulation: int = 1
    """Micro-batches that a process's batch is cut into, to save memory."""
    log_every: int = 10
    """Steps between looks at the loss, each of which waits for the GPU."""
    evaluate_every: int = 1000
    """Steps; 0 for one evaluation at the end."""
    resume: bool = True
    """Go on from the newest checkpoint in the run's folder; if false, there may be none."""
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    ema: EmaSettings = field(default_factory=EmaSettings)
    precision: PrecisionSettings = field(default_factory=PrecisionSettings)
    checkpoints: CheckpointSettings = field(default_factory=CheckpointSettings)
    distributed: DistributedSettings = field(default_factory=DistributedSettings)

    def __post_init__(self) -> None:
        for key in ("max_steps", "accumulation", "log_every"):
            if getattr(self, key) < 1:
                raise AmtError(f"trainer.{key} must be at least 1, not {getattr(self, key)}")
