"""What is known about finger poses before looking: axes of the joints, usual angles and limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amt_perception.hand.kinematics import HandKinematics

# Degrees. Rows: [flexion, abduction, twist]; usual angle, its standard deviation, limits.
_KNUCKLE = ((20, 0, 0), (50, 14, 8), (-30, -25, -15), (95, 25, 15))
_INTERPHALANGEAL = ((20, 0, 0), (60, 4, 4), (-8, -5, -5), (110, 5, 5))
_THUMB_BASE = ((0, 0, 0), (30, 30, 30), (-60, -60, -60), (60, 60, 60))
_THUMB_MIDDLE = ((0, 0, 0), (30, 12, 12), (-40, -25, -25), (80, 25, 25))
_THUMB_END = ((0, 0, 0), (40, 6, 6), (-30, -12, -12), (90, 12, 12))
_FINGER = (_KNUCKLE, _INTERPHALANGEAL, _INTERPHALANGEAL)
_JOINTS = (*_FINGER * 4, _THUMB_BASE, _THUMB_MIDDLE, _THUMB_END)
_OUTWARD = (2, 3, 17, 5, 6, 18, 8, 9, 20, 11, 12, 19, 14, 15, 16)
"""The point beyond each finger joint in [16 MANO joints, tips thumb to pinky]."""


@dataclass(frozen=True)
class PosePrior:
    """Finger angles about anatomical axes, for the 15 finger joints in MANO's order.

    An angle triple a gives the joint's axis-angle vector axes @ a, in the parent's frame.
    """

    axes: np.ndarray
    """[15, 3, 3]; columns: flexion, abduction, twist."""
    mean: np.ndarray
    """[15, 3] usual angles (rad)."""
    sigma: np.ndarray
    """[15, 3] their standard deviations (rad)."""
    lower: np.ndarray
    """[15, 3] (rad)."""
    upper: np.ndarray
    """[15, 3] (rad)."""


def pose_prior(kinematics: HandKinematics) -> PosePrior:
    """Axes from the model's rest skeleton (twist along the bone, flexion towards the palm)."""
    points = np.vstack(kinematics.rest(np.zeros(10)))
    bones = points[list(_OUTWARD)] - points[1:16]
    twist = bones / np.linalg.norm(bones, axis=-1, keepdims=True)
    flexion = np.cross((0.0, 1.0, 0.0), twist)  # the back of MANO's hand is at +y
    flexion /= np.linalg.norm(flexion, axis=-1, keepdims=True)
    mean, sigma, lower, upper = np.radians(_JOINTS).swapaxes(0, 1)
    axes = np.stack([flexion, np.cross(twist, flexion), twist], axis=-1)
    return PosePrior(axes, mean, sigma, lower, upper)
