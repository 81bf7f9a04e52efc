"""Input that is well formed and still must not be followed: jumps, and places out of reach."""

from __future__ import annotations

import math

import numpy as np

HAND_SPEED_M_S = 5.0
"""Faster than a hand moves that somebody wants a robot to follow."""
JUMP_M = 0.05
"""A hand tracker's error that is no jump yet."""
SETTLED_S = 0.3
"""A hand that has been elsewhere for this long really is there."""
REACH_M = 0.10
"""A robot whose wrist can come this near to its target reaches it, for the purpose of a warning."""
OUT_OF_REACH_S = 0.3


class JumpDetector:
    """Notices a wrist that is somewhere else from one frame to the next.

    It jumped because the tracker took another thing for the hand, or because it really moved while
    nobody looked. The first passes by itself; the second is believed after SETTLED_S.
    """

    def __init__(self) -> None:
        self.moved = False
        """Whether the last wrist was believed to be elsewhere from then on."""
        self._wrist: np.ndarray | None = None
        self._elsewhere: np.ndarray | None = None
        self._time = 0.0
        self._unseen = 0.0

    def unseen(self, dt: float) -> None:
        """Note dt seconds without a wrist, in which the hand may have moved."""
        self._unseen += dt

    def jumped(self, wrist: np.ndarray, dt: float) -> bool:
        """Whether the wrist [3] (m) is not to be believed yet. dt: seconds since the last call."""
        self.moved = False
        reach = JUMP_M + HAND_SPEED_M_S * (dt + self._unseen)
        self._unseen = 0.0
        if self._wrist is None or math.dist(wrist, self._wrist) <= reach:
            self._wrist, self._elsewhere = wrist, None
            return False
        if self._elsewhere is None or math.dist(wrist, self._elsewhere) > reach:
            self._time = 0.0
        self._elsewhere = wrist
        self._time += dt
        if self._time < SETTLED_S:
            return True
        self._wrist, self._elsewhere = wrist, None
        self.moved = True
        return False


class ReachMonitor:
    """Notices targets that the arm cannot come near to for longer than a moment."""

    def __init__(self) -> None:
        self._time = 0.0

    def lost(self, distance: float, dt: float) -> bool:
        """distance: of the wrist target from the nearest place that the robot can reach (m)."""
        self._time = self._time + dt if distance > REACH_M else 0.0
        return self._time > OUT_OF_REACH_S
