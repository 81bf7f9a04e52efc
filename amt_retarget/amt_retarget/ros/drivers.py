"""The commands as the robots' real drivers take them."""

from __future__ import annotations

from array import array

import numpy as np
from builtin_interfaces.msg import Duration, Time
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from amt_retarget.robot.description import ARM_JOINT_NAMES, JOINT_NAMES
from amt_retarget.robot.driver_profiles import (
    DriverProfile,
    MessageKind,
    arm_profile,
    hand_profile,
)
from amt_retarget.ros import topics
from amt_retarget.safety.limits import CheckedCommand, JointLimits

ARM = slice(0, len(ARM_JOINT_NAMES))
LEAST_END_S = 0.1
"""A trajectory ends no earlier than so long after its stamp: one whose end has passed when it
arrives is refused, and so is every command when the clocks of two machines differ by more."""
NANOSECONDS = 10**9
SAME_MOMENT_S = 1e-6
"""Messages tell times in nanoseconds."""


class DriverPublishers:
    """Publishes one command of all joints to the drivers of the arm and the hand.

    arm_interface, hand_interface: as in robot/driver_profiles.py; hand: "left" or "right";
    tf_prefix: of the arm's joint names. Raises RetargetError for what there is not.
    """

    def __init__(
        self,
        node: Node,
        arm_interface: str,
        hand_interface: str,
        hand: str,
        tf_prefix: str = "",
    ) -> None:
        self._node = node
        arm = arm_profile(arm_interface, tf_prefix)
        self._arm: _Trajectories | _Positions = (
            _Trajectories(node, arm)
            if arm.kind is MessageKind.TRAJECTORY
            else _Positions(node, arm)
        )
        self._hand = _Positions(node, hand_profile(hand_interface, hand))

    def publish(
        self, command: CheckedCommand, limits: JointLimits, period_s: float, stamp: Time
    ) -> None:
        """Send a command [22] that is to be reached period_s after stamp."""
        self._arm.publish(command, limits, period_s, stamp)
        self._hand.publish(command, limits, period_s, stamp)

    def end(self) -> None:
        """Leave the drivers' topics."""
        for driver in (self._arm, self._hand):
            self._node.destroy_publisher(driver.publisher)

    @property
    def heard(self) -> bool:
        """Whether both drivers are there; commands that are sent before are lost."""
        return all(
            driver.publisher.get_subscription_count() > 0 for driver in (self._arm, self._hand)
        )


class _Positions:
    """Positions in the driver's own order: Float64MultiArray, or JointState with its names."""

    def __init__(self, node: Node, profile: DriverProfile) -> None:
        self._columns = profile.columns
        self._signs, self._offsets = np.array(profile.order.signs), np.array(profile.order.offsets)
        self._names = list(profile.order.names)
        self._named = profile.kind is MessageKind.JOINT_STATE
        kind = JointState if self._named else Float64MultiArray
        self.publisher = node.create_publisher(kind, profile.topic, topics.KEPT_QOS)

    def publish(
        self, command: CheckedCommand, limits: JointLimits, period_s: float, stamp: Time
    ) -> None:
        positions = command.positions[self._columns] * self._signs + self._offsets
        values = array("d", positions.tobytes())
        if self._named:
            message = JointState(name=self._names, position=values)
            message.header.stamp = stamp
        else:
            message = Float64MultiArray(data=values)
        self.publisher.publish(message)


class _Trajectories:
    """The command and the way from it to a standstill.

    A controller whose commands stop coming thereby brakes by itself, within limits. All points have
    velocities: with them joint_trajectory_controller interpolates cubically, without them linearly,
    which is a jump of the velocity at every command.
    """

    def __init__(self, node: Node, profile: DriverProfile) -> None:
        self._message = JointTrajectory(joint_names=list(profile.order.names))
        self._points: list[JointTrajectoryPoint] = []
        self._velocities = np.zeros(len(JOINT_NAMES))
        self.publisher = node.create_publisher(JointTrajectory, profile.topic, topics.KEPT_QOS)

    def publish(
        self, command: CheckedCommand, limits: JointLimits, period_s: float, stamp: Time
    ) -> None:
        velocities = self._velocities_at_the_end(command, limits)
        braking, way, moving = limits.stopping_way(command.positions, velocities, ARM)
        times = [period_s, *(period_s + braking).tolist()]
        places = [command.positions[ARM], *way]
        speeds = [velocities[ARM], *moving]
        if times[-1] < LEAST_END_S - SAME_MOMENT_S:
            times.append(LEAST_END_S)
            places.append(places[-1])
            speeds.append(np.zeros_like(places[-1]))
        while len(self._points) < len(times):
            self._points.append(JointTrajectoryPoint())
        points = self._points[: len(times)]
        for point, time, place, speed in zip(points, times, places, speeds, strict=True):
            point.positions = array("d", place.tobytes())
            point.velocities = array("d", speed.tobytes())
            seconds, nanoseconds = divmod(round(time * NANOSECONDS), NANOSECONDS)
            point.time_from_start = Duration(sec=seconds, nanosec=nanoseconds)
        self._message.header.stamp = stamp
        self._message.points = points
        self.publisher.publish(self._message)

    def _velocities_at_the_end(self, command: CheckedCommand, limits: JointLimits) -> np.ndarray:
        """Velocities [22] (rad/s) with which the joints arrive at the command.

        A command's velocity is the mean of its step. With it as the one at the end, a cubic through
        two commands would accelerate up to four times as much as the joints do from step to step.
        So half of the step's change is added, as far as the joints can still stop.
        """
        mean, last = command.velocities, self._velocities
        self._velocities = mean
        end = mean + 0.5 * (mean - last)
        room = np.where(
            mean > 0.0, limits.upper - command.positions, command.positions - limits.lower
        )
        most = np.minimum(limits.velocity, np.sqrt(2.0 * limits.acceleration * np.maximum(room, 0)))
        return np.where(mean * end > 0.0, np.clip(end, -most, most), 0.0)
