"""What the retarget node publishes: commands, on our topic and the drivers', and its status."""

from __future__ import annotations

import numpy as np
from amt_msgs.msg import RetargetStatus
from builtin_interfaces.msg import Time
from rclpy.node import Node
from sensor_msgs.msg import JointState

from amt_retarget.retarget.grasp_plan import Phase
from amt_retarget.retarget.solver import RetargetResult
from amt_retarget.retarget.teleoperation import Cycle, Teleoperation
from amt_retarget.ros import topics
from amt_retarget.ros.drivers import DriverPublishers
from amt_retarget.safety.limits import CheckedCommand, JointLimits
from amt_retarget.safety.state import State

AGAIN = "; the robot must be armed again (service amt/set_enabled)"


class RetargetOutput:
    """Publishers of one robot's commands and status."""

    def __init__(
        self, node: Node, limits: JointLimits, base_frame: str, drivers: DriverPublishers
    ) -> None:
        self._node = node
        self._base_frame = base_frame
        self._drivers = drivers
        self._commands = node.create_publisher(JointState, topics.JOINT_COMMAND, topics.KEPT_QOS)
        self._statuses = node.create_publisher(
            RetargetStatus, topics.RETARGET_STATUS, topics.LATCHED_QOS
        )
        self._command = JointState(name=list(limits.names))
        self._command.header.frame_id = base_frame

    def end(self) -> None:
        """Leave all topics."""
        self._drivers.end()
        for publisher in (self._commands, self._statuses):
            self._node.destroy_publisher(publisher)

    @property
    def heard(self) -> bool:
        """Whether both drivers listen."""
        return self._drivers.heard

    def publish_command(
        self, command: CheckedCommand, limits: JointLimits, period_s: float, stamp: Time | None
    ) -> None:
        """A command to be reached in period_s. stamp: of the image that caused it; None: now."""
        now = self._node.get_clock().now().to_msg()
        self._drivers.publish(command, limits, period_s, now)
        message = self._command
        message.header.stamp = stamp or now
        message.position = command.positions.tolist()
        message.velocity = command.velocities.tolist()
        self._commands.publish(message)

    def publish_status(
        self,
        robot: Teleoperation,
        cycle: Cycle,
        image_stamp: Time,
        solve_time: float,
        total_time: float,
    ) -> None:
        """solve_time, total_time: of the last command that a hand caused, in s."""
        message = RetargetStatus()
        message.header.stamp = image_stamp
        message.header.frame_id = self._base_frame
        states = robot.states
        message.state = int(states.state)
        message.phase = int(Phase.NONE if robot.grasp is None else robot.grasp.phase)
        message.reasons = int(states.reasons)
        message.text = states.reasons.text + (AGAIN if states.state == State.FAULT else "")
        message.armed = robot.operator.armed
        age = robot.hands.watchdog.input_age()
        message.input_age = age if np.isfinite(age) else float("nan")
        message.solve_time = solve_time
        message.total_time = total_time
        message.confidence = float(robot.hands.confidence)
        message.following_error = float(robot.following.error)
        ramp = robot.retargeter.ramp if robot.grasp is None else 1.0
        message.speed = float(ramp * robot.speed) if robot.engaged else 0.0
        self._fill_result(message, cycle.result)
        self._fill_margins(message, robot.retargeter.limits, robot.command)
        self._statuses.publish(message)

    def _fill_result(self, message: RetargetStatus, result: RetargetResult | None) -> None:
        message.tip_residual = np.full(4, np.nan, np.float32)
        message.scale = float("nan")
        if result is not None:
            message.tip_residual = result.tip_residual.astype(np.float32)
            message.scale = result.scale
            message.clamped_joints = result.clamped

    def _fill_margins(
        self, message: RetargetStatus, limits: JointLimits, command: CheckedCommand | None
    ) -> None:
        message.position_margin = message.velocity_margin = float("nan")
        if command is not None:
            room = np.minimum(command.positions - limits.lower, limits.upper - command.positions)
            message.position_margin = float(room.min())
            message.velocity_margin = float((limits.velocity - abs(command.velocities)).min())
