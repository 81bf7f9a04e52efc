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


@dataclass(frozen=True)
class FrameEstimate:
    """Everything that an estimator says about one image."""

    hands: list[HandEstimate] = field(default_factory=list)


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
