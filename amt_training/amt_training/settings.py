"""Every setting of the commands, typed: what Hydra checks the user's words against.

The numbers of each part stand beside the code that uses them; here they come together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from omegaconf import MISSING

from amt_perception.errors import AmtError
from amt_training.configuration import store
from amt_training.data.augmentation import AugmentationSettings
from amt_training.data.cache import CacheSettings
from amt_training.data.convert import ConvertSettings
from amt_training.data.crops import StoredCrop
from amt_training.data.settings import DATA_SETS, GRASP_DATA
from amt_training.evaluation.inference import EvaluationSettings
from amt_training.functional.task import GraspTrainSettings
from amt_training.losses.config import LossConfig
from amt_training.tasks.transition import TransitionSettings
from amt_training.trainer.trainer import TrainerSettings
from amt_training.watch.settings import WatchSettings

TASKS = ("stage1", "stage2", "transition", "functional_grasp")


@dataclass(frozen=True)
class ModelSettings:
    """Which network, and where it starts."""

    size: str = MISSING
    """large, base, small or tiny; baseline or tiny_baseline; transition; grasp_small, grasp_base or
    grasp_document."""
    backbone_weights: str = "pretrained"
    """pretrained (from this machine's Hugging Face cache), a folder with a downloaded model, or
    random. The baseline has no backbone, tiny no pretrained one."""
    changes: dict[str, Any] = field(default_factory=dict)
    """Values that differ from the size's configuration, such as {width: 512}."""


@dataclass(frozen=True)
class TrainSettings:
    """`python -m amt_training.train`."""

    task: str = MISSING
    """stage1 (single frames; the baseline too), stage2 (temporal encoder), transition or
    functional_grasp."""
    run_folder: str = MISSING
    """Where checkpoints, curves and pictures go."""
    batch_size: int = 64
    """Samples of each process in a step."""
    probe_batch_size: bool = False
    """Find the largest batch size that fits the GPU, print it, and end."""
    device: str = "auto"
    """auto, cpu or cuda."""
    threads: int = 0
    """Of the CPU, for torch; 0 for torch's own choice."""
    mano_folder: Optional[str] = None  # noqa: UP045 (OmegaConf reads it at run time)
    """Folder with MANO_RIGHT.pkl and MANO_LEFT.pkl; without it the generic hand."""
    start_from: Optional[str] = None  # noqa: UP045
    """A model.safetensors whose weights stage 1 starts from, instead of new ones."""
    stage1_checkpoint: Optional[str] = None  # noqa: UP045
    """What stage 2 starts from."""
    temporal_layers: int = 2
    """Of stage 2's temporal encoder."""
    augment: bool = True
    """Change the pictures by chance, as `augmentation` says."""
    model: ModelSettings = field(default_factory=ModelSettings)
    data: Any = MISSING
    """One of the data sets, see `data/settings.py`."""
    stored_crop: StoredCrop = field(default_factory=StoredCrop)
    cache: CacheSettings = field(default_factory=CacheSettings)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    loss: LossConfig = field(default_factory=LossConfig)
    transition: TransitionSettings = field(default_factory=TransitionSettings)
    grasp: GraspTrainSettings = field(default_factory=GraspTrainSettings)
    trainer: TrainerSettings = field(default_factory=TrainerSettings)
    watch: WatchSettings = field(default_factory=WatchSettings)

    def __post_init__(self) -> None:
        """Raises AmtError for what cannot be, naming the key."""
        if self.task not in TASKS:
            raise AmtError(f"task is '{self.task}'; choose one of: {', '.join(TASKS)}")
        if self.batch_size < 1:
            raise AmtError(f"batch_size is {self.batch_size}; it must be at least 1")
        if self.batch_size % self.trainer.accumulation:
            raise AmtError(
                f"batch_size {self.batch_size} is not a multiple of trainer.accumulation "
                f"{self.trainer.accumulation}; choose one that is"
            )
        if self.task == "stage2" and not self.stage1_checkpoint:
            raise AmtError(
                "stage 2 goes on from stage 1: give its model.safetensors as stage1_checkpoint=FILE"
            )
        if self.start_from and self.task != "stage1":
            raise AmtError("start_from is for stage 1; stage 2 takes stage1_checkpoint=FILE")
        if self.task == "stage2" and self.trainer.distributed.strategy == "fsdp2":
            raise AmtError(
                "stage 2 trains a small part of the network, which there is no need to shard: set "
                "trainer.distributed.strategy=ddp"
            )
        if (self.task == "transition") != (self.model.size == "transition"):
            raise AmtError("model.size=transition belongs to task=transition, and to no other")
        self._check_grasps()

    def _check_grasps(self) -> None:
        grasps = self.task == "functional_grasp"
        if grasps != self.model.size.startswith("grasp_"):
            raise AmtError(
                "model.size=grasp_small and the other grasp models belong to "
                "task=functional_grasp, and to no other"
            )
        if grasps != (self.data.kind in GRASP_DATA):
            raise AmtError(
                f"task={self.task} does not learn from data={self.data.kind}: functional and "
                "oakink_shape belong to task=functional_grasp, and to no other"
            )
        sharded = self.trainer.distributed.strategy == "fsdp2"
        if grasps and (sharded or self.trainer.precision.compile != "none"):
            raise AmtError(
                "grasp models are small: set trainer.distributed.strategy=ddp and "
                "trainer.precision.compile=none"
            )


@dataclass(frozen=True)
class EvaluateSettings:
    """`python -m amt_training.evaluate`."""

    checkpoint: str = MISSING
    """model.safetensors or ema.safetensors of a checkpoint folder, or a released model."""
    out: str = MISSING
    """Folder of the report."""
    part: str = "test"
    """Of the data set: train, val or test."""
    device: str = "auto"
    """auto, cpu or cuda."""
    precision: str = "auto"
    """On a GPU: fp32, bf16, fp8 or auto, which is bf16. On a CPU it is always fp32."""
    mano_folder: Optional[str] = None  # noqa: UP045
    """Folder with MANO_RIGHT.pkl and MANO_LEFT.pkl; without it the generic hand."""
    data: Any = MISSING
    """One of the data sets, see `data/settings.py`."""
    run: EvaluationSettings = field(default_factory=EvaluationSettings)


@dataclass(frozen=True)
class ConvertCommandSettings:
    """`python -m amt_training.convert`."""

    out: str = MISSING
    """Folder that gets a folder for each part."""
    parts: list[str] = field(default_factory=lambda: ["train", "val", "test"])
    """Of the data set."""
    crop: bool = False
    """Keep only the square around the hand, as `stored_crop` says, not the whole picture."""
    mano_folder: Optional[str] = None  # noqa: UP045
    """Folder with MANO_RIGHT.pkl and MANO_LEFT.pkl; without it the generic hand."""
    data: Any = MISSING
    """One of the data sets, see `data/settings.py`."""
    stored_crop: StoredCrop = field(default_factory=StoredCrop)
    convert: ConvertSettings = field(default_factory=ConvertSettings)


store("train_settings", TrainSettings)
store("evaluate_settings", EvaluateSettings)
store("convert_settings", ConvertCommandSettings)
for _name, _data in DATA_SETS.items():
    store(_name, _data, group="data")
