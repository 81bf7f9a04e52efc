"""From settings to the things that are trained: network, loss, task, data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from amt_perception.errors import AmtError
from amt_perception.hand.joints import Side
from amt_perception.hand.mano_files import load_hand_model
from amt_perception.hand.model_data import HandModelData
from amt_perception.model.amt import Amt
from amt_perception.model.baseline import TINY_BASELINE, BaselineConfig, BaselineModel
from amt_perception.model.config import SIZES, AmtConfig
from amt_perception.model.transition import TransitionConfig, TransitionRefiner
from amt_training.data.targets import TargetBuilder
from amt_training.losses.total import AmtLoss
from amt_training.settings import ModelSettings, TrainSettings
from amt_training.tasks.single_frame import SingleFrameTask
from amt_training.tasks.temporal import TemporalTask, stage_two_model
from amt_training.tasks.transition import TransitionTask

MODELS: dict[str, AmtConfig | BaselineConfig | TransitionConfig] = {
    **SIZES,
    "baseline": BaselineConfig(),
    "tiny_baseline": TINY_BASELINE,
    "transition": TransitionConfig(),
}
"""Configurations by `model.size`."""


def hand_models(mano_folder: str | None) -> dict[Side, HandModelData]:
    """The right and the left hand. Raises AmtError when the folder lacks MANO's files."""
    folder = Path(mano_folder) if mano_folder else None
    cache = Path("out/cache/mano") if folder else None
    return {side: load_hand_model(side, folder, cache) for side in (Side.RIGHT, Side.LEFT)}


def model_configuration(
    settings: ModelSettings,
) -> AmtConfig | BaselineConfig | TransitionConfig:
    """The size's configuration with the changes. Raises AmtError naming a wrong key."""
    if settings.size not in MODELS:
        raise AmtError(f"model.size is '{settings.size}'; choose one of: {', '.join(MODELS)}")
    config = MODELS[settings.size]
    try:
        return type(config).from_dict(_merged(config.to_dict(), settings.changes))
    except (AmtError, TypeError) as error:
        raise AmtError(f"model.changes does not fit {settings.size}: {error}") from error


def _merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Nested values with changes; unknown keys are kept for from_dict to refuse."""
    merged = dict(values)
    for key, value in changes.items():
        inner = merged.get(key)
        both = isinstance(inner, dict) and isinstance(value, dict)
        merged[key] = _merged(inner, value) if both else value
    return merged
