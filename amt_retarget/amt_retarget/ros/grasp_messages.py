"""amt_msgs/Grasp from and to a grasp of the robot's hand."""

from __future__ import annotations

import numpy as np
from amt_msgs.msg import Grasp
from geometry_msgs.msg import Pose
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from amt_retarget.errors import RetargetError
from amt_retarget.grasp.configuration import Configuration
from amt_retarget.retarget.grasp_plan import HandGrasp
from amt_retarget.robot.joint_orders import named_order
from amt_retarget.robot.robot import Robot
from amt_retarget.ros.transforms import fill_pose

Array = NDArray[np.float64]


def fill_robot_grasp(message: Grasp, grasp: HandGrasp, robot: Robot) -> None:
    """Write the robot's joints and palm poses into a message; its other fields stay."""
    message.joint_names = list(robot.hand_joint_names)
    message.joint_positions = grasp.grasp.joints.tolist()
    message.squeeze_joint_positions = grasp.squeeze.tolist()
    message.pregrasp_joint_positions = grasp.pre_grasp.joints.tolist()
    fill_pose(message.wrist, grasp.grasp.rotation, grasp.grasp.position)
    fill_pose(message.pregrasp_wrist, grasp.pre_grasp.rotation, grasp.pre_grasp.position)


def hand_grasp(message: Grasp, hand: str) -> HandGrasp:
    """What the robot's "left" or "right" hand does; joints under any known names, in any order.

    Raises RetargetError for a message without the robot's joints, with names that are not the 16 of
    the hand, with another number of positions, and for a quaternion without length.
    """
    if not message.joint_names:
        raise RetargetError(
            "the grasp has no robot joints: fill in joint_names, the positions and the palm poses"
        )
    order = named_order(message.joint_names, hand)
    if len(order.names) != 16:
        raise RetargetError("a grasp names the 16 joints of the hand, not those of the arm")
    joints = {
        field: order.to_project(getattr(message, field))
        for field in (
            "joint_positions",
            "squeeze_joint_positions",
            "pregrasp_joint_positions",
        )
    }
    return HandGrasp(
        Configuration(*_pose(message.pregrasp_wrist), joints["pregrasp_joint_positions"]),
        Configuration(*_pose(message.wrist), joints["joint_positions"]),
        joints["squeeze_joint_positions"],
    )


def _pose(message: Pose) -> tuple[Array, Array]:
    """Rotation [3, 3] and position [3] (m)."""
    place, turn = message.position, message.orientation
    quaternion = np.array([turn.x, turn.y, turn.z, turn.w])
    if not abs(np.linalg.norm(quaternion) - 1.0) < 1e-3:
        raise RetargetError("the palm's quaternions must have length 1: correct the grasp")
    return Rotation.from_quat(quaternion).as_matrix(), np.array([place.x, place.y, place.z])
