"""Every setting of the commands, typed: what Hydra checks the user's words against.

The numbers of each part stand beside the code that uses them; here they come together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from omegaconf import MISSING

from amt_perception.errors import AmtError
from amt_training.data.augmentation import AugmentationSettings
from amt_training.data.cache import CacheSettings
from amt_training.losses.config import LossConfig
from amt_training.tasks.transition import EstimateErrors
from amt_training.trainer.trainer import TrainerSettings
from amt_training.watch.settings import WatchSettings

TASKS = ("stage1", "stage2", "transition")


@dataclass(frozen=True)
class ModelSettings:
    """Which network, and where it starts."""

    size: str = MISSING
    """large, base, small or tiny; baseline or tiny_baseline."""
    backbone_weights: str = "pretrained"
    """pretrained (from this machine's Hugging Face cache), a folder with a downloaded model, or
    random. The baseline and tiny have no pretrained weights."""
    changes: dict[str, Any] = field(default_factory=dict)
    """Values that differ from the size's configuration, such as {width: 512}."""


@dataclass(frozen=True)
class TrainSettings:
    """`python -m amt_training.train`."""

    task: str = MISSING
    """stage1 (single frames; the baseline too), stage2 (temporal encoder) or transition."""
    run_folder: str = MISSING
    """Where checkpoints, curves and pictures go."""
    resume: bool = False
    """Go on from the newest whole checkpoint of the run folder."""
    seed: int = 0
    device: str = "auto"
    """auto, cpu or cuda."""
    threads: int = 0
    """Of the CPU, for torch; 0 for torch's own choice."""
    mano_folder: Optional[str] = None  # noqa: UP045 (OmegaConf reads this at run time)
    """Folder with MANO_RIGHT.pkl and MANO_LEFT.pkl; without it the generic hand."""
    stage1_checkpoint: Optional[str] = None  # noqa: UP045
    """What stage 2 starts from."""
    model: ModelSettings = field(default_factory=ModelSettings)
    data: Any = MISSING
    """One of the data sets, see `data/settings.py`."""
    cache: CacheSettings = field(default_factory=CacheSettings)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    loss: LossConfig = field(default_factory=LossConfig)
    estimate_errors: EstimateErrors = field(default_factory=EstimateErrors)
    """What the transition refiner learns to undo."""
    trainer: TrainerSettings = field(default_factory=TrainerSettings)
    watch: WatchSettings = field(default_factory=WatchSettings)
