"""The configuration that meets the goals best and penetrates nothing.

Sequential quadratic programming on the exact penalty function

    1/2 |residuals|^2 + PENALTY * (largest violation of a clearance)

(Fletcher, Practical Methods of Optimization, 1987, section 14.4), in a trust region: each step is one
quadratic program with the Gauss-Newton Hessian, the linearised clearances, whose common violation
is one more variable, and the joint limits as hard bounds (daqp, Arnstrom et al., TAC 2022). A step
that does not lower the function is taken back and the region halved. Collision constraints
linearised at the nearest points as in TrajOpt (Schulman et al., IJRR 2014).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amt_retarget.errors import RetargetError
from amt_retarget.grasp.clearance import Clearance, ClearanceRows
from amt_retarget.grasp.hand_model import HandModel
from amt_retarget.grasp.objective import Configuration, Goals, residuals

Array = NDArray[np.float64]

PENALTY_M = 0.5
"""Cost of one metre of violation, in m^2: more than the residuals can gain by violating."""
SLACK_CURVATURE = 1e-3
"""Makes the quadratic program strictly convex in the common violation."""
DAMPING = 1e-6
"""m^2/rad^2: keeps a step small in directions that change no residual."""
TRUST_M, TRUST_RAD = 0.02, 0.3
"""Most that the palm and a joint move in one step; linearised distances hold about that far."""
SMALLEST_TRUST = 1e-3
"""Share of the trust region at which the search has converged."""
CONVERGED = 1e-9
"""Gain of a step, in m^2, below which the search has converged: 0.05 mm of one residual."""


@dataclass(frozen=True)
class Margins:
    """Least distances to the object and to other links (m)."""

    fingertips: float
    others: float

    def shortfall(self, rows: ClearanceRows) -> Array:
        """[m] by how much each distance is too small; negative where it is not (m)."""
        return np.where(rows.fingertip, self.fingertips, self.others) - rows.distance


class GraspOptimizer:
    """Improves a configuration step by step. One optimizer belongs to one hand and one object."""

    def __init__(self, hand: HandModel, clearance: Clearance) -> None:
        try:
            import daqp
        except ImportError as error:
            raise RetargetError("The grasp solver needs daqp: pip install daqp") from error
        self._solve_qp = daqp.solve
        self._hand = hand
        self._clearance = clearance

    def solve(
        self, start: Configuration, goals: Goals, margins: Margins, steps: int
    ) -> tuple[Configuration, float]:
        """The best configuration found in at most `steps` steps from `start`, and its cost (m^2).

        Joints stay within their limits exactly; `start` must.
        """
        trust = 1.0
        now = start
        residual, jacobian, rows, cost = self._evaluate(now, goals, margins)
        for _ in range(steps):
            change = self._step(now, residual, jacobian, rows, margins, trust)
            candidate = now.moved(change)
            candidate = Configuration(
                candidate.rotation,
                candidate.position,
                np.clip(candidate.joints, self._hand.lower, self._hand.upper),  # rounding only
            )
            evaluation = self._evaluate(candidate, goals, margins)
            gain = cost - evaluation[-1]
            if gain <= 0.0:
                trust /= 2.0
                if trust < SMALLEST_TRUST:
                    break
                continue
            now = candidate
            residual, jacobian, rows, cost = evaluation
            trust = min(1.0, 2.0 * trust)
            if gain < CONVERGED:
                break
        return now, cost

    def _evaluate(
        self, configuration: Configuration, goals: Goals, margins: Margins
    ) -> tuple[Array, Array, ClearanceRows, float]:
        """Residuals, Jacobian, clearance rows and the penalty function's value."""
        state = self._hand(configuration.joints)
        residual, jacobian = residuals(self._hand, state, configuration, goals)
        within = max(margins.fingertips, margins.others) + TRUST_M
        rows = self._clearance.rows(state, configuration, within)
        violation = max(0.0, float(np.max(margins.shortfall(rows), initial=0.0)))
        return residual, jacobian, rows, 0.5 * float(residual @ residual) + PENALTY_M * violation

    def _step(
        self,
        now: Configuration,
        residual: Array,
        jacobian: Array,
        rows: ClearanceRows,
        margins: Margins,
        trust: float,
    ) -> Array:
        """Change [22] that the quadratic program proposes. Its last variable is the violation."""
        width = jacobian.shape[1]
        hessian = np.zeros((width + 1, width + 1))
        hessian[:width, :width] = jacobian.T @ jacobian + DAMPING * np.eye(width)
        hessian[width, width] = SLACK_CURVATURE
        gradient = np.append(jacobian.T @ residual, PENALTY_M)
        box = trust * np.repeat([TRUST_M, TRUST_RAD], [3, width - 3])
        upper, lower = box.copy(), -box
        upper[6:] = np.minimum(upper[6:], self._hand.upper - now.joints)
        lower[6:] = np.maximum(lower[6:], self._hand.lower - now.joints)
        constraints = np.column_stack([rows.motion, np.ones(len(rows.distance))])
        change, _, status, _ = self._solve_qp(
            hessian,
            gradient,
            np.ascontiguousarray(constraints),
            np.concatenate([upper, [np.inf], np.full(len(rows.distance), np.inf)]),
            np.concatenate([lower, [0.0], margins.shortfall(rows)]),
        )
        if status != 1 or not np.all(np.isfinite(change)):
            return np.zeros(width)  # the search halves the trust region and tries again
        return np.asarray(change[:width])
