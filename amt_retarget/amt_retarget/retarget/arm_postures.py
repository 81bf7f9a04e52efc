"""Which postures of the arm put the palm at a given pose: inverse kinematics from many starts."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from amt_retarget.grasp.configuration import Configuration, rotation_vector
from amt_retarget.retarget.kinematics import PALM_LENGTH_M, make_kernel, set_collisions
from amt_retarget.robot.robot import Robot
from amt_retarget.safety.limits import JointLimits

Array = NDArray[np.float64]

POSITION_WEIGHT, ROTATION_WEIGHT = 1e4, 1e2
"""Per m^2 and rad^2: a centimetre counts as much as a tenth of a radian."""
TRUST_RAD, MOST_STEPS, LEAST_DECREASE = 0.3, 60, 1e-14
REACHED_M, REACHED_RAD = 2e-4, 1e-3
SAME_RAD = 0.05
"""Postures whose joints differ by less are the same."""

ELBOWS = ((0.0, -1.45, 1.9), (np.pi, -1.69, -1.9))
"""Shoulder pan relative to the palm's direction, shoulder lift and elbow of the starts (rad): the
arm leans to the palm or, turned around, backwards over itself; the elbow is up in both."""
WRISTS = tuple(product((-2.0, -0.4, 1.2, 2.8), (-np.pi / 2, np.pi / 2), (-np.pi / 2, np.pi / 2)))
"""The three joints of the wrist, combined with both."""


class ArmPostures:
    """Inverse kinematics of the arm under a hand whose joints are given. Deterministic.

    Palm poses are `Configuration`s in base_link. Solutions are those of the Levenberg-Marquardt
    minimisation of the compiled kernel, within the position limits.

    Attributes:
        kernel: of the whole robot, with its collision pairs.
    """

    def __init__(self, robot: Robot, limits: JointLimits) -> None:
        self.kernel = make_kernel(robot, [(0, 0)])
        set_collisions(self.kernel, robot)
        self._limits = limits

    def find(self, palm: Configuration, near: Array) -> list[Array]:
        """All postures [6] (rad) found with the palm there, the nearest to `near` [6] first."""
        pan = _direction(palm)
        found: list[Array] = []
        for (turned, lift, elbow), wrist in product(ELBOWS, WRISTS):
            reached = self.reach(np.array([pan + turned, lift, elbow, *wrist]), palm)
            if reached is None:
                continue
            arm = self.nearest_turns(reached[:6], near)
            if all(np.abs(arm - other).max() > SAME_RAD for other in found):
                found.append(arm)
        return sorted(found, key=lambda arm: float(np.abs(arm - near).max()))

    def reach(self, arm: Array, palm: Configuration) -> Array | None:
        """Joints [22] with the palm there, on from arm [6]; None where that leads nowhere."""
        q = self._approximate(arm, palm, ROTATION_WEIGHT)
        rotation, wrist = self.kernel.palm(q)
        away = np.linalg.norm(wrist - _wrist(palm))
        turned = np.linalg.norm(rotation_vector(rotation.T @ palm.rotation))
        return q if away < REACHED_M and turned < REACHED_RAD else None

    def beyond_reach(self, palm: Configuration) -> float:
        """How far from the palm's place the arm ends when the rotation does not matter (m).

        0 for places that it reaches, with some rotation.
        """
        away = []
        for turned, lift, elbow in ELBOWS:
            start = np.array([_direction(palm) + turned, lift, elbow, *WRISTS[0]])
            _, wrist = self.kernel.palm(self._approximate(start, palm, 0.0))
            away.append(float(np.linalg.norm(wrist - _wrist(palm))))
        return min(away) if min(away) > REACHED_M else 0.0

    def nearest_turns(self, arm: Array, near: Array) -> Array:
        """The posture [6] with every joint turned by full turns to be nearest to `near` [6]."""
        lower, upper = self._limits.lower[:6], self._limits.upper[:6]
        turned = arm + 2.0 * np.pi * np.round((near - arm) / (2.0 * np.pi))
        turned = np.where(turned > upper, turned - 2.0 * np.pi, turned)
        return np.where(turned < lower, turned + 2.0 * np.pi, turned)

    def _approximate(self, arm: Array, palm: Configuration, rotation_weight: float) -> Array:
        """Joints [22] with the palm as near to the pose as it comes, on from arm [6]."""
        limits = self._limits
        q, _ = self.kernel.minimise(
            np.clip(np.concatenate([arm, palm.joints]), limits.lower, limits.upper),
            np.zeros((1, 3)),
            np.zeros(1),
            np.full(1, np.inf),
            _wrist(palm),
            palm.rotation,
            POSITION_WEIGHT,
            rotation_weight,
            limits.lower,
            limits.upper,
            TRUST_RAD,
            LEAST_DECREASE,
            MOST_STEPS,
            False,
        )
        return np.concatenate([q[:6], palm.joints])


def _direction(palm: Configuration) -> float:
    """Where the palm is, seen from the robot's base (rad about z)."""
    return float(np.arctan2(palm.position[1], palm.position[0]))


def _wrist(palm: Configuration) -> Array:
    """The kernel's wrist point [3] of a palm's pose."""
    return palm.position - PALM_LENGTH_M * palm.rotation[:, 2]
