"""One optimisation over all joints in all frames of a motion.

Minimised over the positions q_t of all frames t together is

    sum_t f_t(q_t) + c/2 |q_t - goal_t|^2 + 1/2 sum_j rho_j |third differences of joint j|^2

f_t is what the targets cost at frame t (InverseKinematics.objective). The third differences are the
jerk times dt^3: their sum of squares is the Whittaker smoother's penalty (Eilers, "A perfect
smoother", Analytical Chemistry 2003), which weighs past and future alike and so has no lag. The
weak pull to the goals decides what the targets leave open. A frame without a hand is drawn to its
goal alone, as firmly as joints are drawn to their targets elsewhere.

Position, velocity and acceleration limits hold in every step (barrier). Minimum distances are
springs that begin a little before the distance is used up; they stiffen as the barrier's weight
falls, so that fingers which smoothing has put into each other part first. The steps are
Gauss-Newton steps with Levenberg-Marquardt damping (Nielsen, "Damping parameter in Marquardt's
method", IMM-REP-1999-05), each with one banded Cholesky factorisation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.inverse_kinematics import InverseKinematics
from amt_retarget.retarget.offline.banded import BandedMatrix, differences, pulled_back
from amt_retarget.retarget.offline.barrier import LimitBarrier, difference_bounds, shrunk_into
from amt_retarget.retarget.targets import Targets
from amt_retarget.safety.limits import JointLimits

Array = NDArray[np.float64]

GOAL_CLOSENESS = 2.0
"""Of a joint to its goal, per rad^2: a finger has four joints for three coordinates of its tip."""
SPRING_PER_M2 = 3e7
"""Stiffness of the minimum distances in the end; costs are of the order of cm^2."""
SPRING_LENGTH_M = 3e-4
"""So much before the minimum distance they begin: a push of 9000 per metre uses it up."""
FIRST_BARRIER, LAST_BARRIER = 1e-1, 1e-5
"""Weight of the barrier: in the end all bounds of a sequence together cost less than 1 cm^2."""
BARRIER_SHARE = 0.2
"""What is left of the weight each time it is lowered, after a step that went well:"""
GOOD_GAIN, GOOD_SHARE, GOOD_DAMPING = 0.3, 0.5, 1.0
"""at least so much of the expected gain, so much of the step, and at most this damping."""
LEAST_DAMPING = 1e-3
CONVERGED_SHARE = 2e-5
"""A step that could lower the cost by less than this share of it is the last."""
MAX_STEPS = 300
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
    """What is minimised, without the barrier, at one motion."""

    cost: float
    gradient: Array
    """[T, n]"""
    blocks: Array
    """[T, n, n] Hessian of all that concerns single frames."""


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
        self._bounds = difference_bounds(limits, dt)
        seen = [
            np.diag(kinematics.objective(q, target)[3])
            for q, target in zip(goals, targets, strict=True)
            if target is not None
        ]
        self._stiffness: Array = np.median(seen, axis=0)
        self._smoothing = smoothing_weights(self._stiffness, cutoff_hz, dt)

    def solve(self) -> Array:
        """The best motion [T, n] (rad), inside all limits.

        Raises RetargetError when the steps do not converge.
        """
        motion = shrunk_into(self._bounds, self._smoothed_goals())
        barrier = LimitBarrier(self._bounds, motion, FIRST_BARRIER)
        value = self._evaluate(motion, barrier.weight)
        damping, growth = 1.0, 2.0
        for _ in range(MAX_STEPS):
            gradient = value.gradient + barrier.gradient()
            matrix = self._smoothing_matrix()
            matrix.add_blocks(value.blocks)
            barrier.add_hessian(matrix)
            matrix.add_diagonal(damping * self._stiffness)
            step = -matrix.solve(gradient)
            share = barrier.share(step)
            new_motion = motion + share * step
            new = self._evaluate(new_motion, barrier.weight)

            # Is the cost lowered as much as its quadratic model promises for this step?
            slope = float(np.sum(gradient * step))
            curvature = -slope - damping * float(np.sum(self._stiffness * step**2))
            expected = -share * slope - 0.5 * share**2 * curvature
            got = value.cost + barrier.cost(motion) - new.cost - barrier.cost(new_motion)
            gain = got / expected
            if not gain > 0.0:  # also refuses NaN
                damping, growth = damping * growth, 2.0 * growth
                continue
            barrier.move(new_motion, step)
            motion, value = new_motion, new
            damping = max(damping * max(1 / 3, 1.0 - (2.0 * gain - 1.0) ** 3), LEAST_DAMPING)
            growth = 2.0
            if damping > GOOD_DAMPING:  # a step that was cut short says nothing about convergence
                continue
            if barrier.weight > LAST_BARRIER:
                if gain > GOOD_GAIN and share > GOOD_SHARE:
                    barrier.weight = max(BARRIER_SHARE * barrier.weight, LAST_BARRIER)
                    value = self._evaluate(motion, barrier.weight)
            elif -0.5 * slope < CONVERGED_SHARE * value.cost:
                return motion
        raise RetargetError(
            f"The trajectory has not converged in {MAX_STEPS} steps: cut the recording where the "
            "hand is out of the robot's reach, or raise the limits."
        )

    def _smoothed_goals(self) -> Array:
        """The goals [T, n] smoothed joint by joint, whatever limits and distances say."""
        matrix = self._smoothing_matrix()
        matrix.add_diagonal(self._stiffness)
        return matrix.solve(self._stiffness * self._goals)

    def _smoothing_matrix(self) -> BandedMatrix:
        frames, joints = self._goals.shape
        matrix = BandedMatrix(frames, joints, JERK)
        matrix.add_differences(np.broadcast_to(self._smoothing, (frames + JERK, joints)), JERK)
        return matrix

    def _evaluate(self, motion: Array, barrier_weight: float) -> _Value:
        frames, joints = motion.shape
        spring = SPRING_PER_M2 * (LAST_BARRIER / barrier_weight) ** 0.5
        cost, gradient, blocks = 0.0, np.empty_like(motion), np.empty((frames, joints, joints))
        for t, q in enumerate(motion):
            frame_cost, gradient[t], blocks[t] = self._frame(
                q, self._targets[t], self._goals[t], spring
            )
            cost += frame_cost
        jerk = differences(motion, JERK)
        cost += 0.5 * float(np.sum(self._smoothing * jerk**2))
        gradient += pulled_back(self._smoothing * jerk, JERK)
        return _Value(cost, gradient, blocks)

    def _frame(
        self, q: Array, targets: Targets | None, goal: Array, spring: float
    ) -> tuple[float, Array, Array]:
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
            cost += 0.5 * spring * float(pressed @ pressed)
            gradient -= spring * pressed @ rows
            hessian += spring * rows.T @ rows
        return cost, gradient, hessian
