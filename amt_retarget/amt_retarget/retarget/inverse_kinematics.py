"""The configuration of arm and hand that meets the targets best: one quadratic program a step.

Sequential quadratic programming with the Gauss-Newton Hessian: each step minimises

    1/2 |r + J d|^2 + 1/2 |W^(1/2) (q + d - posture)|^2 + 1/2 d' D d    over lower <= q + d <= upper

over all 22 joints together, with the box as hard bounds (daqp, Arnstrom et al., TAC 2022). The
damping D grows with the squared residual (Sugihara, "Solvability-unconcerned inverse kinematics by
the Levenberg-Marquardt method", T-RO 2011), so targets out of reach and singular poses are
approached smoothly. Further constraints are further rows of the program.
"""

from __future__ import annotations

import numpy as np

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.objectives import HandArmKinematics, Kinematics, Weights, residuals
from amt_retarget.retarget.targets import Targets
from amt_retarget.robot.robot import Robot
from amt_retarget.safety.limits import JointLimits

STEPS_PER_FRAME = 6
CONVERGED_RAD = 1e-4
TRUST_RAD = 0.3
"""Most that a joint moves in one step; the linearised objectives hold about that far."""
DAMPING = 1e-3
DAMPING_PER_RESIDUAL = 1e-2


class InverseKinematics:
    """Follows the best configuration from frame to frame, starting from the one before."""

    def __init__(self, robot: Robot, weights: Weights) -> None:
        try:
            import daqp
        except ImportError as error:
            raise RetargetError("The retargeting solver needs daqp: pip install daqp") from error
        self._solve_qp = daqp.solve
        self._robot = robot
        self._weights = weights
        self._kinematics = HandArmKinematics(robot)
        arm, hand = len(robot.arm_joint_names), len(robot.hand_joint_names)
        self._arm = slice(0, arm)
        self._posture_weights = np.repeat([weights.arm_posture, weights.hand_posture], [arm, hand])
        self._no_rows = np.zeros((0, arm + hand))

    def kinematics(self, positions: np.ndarray) -> Kinematics:
        """Kinematics of the robot at joint positions [22]."""
        return self._kinematics(positions)

    def solve(self, start: np.ndarray, targets: Targets, limits: JointLimits) -> np.ndarray | None:
        """Joint positions [22] (rad) within the position limits, a few steps on from `start` [22].

        Returns None when the quadratic program cannot be solved.
        """
        q = start
        for _ in range(STEPS_PER_FRAME):
            residual, jacobian = residuals(self._kinematics(q), targets, self._weights)
            # Arm and hand have rows of their own: an arm far from its target (rows 0 to 5) must
            # not slow the fingers down.
            damping: np.ndarray = np.full(q.size, residual[6:] @ residual[6:])
            damping[self._arm] = residual[:6] @ residual[:6]
            damping = DAMPING + DAMPING_PER_RESIDUAL * damping
            hessian = jacobian.T @ jacobian + np.diag(self._posture_weights + damping)
            gradient = jacobian.T @ residual + self._posture_weights * (q - self._robot.home)
            step, _, status, _ = self._solve_qp(
                hessian,
                gradient,
                self._no_rows,
                np.clip(limits.upper - q, -TRUST_RAD, TRUST_RAD),
                np.clip(limits.lower - q, -TRUST_RAD, TRUST_RAD),
            )
            if status != 1 or not np.all(np.isfinite(step)):
                return None
            q = q + step
            if np.max(np.abs(step)) < CONVERGED_RAD:
                break
        return q
