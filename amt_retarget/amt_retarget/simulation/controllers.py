"""What the real controllers do with the commands that they accept.

Sources: ros2_controllers: joint_trajectory_controller/src/trajectory.cpp, sample and
interpolate_between_points (cubic between points with velocities, else linear; the last point is
held); joint_trajectory_controller.cpp, update (a new trajectory replaces the old one and starts
from the last desired state, as with interpolate_from_desired_state; its time runs with the speed
scaling); forward_command_controller/src/forward_controllers_base.cpp, update (the last command is
held).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class TrajectoryController:
    """joint_trajectory_controller of n joints, with speed scaling."""

    def __init__(self, positions: ArrayLike, now: float) -> None:
        """Stand at positions [n] (rad) since `now` (s)."""
        self.positions: Array = np.array(positions, dtype=float)
        self.velocities: Array = np.zeros_like(self.positions)
        self._now = self._cursor = now
        self._times = np.array([now])
        self._knots = self.positions[None, :], self.velocities[None, :]
        self._cubic = True

    def replace(
        self, start: float, times: ArrayLike, positions: ArrayLike, velocities: ArrayLike | None
    ) -> None:
        """Follow a trajectory from the desired state on, instead of the one before.

        start: s, 0: at once. times: [k] from start (s); positions: [k, n] (rad); velocities: [k, n]
        (rad/s), or None for linear interpolation.
        """
        due = (start if start != 0.0 else self._now) + np.asarray(times, dtype=float)
        self._cubic = velocities is not None
        speeds = np.zeros(np.shape(positions)) if velocities is None else np.asarray(velocities)
        self._times = np.append(self._now, due)
        self._knots = (
            np.vstack([self.positions, positions]),
            np.vstack([self.velocities, speeds]),
        )
        if due[0] <= self._now:  # too late for the first points
            self._times, self._knots = due, (self._knots[0][1:], self._knots[1][1:])
        self._cursor = self._now

    def update(self, now: float, scaling: float = 1.0) -> Array:
        """Desired positions [n] (rad) at `now` (s); scaling: of the trajectory's time, 0..1."""
        self._cursor += (now - self._now) * scaling
        self._now = now
        segment = int(np.searchsorted(self._times, self._cursor, side="right")) - 1
        positions, velocities = self._knots
        if segment < 0:
            return self.positions  # a trajectory that only starts later
        if segment >= len(self._times) - 1:
            self.positions, self.velocities = positions[-1], np.zeros_like(self.positions)
            return self.positions
        length = self._times[segment + 1] - self._times[segment]
        s = (self._cursor - self._times[segment]) / length
        way = positions[segment + 1] - positions[segment]
        if self._cubic:
            first, last = velocities[segment] * length, velocities[segment + 1] * length
            self.positions = positions[segment] + s * (
                first + s * ((3 * way - 2 * first - last) + s * (first + last - 2 * way))
            )
            slope = first + s * (
                2 * (3 * way - 2 * first - last) + 3 * s * (first + last - 2 * way)
            )
        else:
            self.positions, slope = positions[segment] + s * way, way
        self.velocities = slope / length
        return self.positions


class PositionController:
    """forward_command_controller of n joints: the last command is held, with no time limit."""

    def __init__(self, positions: ArrayLike) -> None:
        self.positions: Array = np.array(positions, dtype=float)

    def hold(self, positions: ArrayLike) -> None:
        """Command positions [n] (rad)."""
        self.positions = np.array(positions, dtype=float)

    def update(self, now: float, scaling: float = 1.0) -> Array:
        """Commanded positions [n] (rad); they know neither time nor scaling."""
        return self.positions
