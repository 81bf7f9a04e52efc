"""Reads the samples of a data set for evaluation: the crop that the model sees, and the truth."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from amt_perception.camera.crop import crop_affine, crop_intrinsics, sample_crops
from amt_perception.hand.joints import WRIST, Side
from amt_perception.hand.mirror import mirror_model
from amt_perception.hand.model_data import HandModelData
from amt_perception.hand.skinning import hand_vertices
from amt_perception.model.interface import AmtInput
from amt_training.data.labels import label_row
from amt_training.data.sample import HandDataset, HandSample, SampleError, UnlabelledError
from amt_training.evaluation.boxes import BoxSource

_UNCHANGED = np.eye(2, 3)
"""Labels stay in the pixels of the sample's own picture."""


@dataclass(frozen=True)
class Crop:
    """What the model sees of a sample."""

    index: int
    """Among the data set's entries."""
    image: Tensor
    """[3, S, S] uint8."""
    affine: np.ndarray
    """[2, 3] from image to crop pixels."""
    intrinsics: np.ndarray
    """[3, 3] of the crop."""
    box: np.ndarray
    """[4] x, y, width, height in image pixels."""
    row: dict[str, np.ndarray]
    """The sample's values for `predictions.Truth`."""


@dataclass(frozen=True)
class Skipped:
    """A sample that cannot be judged."""

    index: int
    reason: str
    """What is wrong with it, or its name; empty where its hand is not labelled."""
    corrupt: bool
    """Unreadable; else no hand was labelled or detected in it."""


@dataclass(frozen=True)
class Picturing:
    """How the model wants its crops, and what of the truth is wanted."""

    size: int
    """Pixels of a side."""
    crop_scale: float
    boxes: BoxSource
    right_hand: HandModelData | None
    """The model that the labels' MANO parameters belong to; None for no meshes."""


def read_samples(
    dataset: HandDataset, picturing: Picturing, workers: int
) -> Iterator[Crop | Skipped]:
    """All samples in the order of the entries.

    workers: processes that read ahead; 0 reads here.
    """
    loader = DataLoader(_Samples(dataset, picturing), batch_size=None, num_workers=workers)
    yield from loader


def stack(windows: list[list[Crop]], side: Tensor) -> AmtInput:
    """B windows of T crops as the model's input. side: [B]."""

    def tensor(values: list[list[np.ndarray]]) -> Tensor:
        return torch.from_numpy(np.array(values, np.float32))

    return AmtInput(
        image=torch.stack([torch.stack([one.image for one in window]) for window in windows]),
        intrinsics=tensor([[one.intrinsics for one in window] for window in windows]),
        crop=tensor([[one.affine for one in window] for window in windows]),
        hand_box=tensor([[one.box for one in window] for window in windows]),
        side=side,
    )


class _Samples(Dataset):
    """Maps an index to a crop, in this process or another."""

    def __init__(self, dataset: HandDataset, picturing: Picturing) -> None:
        self.dataset, self.picturing = dataset, picturing

    def __len__(self) -> int:
        return len(self.dataset.entries)

    def __getitem__(self, index: int) -> Crop | Skipped:
        try:
            sample = self.dataset.sample(index)
        except UnlabelledError:
            return Skipped(index, "", corrupt=False)
        except SampleError as error:
            return Skipped(index, str(error), corrupt=True)
        box = self.picturing.boxes(sample)
        if box is None:
            return Skipped(index, sample.key, corrupt=False)
        size = self.picturing.size
        affine = crop_affine(box, size, self.picturing.crop_scale)
        picture = torch.from_numpy(np.ascontiguousarray(sample.image)).permute(2, 0, 1)
        return Crop(
            index=index,
            image=sample_crops(picture[None], affine[None], size)[0],
            affine=affine,
            intrinsics=crop_intrinsics(affine, sample.camera),
            box=np.asarray(box, dtype=float),
            row=_truth_row(self.dataset, index, sample, self.picturing.right_hand),
        )


def _truth_row(
    dataset: HandDataset, index: int, sample: HandSample, right_hand: HandModelData | None
) -> dict[str, np.ndarray]:
    entry = dataset.entries[index]
    row = label_row(sample, _UNCHANGED)
    row |= {
        "key": np.array(sample.key),
        "index": np.array(index),
        "sequence": np.array(entry.sequence),
        "frame": np.array(entry.frame),
        "picture_size": np.array(sample.image.shape[1::-1]),
    }
    if right_hand is not None:
        known = sample.mano is not None and bool(np.isfinite(sample.joints[WRIST]).all())
        row["mano_valid"] = np.array(known)
        row["vertices"] = np.zeros((len(right_hand.v_template), 3), np.float32)
        if sample.mano is not None and known:
            hand = right_hand if sample.side == Side.RIGHT else _left_hand(right_hand)
            wrist = hand.J_regressor[WRIST] @ (hand.v_template + hand.shapedirs @ sample.mano.shape)
            moved = sample.joints[WRIST] - wrist
            vertices = hand_vertices(hand, sample.mano.pose, sample.mano.shape, moved)
            row["vertices"] = vertices.astype(np.float32)
    return row


@functools.lru_cache(maxsize=2)
def _left_hand(right_hand: HandModelData) -> HandModelData:
    return mirror_model(right_hand)
