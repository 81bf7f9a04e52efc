"""JointTrajectory messages as plain numbers."""

from __future__ import annotations

from trajectory_msgs.msg import JointTrajectory

from amt_retarget.ros.transforms import seconds
from amt_retarget.simulation.driver_contracts import Trajectory


def read_trajectory(message: JointTrajectory) -> Trajectory:
    """A message's content, unchecked."""
    points = message.points
    return Trajectory(
        message.joint_names,
        seconds(message.header.stamp),
        [seconds(point.time_from_start) for point in points],
        [point.positions for point in points],
        [point.velocities for point in points],
        [point.accelerations for point in points],
        [point.effort for point in points],
    )
