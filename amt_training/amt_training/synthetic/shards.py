"""The world as WebDataset shards, with everything that is known exactly."""

from __future__ import annotations

import argparse

from amt_training.data.convert import ConvertSettings, convert
from amt_training.data.crops import StoredCrop
from amt_training.synthetic.dataset import SyntheticDataset
from amt_training.synthetic.options import (
    add_output_arguments,
    add_world_arguments,
    whole,
    world_settings,
)
from amt_training.synthetic.world import World

_USUAL = ConvertSettings()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command `shards`."""
    add_world_arguments(parser, part="train")
    add_output_arguments(parser, "out/synthetic/shards")
    parser.add_argument(
        "--crop", action="store_true",
        help=f"keep only the square around each hand, {StoredCrop.size} pixels wide, with room for "
        "augmentation: what training reads, in a tenth of the bytes",
    )  # fmt: skip
    parser.add_argument(
        "--samples-per-shard", type=whole, default=_USUAL.samples_per_shard, metavar="N",
        help=f"hands in each tar ({_USUAL.samples_per_shard})",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> None:
    """Write <out>/<part>; see `data/shards.py` for what is in it. Goes on where it was stopped."""
    dataset = SyntheticDataset(World(world_settings(arguments), arguments.part), exact=True)
    settings = ConvertSettings(
        samples_per_shard=arguments.samples_per_shard, workers=arguments.workers
    )
    crop = StoredCrop() if arguments.crop else None
    folder = arguments.out / arguments.part
    views = dataset.world.settings.views
    convert(dataset, folder, settings, crop, lambda index: dataset.scene_of(index) // views)
    print(f"{folder}: train on it with data=shards data.root={arguments.out}")
