"""Does the robot do what it is told, and nothing else: its measured joints and the commands."""

from __future__ import annotations

import numpy as np

from amt_retarget.safety.state import NO_REASON, Reason

WINDOW_S = 0.3
"""A robot may be behind its commands by so much time."""
PERSISTENCE_S = 0.05
"""One wrong reading is no departure."""
FROZEN_S = 0.3
FROZEN_RAD = (0.1, 0.3)
"""Readings of the arm, and of the hand, that stay the same to the last bit for this long while the
commands move by so much: the driver has lost its robot. A hand that grips something may stand."""


STANDS_RAD = 0.02
"""A robot whose joints have moved by less since STANDS_S ago stands."""
STANDS_S = 0.1


class StandstillMonitor:
    """Notices that a robot which nobody commands here moves: it must not be taken over then."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget where it stood."""
        self._since = -np.inf
        self._positions: np.ndarray | None = None

    def check(self, measured: np.ndarray, now: float) -> Reason:
        """ROBOT_MOVING until joints [n] (rad) have stood for STANDS_S. now: s, steady."""
        known = self._positions
        if known is None or not np.abs(measured - known).max() < STANDS_RAD:  # also for NaN
            self._since, self._positions = now, measured.copy()
        return Reason.ROBOT_MOVING if now - self._since <= STANDS_S else NO_REASON


class FollowingMonitor:
    """Compares measured joints [n] with the commands of the last WINDOW_S.

    The error of a joint is its distance from the interval in which its commands were, so that a lag
    is no error. Fingers may be kept from where they are sent by what they hold, the arm may not.

    Attributes:
        error: largest error of an arm joint (rad); NaN before the first check.
    """

    def __init__(self, arm_joints: int, tolerance: float, period_s: float) -> None:
        """tolerance: rad, of the arm. period_s: of the checks."""
        self.tolerance = tolerance
        self._period_s = period_s
        self._groups = (slice(0, arm_joints), slice(arm_joints, None))
        self._window = max(1, round(WINDOW_S / period_s))
        self.reset()

    def reset(self) -> None:
        """Forget all commands."""
        self.error = np.nan
        self._commands: np.ndarray | None = None
        self._checks = 0
        self._away_s = 0.0
        self._readings: list[np.ndarray | None] = [None, None]
        self._references: list[np.ndarray | None] = [None, None]
        self._frozen_s = [0.0, 0.0]

    def check(self, command: np.ndarray, measured: np.ndarray) -> Reason:
        """ROBOT_NOT_FOLLOWING if so. command, measured: [n] rad, finite."""
        if self._commands is None:
            self._commands = np.tile(command, (self._window, 1))
        self._commands[self._checks % self._window] = command
        self._checks += 1
        arm = self._groups[0]
        low, high = self._commands[:, arm].min(axis=0), self._commands[:, arm].max(axis=0)
        away = np.maximum(low - measured[arm], measured[arm] - high)
        self.error = max(float(away.max()), 0.0)
        self._away_s = self._away_s + self._period_s if self.error > self.tolerance else 0.0
        frozen = [self._frozen(group, command, measured) for group in range(2)]
        lost = self._away_s > PERSISTENCE_S or any(frozen)
        return Reason.ROBOT_NOT_FOLLOWING if lost else NO_REASON

    def _frozen(self, group: int, command: np.ndarray, measured: np.ndarray) -> bool:
        joints = self._groups[group]
        reading, reference = self._readings[group], self._references[group]
        if reading is None or reference is None or (reading != measured[joints]).any():
            self._readings[group] = measured[joints].copy()
            self._references[group] = command[joints].copy()
            self._frozen_s[group] = 0.0
            return False
        self._frozen_s[group] += self._period_s
        moved = float(np.abs(command[joints] - reference).max())
        return self._frozen_s[group] > FROZEN_S and moved > FROZEN_RAD[group]
