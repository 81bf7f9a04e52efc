"""Anatomical axes and ranges of motion of the finger joints of a MANO-format hand.

Each joint turns by three Cardan angles from the flat rest pose, in the order of the ISB's
recommendation for the hand (Wu et al., Journal of Biomechanics 38, 2005): flexion (towards the
palm), abduction (towards the thumb's side) and twist about the bone (signs as on a right hand).
They mean the same on both hands: a mirrored pose has equal angles.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.hand.joints import Side
from amt_perception.hand.kinematics import HandKinematics
from amt_perception.hand.model_data import HandModelData

# Degrees: flexion, abduction, twist. Active ranges of the fingers and the thumb's outer joints:
# AAOS, "Joint Motion: Method of Measuring and Recording", 1965 (MCP 0..90, PIP 0..100, DIP 0..90,
# extension of the MCP to 45; thumb MCP 0..50, IP 0..80); abduction: Lin, Wu and Huang, "Modeling
# the constraints of human hand motion", 2000 (+-15 from the neutral finger; the rest pose is
# splayed, so the range reaches further inwards). Thumb CMC: Cooney et al., J. Bone Joint Surg.
# 63-A, 1981 (53 flexion, 42 abduction, 17 rotation), wider by what the carpus adds. The other
# values are this project's: the passive play of a joint pressed against an object, wide enough that
# a recorded MANO grasp stays inside but for a few degrees.
_MCP = ((-35, 95), (-25, 25), (-20, 20))
_PIP = ((-10, 110), (-8, 8), (-15, 15))
_DIP = ((-15, 90), (-6, 6), (-10, 10))
_PINKY_MCP = ((-35, 95), (-20, 40), (-20, 20))
_THUMB_CMC = ((-25, 60), (-45, 25), (-40, 25))
_THUMB_MCP = ((-30, 60), (-20, 20), (-15, 15))
_THUMB_IP = ((-25, 85), (-8, 8), (-12, 12))
_RANGES = np.radians([
    *(_MCP, _PIP, _DIP) * 2,
    _PINKY_MCP, _PIP, _DIP,
    _MCP, _PIP, _DIP,
    _THUMB_CMC, _THUMB_MCP, _THUMB_IP,
])  # fmt: skip

THUMB_NAIL = (0.35, 0.85, 0.38)
"""Which way the thumb's nail faces at rest: shares towards the wrist, the back of the hand and the
thumb's side (x, y, z of a right hand). With it, the thumb's base turns in almost pure flexion in
recorded MANO grasps."""


class JointLimits:
    """Ranges of motion of MANO joints 1 to 15 of one hand, as boxes of anatomical angles."""

    def __init__(self, data: HandModelData) -> None:
        joints, tips = HandKinematics(data).rest(np.zeros(10))
        self.axes = anatomical_axes(joints, tips, data.side)
        """[15, 3, 3] columns flexion, abduction and twist axis in the model frame."""
        self.lower: np.ndarray = _RANGES[..., 0].copy()
        """[15, 3] smallest angles (rad)."""
        self.upper: np.ndarray = _RANGES[..., 1].copy()
        """[15, 3] largest angles (rad)."""

    def angles(self, pose: np.ndarray) -> np.ndarray:
        """[15, 3] flexion, abduction and twist (rad) of joints 1 to 15 of a pose [16, 3]."""
        local = Rotation.from_rotvec(pose[1:]).as_matrix()
        turned = np.swapaxes(self.axes, 1, 2) @ local @ self.axes
        return Rotation.from_matrix(turned).as_euler("XYZ")

    def pose(self, angles: np.ndarray, global_orientation: np.ndarray) -> np.ndarray:
        """[16, 3] axis-angle pose from angles [15, 3] and the first joint's axis-angle [3]."""
        turned = Rotation.from_euler("XYZ", angles).as_matrix()
        local = self.axes @ turned @ np.swapaxes(self.axes, 1, 2)
        return np.vstack([global_orientation, Rotation.from_matrix(local).as_rotvec()])

    def excess(self, pose: np.ndarray) -> np.ndarray:
        """[15, 3] how far each angle of a pose [16, 3] is outside its range (rad); zero inside."""
        angles = self.angles(pose)
        return angles - np.clip(angles, self.lower, self.upper)

    def clamp(self, pose: np.ndarray) -> np.ndarray:
        """The pose [16, 3] with every joint brought into its range; joints inside keep theirs."""
        angles = self.angles(pose)
        inside = np.clip(angles, self.lower, self.upper)
        moved = (inside != angles).any(axis=1)
        clamped = np.array(pose, dtype=float)
        clamped[1:][moved] = self.pose(inside, clamped[0])[1:][moved]
        return clamped


def anatomical_axes(joints: np.ndarray, tips: np.ndarray, side: Side) -> np.ndarray:
    """[15, 3, 3] flexion, abduction and twist axes (columns) of MANO joints 1 to 15 at rest.

    joints: [16, 3] and tips: [5, 3] of the flat rest pose. Flexion is perpendicular to the bone
    and to the palm's normal (on the thumb: to its nail's); abduction is perpendicular to flexion
    and bone. Each matrix is a rotation.
    """
    mirror = 1.0 if side == Side.RIGHT else -1.0
    index, pinky = joints[1] - joints[0], joints[7] - joints[0]
    back = _unit(mirror * np.cross(pinky, index))
    towards_wrist = -_unit(joints[4] - joints[0])
    towards_thumb = mirror * np.cross(towards_wrist, back)
    nail = np.array([towards_wrist, back, towards_thumb]).T @ np.array(THUMB_NAIL)

    ends = np.vstack([joints[2:4], tips[1], joints[5:7], tips[2], joints[8:10], tips[4],
                      joints[11:13], tips[3], joints[14:16], tips[0]])  # fmt: skip
    axes = np.empty((15, 3, 3))
    for i, (start, end) in enumerate(zip(joints[1:], ends, strict=True)):
        bone = _unit(end - start)
        flexion = _unit(np.cross(nail if i >= 12 else back, bone))
        abduction = np.cross(bone, flexion)
        axes[i] = np.column_stack([flexion, mirror * abduction, mirror * bone])
    return axes


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
