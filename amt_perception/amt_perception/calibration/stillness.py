"""When a pair may be recorded: the robot stands, the board is seen, and the pose is a new one."""

from __future__ import annotations

from collections import deque

import numpy as np
from scipy.spatial.transform import Rotation

STILL_TIME_S = 0.7
"""Longer than camera and network are late, so that image and robot are of the same pose."""
STILL_POSITION_M = 5e-4
STILL_ROTATION_RAD = np.radians(0.1)
STILL_PIXELS = 2.0
NEW_POSITION_M = 0.03
NEW_ROTATION_RAD = np.radians(8.0)


def pose_distance(pose: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Position (m) and rotation (rad) between two poses [4, 4]."""
    turn = Rotation.from_matrix(pose[:3, :3] @ other[:3, :3].T).magnitude()
    return float(np.linalg.norm(pose[:3, 3] - other[:3, 3])), float(turn)


class Stillness:
    """The last moments of flange and board."""

    def __init__(self) -> None:
        self._moments: deque[tuple[float, np.ndarray, np.ndarray]] = deque()

    def add(self, time_s: float, flange: np.ndarray, corner: np.ndarray) -> None:
        """A flange pose [4, 4] and where the board's middle is in the image [2] (px)."""
        self._moments.append((time_s, flange, corner))
        while time_s - self._moments[0][0] > 2.0 * STILL_TIME_S:
            self._moments.popleft()

    def clear(self) -> None:
        """Forget, because the board was lost or the robot is unknown."""
        self._moments.clear()

    @property
    def still(self) -> bool:
        """Whether neither has moved for STILL_TIME_S."""
        if not self._moments:
            return False
        now, flange, corner = self._moments[-1]
        if now - self._moments[0][0] < STILL_TIME_S:
            return False
        for time_s, other, where in self._moments:
            if now - time_s > 1.5 * STILL_TIME_S:
                continue
            moved, turned = pose_distance(flange, other)
            if moved > STILL_POSITION_M or turned > STILL_ROTATION_RAD:
                return False
            if np.linalg.norm(where - corner) > STILL_PIXELS:
                return False
        return True


def is_new(flange: np.ndarray, recorded: list[np.ndarray]) -> bool:
    """Whether a flange pose differs enough from all that are recorded to say something."""
    for other in recorded:
        moved, turned = pose_distance(flange, other)
        if moved < NEW_POSITION_M and turned < NEW_ROTATION_RAD:
            return False
    return True
