"""How far a hand is from an observation: residuals in standard deviations, with derivatives.

The projected joints against the keypoints, the directions of the bones against the detector's 3D
bones, and the fingertips' offsets from the thumb's tip. Of the detector's 3D joints only directions
and offsets relative to the palm are used, because their size and proportions change from frame to
frame. Jacobians have a last axis of 51 unknowns, or of 61 with the 10 shape coefficients.
"""

from __future__ import annotations

import numpy as np

from amt_perception.estimators.observation import (
    BONE_CHILDREN,
    BONE_PARENTS,
    FINGER_TIPS,
    THUMB_TIP,
    HandObservation,
    palm_length,
)
from amt_perception.hand.joints import BASES, WRIST

UNKNOWNS = 51
"""Wrist turn (3, in the camera frame), finger angles (45), wrist position (3)."""
DIRECTION_SIGMA = 0.15
"""Standard deviation of a 3D bone direction of the detector, each axis (rad)."""
PINCH_SIGMA, PINCH_SIGMA_GROWTH = 0.02, 0.15
"""Standard deviation of a fingertip's offset from the thumb's tip over the palm's length: exact
when they touch, growing with the distance, because a pinch is a contact and must stay one."""
ROBUST_SIGMAS = 4.0
"""Residuals beyond this many standard deviations lose weight (Charbonnier loss)."""
NEAREST_Z = 0.05
"""Joints are never projected from nearer than this (m)."""


def keypoint_residuals(
    observation: HandObservation, joints: np.ndarray, jacobian: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Projected joints minus keypoints in standard deviations [21, 2], and derivatives."""
    depth = np.maximum(joints[:, 2:], NEAREST_Z)
    rays = joints[:, :2] / depth
    residuals = (rays - observation.rays) / observation.ray_sigma
    derivative = (jacobian[:, :2] - rays[..., None] * jacobian[:, 2:]) / depth[..., None]
    return residuals, derivative / observation.ray_sigma[:, None]


def bone_residuals(
    observation: HandObservation, joints: np.ndarray, jacobian: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Bone directions minus the detector's in standard deviations [20, 3], and derivatives."""
    bones = joints[BONE_CHILDREN] - joints[BONE_PARENTS]
    lengths = np.linalg.norm(bones, axis=-1, keepdims=True)
    directions = bones / lengths
    derivative = (jacobian[BONE_CHILDREN] - jacobian[BONE_PARENTS]) / lengths[..., None]
    if jacobian.shape[-1] > UNKNOWNS:  # only the shape changes lengths, which are not compared
        stretch = directions[:, None] @ derivative[..., UNKNOWNS:]
        derivative[..., UNKNOWNS:] -= directions[..., None] * stretch
    residuals = directions - observation.bone_directions
    return residuals / DIRECTION_SIGMA, derivative / DIRECTION_SIGMA


def pinch_residuals(
    observation: HandObservation, joints: np.ndarray, jacobian: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Fingertips from the thumb's tip, minus the detector's, in standard deviations [4, 3]."""
    palm = palm_length(joints)
    tips = list(FINGER_TIPS)
    distance = np.linalg.norm(observation.pinch_offsets, axis=-1, keepdims=True)
    sigma = PINCH_SIGMA + PINCH_SIGMA_GROWTH * distance
    offsets = (joints[tips] - joints[THUMB_TIP]) / palm
    derivative = (jacobian[tips] - jacobian[THUMB_TIP]) / palm
    if jacobian.shape[-1] > UNKNOWNS:  # only the shape changes the palm's length
        bases = list(BASES[1:])
        metacarpals = joints[bases] - joints[WRIST]
        metacarpals /= np.linalg.norm(metacarpals, axis=-1, keepdims=True)
        by_shape = (jacobian[bases] - jacobian[WRIST])[..., UNKNOWNS:]
        stretch = np.einsum("fi,fis->s", metacarpals, by_shape) / len(bases)
        derivative[..., UNKNOWNS:] -= offsets[..., None] * stretch / palm
    return (offsets - observation.pinch_offsets) / sigma, derivative / sigma[..., None]


def robust(residuals: np.ndarray, jacobian: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Residuals [N, D] and Jacobian [N, D, M] weighted for the loss 2 c^2 (sqrt(1 + r^2/c^2) - 1).

    Gives them flat, and the loss (Charbonnier; Barron, CVPR 2019, alpha = 1).
    """
    growth = np.sqrt(1.0 + np.sum(residuals**2, axis=-1) / ROBUST_SIGMAS**2)
    weight = growth**-0.5
    loss = float(2.0 * ROBUST_SIGMAS**2 * np.sum(growth - 1.0))
    weighted = (weight[:, None, None] * jacobian).reshape(-1, jacobian.shape[-1])
    return (weight[:, None] * residuals).ravel(), weighted, loss
