"""The robot's joints as its drivers report them, whatever names and order each of them uses."""

from __future__ import annotations

import time

import numpy as np
from sensor_msgs.msg import JointState

from amt_retarget.robot.joint_orders import project_names
from amt_retarget.robot.robot import Robot

TIMEOUT_S = 0.5


class MeasuredJoints:
    """The newest position of every joint.

    Attributes:
        positions: [22] rad; NaN for a joint that has not been reported yet.
    """

    def __init__(self, robot: Robot) -> None:
        self._names = robot.joint_names
        self._project_names = project_names(robot.hand)  # each driver has names of its own
        self.reset()

    def reset(self) -> None:
        """Forget all."""
        self.positions: np.ndarray = np.full(len(self._names), np.nan)
        self._time = -np.inf

    @property
    def stale(self) -> bool:
        """Whether joints are missing, or the last report is older than TIMEOUT_S."""
        return time.monotonic() - self._time > TIMEOUT_S

    def take(self, message: JointState) -> None:
        """Take in one report, of all joints or of some."""
        position = {
            self._project_names.get(name, name): value
            for name, value in zip(message.name, message.position, strict=False)
        }
        if all(name in position for name in self._names):
            self.positions = np.array([position[name] for name in self._names])
            self._time = time.monotonic()
        elif any(name in position for name in self._names):
            # Arm and hand have drivers of their own; each message brings some of the joints.
            for index, name in enumerate(self._names):
                self.positions[index] = position.get(name, self.positions[index])
            if np.isfinite(self.positions).all():
                self._time = time.monotonic()
