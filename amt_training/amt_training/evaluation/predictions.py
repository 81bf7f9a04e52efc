"""What a model said about N samples, and what is true about them, as plain arrays.

Camera frame with OpenCV axes, metres, radians, pixels of the samples' own pictures. Both are kept
as .npz files without pickles, so that figures can be computed again, and by others.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from amt_perception.camera.crop import image_points
from amt_perception.errors import AmtError
from amt_perception.hand.joints import MANO_TIP_VERTICES, TIPS, Side
from amt_perception.model.interface import LEFT, RIGHT, AmtOutput
from amt_perception.output.files import atomic_write

_Self = TypeVar("_Self", bound="Arrays")


@dataclass(frozen=True)
class Arrays:
    """Named arrays whose rows belong together."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def __getitem__(self: _Self, index: slice | np.ndarray) -> _Self:
        """The chosen rows."""
        return type(self)(**{name: array[index] for name, array in self.items()})

    def items(self) -> list[tuple[str, np.ndarray]]:
        """Those arrays that are there, by name."""
        named = [(one.name, getattr(self, one.name)) for one in fields(self)]
        return [(name, array) for name, array in named if array is not None]

    def save(self, path: Path) -> None:
        """Write an .npz file, all or nothing. Raises AmtError when it cannot be written."""
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **dict(self.items()))

    @classmethod
    def load(cls: type[_Self], path: Path) -> _Self:
        """Read what `save` wrote. Raises AmtError when the file is missing, damaged or another."""
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(**dict(file))
        except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise AmtError(
                f"{path} does not hold {cls.__name__.lower()} that an evaluation saved ({error}); "
                "run the evaluation again"
            ) from error


@dataclass(frozen=True)
class Truth(Arrays):
    """What is known about N samples: the rows of `data.labels.label_row`, and where they are from.

    Unknown values are zero; the arrays of bool say what is known.
    """

    key: np.ndarray
    """[N] names of the samples."""
    index: np.ndarray
    """[N] int, of each sample among the data set's entries."""
    sequence: np.ndarray
    """[N] names; samples of a sequence show the same hand through the same camera."""
    frame: np.ndarray
    """[N] int, number in the sequence."""
    picture_size: np.ndarray
    """[N, 2] int, width and height of the sample's picture."""
    intrinsics: np.ndarray
    """[N, 3, 3]."""
    hand_box: np.ndarray
    """[N, 4] x, y, width, height."""
    side: np.ndarray
    """[N] LEFT or RIGHT."""
    joints: np.ndarray
    """[N, 21, 3] with the data set's own fingertips."""
    joints_valid: np.ndarray
    """[N, 21] bool."""
    mano_pose: np.ndarray
    """[N, 16, 3]."""
    mano_shape: np.ndarray
    """[N, 10]."""
    mano_valid: np.ndarray
    """[N] bool."""
    objects_annotated: np.ndarray
    """[N] bool."""
    object_class: np.ndarray
    """[N, M] int index into `HandDataset.object_models`, 0 where there is none."""
    object_pose: np.ndarray
    """[N, M, 4, 4]."""
    contact_part: np.ndarray
    """[N, 6] int: 1, 0 or UNKNOWN."""
    contact_annotated: np.ndarray
    """[N] bool: are the points known?"""
    contact_points: np.ndarray
    """[N, L, 3]."""
    contact_valid: np.ndarray
    """[N, L] bool."""
    interaction: np.ndarray
    """[N] int index into INTERACTIONS, or UNKNOWN."""
    vertices: np.ndarray | None = None
    """[N, 778, 3], known where `mano_valid` says so; None where no mesh was asked for."""


@dataclass(frozen=True)
class Predictions(Arrays):
    """What a model said about N samples. All of it is finite."""

    joints: np.ndarray
    """[N, 21, 3], the fingertips where the data set has them."""
    joint_confidence: np.ndarray
    """[N, 21] probability of being within CONFIDENT_DISTANCE_M of the truth."""
    keypoints: np.ndarray
    """[N, 21, 2] joints as the network sees them in the picture."""
    object_pose: np.ndarray
    """[N, Q, 4, 4] of the object queries."""
    object_chance: np.ndarray
    """[N, Q, C] probability that the query is an object of the class; C counts the background,
    whose column is zero."""
    contact_probability: np.ndarray
    """[N, 6] of each hand part."""
    contact_points: np.ndarray
    """[N, K, 3]."""
    contact_confidence: np.ndarray
    """[N, K]."""
    interaction_probability: np.ndarray
    """[N, 3]."""
    vertices: np.ndarray | None = None
    """[N, 778, 3]; None for a model without a mesh."""


def batch_predictions(output: AmtOutput, affines: np.ndarray) -> Predictions:
    """Predictions of a batch of N, from the network's output on the host.

    affines: [N, 2, 3] from image to crop pixels. Raises AmtError when something is not finite.
    """
    objects = output.objects
    pose = np.tile(np.eye(4, dtype=np.float32), (*objects.position.shape[:2], 1, 1))
    pose[..., :3, :3], pose[..., :3, 3] = objects.rotation.numpy(), objects.position.numpy()
    chance = objects.class_logits.softmax(dim=-1) * objects.confidence[..., None]
    chance[..., 0] = 0.0
    predictions = Predictions(
        joints=output.joints.numpy(),
        joint_confidence=output.joint_confidence.numpy(),
        keypoints=image_points(affines, output.keypoints.double().numpy()),
        object_pose=pose,
        object_chance=chance.numpy(),
        contact_probability=output.contact.part_probability.numpy(),
        contact_points=output.contact.points.numpy(),
        contact_confidence=output.contact.point_confidence.numpy(),
        interaction_probability=output.contact.interaction_logits.softmax(dim=-1).numpy(),
        vertices=None if output.vertices is None else output.vertices.numpy(),
    )
    for name, array in predictions.items():
        if not np.isfinite(array).all():
            raise AmtError(
                f"the network's {name} are not finite; check the checkpoint, or choose the "
                "precision fp32"
            )
    return predictions


def joined(parts: Sequence[_Self]) -> _Self:
    """The rows of all parts, one after the other; there must be a part."""
    names = [name for name, _ in parts[0].items()]
    return type(parts[0])(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    )


def with_tips(
    predictions: Predictions, side: np.ndarray, tip_vertices: Mapping[Side, Sequence[int]]
) -> Predictions:
    """The predictions with their fingertips where a data set has them.

    Each data set calls other vertices fingertips, up to a centimetre away. The estimated mesh tells
    how far apart they are, and the joint moves by as much. Without a mesh the tips stay where the
    model has them. side: [N] LEFT or RIGHT; tip_vertices: `HandDataset.tip_vertices`.
    """
    if predictions.vertices is None:
        return predictions
    joints = predictions.joints.copy()
    own = predictions.vertices[:, MANO_TIP_VERTICES]
    for value, name in ((LEFT, Side.LEFT), (RIGHT, Side.RIGHT)):
        rows = np.flatnonzero(side == value)
        if len(rows):
            there = predictions.vertices[rows][:, list(tip_vertices[name])]
            joints[rows[:, None], TIPS] += there - own[rows]
    return replace(predictions, joints=joints)
