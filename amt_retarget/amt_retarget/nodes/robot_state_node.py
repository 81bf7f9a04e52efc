"""Publishes /robot_description and the tf of every robot link, as robot_state_publisher does.

robot_state_publisher exists only in a ROS installation; this node lets RViz and Foxglove show the
robot without one. Of several robots it also says where each stands.
"""

from __future__ import annotations

import sys

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from amt_retarget.errors import RetargetError
from amt_retarget.robot.description import read_urdf
from amt_retarget.robot.driver_profiles import hand_profile
from amt_retarget.robot.robot import Robot
from amt_retarget.ros import topics
from amt_retarget.ros.lifetime import run_nodes
from amt_retarget.ros.polling import PolledSubscription
from amt_retarget.ros.static_pose import publish_static_pose
from amt_retarget.ros.transforms import seconds, transforms_message
from amt_retarget.safety.measured_joints import MeasuredJoints

PERIOD_S = 0.05
ROOT = "base_link"
"""Of the description's links."""
WORLD = "world"
"""Frame that several robots stand in."""


class RobotStateNode(Node):
    """Forward kinematics of what the drivers report of their joints, 20 times a second.

    Links are named as in the description with `frame_prefix` before it, the root `base_frame`.
    """

    def __init__(self) -> None:
        super().__init__("robot_state_node")
        arm = str(self.declare_parameter("robot", "ur5e").value)
        hand = str(self.declare_parameter("hand", "right").value)
        hand_interface = str(self.declare_parameter("hand_interface", "v4").value)
        tf_prefix = str(self.declare_parameter("tf_prefix", "").value)
        self._frame_prefix = str(self.declare_parameter("frame_prefix", "").value)
        base_frame = self.declare_parameter("base_frame", f"{self._frame_prefix}{ROOT}").value
        self._base_frame = str(base_frame)
        publish_static_pose(self, "base_pose", WORLD, self._base_frame)
        if not self.declare_parameter("publish_robot", True).value:
            return
        self._robot = Robot.load(arm, hand)
        self._measured = MeasuredJoints(
            self._robot, arm_prefix=tf_prefix, hand_interface=hand_interface
        )
        self._description = self.create_publisher(
            String, topics.ROBOT_DESCRIPTION, topics.LATCHED_QOS
        )
        self._description.publish(String(data=read_urdf(arm, hand)))
        self._transforms = self.create_publisher(TFMessage, topics.TF, 100)
        self._joint_states = [
            PolledSubscription(self, JointState, topic, self._on_joint_state, topics.POLLED_QOS)
            for topic in {topics.JOINT_STATES, hand_profile(hand_interface, hand).states_topic}
        ]
        self.create_timer(PERIOD_S, self._publish)

    def _on_joint_state(self, message: JointState) -> None:
        self._measured.take(message.name, message.position, seconds(message.header.stamp))

    def _publish(self) -> None:
        for subscription in self._joint_states:
            subscription.poll()
        positions = self._measured.positions
        if not np.isfinite(positions).all():
            return
        poses = [
            (self._frame(parent), self._frame(link), rotation, position)
            for parent, link, rotation, position in self._robot.link_poses(positions)
        ]
        self._transforms.publish(transforms_message(poses, self.get_clock().now().to_msg()))

    def _frame(self, link: str) -> str:
        return self._base_frame if link == ROOT else self._frame_prefix + link


def main() -> int:
    """Entry point."""
    return run_nodes(lambda: [RobotStateNode()], (RetargetError,))


if __name__ == "__main__":
    sys.exit(main())
