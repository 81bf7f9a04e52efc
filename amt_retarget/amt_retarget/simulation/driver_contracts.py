"""What the real drivers refuse, rule by rule: each check returns one sentence, or None.

Sources (repository: file, function), as of August 2026:
- ros2_controllers: joint_trajectory_controller/src/joint_trajectory_controller.cpp,
  validate_trajectory_msg and validate_trajectory_point_field, with the parameters that
  Universal_Robots_ROS2_Driver: ur_robot_driver/config/ur_controllers.yaml leaves as they are
  (no partial goals, position interface, no velocity at the end).
- ros2_controllers: forward_command_controller/src/forward_controllers_base.cpp, on_configure (a
  value that is not finite) and update (another number of values). Wonik's V4 driver runs the same
  controller (allegro_hand_ros2: ros2_controllers.yaml).
- allegro_hand_ros2_v5: src/allegro_hand_controllers/src/allegro_node_grasp.cpp, setJointCallback.

Where a real driver does not look although a robot comes to harm, the check does, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

FLOAT32_EPSILON = float(np.finfo(np.float32).eps)
"""What joint_trajectory_controller takes for rest at the end (rad/s)."""


@dataclass(frozen=True)
class Trajectory:
    """A JointTrajectory's content: one entry for each of k points; an empty row: not given."""

    names: Sequence[str]
    start: float
    """Of its header: s; 0: start at once."""
    times: Sequence[float]
    """[k] from start (s)."""
    positions: Sequence[Sequence[float]]
    """[k][n] rad."""
    velocities: Sequence[Sequence[float]]
    """[k][n] rad/s."""
    accelerations: Sequence[Sequence[float]] = field(default_factory=list)
    efforts: Sequence[Sequence[float]] = field(default_factory=list)


def refused_trajectory(trajectory: Trajectory, joints: Sequence[str], now: float) -> str | None:
    """Why joint_trajectory_controller with these joints refuses a trajectory at time `now` (s)."""
    for check in (_names, _points, _end_velocity):
        reason = check(trajectory, joints)
        if reason:
            return reason
    end = trajectory.start + trajectory.times[-1]
    if trajectory.start != 0.0 and end < now:
        return f"the trajectory ended {now - end:.3f} s ago: check the clocks of both machines"
    return _times(trajectory) or _sizes(trajectory, joints)


def _names(trajectory: Trajectory, joints: Sequence[str]) -> str | None:
    names = trajectory.names
    if len(names) != len(joints):
        return f"{len(names)} joint names instead of the controller's {len(joints)}"
    unknown = [name for name in names if name not in joints]
    if unknown:
        return f"joint {unknown[0]} is not one of the controller's"
    if len(set(names)) != len(names):  # not looked at by the real one, which then leaves one out
        return "a joint is named more than once"
    return None


def _points(trajectory: Trajectory, joints: Sequence[str]) -> str | None:
    return None if len(trajectory.times) else "the trajectory has no points"


def _end_velocity(trajectory: Trajectory, joints: Sequence[str]) -> str | None:
    for name, velocity in zip(trajectory.names, trajectory.velocities[-1], strict=False):
        if abs(velocity) > FLOAT32_EPSILON:
            return f"joint {name} still moves at the last point ({velocity:.3g} rad/s)"
    return None


def _times(trajectory: Trajectory) -> str | None:
    for point, (before, after) in enumerate(
        zip(trajectory.times, trajectory.times[1:], strict=False)
    ):
        if after <= before:
            return f"times do not rise: {after:.6f} s at point {point + 1} after {before:.6f} s"
    return None


def _sizes(trajectory: Trajectory, joints: Sequence[str]) -> str | None:
    for kind, values, may_be_empty in (
        ("positions", trajectory.positions, False),
        ("velocities", trajectory.velocities, True),
        ("accelerations", trajectory.accelerations, True),
    ):
        for point, row in enumerate(values):
            if len(row) != len(joints) and not (may_be_empty and not len(row)):
                return f"{len(row)} {kind} for {len(joints)} joints at point {point}"
            if not np.isfinite(row).all():  # the real one passes it on to the robot
                return f"{kind} that are not finite at point {point}"
    if any(len(row) for row in trajectory.efforts):
        return "efforts are only for controllers with an effort interface"
    return None


def refused_positions(positions: Sequence[float], joints: Sequence[str]) -> str | None:
    """Why a forward_command_controller with these joints refuses a Float64MultiArray."""
    if not np.isfinite(positions).all():
        return "a position is not finite"
    if len(positions) != len(joints):
        return f"{len(positions)} positions for {len(joints)} joints"
    return None


def refused_joint_state(
    names: Sequence[str], positions: Sequence[float], joints: Sequence[str]
) -> str | None:
    """Why an Allegro driver with these joints must not be sent a JointState.

    The real ones look at nothing: they read 16 positions by their place, past the end of a shorter
    list, and ignore the names. Here names in another order are refused, for they are a mistake.
    """
    if len(names) and list(names) != list(joints):
        return f"names in another order than the driver's, {joints[0]} to {joints[-1]}"
    return refused_positions(positions, joints)
