"""Where the robot's palm and fingertips are, along a whole trajectory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amt_retarget.robot.robot import Robot

FINGERS = ("thumb", "index", "middle", "ring")
"""Order of fingertips in every array of this benchmark."""
DOME_RADIUS_M = 0.012
"""Of the Allegro's fingertips; the tip frame lies on the dome, its centre is this far inside."""
WRIST_IN_PALM_M = np.array([0.0, 0.0, -0.095])
"""The wrist end of the Allegro's palm, in palm_link."""


@dataclass(frozen=True)
class RobotPoints:
    """Poses of T configurations; base frame for the palm, palm frame for the fingers (m)."""

    palm_rotation: np.ndarray
    """[T, 3, 3] palm to base."""
    palm_position: np.ndarray
    """[T, 3]."""
    tips: np.ndarray
    """[T, 4, 3] outermost points of thumb, index, middle and ring."""
    centres: np.ndarray
    """[T, 4, 3] centres of their domes."""

    fingers: np.ndarray
    """[T, 3, 4, 3] joints 1, 2 and 3 and the tip of index, middle and ring."""

    @property
    def tips_in_base(self) -> np.ndarray:
        """[T, 4, 3] the tips in the base frame."""
        rotated = np.einsum("tij,tfj->tfi", self.palm_rotation, self.tips)
        return rotated + self.palm_position[:, None]


def robot_points(robot: Robot, positions: np.ndarray) -> RobotPoints:
    """Palm and fingertips at joint positions [T, 22] (rad, the project's order)."""
    import pinocchio

    palm_id = robot.frame_id(robot.palm_frame)
    tip_ids = [robot.frame_id(robot.tip_frames[finger]) for finger in FINGERS]
    joint_ids = [
        [robot.model.getJointId(f"{finger}_joint_{i}") for i in (1, 2, 3)] for finger in FINGERS[1:]
    ]
    count = len(positions)
    rotation, position = np.empty((count, 3, 3)), np.empty((count, 3))
    tips, centres = np.empty((count, 4, 3)), np.empty((count, 4, 3))
    fingers = np.empty((count, 3, 4, 3))
    for t, q in enumerate(positions):
        pinocchio.framesForwardKinematics(robot.model, robot.data, robot.to_pinocchio(q))
        palm = robot.data.oMf[palm_id]
        rotation[t], position[t] = palm.rotation, palm.translation
        for i, tip_id in enumerate(tip_ids):
            tip = palm.actInv(robot.data.oMf[tip_id])
            tips[t, i] = tip.translation
            centres[t, i] = tip.translation - DOME_RADIUS_M * tip.rotation[:, 2]
        for finger, ids in enumerate(joint_ids):
            for i, joint_id in enumerate(ids):
                fingers[t, finger, i] = palm.actInv(robot.data.oMi[joint_id].translation)
    fingers[:, :, 3] = tips[:, 1:]
    return RobotPoints(rotation, position, tips, centres, fingers)


def with_arm(robot: Robot, hand: np.ndarray) -> np.ndarray:
    """Positions [T, 22] of hand joints [T, 16] on an arm that stands in its ready pose."""
    arm = np.tile(robot.home[: len(robot.arm_joint_names)], (len(hand), 1))
    return np.hstack([arm, hand])
