"""What one detection says about a hand, in the form that the fit compares with the hand model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.estimators.detection import HandDetection
from amt_perception.hand.joints import BASES, BONES, TIPS, WRIST

BONE_PARENTS, BONE_CHILDREN = np.array(BONES).T
THUMB_TIP, FINGER_TIPS = TIPS[0], TIPS[1:]

KEYPOINT_SIGMA = 0.02
"""Standard deviation of a keypoint, each axis, over the hand's size in the image."""


@dataclass(frozen=True)
class HandObservation:
    """One hand in one image, in the camera frame."""

    rays: np.ndarray
    """[21, 2] keypoints as x/z and y/z."""
    ray_sigma: np.ndarray
    """[2] one standard deviation of the rays."""
    world_joints: np.ndarray
    """[21, 3] the detector's joints from its wrist (m), in camera axes; their size is a guess."""
    bone_directions: np.ndarray
    """[20, 3] unit vectors along the detector's 3D bones, in the order of hand.joints.BONES."""
    pinch_offsets: np.ndarray
    """[4, 3] from the thumb's tip to the other tips, over the palm's length."""


def observe(detection: HandDetection, intrinsics: Intrinsics) -> HandObservation:
    """Turn a detection into rays and bone directions in the camera frame.

    The detector sees a crop around the hand as if by a camera that looks straight at it, so its
    3D joints are turned by the rotation that takes the optical axis to the hand's viewing ray.
    """
    focal = np.array([intrinsics.fx, intrinsics.fy])
    rays = (detection.keypoints_px - (intrinsics.cx, intrinsics.cy)) / focal
    world = detection.world_joints @ _look_at(rays.mean(axis=0)).T
    bones = world[BONE_CHILDREN] - world[BONE_PARENTS]
    lengths = np.linalg.norm(bones, axis=-1, keepdims=True)
    return HandObservation(
        rays=rays,
        ray_sigma=KEYPOINT_SIGMA * max(detection.size_px, 1.0) / focal,
        world_joints=world - world[0],
        bone_directions=bones / np.maximum(lengths, 1e-6),
        pinch_offsets=(world[list(FINGER_TIPS)] - world[THUMB_TIP]) / palm_length(world),
    )


def palm_length(joints: np.ndarray) -> float:
    """Mean distance from the wrist to the bases of the four fingers, of joints [21, 3]."""
    lengths = np.linalg.norm(joints[list(BASES[1:])] - joints[WRIST], axis=-1)
    return max(float(lengths.mean()), 1e-6)


def _look_at(ray: np.ndarray) -> np.ndarray:
    """[3, 3] smallest rotation that takes the optical axis to the ray (x/z, y/z)."""
    tangent = np.hypot(*ray)
    axis = np.array([-ray[1], ray[0], 0.0]) / max(tangent, 1e-12)
    return Rotation.from_rotvec(np.arctan(tangent) * axis).as_matrix()
