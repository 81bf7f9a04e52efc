"""One optimisation over all joints in all frames of a motion.

Minimised over positions q_t of all frames t together is

    sum_t f_t(q_t) + c/2 |q_t - goal_t|^2 + 1/2 sum_j rho_j |third difference of joint j|^2

f_t is what the targets cost at frame t (InverseKinematics.objective). The third differences are the
jerk times dt^3: their sum of squares is the Whittaker smoother's penalty (Eilers, "A perfect
smoother", Analytical Chemistry 2003), which weighs past and future alike and so has no lag. The
weak pull to the goals decides what the targets leave open. A frame without a hand has neither term
but is drawn to its goal as a joint is drawn to its target elsewhere.

Position, velocity and acceleration limits are inequalities on the differences of order 0 to 2,
kept by an augmented Lagrangian (Nocedal and Wright, "Numerical Optimization", 2006, chapter 17).
Minimum distances are stiff springs that begin a little before the distance is used up. The steps
are Gauss-Newton steps with Levenberg-Marquardt damping (Nielsen, "Damping parameter in Marquardt's
method", IMM-REP-1999-05), each with one banded Cholesky factorisation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.inverse_kinematics import InverseKinematics
from amt_retarget.retarget.offline.banded import BandedMatrix, differences, pulled_back
from amt_retarget.retarget.targets import Targets
from amt_retarget.safety.limits import JointLimits

Array = NDArray[np.float64]

GOAL_CLOSENESS = 5.0
"""Of a joint to its goal, per rad^2: a finger has four joints for the three coordinates of a tip."""
SPRING_PER_M2 = 1e7
"""Stiffness of the minimum distances; the costs are of the order of cm^2."""
SPRING_LENGTH_M = 3e-4
"""So much before the minimum distance they begin; a push of 3000 per metre uses it up."""
LIMIT_STIFFNESS = 1000.0
"""Of a limit's penalty over that of the joint, for frames of LIMIT_FRAME_S."""
LIMIT_FRAME_S = 1 / 30
POSITION_MARGIN_RAD = 1e-3
RATE_SHARE = 0.995
"""The optimisation keeps away from the limits by what it leaves of the violations when it ends."""
MULTIPLIER_STEP_RAD = 0.03
"""When the steps are this small, the multipliers of the limits are worth improving."""
CONVERGED_RAD = 2e-3
MAX_STEPS = 80
JERK = 3
"""Order of the differences that are made small."""


def smoothing_weights(stiffness: Array, cutoff_hz: float, dt: float) -> Array:
    """rho [n]: penalty of the squared third differences of joints of this stiffness [n].

    A joint alone, with cost stiffness/2 (q - target)^2 a frame, then answers a target that swings
    with frequency f by the share 1 / (1 + (sin(pi f dt) / sin(pi cutoff dt))^6): half at the
    cutoff, as from a third-order Butterworth filter run forward and backward, which halves the
    power at its cutoff in each run.
    """
    return stiffness / (2.0 * np.sin(np.pi * cutoff_hz * dt)) ** (2 * JERK)


@dataclass(frozen=True)
class _Value:
    """The function that the steps make smaller, at one motion."""

    cost: float
    gradient: Array
    """[T, n]"""
    blocks: Array
    """[T, n, n] Hessian of all that concerns single frames, without the limits."""
    stretched: list[Array]
    """For each order of the limits, [T + order, n] stiffness of the penalties that are in force."""


class TrajectoryProblem:
    """The optimisation for one sequence; use `solve`."""

    def __init__(
        self,
        kinematics: InverseKinematics,
        targets: list[Targets | None],
        goals: Array,
        limits: JointLimits,
        cutoff_hz: float,
        dt: float,
    ) -> None:
        """targets: T, None without a hand; goals: [T, n] (rad), configurations that meet them."""
        self._kinematics = kinematics
        self._targets = targets
        self._goals = goals
        seen = [
            np.diag(kinematics.objective(q, target)[3])
            for q, target in zip(goals, targets, strict=True)
            if target is not None
        ]
        self._stiffness: Array = np.median(seen, axis=0)
        self._smoothing = smoothing_weights(self._stiffness, cutoff_hz, dt)
        rates = [RATE_SHARE * limits.velocity * dt, RATE_SHARE * limits.acceleration * dt**2]
        self._lower = [limits.lower + POSITION_MARGIN_RAD, *(-rate for rate in rates)]
        self._upper = [limits.upper - POSITION_MARGIN_RAD, *rates]
        self._tolerances = [np.full_like(limits.lower, POSITION_MARGIN_RAD)]
        self._tolerances += [(1.0 / RATE_SHARE - 1.0) * rate for rate in rates]
        self._penalties = [
            LIMIT_STIFFNESS * (LIMIT_FRAME_S / dt) ** (2 * order) * self._stiffness
            for order in range(JERK)
        ]
        frames, joints = goals.shape
        self._multipliers = [np.zeros((frames + order, joints)) for order in range(JERK)]

    def solve(self) -> Array:
        """The best motion [T, n] (rad).

        Raises RetargetError when the steps do not converge, which means that limits and minimum
        distances leave no way to follow the targets.
        """
        motion = self._smoothed(self._goals)
        value = self._evaluate(motion)
        damping, growth = 1.0, 2.0
        for _ in range(MAX_STEPS):
            matrix = self._hessian(value)
            matrix.add_diagonal(damping * self._stiffness)
            step = -matrix.solve(value.gradient)
            new = self._evaluate(motion + step)
            expected = 0.5 * np.sum(step * (damping * self._stiffness * step - value.gradient))
            gain = (value.cost - new.cost) / expected
            if not gain > 0.0:  # also refuses NaN
                damping, growth = damping * growth, 2.0 * growth
                continue
            damping, growth = damping * max(1 / 3, 1.0 - (2.0 * gain - 1.0) ** 3), 2.0
            motion, value = motion + step, new
            largest = np.max(np.abs(step))
            if largest < CONVERGED_RAD and self._within_limits(motion):
                return motion
            if largest < MULTIPLIER_STEP_RAD:
                self._improve_multipliers(motion)
                value = self._evaluate(motion)
        raise RetargetError(
            f"The trajectory has not converged in {MAX_STEPS} steps: the limits or the minimum "
            "distances leave no way to follow this hand; raise the limits or cut the recording."
        )

    def _smoothed(self, goals: Array) -> Array:
        """The goals [T, n] smoothed joint by joint, without limits: a place to start from."""
        matrix = BandedMatrix(*goals.shape, JERK)
        matrix.add_diagonal(self._stiffness)
        self._add_smoothing(matrix)
        return matrix.solve(self._stiffness * goals)

    def _evaluate(self, motion: Array) -> _Value:
        frames, joints = motion.shape
        cost, gradient, blocks = 0.0, np.empty_like(motion), np.empty((frames, joints, joints))
        for t, q in enumerate(motion):
            frame_cost, gradient[t], blocks[t] = self._frame(q, self._targets[t], self._goals[t])
            cost += frame_cost
        jerk = differences(motion, JERK)
        cost += 0.5 * float(np.sum(self._smoothing * jerk**2))
        gradient += pulled_back(self._smoothing * jerk, JERK)
        stretched = []
        for order, penalty in enumerate(self._penalties):
            force = self._limit_forces(motion, order)
            cost += 0.5 * float(np.sum(force**2 / penalty))
            gradient += pulled_back(force, order)
            stretched.append(np.where(force != 0.0, penalty, 0.0))
        return _Value(cost, gradient, blocks, stretched)

    def _frame(self, q: Array, targets: Targets | None, goal: Array) -> tuple[float, Array, Array]:
        """Cost, gradient [n] and Hessian [n, n] of what concerns one frame alone."""
        kinematics = self._kinematics
        if targets is None:
            cost, gradient, hessian = 0.0, np.zeros(q.size), np.zeros((q.size, q.size))
            pull = self._stiffness
        else:
            cost, _, gradient, hessian = kinematics.objective(q, targets)
            pull = np.full(q.size, GOAL_CLOSENESS)
        cost += 0.5 * float(pull @ (q - goal) ** 2)
        gradient += pull * (q - goal)
        hessian.flat[:: q.size + 1] += pull
        slack, rows = kinematics.kernel.near(q, SPRING_LENGTH_M, kinematics.table_height)
        if slack.size:
            pressed = SPRING_LENGTH_M - slack
            cost += 0.5 * SPRING_PER_M2 * float(pressed @ pressed)
            gradient -= SPRING_PER_M2 * pressed @ rows
            hessian += SPRING_PER_M2 * rows.T @ rows
        return cost, gradient, hessian

    def _limit_forces(self, motion: Array, order: int) -> Array:
        """[T + order, n] forces of the limits: the multipliers after one step of improvement."""
        penalty = self._penalties[order]
        shifted = differences(motion, order) + self._multipliers[order] / penalty
        return penalty * (shifted - np.clip(shifted, self._lower[order], self._upper[order]))

    def _improve_multipliers(self, motion: Array) -> None:
        self._multipliers = [self._limit_forces(motion, order) for order in range(JERK)]

    def _within_limits(self, motion: Array) -> bool:
        for order, tolerance in enumerate(self._tolerances):
            values = differences(motion, order)
            beyond = np.maximum(self._lower[order] - values, values - self._upper[order])
            if np.any(beyond > tolerance):
                return False
        return True

    def _hessian(self, value: _Value) -> BandedMatrix:
        matrix = BandedMatrix(*value.gradient.shape, JERK)
        matrix.add_blocks(value.blocks)
        self._add_smoothing(matrix)
        for order, stiffness in enumerate(value.stretched):
            matrix.add_differences(stiffness, order)
        return matrix

    def _add_smoothing(self, matrix: BandedMatrix) -> None:
        frames, joints = self._goals.shape
        matrix.add_differences(np.broadcast_to(self._smoothing, (frames + JERK, joints)), JERK)
