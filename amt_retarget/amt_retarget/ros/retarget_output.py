"""What the retarget node publishes: commands, on our topic and the drivers', and its status."""

from __future__ import annotations

import numpy as np
from amt_msgs.msg import RetargetStatus
from builtin_interfaces.msg import Time
from rclpy.node import Node
from sensor_msgs.msg import JointState

from amt_retarget.retarget.grasp_plan import Phase
from amt_retarget.retarget.solver import RetargetResult
from amt_retarget.ros import topics
from amt_retarget.ros.drivers import DriverPublishers
from amt_retarget.safety.limits import CheckedCommand, JointLimits
from amt_retarget.safety.state import StateMachine


class RetargetOutput:
    """Publishers of one robot's commands and status."""

    def __init__(
        self, node: Node, limits: JointLimits, base_frame: str, command_interface: str
    ) -> None:
        self._node = node
        self._limits = limits
        self._base_frame = base_frame
        self._drivers = DriverPublishers(node, command_interface)
        self._commands = node.create_publisher(JointState, topics.JOINT_COMMAND, topics.KEPT_QOS)
        self._statuses = node.create_publisher(
            RetargetStatus, topics.RETARGET_STATUS, topics.LATCHED_QOS
        )

    def publish_command(self, command: CheckedCommand, dt: float, stamp: Time) -> None:
        """A command to be reached in dt seconds. stamp: of what caused it."""
        message = JointState(name=list(self._limits.names))
        message.header.stamp = stamp
        message.header.frame_id = self._base_frame
        message.position = command.positions.tolist()
        message.velocity = command.velocities.tolist()
        self._commands.publish(message)
        by_name = dict(zip(self._limits.names, message.position, strict=True))
        self._drivers.publish(by_name, dt, self._node.get_clock().now().to_msg())

    def publish_status(
        self,
        states: StateMachine,
        phase: Phase,
        image_stamp: Time,
        input_age: float,
        command: CheckedCommand | None,
        result: RetargetResult | None,
        solve_time: float,
        total_time: float,
    ) -> None:
        """input_age, solve_time and total_time in s; command: the last one, if any; result: of
        this cycle, if a hand was followed or held for.
        """
        message = RetargetStatus()
        message.header.stamp = image_stamp
        message.header.frame_id = self._base_frame
        message.state = int(states.state)
        message.phase = int(phase)
        message.reasons = int(states.reasons)
        message.text = states.reasons.text
        message.input_age = input_age if np.isfinite(input_age) else float("nan")
        message.solve_time = solve_time
        message.total_time = total_time
        message.tip_residual = np.full(4, np.nan, np.float32)
        message.scale = message.position_margin = message.velocity_margin = float("nan")
        if result is not None:
            message.tip_residual = result.tip_residual.astype(np.float32)
            message.scale = result.scale
            message.clamped_joints = result.clamped
        if command is not None:
            lower, upper = self._limits.lower, self._limits.upper
            room = np.minimum(command.positions - lower, upper - command.positions)
            message.position_margin = float(room.min())
            message.velocity_margin = float((self._limits.velocity - abs(command.velocities)).min())
        self._statuses.publish(message)
