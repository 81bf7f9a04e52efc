"""The robot loaded once: Pinocchio model, joint names, limits, frames and Jacobians."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amt_retarget.errors import RetargetError
from amt_retarget.robot.description import (
    ARM_JOINT_NAMES,
    BASE_FRAME,
    HAND_JOINT_NAMES,
    JOINT_NAMES,
    PALM_FRAME,
    TIP_FRAMES,
    urdf_path,
)

if TYPE_CHECKING:
    import pinocchio

Array = NDArray[np.float64]

HOME = {
    "shoulder_lift_joint": -1.45,
    "elbow_joint": 1.9,
    "wrist_1_joint": -np.pi / 2 - 0.45,
    "wrist_2_joint": np.pi / 2,
    "wrist_3_joint": -np.pi / 2,
    "thumb_joint_0": 0.5,
    "thumb_joint_1": 0.3,
    "thumb_joint_2": 0.2,
    "thumb_joint_3": 0.2,
} | {f"{finger}_joint_{i}": 0.1 for finger in ("index", "middle", "ring") for i in (1, 2, 3)}
"""Ready pose, rad; joints that are not named stand at 0. It makes palm_link parallel to base_link:
fingers up, palm facing forward, far from every singularity of the arm."""


class Robot:
    """A UR arm with an Allegro hand. Make it with `Robot.load`.

    Every array over joints has 22 entries in the project's order, `joint_names`: the arm from base
    to wrist, then index, middle, ring and thumb. Pinocchio orders joints by itself: `q_index` and
    `v_index` say where it keeps each of ours, and nobody else needs to know. Positions are in rad,
    frames are relative to base_link in metres. One Robot belongs to one thread (it owns `data`).

    Attributes:
        model, data: Pinocchio's model of the URDF and its workspace.
        joint_names, arm_joint_names, hand_joint_names: 22, 6 and 16 names.
        lower, upper: position limits [22], rad, from the URDF.
        velocity, effort: limits [22], rad/s and Nm, from the URDF.
        home: a ready pose [22]: elbow up, palm in front of the robot and facing forward, hand open.
        palm_frame, tip_frames: frame names; `tip_frames` by finger.
    """

    joint_names = JOINT_NAMES
    arm_joint_names = ARM_JOINT_NAMES
    hand_joint_names = HAND_JOINT_NAMES
    palm_frame = PALM_FRAME
    tip_frames = TIP_FRAMES

    def __init__(self, arm: str, hand: str, model: pinocchio.Model) -> None:
        self.arm = arm
        self.hand = hand
        self.model = model
        self.data = model.createData()
        joints = [model.joints[model.getJointId(name)] for name in JOINT_NAMES]
        self.q_index = np.array([joint.idx_q for joint in joints])
        self.v_index = np.array([joint.idx_v for joint in joints])
        self.lower: Array = model.lowerPositionLimit[self.q_index]
        self.upper: Array = model.upperPositionLimit[self.q_index]
        self.velocity: Array = model.velocityLimit[self.v_index]
        self.effort: Array = model.effortLimit[self.v_index]
        self.home: Array = np.array([HOME.get(name, 0.0) for name in JOINT_NAMES])
        self._frame_ids = {frame.name: i for i, frame in enumerate(model.frames)}

    @classmethod
    def load(cls, arm: str, hand: str) -> Robot:
        """Load "ur5e" or "ur10e" with the "left" or "right" hand; RetargetError otherwise."""
        path = urdf_path(arm, hand)
        try:
            import pinocchio
        except ImportError as error:
            raise RetargetError("the robot model needs Pinocchio: pip install pin") from error
        return cls(arm, hand, pinocchio.buildModelFromUrdf(str(path)))

    def frame_id(self, frame: str) -> int:
        """Pinocchio's index of a frame; RetargetError with the known names for an unknown one."""
        if frame not in self._frame_ids:
            raise RetargetError(f"unknown frame {frame!r}: known are {', '.join(self._frame_ids)}")
        return self._frame_ids[frame]

    def to_pinocchio(self, positions: ArrayLike) -> Array:
        """Positions [22] in the project's order -> Pinocchio's q [22]."""
        positions = np.asarray(positions, dtype=float)
        if positions.shape != (len(JOINT_NAMES),):
            raise RetargetError(
                f"joint positions must have shape ({len(JOINT_NAMES)},), got {positions.shape}"
            )
        q = np.empty_like(positions)
        q[self.q_index] = positions
        return q

    def frame_pose(self, positions: ArrayLike, frame: str) -> tuple[Array, Array]:
        """Rotation [3, 3] and position [3] (m) of a frame in base_link at positions [22]."""
        import pinocchio

        frame_id = self.frame_id(frame)
        pinocchio.forwardKinematics(self.model, self.data, self.to_pinocchio(positions))
        pose = pinocchio.updateFramePlacement(self.model, self.data, frame_id)
        return pose.rotation.copy(), pose.translation.copy()

    def link_poses(self, positions: ArrayLike) -> list[tuple[str, str, Array, Array]]:
        """Every link relative to its parent link at positions [22], as tf wants them.

        A list of parent link, link, rotation [3, 3] and position [3] (m) of the link in its parent.
        """
        import pinocchio

        pinocchio.forwardKinematics(self.model, self.data, self.to_pinocchio(positions))
        pinocchio.updateFramePlacements(self.model, self.data)
        poses = []
        for frame, pose in zip(self.model.frames, self.data.oMf, strict=True):
            if frame.type != pinocchio.FrameType.BODY or frame.name == BASE_FRAME:
                continue
            joint = self.model.frames[frame.parentFrame]  # the joint that carries the link
            parent = self.model.frames[joint.parentFrame]
            relative = self.data.oMf[joint.parentFrame].actInv(pose)
            poses.append((parent.name, frame.name, relative.rotation, relative.translation))
        return poses

    def frame_jacobian(self, positions: ArrayLike, frame: str) -> Array:
        """Jacobian [6, 22] of a frame at positions [22]: rows linear (m), then angular (rad).

        Both halves are expressed along the axes of base_link, at the frame's origin (Pinocchio's
        LOCAL_WORLD_ALIGNED). Columns follow the project's joint order.
        """
        import pinocchio

        jacobian = pinocchio.computeFrameJacobian(
            self.model,
            self.data,
            self.to_pinocchio(positions),
            self.frame_id(frame),
            pinocchio.ReferenceFrame.LOCAL_WORLD_ALIGNED,
        )
        return jacobian[:, self.v_index]
