"""From settings to a data set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amt_perception.errors import AmtError
from amt_perception.hand.joints import Side
from amt_perception.hand.model_data import HandModelData
from amt_training.data.sample import HandDataset
from amt_training.data.settings import (
    PARTS,
    ClipsSettings,
    DexYcbSettings,
    FunctionalSettings,
    Ho3dSettings,
    Hot3dSettings,
    InterHandSettings,
    OakInkSettings,
    OakInkShapeSettings,
    ShardsSettings,
    ToySettings,
)
from amt_training.data.subset import split_sequences
from amt_training.functional.batches import GraspDataset
from amt_training.functional.dataset import HOW_TO_MAKE, FunctionalGrasps
from amt_training.synthetic.settings import WorldSettings


def make_dataset(settings: Any, part: str, hands: Mapping[Side, HandModelData]) -> HandDataset:
    """The train, val or test part of a data set.

    settings: one of `data/settings.py`; hands: MANO's models for real data sets. Raises AmtError
    when the data is not there.
    """
    if part not in PARTS:
        raise AmtError(f"there is no part '{part}' of a data set; choose train, val or test")
    right, left = hands[Side.RIGHT], hands[Side.LEFT]
    if isinstance(settings, ToySettings):
        from amt_training.toy.dataset import ToyDataset

        count = getattr(settings, part)
        return ToyDataset(
            f"toy scenes, {part}", count, PARTS.index(part), settings.variety, settings.frames
        )
    if isinstance(settings, WorldSettings):
        from amt_training.synthetic.dataset import SyntheticDataset
        from amt_training.synthetic.world import World

        return SyntheticDataset(World(settings, part))
    root = _root(settings)
    if isinstance(settings, DexYcbSettings):
        from amt_training.data.dexycb import DexYcb

        return DexYcb(root, settings.split, part, right, left)
    if isinstance(settings, Ho3dSettings):
        from amt_training.data.ho3d import Ho3d

        if part == "test":
            return Ho3d(root, settings.version, "evaluation", right)
        return split_sequences(
            Ho3d(root, settings.version, "train", right), settings.held_out, part
        )
    if isinstance(settings, InterHandSettings):
        from amt_training.data.interhand import InterHand

        return InterHand(root, part, right, left)
    if isinstance(settings, Hot3dSettings):
        from amt_training.data.hot3d import Hot3d

        # The official test clips have no public labels.
        return Hot3d(
            root, settings.device, "train" if part == "train" else "val", right, left,
            settings.options,
        )  # fmt: skip
    if isinstance(settings, OakInkSettings):
        from amt_training.data.oakink import OakInk

        return OakInk(root, settings.split, part, right, left)
    if isinstance(settings, ClipsSettings):
        from amt_training.data.clips import WebDatasetClips

        clips = WebDatasetClips(root, right, left, settings.options)
        return split_sequences(clips, settings.held_out, part)
    assert isinstance(settings, ShardsSettings)
    from amt_training.data.shards import ShardDataset

    return ShardDataset(root / part)


def make_grasps(
    settings: Any, part: str, hands: Mapping[Side, HandModelData], hand: str, seed: int
) -> GraspDataset:
    """The train, val or test part of a set of grasps, of the `hand` allegro or mano.

    seed: of what chance decides about a sample. Raises AmtError when the data is not there.
    """
    root = _root(settings)
    if isinstance(settings, FunctionalSettings):
        return FunctionalGrasps(root, part, hand, seed)
    assert isinstance(settings, OakInkShapeSettings)
    if hand != "mano":
        raise AmtError("OakInk-Shape has grasps of people: set +model.changes={hand: mano}")
    from amt_training.functional.oakink_shape import OakInkShape

    return OakInkShape(root, settings.split, part, hands[Side.RIGHT], seed)


def object_classes(settings: Any) -> tuple[str, ...] | None:
    """The `AmtConfig.object_classes` of a data set with objects of its own; None for YCB's."""
    if not isinstance(settings, WorldSettings):
        return None
    from amt_training.synthetic.objects.library import OBJECT_CLASSES

    return OBJECT_CLASSES


def _root(settings: Any) -> Path:
    """Where the data set is. Raises AmtError naming the key when nothing is there."""
    root = Path(settings.root).expanduser()
    if not root.is_dir():
        how = f": {HOW_TO_MAKE}" if isinstance(settings, FunctionalSettings) else ""
        raise AmtError(
            f"data.root={settings.root} is not a folder; give the one that holds the data set "
            f"'{settings.kind}'{how}"
        )
    return root
