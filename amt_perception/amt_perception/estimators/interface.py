"""What every estimator gives for one image: hands, objects and contacts in the camera frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

import numpy as np

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.hand.joints import Side


class TrackState(IntEnum):
    """Values equal the constants of amt_msgs/HandPose."""

    TRACKED = 0
    PREDICTED = 1
    LOST = 2


class ScaleSource(IntEnum):
    """Where the hand's metric size comes from. Values equal the constants of amt_msgs/HandPose."""

    NOMINAL = 0
    USER = 1
    MODEL = 2
    DEPTH = 3


class HandPart(IntEnum):
    """Parts of a hand that touch things. Values equal the constants of amt_msgs/Contact."""

    PALM = 0
    THUMB = 1
    INDEX = 2
    MIDDLE = 3
    RING = 4
    PINKY = 5


class Interaction(IntEnum):
    """What the hands do with the objects. Values equal the constants of amt_msgs/ContactArray."""

    NONE = 0
    TOUCH = 1
    GRASP = 2
    PUSH = 3


@dataclass(frozen=True)
class HandEstimate:
    """One hand in one image. Camera frame with OpenCV axes, metres, radians, image pixels."""

    side: Side
    track_id: int
    state: TrackState
    confidence: float
    """0..1: probability that this is a hand, on the side it says."""
    wrist_rotation: np.ndarray
    """[3, 3] rotation of the MANO wrist (global orientation) to the camera frame."""
    joints: np.ndarray
    """[21, 3] in the project's joint order; joints[0] is the wrist's position."""
    joint_sigma: np.ndarray
    """[21] one standard deviation of each joint's position (m)."""
    keypoints_px: np.ndarray
    """[21, 2] the detected keypoints in the full image."""
    mano_pose: np.ndarray
    """[16, 3] axis-angle in MANO's joint order, wrist first, mean pose included."""
    mano_shape: np.ndarray
    """[10] MANO shape coefficients, constant over a track once settled."""
    metric_scale: float
    """Factor between the hand model's size and this hand's."""
    scale_source: ScaleSource
    vertices: np.ndarray | None = None
    """[778, 3] of the skin, in the order of the estimator's hand model (`hand.mano_files`); None
    when the estimator gives no mesh."""


def _unknown() -> np.ndarray:
    return np.zeros(3)


@dataclass(frozen=True)
class ObjectEstimate:
    """One object in one image. Camera frame with OpenCV axes, metres, radians."""

    class_name: str
    """For instance a YCB name: "006_mustard_bottle"."""
    confidence: float
    """0..1: probability that this is an object of this class."""
    track_id: str
    """Stays the same while one object is followed."""
    position: np.ndarray
    """[3] origin of the object's frame."""
    rotation: np.ndarray
    """[3, 3] from the object's frame to the camera frame."""
    position_sigma: float = float("nan")
    """One standard deviation (m) along every axis; NaN where unknown."""
    rotation_sigma: float = float("nan")
    """One standard deviation (rad) about every axis; NaN where unknown."""
    size: np.ndarray = field(default_factory=_unknown)
    """[3] of the bounding box along the object's axes, centred on its origin; zeros where unknown.
    """


@dataclass(frozen=True)
class ContactEstimate:
    """Contact of one part of a hand and one object. Camera frame with OpenCV axes, metres."""

    side: Side
    part: HandPart
    object_track_id: str
    """`ObjectEstimate.track_id` of the object that is touched; empty when it was not recognised."""
    probability: float
    """0..1: probability that the part touches the object."""
    position: np.ndarray
    """[3] on the hand's surface."""
    distance: float = float("nan")
    """To the object's surface, negative inside; NaN where unknown."""
    normal: np.ndarray = field(default_factory=_unknown)
    """[3] unit vector out of the object's surface; zeros where unknown."""
    force: float = float("nan")
    """Along the normal (N); NaN where unknown."""


@dataclass(frozen=True)
class FrameEstimate:
    """Everything that an estimator says about one image."""

    hands: list[HandEstimate] = field(default_factory=list)
    objects: list[ObjectEstimate] | None = None
    """None when the estimator does not look for objects; empty when it found none."""
    contacts: list[ContactEstimate] | None = None
    """None when the estimator does not look for contacts."""
    interaction: Interaction = Interaction.NONE
    interaction_score: float = float("nan")
    """0..1: probability of `interaction`; NaN when the estimator does not judge it."""


class Estimator(Protocol):
    """From an image to a FrameEstimate. It keeps state (tracks); images come in time order."""

    name: str

    def estimate(self, image: np.ndarray, intrinsics: Intrinsics, time: float) -> FrameEstimate:
        """Estimate one image.

        image: [H, W, 3] uint8 RGB, undistorted, not mirrored. time: acquisition time in seconds,
        strictly increasing. Raises ValueError on a wrong shape or type, or a time that goes back.
        """
        ...

    def reset(self) -> None:
        """Forget all tracks (a new video, a cut, a clock that went back)."""
        ...

    def close(self) -> None:
        """Give back the resources; the estimator cannot be used afterwards."""
        ...


def check_call(image: np.ndarray, intrinsics: Intrinsics, time: float, before: float) -> None:
    """Raises the ValueErrors of `Estimator.estimate`. before: the time of the last image."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image must be [H, W, 3] uint8, not {image.shape} {image.dtype}")
    if image.shape[:2] != (intrinsics.height, intrinsics.width):
        raise ValueError(
            f"image is {image.shape[1]} x {image.shape[0]}, but the intrinsics are for "
            f"{intrinsics.width} x {intrinsics.height}"
        )
    if not time > before:
        raise ValueError(f"time must increase, but {time} came after {before}; reset first")
