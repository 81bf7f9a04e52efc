"""python -m amt_training.evaluate checkpoint=FILE data=NAME [KEY=VALUE ...]: judge a model."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig

from amt_perception.errors import AmtError
from amt_perception.hand.joints import Side
from amt_perception.model.engine import Engine
from amt_perception.model.precision import choose_device
from amt_perception.model.weights import load_checkpoint, read_info
from amt_training.build import hand_models
from amt_training.configuration import checked, command, store
from amt_training.data.factory import make_dataset
from amt_training.data.settings import DATA_SETS
from amt_training.evaluation.report import PAGE
from amt_training.evaluation.run import evaluate
from amt_training.settings import EvaluateSettings

store("evaluate_settings", EvaluateSettings)
for name, settings in DATA_SETS.items():
    store(name, settings, group="data")


@hydra.main(version_base=None, config_path="config", config_name="evaluate")
@command
def main(config: DictConfig) -> None:
    """Run the command line."""
    settings = checked(config, EvaluateSettings)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    checkpoint, out = Path(settings.checkpoint).expanduser(), Path(settings.out)
    info = read_info(checkpoint)
    hands = hand_models(settings.mano_folder)
    dataset = make_dataset(settings.data, settings.part, hands)
    device = choose_device(settings.device)
    model = load_checkpoint(checkpoint, hands[Side.RIGHT], str(device))
    results = evaluate(
        model, dataset, out, settings.run, str(checkpoint), training_split(info.training),
        hands[Side.RIGHT],
    )  # fmt: skip
    print(results.origin)
    print(f"report: {out / PAGE}")
