"""Labels of many samples as tensors, and the truth about a batch made from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from amt_perception.hand.joints import Side
from amt_perception.model.interface import HAND_PARTS, LEFT, RIGHT, Tensors
from amt_training.data.sample import HandSample
from amt_training.losses.targets import UNKNOWN

MAX_OBJECTS = 5
"""The most objects of a sample that are kept."""
MAX_CONTACTS = 6
"""The most contact points of a sample that are kept."""


@dataclass
class Labels(Tensors):
    """N samples, unknown values zero. Pixels are those of the picture that the labels belong to:
    the stored crop of a cache, or what augmentation made of it."""

    intrinsics: Tensor
    """[N, 3, 3] camera matrix of that picture."""
    hand_box: Tensor
    """[N, 4] x, y, width, height in its pixels."""
    side: Tensor
    """[N] int64, LEFT or RIGHT."""
    joints: Tensor
    """[N, 21, 3] (m)."""
    joints_valid: Tensor
    """[N, 21] bool."""
    mano_pose: Tensor
    """[N, 16, 3] axis-angle, of the sample's own side."""
    mano_shape: Tensor
    """[N, 10]."""
    mano_valid: Tensor
    """[N] bool."""
    objects_annotated: Tensor
    """[N] bool."""
    object_class: Tensor
    """[N, MAX_OBJECTS] int64 `ObjectLabel.class_index`, 0 where there is none."""
    object_pose: Tensor
    """[N, MAX_OBJECTS, 4, 4]."""
    contact_part: Tensor
    """[N, 6] int64: 1, 0 or UNKNOWN."""
    contact_annotated: Tensor
    """[N] bool: are the points known?"""
    contact_points: Tensor
    """[N, MAX_CONTACTS, 3] (m)."""
    contact_valid: Tensor
    """[N, MAX_CONTACTS] bool."""
    interaction: Tensor
    """[N] int64."""


def label_row(sample: HandSample, affine: np.ndarray) -> dict[str, np.ndarray]:
    """One sample's values for `stack_labels`.

    affine: [2, 3] from the sample's picture to the one that the labels shall belong to, without
    rotation.
    """
    known = np.isfinite(sample.joints).all(axis=-1)
    row = {
        "intrinsics": np.vstack([affine, [0.0, 0.0, 1.0]]) @ sample.camera,
        "hand_box": np.concatenate(
            [
                affine[:, :2] @ sample.hand_box[:2] + affine[:, 2],
                affine[:, :2] @ sample.hand_box[2:],
            ]
        ),
        "side": np.array(LEFT if sample.side == Side.LEFT else RIGHT),
        "joints": np.where(known[:, None], sample.joints, 0.0),
        "joints_valid": known,
        "mano_pose": np.zeros((16, 3)),
        "mano_shape": np.zeros(10),
        "mano_valid": np.array(sample.mano is not None),
        "objects_annotated": np.array(sample.objects is not None),
        "object_class": np.zeros(MAX_OBJECTS, np.int64),
        "object_pose": np.tile(np.eye(4), (MAX_OBJECTS, 1, 1)),
        "contact_part": np.full(len(HAND_PARTS), UNKNOWN),
        "contact_annotated": np.array(False),
        "contact_points": np.zeros((MAX_CONTACTS, 3)),
        "contact_valid": np.zeros(MAX_CONTACTS, bool),
        "interaction": np.array(UNKNOWN),
    }
    if sample.mano is not None:
        row["mano_pose"], row["mano_shape"] = sample.mano.pose, sample.mano.shape
    for place, one in enumerate((sample.objects or ())[:MAX_OBJECTS]):
        row["object_class"][place], row["object_pose"][place] = one.class_index, one.pose
    if sample.contact is not None:
        row["contact_part"] = sample.contact.part
        row["interaction"] = np.array(sample.contact.interaction)
        if sample.contact.points is not None:
            points = sample.contact.points[:MAX_CONTACTS]
            row["contact_annotated"] = np.array(True)
            row["contact_points"][: len(points)] = points
            row["contact_valid"][: len(points)] = True
    return row


def stack_labels(rows: Sequence[Mapping[str, np.ndarray]]) -> Labels:
    """Labels of N samples from the rows of `label_row`."""
    return Labels(**{name: _tensor(np.stack([row[name] for row in rows])) for name in rows[0]})


def _tensor(array: np.ndarray) -> Tensor:
    if np.issubdtype(array.dtype, np.floating):
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    if array.dtype == bool:
        return torch.from_numpy(np.ascontiguousarray(array))
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.int64))
