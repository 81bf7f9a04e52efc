"""The held-out scenes that everything is judged on, drawn once and kept as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from amt_perception.hand.joints import Side
from amt_perception.hand.model_data import HandModelData
from amt_training.data.convert import ConvertSettings, convert
from amt_training.data.factory import make_dataset
from amt_training.data.fingerprints import dataset_fingerprint
from amt_training.data.sample import Entry, HandDataset, HandSample, ObjectModel
from amt_training.data.shards import ShardDataset
from amt_training.synthetic.settings import WorldSettings

NOISE = 0.1
"""Of a detector's boxes: standard deviation of the centre along each axis and of the logarithm of
the size, over the longer side of the box."""


def held_out_scenes(
    count: int, hands: Mapping[Side, HandModelData], folder: Path
) -> tuple[ShardDataset, Path]:
    """The synthetic world's test part, and the folder that keeps it.

    count: scenes; there is an entry for each of their hands. hands: the right and the left hand's
    model. Scenes that are in the folder already are not drawn again; their folder's name stands for
    what they look like. Raises AmtError when they cannot be drawn or written.
    """
    dataset = make_dataset(replace(WorldSettings(), test=count), "test", hands)
    return stored(dataset, folder)


def stored(dataset: HandDataset, folder: Path) -> tuple[ShardDataset, Path]:
    """The data set as shards in a folder of its own below `folder`, and that folder."""
    own = folder / f"scenes-{dataset_fingerprint(dataset, {})[:12]}"
    convert(dataset, own / "shards", ConvertSettings(workers=2), None)
    return ShardDataset(own / "shards"), own


class DetectorLikeBoxes:
    """The same samples with boxes that are off as a detector's are, the same ones each time."""

    def __init__(self, dataset: HandDataset, seed: int = 0) -> None:
        self.name = dataset.name
        self._dataset, self._seed = dataset, seed

    @property
    def tip_vertices(self) -> Mapping[Side, Sequence[int]]:
        """The data set's."""
        return self._dataset.tip_vertices

    @property
    def object_models(self) -> Mapping[int, ObjectModel]:
        """The data set's."""
        return self._dataset.object_models

    @property
    def entries(self) -> Sequence[Entry]:
        """The data set's."""
        return self._dataset.entries

    def sample(self, index: int) -> HandSample:
        """Read one. Raises SampleError when a file is damaged."""
        sample = self._dataset.sample(index)
        random = np.random.default_rng((self._seed, index))
        return replace(sample, hand_box=noisy_box(sample.hand_box, random))


def noisy_box(box: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """[4] x, y, width, height of a box [4] that is moved and resized by chance; see NOISE."""
    shift = NOISE * box[2:].max() * random.standard_normal(2)
    size = box[2:] * np.exp(NOISE * random.standard_normal())
    centre = box[:2] + 0.5 * box[2:] + shift
    return np.concatenate([centre - 0.5 * size, size])
