"""What the robot should do, as weighted residuals and Jacobians at one configuration.

All residuals are linear in the change of the joints for one step: residual(q + d) is about
residual(q) + J(q) d. Lengths are weighted per square centimetre and angles per square radian, so
that a weight of one is worth one centimetre.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.targets import Targets
from amt_retarget.robot.robot import Robot

FINGERTIP_RADIUS_M = 0.012
"""Radius of the rubber dome of every Allegro fingertip; a tip frame lies at its outermost point."""
PALM_LENGTH_M = 0.095
"""From the wrist end of the Allegro's palm to the palm frame, along z."""
FINGERS = ("thumb", "index", "middle", "ring")


@dataclass(frozen=True)
class Weights:
    """How much each objective counts, per cm^2 (lengths) and per rad^2 (angles)."""

    wrist_position: float = 1.0
    wrist_rotation: float = 100.0
    tips: float = 1.0
    pinch: float = 20.0
    """Of a closed pinch; it fades out as the human fingers part."""
    arm_posture: float = 1e-2
    hand_posture: float = 0.3

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (np.isfinite(value) and value >= 0.0):
                raise RetargetError(f"The weight {name} must be 0 or more, not {value}.")


@dataclass(frozen=True)
class Kinematics:
    """Poses and Jacobians of one configuration; base frame for the arm, palm frame for the tips."""

    wrist: np.ndarray
    """[3] wrist point (m)."""
    rotation: np.ndarray
    """[3, 3] palm to base."""
    wrist_jacobian: np.ndarray
    """[6, 22] of the wrist point, linear then angular, base frame."""
    tips: np.ndarray
    """[4, 3] thumb, index, middle, ring (m)."""
    tip_jacobians: np.ndarray
    """[4, 3, 22]."""
    centres: np.ndarray
    """[4, 3] centres of the fingertips' domes (m)."""
    centre_jacobians: np.ndarray
    """[4, 3, 22]."""


class HandArmKinematics:
    """Evaluates the few frames that the objectives need in one pass over the robot."""

    def __init__(self, robot: Robot) -> None:
        self.robot = robot
        self._palm = robot.frame_id(robot.palm_frame)
        self._tips = [robot.frame_id(robot.tip_frames[finger]) for finger in FINGERS]
        self._arm = len(robot.arm_joint_names)

    def __call__(self, positions: np.ndarray) -> Kinematics:
        """Kinematics at joint positions [22] (rad)."""
        import pinocchio

        robot, model, data = self.robot, self.robot.model, self.robot.data
        pinocchio.computeJointJacobians(model, data, robot.to_pinocchio(positions))
        pinocchio.updateFramePlacements(model, data)
        world_aligned = pinocchio.ReferenceFrame.LOCAL_WORLD_ALIGNED

        def jacobian(frame: int) -> np.ndarray:
            full = pinocchio.getFrameJacobian(model, data, frame, world_aligned)
            return full[:, robot.v_index]

        palm = data.oMf[self._palm]
        rotation = palm.rotation.copy()
        lever = rotation @ np.array([0.0, 0.0, -PALM_LENGTH_M])
        wrist_jacobian = jacobian(self._palm)
        wrist_jacobian[:3] += _cross_columns(wrist_jacobian[3:], lever)

        tips, centres = np.empty((4, 3)), np.empty((4, 3))
        tip_jacobians, centre_jacobians = np.empty((4, 3, 22)), np.empty((4, 3, 22))
        for i, frame in enumerate(self._tips):
            pose = data.oMf[frame]
            full = jacobian(frame)
            full[:, : self._arm] = 0.0  # the arm moves palm and fingers alike
            inward = pose.rotation[:, 2] * -FINGERTIP_RADIUS_M
            tips[i] = rotation.T @ (pose.translation - palm.translation)
            tip_jacobians[i] = rotation.T @ full[:3]
            centres[i] = tips[i] + rotation.T @ inward
            centre_jacobians[i] = rotation.T @ (full[:3] + _cross_columns(full[3:], inward))
        return Kinematics(
            wrist=palm.translation + lever,
            rotation=rotation,
            wrist_jacobian=wrist_jacobian,
            tips=tips,
            tip_jacobians=tip_jacobians,
            centres=centres,
            centre_jacobians=centre_jacobians,
        )


def residuals(now: Kinematics, targets: Targets, weights: Weights) -> tuple[np.ndarray, np.ndarray]:
    """Weighted residuals [27] and their Jacobian [27, 22]; the cost is half the squared norm.

    Rows: wrist position (3), palm orientation (3; the rotation vector from the target to now, so
    any error up to half a turn is taken the short way), four tips (12), three pinches (9).
    """
    import pinocchio

    cm = 100.0
    rotation_error = pinocchio.log3(now.rotation @ targets.rotation.T)
    pinch_roots = cm * np.sqrt(weights.pinch * targets.pinch_closeness)
    vectors = now.centres[1:] - now.centres[0]
    vector_jacobians = now.centre_jacobians[1:] - now.centre_jacobians[0]
    wrist_root = cm * np.sqrt(weights.wrist_position)
    rotation_root = np.sqrt(weights.wrist_rotation)
    tip_root = cm * np.sqrt(weights.tips)
    residual = np.concatenate(
        [
            wrist_root * (now.wrist - targets.wrist),
            rotation_root * rotation_error,
            tip_root * (now.tips - targets.tips).ravel(),
            (pinch_roots[:, None] * (vectors - targets.pinch_vectors)).ravel(),
        ]
    )
    jacobian = np.concatenate(
        [
            wrist_root * now.wrist_jacobian[:3],
            rotation_root * now.wrist_jacobian[3:],
            tip_root * now.tip_jacobians.reshape(12, -1),
            (pinch_roots[:, None, None] * vector_jacobians).reshape(9, -1),
        ]
    )
    return residual, jacobian


def _cross_columns(angular: np.ndarray, lever: np.ndarray) -> np.ndarray:
    """Linear velocities [3, n] at `lever` [3] for the columns of angular velocities [3, n]."""
    x, y, z = lever
    return np.array([[0.0, z, -y], [-z, 0.0, x], [y, -x, 0.0]]) @ angular
