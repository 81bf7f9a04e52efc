"""The next command: on the way to the goal, inside all limits.

One quadratic program over all 22 joints. Wanted is the smooth continuation of the motion toward the
goal (smoothing), in which fingers that pinch follow faster than others, so that smoothing does not
open a pinch. Position, velocity and acceleration limits are hard bounds. Minimum distances are
rows: two links may near each other only as fast as they can still stop (the velocity damper of
Faverjon and Tournassoud, ICRA 1987, with a braking parabola).
"""

from __future__ import annotations

import numpy as np

from amt_retarget.retarget.inverse_kinematics import InverseKinematics
from amt_retarget.retarget.quadratic_program import QuadraticProgram
from amt_retarget.retarget.smoothing import Smoothing
from amt_retarget.retarget.targets import Targets
from amt_retarget.robot.robot import Robot
from amt_retarget.safety.limits import JointLimits

PINCH_SPEED_UP = 1.25
"""Cutoff of the smoothing of a finger that touches the thumb, over that of the others."""
NEAR_M = 0.06
"""Farther than two links can near each other in a step of 1/30 s."""
BRAKING_SHARE = 0.5
"""Of the deceleration that all joints together can give two links that near each other."""
BRAKING_STEPS = 4.0
"""Pairs that cannot meet in so many steps need not brake yet."""
STOP_TOLERANCE_M = 5e-4
"""Of distances on the way to a standstill."""
ROUNDING_M = 1e-6
"""What rounding may take from a distance that stays the same."""
LEAST_BRAKING_STEP_S = 0.02
"""Of the way to a standstill that is looked at: no finer than needed at a high rate."""
BRAKING = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of braking that are tried in turn."""
OVERSHOOT_RAD = 0.03
"""About the most that a joint runs past a goal that stops dead."""
CORRECTIONS = 3
SLACK_TOLERANCE_M = 2e-4
"""A distance that is too small by less is left to the next frame."""


class LimitedMotion:
    """Makes a motion out of goals, one command at a time; it has no memory of its own."""

    def __init__(self, kinematics: InverseKinematics, robot: Robot) -> None:
        self._kernel = kinematics.kernel
        self._table_height = kinematics.table_height
        self._program = QuadraticProgram()
        self._arm = slice(0, len(robot.arm_joint_names))
        parts = ("arm", "thumb", "index", "middle", "ring")
        self._part = [
            parts.index(name.split("_")[0]) if name in robot.hand_joint_names else 0
            for name in robot.joint_names
        ]
        self._hessian = np.eye(len(self._part))

    def next(
        self,
        goal: np.ndarray,
        targets: Targets,
        positions: np.ndarray,
        velocities: np.ndarray,
        accelerations: np.ndarray,
        limits: JointLimits,
        cutoff: np.ndarray,
        dt: float,
        speed: float,
    ) -> np.ndarray | None:
        """Positions [22] (rad) of the next command, or None when there is no solution.

        positions, velocities, accelerations: [22] of the last command. cutoff: [22] of the
        smoothing (Hz). speed: 0..1, the share of the velocity limits that may be used.
        """
        lower, upper = limits.velocity_bounds(positions, velocities, dt, speed)
        lower, upper = lower * dt, upper * dt
        smoothing = Smoothing(self._faster_in_a_pinch(cutoff, targets.pinch_closeness), dt)
        # Behind by this much, the filter moves at the velocity limit: so it nears the limit
        # smoothly and does not run into it.
        behind = limits.velocity * speed * smoothing.lag
        ahead = positions + np.minimum(np.maximum(goal - positions, -behind), behind)
        smooth = smoothing.next(ahead, positions, velocities, accelerations)
        wanted = self._stoppable(smooth - positions, goal - positions, limits, dt, speed)
        wanted = np.minimum(np.maximum(wanted, lower), upper)
        reached = self._keeping_apart(wanted, positions, lower, upper, limits, dt)
        return (
            None
            if reached is None
            else self._stopping_clear(reached, positions, velocities, limits, dt)
        )

    def _stopping_clear(
        self,
        reached: np.ndarray,
        positions: np.ndarray,
        velocities: np.ndarray,
        limits: JointLimits,
        dt: float,
    ) -> np.ndarray:
        """`reached` [22], or so much braking instead that the way to a standstill is clear then.

        So by induction there always is such a way, whatever comes in: the one on which all joints
        brake. It is the way that a hold takes. Links that are too near already may stay so.
        """

        def stops_clear(command: np.ndarray, least: float) -> bool:
            return self._kernel.can_stop(
                command,
                (command - positions) / dt,
                limits.acceleration,
                max(dt, LEAST_BRAKING_STEP_S),
                least,
                self._table_height,
            )

        if stops_clear(reached, -STOP_TOLERANCE_M):
            return reached
        slack, _ = self._kernel.near(positions, 0.0, self._table_height)
        least = min(float(np.min(slack, initial=0.0)) - ROUNDING_M, -STOP_TOLERANCE_M)
        braked, _ = limits.brake(positions, velocities, dt)
        for share in BRAKING:
            braking = reached + share * (braked - reached)
            if stops_clear(braking, least):
                break
        return braking

    def _keeping_apart(
        self,
        wanted: np.ndarray,
        positions: np.ndarray,
        lower: np.ndarray,
        upper: np.ndarray,
        limits: JointLimits,
        dt: float,
    ) -> np.ndarray | None:
        """Positions [22] after the step nearest to `wanted` [22] that keeps links apart.

        lower, upper: [22] of the step (rad).
        """
        slack, rows = self._kernel.endangered(
            positions, NEAR_M, self._table_height, lower, upper, BRAKING_STEPS
        )
        least = -self._closing_speed(slack, rows, limits, dt) * dt
        step: np.ndarray | None = wanted
        if not (rows @ wanted >= least).all():
            step = self._program.solve(self._hessian, -wanted, lower, upper, rows, least)
        for _ in range(CORRECTIONS):
            if step is None:
                return None
            # Distances are not linear in the joints: look again where the step leads.
            reached = positions + step
            slack, rows = self._kernel.near(reached, 0.0, self._table_height)
            if slack.size == 0 or slack.min() > -SLACK_TOLERANCE_M:
                break
            step = self._program.solve(
                self._hessian, -wanted, lower, upper, rows, rows @ step - slack
            )
        return reached

    def _faster_in_a_pinch(self, cutoff: np.ndarray, closeness: np.ndarray) -> np.ndarray:
        shares = np.concatenate([[0.0, closeness.max()], closeness])
        return cutoff * (1.0 + (PINCH_SPEED_UP - 1.0) * shares[self._part])

    def _closing_speed(
        self, slack: np.ndarray, rows: np.ndarray, limits: JointLimits, dt: float
    ) -> np.ndarray:
        """Most speed [m] (m/s) at which pairs with this slack [m] (m) may near each other.

        The same law as JointLimits.stoppable; links that are too near already must part.
        """
        deceleration = BRAKING_SHARE * (np.abs(rows) @ limits.acceleration)
        return 2.0 * slack / (dt + np.sqrt(dt * dt + 2.0 * np.abs(slack) / deceleration))

    def _stoppable(
        self, wanted: np.ndarray, way: np.ndarray, limits: JointLimits, dt: float, speed: float
    ) -> np.ndarray:
        """The step [22] slowed down so that every joint can stop near its goal, `way` [22] ahead.

        The arm's joints are slowed down together, so that its path keeps its direction.
        """
        most = np.minimum(
            limits.stoppable(np.abs(way) + OVERSHOOT_RAD, dt), limits.velocity * speed
        )
        share = np.minimum(1.0, most * dt / np.maximum(np.abs(wanted), 1e-12))
        share[self._arm] = share[self._arm].min()
        return share * wanted
