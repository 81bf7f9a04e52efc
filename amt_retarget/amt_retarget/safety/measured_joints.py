"""The robot's joints as its drivers report them, whatever names and order each of them uses."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import numpy as np

from amt_retarget.robot.joint_orders import project_names
from amt_retarget.robot.robot import Robot


class MeasuredJoints:
    """The newest position of every joint, and whether all of them are fresh.

    Arm and hand have drivers of their own, each of which reports some of the joints; one that has
    died must not hide behind the other, so every joint has an age of its own.

    Attributes:
        positions: [22] rad; NaN for a joint that has not been reported yet.
    """

    def __init__(
        self,
        robot: Robot,
        timeout_s: float = 0.05,
        arm_prefix: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """timeout_s: age at which a joint is missing. arm_prefix: of the arm's names (tf_prefix of
        UR's driver).
        """
        self.timeout_s = timeout_s
        self._clock = clock
        place = {name: index for index, name in enumerate(robot.joint_names)}
        arm = set(robot.arm_joint_names)
        self._place = {
            (arm_prefix if joint in arm else "") + name: place[joint]
            for name, joint in project_names(robot.hand).items()
        }
        self.reset()

    def reset(self) -> None:
        """Forget all."""
        count = len(set(self._place.values()))
        self.positions: np.ndarray = np.full(count, np.nan)
        self._times = np.full(count, -math.inf)
        self._stamps = np.full(count, -math.inf)

    @property
    def missing(self) -> bool:
        """Whether a joint has never been reported, or its last report is older than timeout_s."""
        return bool(self._clock() - self._times.min() > self.timeout_s)

    def take(self, names: Sequence[str], positions: Sequence[float], stamp_s: float) -> None:
        """Take in one report of some joints (rad).

        Unknown names and positions that are not finite are left out, and so is a report that has
        another number of positions, or the stamp of the one before: a driver that repeats itself
        has lost its robot. Drivers that do not stamp (0) are believed.
        """
        if len(names) != len(positions):
            return
        now = self._clock()
        for name, position in zip(names, positions, strict=True):
            index = self._place.get(name)
            if index is None or not math.isfinite(position):
                continue
            if stamp_s == 0.0 or stamp_s != self._stamps[index]:
                self.positions[index] = position
                self._stamps[index] = stamp_s
                self._times[index] = now
