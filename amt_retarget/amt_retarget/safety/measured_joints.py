"""The robot's joints as its drivers report them, whatever names and order each of them uses."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import numpy as np

from amt_retarget.robot.driver_profiles import ReportedJoints
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
        hand_interface: str = "v4",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """timeout_s: age at which a joint is missing. arm_prefix: of the arm's names (tf_prefix of
        UR's driver). hand_interface: the hand's driver (robot/driver_profiles.py).
        """
        self.timeout_s = timeout_s
        self._clock = clock
        self._reported = ReportedJoints.of(robot.hand, hand_interface, arm_prefix)
        self._count = len(robot.joint_names)
        self.reset()

    def reset(self) -> None:
        """Forget all."""
        self.positions: np.ndarray = np.full(self._count, np.nan)
        self._times = np.full(self._count, -math.inf)
        self._stamps = np.full(self._count, -math.inf)

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
            index = self._reported.places.get(name)
            if index is None or not math.isfinite(position):
                continue
            if stamp_s == 0.0 or stamp_s != self._stamps[index]:
                self.positions[index] = self._reported.position(name, position)
                self._stamps[index] = stamp_s
                self._times[index] = now
