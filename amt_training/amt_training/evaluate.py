"""python -m amt_training.evaluate checkpoint=FILE data=NAME [KEY=VALUE ...]: judge a model."""

from __future__ import annotations

import logging
from pathlib import Path

import hydra
from omegaconf import DictConfig

from amt_perception.hand.joints import Side
from amt_perception.model.amt import Amt
from amt_perception.model.baseline import BaselineModel
from amt_perception.model.engine import Engine
from amt_perception.model.precision import choose_device
from amt_perception.model.weights import CheckpointInfo, load_checkpoint, read_info
from amt_training.build import hand_models
from amt_training.configuration import checked, command
from amt_training.data.factory import make_dataset
from amt_training.evaluation.report import PAGE, Results
from amt_training.evaluation.run import evaluate
from amt_training.settings import EvaluateSettings


@hydra.main(version_base=None, config_path="config", config_name="evaluate")
@command
def main(config: DictConfig) -> None:
    """Run the command line."""
    settings = checked(config, EvaluateSettings)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    results = evaluate_model(settings)
    print(results.origin.caption)
    print(f"report: {Path(settings.out) / PAGE}")


def evaluate_model(settings: EvaluateSettings) -> Results:
    """Judge a checkpoint on a data set and write the report.

    Raises AmtError when one of them is missing or damaged, or the folder cannot be written to.
    """
    checkpoint, out = Path(settings.checkpoint).expanduser(), Path(settings.out)
    info = read_info(checkpoint)
    hands = hand_models(settings.mano_folder, settings.data)
    dataset = make_dataset(settings.data, settings.part, hands)
    device = choose_device(settings.device)
    model: Amt | BaselineModel | Engine = load_checkpoint(
        checkpoint, hands[Side.RIGHT], str(device)
    )
    if device.type == "cuda" and isinstance(model, Amt):
        model = Engine(model, str(device), settings.precision)
    return evaluate(
        model, dataset, out, settings.run, str(checkpoint), trained_on(info), hands[Side.RIGHT]
    )


def trained_on(info: CheckpointInfo) -> str:
    """Name of the data set in a checkpoint's notes."""
    return str(info.training.get("configuration", {}).get("trained_on", "not recorded"))


if __name__ == "__main__":
    main()
