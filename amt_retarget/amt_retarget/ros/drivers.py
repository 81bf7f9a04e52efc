"""The topics of the robots' real drivers: commands out of named joints, and back.

Float64MultiArray carries no joint names, so a wrong order fails silently: every order is made here,
by name, from robot/joint_orders.py.
"""

from __future__ import annotations

from collections.abc import Mapping

from builtin_interfaces.msg import Duration, Time
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from amt_retarget.robot.description import ARM_JOINT_NAMES
from amt_retarget.robot.joint_orders import joint_order
from amt_retarget.ros import topics

ALLEGRO_V4_JOINTS = joint_order("allegro_ros2", "right").joints
"""The same on the left hand."""
COMMAND_INTERFACES = ("jtc", "forward")


class DriverPublishers:
    """Publishes one command of all joints on the topics of the chosen command interface."""

    def __init__(self, node: Node, command_interface: str) -> None:
        qos = topics.KEPT_QOS
        self._trajectory = command_interface == "jtc"
        self._arm = (
            node.create_publisher(JointTrajectory, topics.ARM_TRAJECTORY, qos)
            if self._trajectory
            else node.create_publisher(Float64MultiArray, topics.ARM_POSITIONS, qos)
        )
        self._hand = node.create_publisher(Float64MultiArray, topics.HAND_POSITIONS, qos)

    def publish(
        self,
        positions: Mapping[str, float],
        duration: float,
        stamp: Time,
    ) -> None:
        """Send one command.

        positions: rad, by joint name; duration: seconds until they shall be reached (trajectories
        only). Trajectories carry no velocities: joint_trajectory_controller refuses one whose last
        point still moves.
        """
        if self._trajectory:
            point = JointTrajectoryPoint()
            point.positions = [positions[name] for name in ARM_JOINT_NAMES]
            point.time_from_start = Duration(sec=int(duration), nanosec=int(duration % 1 * 1e9))
            trajectory = JointTrajectory(joint_names=list(ARM_JOINT_NAMES), points=[point])
            trajectory.header.stamp = stamp
            self._arm.publish(trajectory)
        else:
            self._arm.publish(Float64MultiArray(data=[positions[name] for name in ARM_JOINT_NAMES]))
        self._hand.publish(Float64MultiArray(data=[positions[name] for name in ALLEGRO_V4_JOINTS]))
