"""python -m amt_training.convert data=NAME data.root=FOLDER out=FOLDER: a data set into shards."""

from __future__ import annotations

import logging
from pathlib import Path

import hydra
from omegaconf import DictConfig

from amt_training.build import hand_models
from amt_training.configuration import checked, command
from amt_training.data.convert import convert
from amt_training.data.factory import make_dataset
from amt_training.settings import ConvertCommandSettings


@hydra.main(version_base=None, config_path="config", config_name="convert")
@command
def main(config: DictConfig) -> None:
    """Run the command line."""
    settings = checked(config, ConvertCommandSettings)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    hands = hand_models(settings.mano_folder, settings.data)
    crop = settings.stored_crop if settings.crop else None
    for part in settings.parts:
        dataset = make_dataset(settings.data, part, hands)
        convert(dataset, Path(settings.out) / part, settings.convert, crop)


if __name__ == "__main__":
    main()
