"""The simulated robot behind the same topics, names and refusals as the real drivers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Float64, Float64MultiArray, Header
from trajectory_msgs.msg import JointTrajectory

from amt_retarget.robot.driver_profiles import DriverProfile, MessageKind
from amt_retarget.ros import topics
from amt_retarget.ros.polling import PolledSubscription
from amt_retarget.ros.trajectory_messages import read_trajectory
from amt_retarget.safety.limits import JointLimits
from amt_retarget.simulation.controllers import PositionController, TrajectoryController
from amt_retarget.simulation.driver_contracts import (
    refused_joint_state,
    refused_positions,
    refused_trajectory,
)

MESSAGES = {
    MessageKind.TRAJECTORY: JointTrajectory,
    MessageKind.POSITIONS: Float64MultiArray,
    MessageKind.JOINT_STATE: JointState,
}
REPORTS_PER_SCALING = 5
"""The speed scaling, which seldom changes, comes at a fifth of the rate of the joints."""


class SimulatedDriver:
    """One driver: takes commands, or refuses them with an error in the log, and reports joints."""

    def __init__(
        self, node: Node, profile: DriverProfile, positions: np.ndarray, now: float
    ) -> None:
        """positions: [22] of the robot (rad), where it stands at `now` (s)."""
        self.columns = profile.columns
        self.ready = True
        """Whether it takes commands; while it does not, they are dropped without a word."""
        self._node = node
        self._order = profile.order
        self._signs = np.asarray(profile.order.signs)
        self._offsets = np.asarray(profile.order.offsets)
        self._follows_trajectories = profile.kind is MessageKind.TRAJECTORY
        self.stand(positions, now)
        take = {
            MessageKind.TRAJECTORY: self._on_trajectory,
            MessageKind.POSITIONS: lambda message: self._on_positions(message.data),
            MessageKind.JOINT_STATE: self._on_joint_state,
        }[profile.kind]
        self._commands = PolledSubscription(
            node, MESSAGES[profile.kind], profile.topic, take, topics.RESULT_QOS
        )
        self._states = node.create_publisher(JointState, profile.states_topic, topics.KEPT_QOS)

    def stand(self, positions: np.ndarray, now: float) -> None:
        """Hold positions [22] (rad) from `now` (s) on, as after the start of a controller."""
        ours = positions[self.columns]
        self._controller: TrajectoryController | PositionController = (
            TrajectoryController(ours, now)
            if self._follows_trajectories
            else PositionController(ours)
        )

    def poll(self) -> None:
        """Take the commands that have come."""
        self._commands.poll()

    def brake(self, limits: JointLimits, positions: np.ndarray, velocities: np.ndarray) -> None:
        """Come to rest from positions (rad) and velocities (rad/s) [22] within limits."""
        ours = positions[self.columns], velocities[self.columns]
        times, way, speeds = limits.stopping_way(*ours)
        now = self._now()
        self._controller = TrajectoryController(ours[0], now)
        if times.size:
            self._controller.velocities = ours[1]
            self._controller.replace(now, times, way, speeds)

    def desired(self, now: float, scaling: float) -> np.ndarray:
        """Positions [n] of the joints at `columns` that the controller commands now (rad)."""
        return self._controller.update(now, scaling)

    def report(self, header: Header, positions: np.ndarray, velocities: np.ndarray) -> None:
        """Publish the measured positions (rad) and velocities (rad/s) [22]."""
        message = JointState(header=header, name=self._order.names)
        message.position = (positions[self.columns] * self._signs + self._offsets).tolist()
        message.velocity = (velocities[self.columns] * self._signs).tolist()
        self._states.publish(message)

    def _now(self) -> float:
        return float(self._node.get_clock().now().nanoseconds * 1e-9)

    def _on_trajectory(self, message: JointTrajectory) -> None:
        controller = self._controller
        if not self.ready or not isinstance(controller, TrajectoryController):
            return
        trajectory = read_trajectory(message)
        names = self._order.names
        if not self._accepts(refused_trajectory(trajectory, names, self._now())):
            return
        order = [trajectory.names.index(name) for name in names]
        positions = np.array(trajectory.positions)[:, order]
        cubic = all(len(velocities) for velocities in trajectory.velocities)
        velocities = np.array(trajectory.velocities)[:, order] if cubic else None
        controller.replace(trajectory.start, trajectory.times, positions, velocities)

    def _on_joint_state(self, message: JointState) -> None:
        reason = refused_joint_state(message.name, message.position, self._order.names)
        if self._accepts(reason):
            self._on_positions(message.position)

    def _on_positions(self, positions: Sequence[float]) -> None:
        controller = self._controller
        if not self.ready or not isinstance(controller, PositionController):
            return
        if self._accepts(refused_positions(positions, self._order.names)):
            controller.hold((np.asarray(positions) - self._offsets) * self._signs)

    def _accepts(self, reason: str | None) -> bool:
        if reason:
            self._node.get_logger().error(
                f"Refused a command: {reason}.", throttle_duration_sec=1.0
            )
        return not reason


class SimulatedDrivers:
    """The drivers of arm and hand, and what the arm says about itself.

    While its program does not run, the arm brakes and takes no commands, as UR's driver stops its
    controllers; the hand knows nothing of that.
    """

    def __init__(
        self, node: Node, arm: DriverProfile, hand: DriverProfile, limits: JointLimits,
        positions: np.ndarray, now: float,
    ) -> None:  # fmt: skip
        """limits: of the arm's braking; positions: [22] where the robot stands at `now` (s)."""
        self._arm = SimulatedDriver(node, arm, positions, now)
        self._hand = SimulatedDriver(node, hand, positions, now)
        self._limits = limits
        self._commands = positions.copy()
        self._reports = 0
        self._scaling = node.create_publisher(Float64, topics.SPEED_SCALING, topics.KEPT_QOS)
        self._program = node.create_publisher(Bool, topics.PROGRAM_RUNNING, topics.LATCHED_QOS)
        self._program.publish(Bool(data=True))

    def run_program(
        self, running: bool, positions: np.ndarray, velocities: np.ndarray, now: float
    ) -> None:
        """Whether the arm's program runs; positions, velocities: [22] measured (rad, rad/s)."""
        if running == self._arm.ready:
            return
        self._arm.ready = running
        if running:
            self._arm.stand(positions, now)
        else:
            self._arm.brake(self._limits, positions, velocities)
        self._program.publish(Bool(data=running))

    def poll(self) -> None:
        """Take the commands that have come."""
        self._arm.poll()
        self._hand.poll()

    def desired(self, now: float, scaling: float) -> np.ndarray:
        """Positions [22] that the drivers command at `now` (s); scaling: of the arm's speed."""
        # An arm that brakes has left its program and its speed slider behind.
        scaling = scaling if self._arm.ready else 1.0
        self._commands[self._arm.columns] = self._arm.desired(now, scaling)
        self._commands[self._hand.columns] = self._hand.desired(now, 1.0)
        return self._commands

    def report(
        self, header: Header, positions: np.ndarray, velocities: np.ndarray, scaling: float
    ) -> None:
        """Publish the measured joints [22] (rad, rad/s) and the speed scaling (0..1)."""
        self._arm.report(header, positions, velocities)
        self._hand.report(header, positions, velocities)
        self._reports += 1
        if self._reports % REPORTS_PER_SCALING == 1:
            self._scaling.publish(Float64(data=100.0 * scaling))
