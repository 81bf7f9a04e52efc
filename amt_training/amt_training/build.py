"""From settings to what is trained: hands, network, loss, task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import torch

from amt_perception.errors import AmtError
from amt_perception.grasp.config import VARIANTS, GraspConfig
from amt_perception.grasp.grasp_model import GraspModel
from amt_perception.hand.joints import Side
from amt_perception.hand.mano_files import load_hand_model
from amt_perception.hand.model_data import HandModelData
from amt_perception.model.amt import Amt
from amt_perception.model.baseline import TINY_BASELINE, BaselineConfig, BaselineModel
from amt_perception.model.config import SIZES, AmtConfig
from amt_perception.model.transition import TransitionConfig, TransitionRefiner
from amt_perception.model.weights import load_checkpoint
from amt_training.data.factory import object_classes
from amt_training.data.sample import HandDataset
from amt_training.data.settings import FunctionalSettings, ShardsSettings, ToySettings
from amt_training.data.targets import TargetBuilder
from amt_training.functional.task import FunctionalGraspTask
from amt_training.losses.total import AmtLoss
from amt_training.settings import ModelSettings, TrainSettings
from amt_training.synthetic.settings import WorldSettings
from amt_training.tasks.single_frame import SingleFrameTask
from amt_training.tasks.temporal import TemporalTask, stage_two_model
from amt_training.tasks.transition import TransitionTask

ModelConfig: TypeAlias = AmtConfig | BaselineConfig | TransitionConfig | GraspConfig
MODELS: dict[str, ModelConfig] = {
    **SIZES,
    "baseline": BaselineConfig(),
    "tiny_baseline": TINY_BASELINE,
    "transition": TransitionConfig(),
    **{f"grasp_{name}": config for name, config in VARIANTS.items()},
}
"""Configurations by `model.size`."""
_OF_THE_GENERIC_HAND = (ToySettings, WorldSettings, ShardsSettings, FunctionalSettings)
"""Data that needs no hand model of the user's; whose hands are in shards, only the user knows."""


def hand_models(mano_folder: str | None, data: Any) -> dict[Side, HandModelData]:
    """The right and the left hand. data: settings of the data set that is to be read with them.

    Raises AmtError when the folder lacks MANO's files, or the data set is labelled with MANO and no
    folder is given: the generic hand would read its labels wrongly.
    """
    if mano_folder is None and not isinstance(data, _OF_THE_GENERIC_HAND):
        raise AmtError(
            f"data={data.kind} is labelled with MANO: register at mano.is.tue.mpg.de and give the "
            "folder with MANO_RIGHT.pkl and MANO_LEFT.pkl as mano_folder=FOLDER"
        )
    folder = Path(mano_folder).expanduser() if mano_folder else None
    return {side: load_hand_model(side, folder) for side in (Side.RIGHT, Side.LEFT)}


def model_configuration(settings: ModelSettings) -> ModelConfig:
    """The size's configuration with the changes. Raises AmtError naming a wrong key."""
    if settings.size not in MODELS:
        raise AmtError(f"model.size is '{settings.size}'; choose one of: {', '.join(MODELS)}")
    config = MODELS[settings.size]
    try:
        return type(config).from_dict(_merged(config.to_dict(), settings.changes))
    except (AmtError, TypeError) as error:
        raise AmtError(f"model.changes does not fit {settings.size}: {error}") from error


def build_task(
    settings: TrainSettings, hands: Mapping[Side, HandModelData], dataset: HandDataset
) -> SingleFrameTask | TemporalTask | TransitionTask:
    """What is trained, with its weights at the start.

    dataset: whose objects and fingertips are learned. Raises AmtError when weights or a
    checkpoint are missing.
    """
    config, right = model_configuration(settings.model), hands[Side.RIGHT]
    assert not isinstance(config, GraspConfig)  # the settings are checked
    classes = object_classes(settings.data)
    if classes is not None and not isinstance(config, TransitionConfig):
        config = replace(config, object_classes=classes)
    torch.manual_seed(settings.trainer.seed)
    if isinstance(config, TransitionConfig):
        return TransitionTask(TransitionRefiner(config))
    loss = AmtLoss(settings.loss, right)
    targets = TargetBuilder(right, dataset.tip_vertices, dataset.object_models)
    if settings.task == "stage2":
        assert settings.stage1_checkpoint is not None  # the settings are checked
        stage_one = Path(settings.stage1_checkpoint).expanduser()
        return TemporalTask(
            stage_two_model(stage_one, right, settings.temporal_layers), loss, targets
        )
    model: Amt | BaselineModel
    if isinstance(config, BaselineConfig):
        model = BaselineModel(config)
    else:
        model = Amt(config, right, settings.model.backbone_weights)
    if settings.start_from is not None:
        _load_weights(model, Path(settings.start_from).expanduser(), right)
    return SingleFrameTask(model, loss, targets)


def build_grasp_task(settings: TrainSettings) -> FunctionalGraspTask:
    """The grasp model that is trained, with its weights at the start."""
    config = model_configuration(settings.model)
    assert isinstance(config, GraspConfig)  # the settings are checked
    torch.manual_seed(settings.trainer.seed)
    return FunctionalGraspTask(GraspModel(config), settings.grasp)


def _load_weights(model: Amt | BaselineModel, path: Path, right: HandModelData) -> None:
    """Take over a checkpoint's weights. Raises AmtError when they are another network's."""
    found = load_checkpoint(path, right)
    try:
        model.load_state_dict(found.state_dict())
    except RuntimeError as error:
        raise AmtError(
            f"{path} holds another network ({found.config.name}) than the one to be trained "
            f"({model.config.name}); give the same model.size and object classes, or no start_from"
        ) from error


def _merged(values: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values with changes; unknown keys are kept for from_dict to refuse."""
    merged = dict(values)
    for key, value in changes.items():
        inner = merged.get(key)
        if isinstance(inner, dict) and isinstance(value, Mapping):
            value = _merged(inner, value)
        merged[key] = value
    return merged
