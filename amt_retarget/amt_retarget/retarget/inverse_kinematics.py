"""The configuration of arm and hand that meets the targets best: a quadratic program a step.

Sequential quadratic programming with the Gauss-Newton Hessian over all 22 joints together: each
step minimises

    1/2 |W (r + J d)|^2 + 1/2 |q + d - home|^2_P + 1/2 |q + d - start|^2_C + 1/2 |d|^2_D

over position limits (hard) and minimum distances s + grad s d >= 0 (soft, at a high price). The
term C keeps a finger, which has four joints for the three coordinates of its tip, from wandering
where nothing is asked of it: of all configurations that meet the targets the nearest is taken. The
damping D grows with the arm's squared residual (Sugihara, "Solvability-unconcerned inverse
kinematics by the Levenberg-Marquardt method", T-RO 2011), so targets out of reach and singular
poses are approached smoothly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.kinematics import CENTRES, PALM, TIPS, make_kernel, set_collisions
from amt_retarget.retarget.quadratic_program import QuadraticProgram
from amt_retarget.retarget.targets import Targets
from amt_retarget.robot.robot import Robot
from amt_retarget.safety.limits import JointLimits

STEPS_PER_FRAME = 3
CONVERGED_RAD = 1e-2
TRUST_RAD = 0.3
"""Most that a joint moves in one step; the linearised objectives hold about that far."""
ARM_DAMPING = 1e-3
ARM_DAMPING_PER_RESIDUAL = 1e-2
CLOSENESS_RAD2_S = 0.25
"""Of the hand's joints to where they were, per rad^2, for a frame of 1 s."""
REACHED_CM2 = 1e-8
"""Decrease of the cost at which `reach` ends."""
NEAR_M = 0.05
"""Farther than two links can near each other in a step."""

VECTORS = [(PALM, tip) for tip in TIPS] + [(CENTRES[0], centre) for centre in CENTRES[1:]]
"""Four fingertips from the palm, then three fingers from the thumb between the domes' centres."""
QUADRATIC = np.full(len(VECTORS), np.inf)
NO_TIPS = np.zeros(len(TIPS))
"""In the places of the fingertips where only pinches count."""
M2_PER_CM2 = 1e4


@dataclass(frozen=True)
class Weights:
    """How much each objective counts, per cm^2 (lengths) and per rad^2 (angles)."""

    wrist_position: float = 1.0
    wrist_rotation: float = 100.0
    tips: float = 1.0
    pinch: float = 8.0
    """Of a closed pinch; it fades out as the human fingers part."""
    arm_posture: float = 1e-2
    hand_posture: float = 0.1

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (np.isfinite(value) and value >= 0.0):
                raise RetargetError(f"The weight {name} must be 0 or more, not {value}.")


class InverseKinematics:
    """Follows the best configuration from frame to frame, starting from the one before."""

    def __init__(
        self, robot: Robot, weights: Weights, table_height: float, avoid_collisions: bool = True
    ) -> None:
        """table_height: of a horizontal surface that no link may touch, in the base frame (m)."""
        self.kernel = make_kernel(robot, VECTORS)
        if avoid_collisions:
            set_collisions(self.kernel, robot)
        self.table_height = table_height
        self._program = QuadraticProgram()
        self._weights = weights
        self.home = robot.home
        arm, hand = len(robot.arm_joint_names), len(robot.hand_joint_names)
        self._posture = np.repeat([weights.arm_posture, weights.hand_posture], [arm, hand])
        self._hand = np.repeat([0.0, 1.0], [arm, hand])
        self._vectors = np.zeros((len(VECTORS), 3))
        self._lengths, self._length_weights = np.zeros(len(VECTORS)), np.zeros(len(VECTORS))
        self._tip_weights = M2_PER_CM2 * np.repeat([weights.tips, 0.0], [len(TIPS), 3])

    def solve(
        self, start: np.ndarray, targets: Targets, limits: JointLimits, dt: float
    ) -> np.ndarray | None:
        """Joint positions [22] (rad) within the position limits, a few steps on from `start` [22].

        dt: seconds since `start` was the solution. Returns None when a program has no solution.
        """
        weights = self._weights
        self._vectors[: len(TIPS)] = targets.tips
        self._lengths[len(TIPS) :] = targets.pinch_gaps
        self._length_weights[len(TIPS) :] = M2_PER_CM2 * weights.pinch * targets.pinch_closeness
        # Posture and closeness are springs to home and to the start: together one spring.
        closeness = self._hand * (CLOSENESS_RAD2_S / dt)
        stiffness = self._posture + closeness
        rest = (self._posture * self.home + closeness * start) / np.maximum(stiffness, 1e-12)
        q, steps = start, STEPS_PER_FRAME
        while True:
            q, steps, program = self.kernel.descend(
                q,
                self._vectors,
                self._tip_weights,
                self._lengths,
                self._length_weights,
                targets.wrist,
                targets.rotation,
                M2_PER_CM2 * weights.wrist_position,
                weights.wrist_rotation,
                rest,
                stiffness,
                ARM_DAMPING,
                2.0 * ARM_DAMPING_PER_RESIDUAL,
                limits.lower,
                limits.upper,
                TRUST_RAD,
                NEAR_M,
                self.table_height,
                CONVERGED_RAD,
                steps,
            )
            if program is None:
                return q
            hessian, gradient, lower, upper, (slack, rows) = program
            step = self._program.solve(hessian, gradient, lower, upper, rows, -slack)
            if step is None:
                return None
            q = q + step
            steps -= 1
            if steps == 0 or np.abs(step).max() < CONVERGED_RAD:
                return q

    def reach(
        self, q: np.ndarray, targets: Targets, lower: np.ndarray, upper: np.ndarray
    ) -> np.ndarray:
        """Joint positions [22] (rad) in lower..upper [22] that meet wrist and fingertips best.

        On from q [22], without minimum distances, pinches and posture: inverse kinematics for those
        who only need that. With bounds that the joints can reach in a step it is a differential
        one with limits of position and velocity.
        """
        weights = self._weights
        self._vectors[: len(TIPS)] = targets.tips
        reached, _ = self.kernel.minimise(
            q,
            self._vectors,
            self._tip_weights,
            QUADRATIC,
            targets.wrist,
            targets.rotation,
            M2_PER_CM2 * weights.wrist_position,
            weights.wrist_rotation,
            lower,
            upper,
            TRUST_RAD,
            REACHED_CM2,
            STEPS_PER_FRAME,
            False,
        )
        return reached

    def objective(
        self, q: np.ndarray, targets: Targets
    ) -> tuple[float, float, np.ndarray, np.ndarray]:
        """What the targets and the posture cost at q [22], and the palm's share of it.

        With the gradient [22] and the Gauss-Newton Hessian [22, 22] of the whole.
        """
        weights = self._weights
        self._vectors[: len(TIPS)] = targets.tips
        cost, arm_cost, gradient, hessian = self.kernel.least_squares(
            q,
            self._vectors,
            self._tip_weights,
            QUADRATIC,
            targets.wrist,
            targets.rotation,
            M2_PER_CM2 * weights.wrist_position,
            weights.wrist_rotation,
            False,
        )
        cost += arm_cost
        if targets.pinch_closeness.any():
            pinch_weights = M2_PER_CM2 * weights.pinch * targets.pinch_closeness
            pinch_cost, pinch_gradient, pinch_hessian = self.kernel.lengths(
                q,
                np.concatenate([NO_TIPS, targets.pinch_gaps]),
                np.concatenate([NO_TIPS, pinch_weights]),
            )
            cost += pinch_cost
            gradient += pinch_gradient
            hessian += pinch_hessian
        pull = self._posture * (q - self.home)
        cost += 0.5 * float(pull @ (q - self.home))
        gradient += pull
        hessian.flat[:: q.size + 1] += self._posture
        return cost, arm_cost, gradient, hessian
