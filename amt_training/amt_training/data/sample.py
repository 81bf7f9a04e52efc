"""The one sample type: a hand in a picture, with everything that is known about it.

Camera frame with OpenCV axes, metres, radians; pixels have their centres at whole numbers. Every
data set brings its labels into this form when it loads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from amt_perception.errors import AmtError
from amt_perception.hand.joints import Side


class SampleError(AmtError):
    """A sample that cannot be read; the message names its file."""


class UnlabelledError(SampleError):
    """A picture in which nobody labelled the hand: it is left out, and nothing is wrong with it."""


class Entry(NamedTuple):
    """Which hand in which picture, known without reading the picture."""

    sequence: str
    """Entries of the same sequence show the same hand through the same camera."""
    frame: int
    """Number in the sequence; the next frame has the next number."""
    side: Side


@dataclass(frozen=True)
class ManoLabel:
    """A MANO pose in the canonical form; the wrist is where `HandSample.joints` has it."""

    pose: np.ndarray
    """[16, 3] axis-angle of the joints in MANO's order, of the sample's own side, mean pose
    included; the first one turns the hand in the camera's frame."""
    shape: np.ndarray
    """[10] of the right hand's model; a left hand is its mirror image."""


@dataclass(frozen=True)
class ObjectLabel:
    """An object in the picture."""

    class_index: int
    """Which model, an index into `HandDataset.object_models`: its own class, index into
    `AmtConfig.object_classes`, unless the model names another."""
    pose: np.ndarray
    """[4, 4] from the object's frame to the camera's."""


@dataclass(frozen=True)
class ContactLabel:
    """Where the hand touches."""

    part: np.ndarray
    """[6] int: 1, 0 or UNKNOWN for each of HAND_PARTS."""
    points: np.ndarray | None
    """[L, 3] contact points (m), none of them for no contact; None when they are not known."""
    interaction: int
    """Index into INTERACTIONS, or UNKNOWN."""


@dataclass(frozen=True)
class ExactTruth:
    """What is known of a picture and a hand in it when both were made."""

    depth: np.ndarray
    """[H, W] float32 z in the camera's frame (m); infinite where nothing is."""
    mask: np.ndarray
    """[H, W] uint8: what each pixel shows, in the data set's own numbers."""
    object_masks: tuple[int, ...]
    """The number in the mask of each of `HandSample.objects`."""
    keypoints: np.ndarray
    """[21, 2] the joints in the picture (pixels)."""
    vertices: np.ndarray
    """[778, 3] of the hand (m)."""
    part_distance: np.ndarray
    """[6] signed distance of each of HAND_PARTS to the nearest object (m), negative inside;
    infinite without objects."""
    part_on_hand: np.ndarray
    """[6, 3] the vertex of each part that is nearest (m)."""
    part_on_object: np.ndarray
    """[6, 3] the point of the object's surface that is nearest to it (m)."""
    activity: str
    """What the hand does, such as grasp."""


@dataclass(frozen=True)
class HandSample:
    """One hand in one picture."""

    key: str
    """Names the sample in logs and results, such as
    20200709-subject-01/20200709_141754/836212060125/000012."""
    image: np.ndarray
    """[H, W, 3] uint8 RGB."""
    camera: np.ndarray
    """[3, 3] camera matrix of a picture without distortion."""
    side: Side
    hand_box: np.ndarray
    """[4] x, y, width, height (pixels): around the 21 joints unless another source is named."""
    joints: np.ndarray
    """[21, 3] in the project's order with the data set's own fingertips; NaN where not known."""
    mano: ManoLabel | None = None
    objects: tuple[ObjectLabel, ...] | None = None
    """None when nobody annotated objects; empty when there are none."""
    contact: ContactLabel | None = None
    exact: ExactTruth | None = None


@dataclass(frozen=True)
class ObjectModel:
    """What is known of an object."""

    points: np.ndarray
    """[P, 3] on the surface, in the object's frame (m)."""
    normals: np.ndarray
    """[P, 3] unit normals there, outwards."""
    symmetry_rotations: np.ndarray = field(default_factory=lambda: np.eye(3)[None])
    """[K, 3, 3] turns after which it looks the same, the identity among them."""
    symmetry_axis: np.ndarray = field(default_factory=lambda: np.zeros(3))
    """[3] unit axis about which any turn leaves its look unchanged; zero for none."""
    object_class: int | None = None
    """The class that the network learns for it, an index into `AmtConfig.object_classes`; None for
    its own index."""


def learned_class(models: Mapping[int, ObjectModel], index: int) -> int:
    """The class that the network learns for the object of a `class_index`.

    models: `HandDataset.object_models`; an object that is not among them is its own class.
    """
    named = models[index].object_class if index in models else None
    return index if named is None else named


class HandDataset(Protocol):
    """A data set, or one split of it. Made without reading pictures."""

    @property
    def name(self) -> str:
        """For tables: the data set and its split, such as 'DexYCB s0 test'."""

    @property
    def tip_vertices(self) -> Mapping[Side, Sequence[int]]:
        """Five vertices, thumb to pinky: what this data set calls fingertips."""

    @property
    def object_models(self) -> Mapping[int, ObjectModel]:
        """By `ObjectLabel.class_index`: all that occur, or none when a mesh is not at hand."""

    @property
    def entries(self) -> Sequence[Entry]:
        """All samples, those without a valid hand left out; entries of a sequence in order."""

    def sample(self, index: int) -> HandSample:
        """Read one. Raises SampleError when a file is missing or damaged, UnlabelledError when the
        hand is not labelled there."""
