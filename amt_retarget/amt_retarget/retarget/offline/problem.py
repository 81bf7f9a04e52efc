"""One optimisation over all joints in all frames of a motion.

Minimised over the positions q_t of all frames t together is

    sum_t f_t(q_t) + c/2 |q_t - goal_t|^2 + 1/2 sum_j rho_j |third differences of joint j|^2

f_t is what the targets cost at frame t (InverseKinematics.objective). The third differences are the
jerk times dt^3: their sum of squares is the Whittaker smoother's penalty (Eilers, "A perfect
smoother", Analytical Chemistry 2003), which weighs past and future alike and so has no lag. The
weak pull to the goals decides what the targets leave open. A frame without a hand is drawn to its
goal alone, as firmly as joints are drawn to their targets elsewhere. Minimum distances are stiff
springs that begin a little before the distance is used up.

Position, velocity and acceleration limits are bounds on the differences of order 0 to 2. They hold
in every step, by a primal-dual logarithmic barrier (Nocedal and Wright, "Numerical Optimization",
2006, chapter 19). The steps are Gauss-Newton steps with Levenberg-Marquardt damping (Nielsen,
"Damping parameter in Marquardt's method", IMM-REP-1999-05), each with one banded Cholesky
factorisation.
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
FIRST_BARRIER, LAST_BARRIER = 1e-1, 1e-5
"""Weight of the logarithms of the ways to the limits, per bound: of the order of cm^2."""
BARRIER_SHARE = 0.2
"""What is left of it after every good step."""
START_SHARE = 0.95
"""Of the ways to the limits, what the first motion uses up at most."""
STEP_SHARE = 0.99
"""Of the ways to the limits, what a step uses up at most."""
GOOD_GAIN = 0.3
CONVERGED_RAD = 2e-3
MAX_STEPS = 150
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


@dataclass
class _Bound:
    """lower <= differences of one order <= upper, as rows sign * differences + way = limit."""

    order: int
    lower: Array
    upper: Array
    force: Array
    """[2, T + order, n] of the lower and of the upper bound, positive."""

    def ways(self, motion: Array) -> Array:
        """[2, T + order, n] to the lower and to the upper bound."""
        values = differences(motion, self.order)
        return np.stack([values - self.lower, self.upper - values])


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
        self._limits = (
            (limits.lower, limits.upper),
            (-limits.velocity * dt, limits.velocity * dt),
            (-limits.acceleration * dt**2, limits.acceleration * dt**2),
        )

    def solve(self) -> Array:
        """The best motion [T, n] (rad), inside all limits.

        Raises RetargetError when the steps do not converge.
        """
        motion = self._start()
        barrier = FIRST_BARRIER
        bounds = [
            _Bound(order, lower, upper, np.zeros((2, len(motion) + order, motion.shape[1])))
            for order, (lower, upper) in enumerate(self._limits)
        ]
        for bound in bounds:
            bound.force = barrier / bound.ways(motion)
        value = self._evaluate(motion)
        damping, growth = 1.0, 2.0
        for _ in range(MAX_STEPS):
            ways = [bound.ways(motion) for bound in bounds]
            gradient = value.gradient.copy()
            matrix = BandedMatrix(*motion.shape, JERK)
            matrix.add_blocks(value.blocks)
            self._add_smoothing(matrix)
            for bound, way in zip(bounds, ways, strict=True):
                push = barrier / way
                gradient += pulled_back(push[1] - push[0], bound.order)
                matrix.add_differences((bound.force / way).sum(axis=0), bound.order)
            matrix.add_diagonal(damping * self._stiffness)
            step = -matrix.solve(gradient)
            changes = [differences(step, bound.order) for bound in bounds]
            nearing = max(
                np.max(np.maximum(-change / way[0], change / way[1]))
                for change, way in zip(changes, ways, strict=True)
            )
            share = min(1.0, STEP_SHARE / max(nearing, 1e-12))
            new = self._evaluate(motion + share * step)
            slope = float(np.sum(gradient * step))
            curvature = -slope - damping * float(np.sum(self._stiffness * step**2))
            expected = -share * slope - 0.5 * share**2 * curvature
            now = [bound.ways(motion + share * step) for bound in bounds]
            actual = value.cost - new.cost
            for before, after in zip(ways, now, strict=True):
                actual += barrier * float(np.sum(np.log(after / before)))
            gain = actual / expected
            if DEBUG:
                print(
                    _,
                    f"mu {barrier:.1e} cost {value.cost:.3f} new {new.cost:.3f} gain {gain:.2f} damp {damping:.2g} share {share:.3f} step {np.abs(step).max():.2e}",
                )
            if not gain > 0.0:  # also refuses NaN
                damping, growth = damping * growth, 2.0 * growth
                continue
            damping, growth = damping * max(1 / 3, 1.0 - (2.0 * gain - 1.0) ** 3), 2.0
            for bound, way, after, change in zip(bounds, ways, now, changes, strict=True):
                sign = np.array([1.0, -1.0])[:, None, None]
                forces = bound.force
                wanted = barrier / way - forces * sign * change / way
                falling = np.max((forces - wanted) / forces)
                dual = min(1.0, STEP_SHARE / max(falling, 1e-12))
                bound.force = np.clip(
                    forces + dual * (wanted - forces), 1e-8 * barrier / after, 1e8 * barrier / after
                )
            motion, value = motion + share * step, new
            if (
                share * np.max(np.abs(step)) < CONVERGED_RAD
                and barrier <= LAST_BARRIER
                and share > 0.9
            ):
                return motion
            if gain > GOOD_GAIN and share > 0.5:
                barrier = max(BARRIER_SHARE * barrier, LAST_BARRIER)
        raise RetargetError(f"The trajectory has not converged in {MAX_STEPS} steps.")

    def _start(self) -> Array:
        """A motion [T, n] inside all limits: the goals smoothed joint by joint, and the swings of a
        joint that would pass a limit reduced."""
        matrix = BandedMatrix(*self._goals.shape, JERK)
        matrix.add_diagonal(self._stiffness)
        self._add_smoothing(matrix)
        smoothed = matrix.solve(self._stiffness * self._goals)
        lower, upper = self._limits[0]
        inset = 0.1 * (upper - lower)
        middle = np.clip(smoothed.mean(axis=0), lower + inset, upper - inset)
        swing = smoothed - middle
        used = np.zeros_like(middle)
        for order, (low, high) in enumerate(self._limits):
            values = differences(swing, order)
            if order == 0:
                low, high = low - middle, high - middle
            used = np.maximum(used, np.max(np.maximum(values / low, values / high), axis=0))
        return middle + swing * np.minimum(1.0, START_SHARE / np.maximum(used, 1e-12))

    def _evaluate(self, motion: Array) -> _Value:
        frames, joints = motion.shape
        cost, gradient, blocks = 0.0, np.empty_like(motion), np.empty((frames, joints, joints))
        for t, q in enumerate(motion):
            frame_cost, gradient[t], blocks[t] = self._frame(q, self._targets[t], self._goals[t])
            cost += frame_cost
        jerk = differences(motion, JERK)
        cost += 0.5 * float(np.sum(self._smoothing * jerk**2))
        gradient += pulled_back(self._smoothing * jerk, JERK)
        return _Value(cost, gradient, blocks)

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

    def _add_smoothing(self, matrix: BandedMatrix) -> None:
        frames, joints = self._goals.shape
        matrix.add_differences(np.broadcast_to(self._smoothing, (frames + JERK, joints)), JERK)


DEBUG = 0
