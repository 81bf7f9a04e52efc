"""The interfaces of the robots' real drivers: topics, kinds of messages, joint names and orders.

Only JointTrajectory carries names that a driver reads. A Float64MultiArray has none, and the
Allegro drivers that take a JointState read its positions in their own order whatever its names say;
there a wrong order fails silently. Every order is therefore made here, by name.

Sources (repository: file):
- Universal_Robots_ROS2_Driver: ur_robot_driver/config/ur_controllers.yaml, the controllers' joints
  with tf_prefix; ur_robot_driver/doc/migration/lyrical.rst: from ROS 2 Lyrical on there is no
  scaled_joint_trajectory_controller, joint_trajectory_controller scales by itself.
- allegro_hand_ros2 (Wonik, V4): allegro_hand_bringup/config/v4/{single,dual}_hand/
  ros2_controllers.yaml; the fingers of the rows: allegro_hand_hardwares/v4/hardware/readme.md.
- allegro_hand_ros2_v5 (Wonik): src/allegro_hand_controllers/src/allegro_node.cpp (names),
  allegro_node.h (topics), allegro_node_grasp.cpp (positions are read by place). The fingers by
  place: the URDF's joints next to the thumb are 0 to 3, on the left hand too.
- allegro_hand_ros_v4 (Wonik, and what was made after it): the same topic with the names joint_0.0
  to joint_15.0; src/allegro_hand_driver/include/allegro_hand_driver/AllegroHandDef.h counts index,
  middle, ring, thumb for either hand. That is not the order of dex-urdf's left hand, which has the
  same names.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from amt_retarget.errors import RetargetError
from amt_retarget.robot.description import (
    ARM_JOINT_NAMES,
    HAND_JOINT_NAMES,
    HANDS,
    JOINT_NAMES,
)
from amt_retarget.robot.joint_orders import (
    JointOrder,
    joint_order,
    project_names,
    sign_and_offset,
)


class MessageKind(Enum):
    """What a driver's command topic carries."""

    TRAJECTORY = "trajectory_msgs/JointTrajectory"
    POSITIONS = "std_msgs/Float64MultiArray"
    JOINT_STATE = "sensor_msgs/JointState"


@dataclass(frozen=True)
class DriverProfile:
    """The command and state interface of one driver, of an arm or a hand."""

    topic: str
    """Of the commands."""
    kind: MessageKind
    order: JointOrder
    """The driver's joints: its names in its order, and the project's name of each."""
    states_topic: str = "joint_states"
    """Where the driver reports its joints, under the same names."""

    @property
    def columns(self) -> list[int]:
        """[n] where the driver's joints are among the project's 22."""
        return [JOINT_NAMES.index(joint) for joint in self.order.joints]


ARM_INTERFACES = {
    "jtc": ("scaled_joint_trajectory_controller/joint_trajectory", MessageKind.TRAJECTORY),
    "unscaled_jtc": ("joint_trajectory_controller/joint_trajectory", MessageKind.TRAJECTORY),
    "forward": ("forward_position_controller/commands", MessageKind.POSITIONS),
}
"""Topic and kind of each of the arm's command interfaces."""

HAND_INTERFACES = ("v4", "v4_dual", "v5", "joint_cmd")
"""Wonik's V4 driver for one hand and for two, its V5 driver, and drivers like that of ROS 1."""


def arm_profile(interface: str, tf_prefix: str = "") -> DriverProfile:
    """One of ARM_INTERFACES; tf_prefix: of the driver's joint names, as in its launch file.

    Raises RetargetError for an unknown interface.
    """
    if interface not in ARM_INTERFACES:
        raise RetargetError(
            f"command_interface is {interface!r}: choose one of {', '.join(ARM_INTERFACES)}"
        )
    topic, kind = ARM_INTERFACES[interface]
    names = tuple(tf_prefix + joint for joint in ARM_JOINT_NAMES)
    return DriverProfile(topic, kind, JointOrder(names, ARM_JOINT_NAMES))


def hand_profile(interface: str, hand: str) -> DriverProfile:
    """One of HAND_INTERFACES, for the "left" or "right" hand; RetargetError for anything else."""
    if hand not in HANDS:
        raise RetargetError(f"unknown hand {hand!r}: choose one of {', '.join(HANDS)}")
    position_controller = "allegro_hand_position_controller"
    if interface == "v4":
        order = joint_order("allegro_ros2", hand)
        return DriverProfile(f"{position_controller}/commands", MessageKind.POSITIONS, order)
    if interface == "v4_dual":
        order = joint_order("allegro_ros2_dual", hand)
        topic = f"{position_controller}_{hand[0]}/commands"
        return DriverProfile(topic, MessageKind.POSITIONS, order)
    if interface == "v5":
        order = joint_order("allegro_v5", hand)
    elif interface == "joint_cmd":
        order = JointOrder(tuple(f"joint_{i}.0" for i in range(16)), HAND_JOINT_NAMES)
    else:
        raise RetargetError(
            f"hand_interface is {interface!r}: choose one of {', '.join(HAND_INTERFACES)}"
        )
    return DriverProfile(
        "allegroHand/joint_cmd", MessageKind.JOINT_STATE, order, "allegroHand/joint_states"
    )


@dataclass(frozen=True)
class ReportedJoints:
    """All names under which the drivers may report the robot's joints, and what they mean.

    A robot with a tf_prefix knows the arm's joints by that prefix only, and no robot knows the
    joints of the other hand of a pair: two robots may report on one topic.
    """

    places: dict[str, int]
    """Name -> place among the project's 22 joints."""
    turned: dict[str, tuple[float, float]]
    """Name -> sign and offset (rad) of those that differ: reported = sign * ours + offset."""

    @classmethod
    def of(cls, hand: str, hand_interface: str, tf_prefix: str = "") -> ReportedJoints:
        """Of a robot with these drivers; RetargetError as of hand_profile."""
        profile = hand_profile(hand_interface, hand)
        joints = {
            name: joint
            for name, joint in project_names(hand).items()
            if joint in HAND_JOINT_NAMES or not tf_prefix
        }
        joints |= {tf_prefix + joint: joint for joint in ARM_JOINT_NAMES}
        # Names that mean other joints elsewhere are meant as this driver means them.
        joints |= dict(zip(profile.order.names, profile.order.joints, strict=True))
        turned = {name: sign_and_offset(name, hand) for name in joints}
        return cls(
            {name: JOINT_NAMES.index(joint) for name, joint in joints.items()},
            {name: pair for name, pair in turned.items() if pair != (1.0, 0.0)},
        )

    def position(self, name: str, value: float) -> float:
        """The project's position (rad) of a joint that is reported at `value` (rad)."""
        if name not in self.turned:
            return value
        sign, offset = self.turned[name]
        return sign * (value - offset)
