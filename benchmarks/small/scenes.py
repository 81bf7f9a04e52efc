"""The held-out scenes that everything is judged on, drawn once and kept as files."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from amt_perception.hand.joints import Side
from amt_training.data.convert import ConvertSettings, convert
from amt_training.data.fingerprints import dataset_fingerprint
from amt_training.data.sample import Entry, HandDataset, HandSample, ObjectModel
from amt_training.data.shard_samples import decode_picture
from amt_training.data.shards import ShardDataset
from amt_training.synthetic.dataset import SyntheticDataset
from amt_training.synthetic.scene import LEFT_HAND, RIGHT_HAND
from amt_training.synthetic.settings import WorldSettings
from amt_training.synthetic.world import World

NOISE = 0.1
"""Of a detector's boxes: standard deviation of the centre along each axis and of the logarithm of
the size, over the longer side of the box."""
EDGE_PX = 3
_MASKS = {"left": LEFT_HAND, "right": RIGHT_HAND}


@dataclass(frozen=True)
class HeldOutScenes:
    """The synthetic world's test part as files."""

    dataset: ShardDataset
    """An entry for each hand of each scene."""
    in_sight: np.ndarray
    """[N] share of each hand's joints that can be seen: inside the picture and on the hand's own
    mask, at most EDGE_PX beside it. What another part of the same hand hides counts as seen."""
    folder: Path
    """Keeps them; its name stands for what the scenes look like."""


def held_out_scenes(settings: WorldSettings, folder: Path) -> HeldOutScenes:
    """The test part of a world; scenes that are below `folder` already are not drawn again.

    Raises AmtError when they cannot be drawn or written.
    """
    dataset = SyntheticDataset(World(settings, "test"), exact=True)
    own = folder / f"scenes-{dataset_fingerprint(dataset, {})[:12]}"
    convert(dataset, own / "shards", ConvertSettings(workers=2), None)
    return HeldOutScenes(ShardDataset(own / "shards"), _in_sight(own / "shards"), own)


def _in_sight(shards: Path) -> np.ndarray:
    """Of the entries, in the order of the shards' members."""
    shares = []
    for path in sorted(shards.glob("*.tar")):
        with tarfile.open(path) as tar:
            labels: dict[str, Any] = {}
            for member in tar:
                file = tar.extractfile(member)
                assert file is not None, member.name
                if member.name.endswith(".json"):
                    labels = json.loads(file.read())
                elif member.name.endswith(".mask.png"):
                    mask = decode_picture(file.read())[..., 0]
                    keypoints = np.array(labels["exact"]["keypoints"])
                    shares.append(seen_share(mask, keypoints, _MASKS[labels["side"]]))
    return np.array(shares)


def seen_share(mask: np.ndarray, keypoints: np.ndarray, number: int) -> float:
    """Share of keypoints [21, 2] (pixels) on a number in a mask [H, W], or at most EDGE_PX beside.

    Fingertips lie on the hand's outline.
    """
    import cv2

    square = np.ones((2 * EDGE_PX + 1, 2 * EDGE_PX + 1), np.uint8)
    hand = cv2.dilate((mask == number).astype(np.uint8), square) > 0
    column, row = np.round(keypoints).astype(int).T
    height, width = mask.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return float(hand[row[inside], column[inside]].sum() / len(keypoints))


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
