"""Listens to the running pipeline over DDS and keeps what a Recording needs."""

from __future__ import annotations

import numpy as np
from amt_msgs.msg import HandPoseArray, RetargetStatus
from amt_retarget.ros import topics
from amt_retarget.ros.transforms import seconds
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, JointState

KEEP_ALL = QoSProfile(depth=500, reliability=ReliabilityPolicy.RELIABLE)


class Recorder(Node):
    """Keeps stamps of images, hands, commands, joint states and the retargeter's status.

    All times are in seconds of the ROS clock; `image_times[i]` is the acquisition of image i.
    """

    def __init__(self) -> None:
        super().__init__("demo_recorder")
        self.image_times: list[float] = []
        self.hands: dict[float, HandPoseArray] = {}
        self.commands: list[tuple[float, float, list[float]]] = []
        """Stamp of the image, time of receipt, positions in the order of `joint_names`."""
        self.joint_states: list[tuple[float, list[float]]] = []
        self.statuses: list[tuple[float, RetargetStatus]] = []
        self.joint_names: list[str] = []
        self.create_subscription(CameraInfo, topics.CAMERA_INFO, self._on_image, KEEP_ALL)
        self.create_subscription(HandPoseArray, topics.HANDS, self._on_hands, KEEP_ALL)
        self.create_subscription(JointState, topics.JOINT_COMMAND, self._on_command, KEEP_ALL)
        self.create_subscription(JointState, topics.JOINT_STATES, self._on_joint_state, KEEP_ALL)
        self.create_subscription(
            RetargetStatus, topics.RETARGET_STATUS, self._on_status, topics.LATCHED_QOS
        )

    def _now(self) -> float:
        return self.get_clock().now().nanoseconds * 1e-9

    @property
    def pipeline_ready(self) -> bool:
        """True when the robot reports its joints, the retargeter its state, and images have a listener."""
        listeners = self.count_subscribers(topics.IMAGE)
        return bool(self.joint_states) and bool(self.statuses) and listeners > 0

    def _on_image(self, message: CameraInfo) -> None:
        self.image_times.append(seconds(message.header.stamp))

    def _on_hands(self, message: HandPoseArray) -> None:
        self.hands[seconds(message.header.stamp)] = message

    def _on_command(self, message: JointState) -> None:
        if not self.joint_names:
            self.joint_names = list(message.name)
        self.commands.append(
            (seconds(message.header.stamp), self._now(), self._ordered(message))
        )

    def _on_joint_state(self, message: JointState) -> None:
        if not self.joint_names:
            self.joint_names = list(message.name)
        self.joint_states.append((seconds(message.header.stamp), self._ordered(message)))

    def _on_status(self, message: RetargetStatus) -> None:
        self.statuses.append((self._now(), message))

    def _ordered(self, message: JointState) -> list[float]:
        position = dict(zip(message.name, message.position, strict=True))
        return [position.get(name, np.nan) for name in self.joint_names]
