"""The configuration that meets the goals best and penetrates nothing.

Sequential quadratic programming on the exact penalty function

    1/2 |residuals|^2 + PENALTY_M * (largest violation of a clearance)

(Fletcher, Practical Methods of Optimization, 1987, section 14.4), in a trust region: each step is
one quadratic program with the Gauss-Newton Hessian, the linearised clearances, whose common
violation is one more variable, and the joint limits as hard bounds (daqp, Arnstrom et al., TAC
2022). The region follows how well the program predicts the function. The clearances are linearised
at the nearest points as in TrajOpt (Schulman et al., IJRR 2014).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from amt_retarget.errors import RetargetError
from amt_retarget.grasp.clearance import Clearance
from amt_retarget.grasp.configuration import Configuration
from amt_retarget.grasp.hand_model import HandModel
from amt_retarget.grasp.objective import Goals, residuals

Array = NDArray[np.float64]

PENALTY_M = 5.0
"""Cost of one metre of violation, in m^2: more than the residuals can gain by violating."""
SLACK_CURVATURE = 1e-3
"""Makes the quadratic program strictly convex in the common violation."""
DAMPING = 1e-6
"""m^2/rad^2: keeps a step small in directions that change no residual."""
TRUST_M, TRUST_RAD = 0.02, 0.3
"""Most that the palm and a joint move in one step; linearised distances hold about that far."""
SMALLEST_TRUST = 1e-3
"""Share of the trust region at which the search has converged."""
CONVERGED_M2 = 1e-8
"""Gain promised for a step below which the search has converged: 0.14 mm in one residual."""
POOR, GOOD = 0.25, 0.75
"""Shares of the promised gain below which the trust region shrinks and above which it grows."""
WAY_SHARES = (0.2, 0.4, 0.6, 0.8)
"""Where on the way to another configuration the clearances are kept as well."""


@dataclass(frozen=True)
class Margins:
    """Least distances (m)."""

    fingertips: float
    """Between the fingers' last links and the object."""
    others: float
    """Between other links and the object, and between links."""


@dataclass(frozen=True, eq=False)
class Problem:
    """What a configuration is to meet."""

    goals: Goals
    margins: Margins
    way_from: Configuration | None = None
    """If given, the straight way from there keeps clear too, with margins that grow from zero."""


@dataclass(frozen=True, eq=False)
class _Evaluation:
    """A problem, linearised at one configuration."""

    residual: Array
    jacobian: Array
    shortfall: Array
    """[m] by how much each clearance is too small; negative where it is not (m)."""
    motion: Array
    """[m, 22] of the clearances."""

    @property
    def cost(self) -> float:
        violation = float(np.max(self.shortfall, initial=0.0))
        return 0.5 * float(self.residual @ self.residual) + PENALTY_M * violation

    def after(self, change: Array) -> _Evaluation:
        """What the linearisation expects after a change [22]."""
        residual = self.residual + self.jacobian @ change
        shortfall = self.shortfall - self.motion @ change
        return replace(self, residual=residual, shortfall=shortfall)


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
        self, problem: Problem, start: Configuration, steps: int
    ) -> tuple[Configuration, float]:
        """The best configuration found in at most `steps` steps from `start`, and its cost (m^2).

        Joints stay within their limits exactly; those of `start` must be.
        """
        now, trust = start, 1.0
        evaluation = self._evaluate(problem, now)
        for _ in range(steps):
            change = self._step(now, evaluation, trust)
            promised = evaluation.cost - evaluation.after(change).cost
            if promised < CONVERGED_M2 or trust < SMALLEST_TRUST:
                break
            candidate = now.moved(change)
            # The bounds hold but for rounding.
            joints = np.clip(candidate.joints, self._hand.lower, self._hand.upper)
            candidate = Configuration(candidate.rotation, candidate.position, joints)
            result = self._evaluate(problem, candidate)
            gain = evaluation.cost - result.cost
            if gain < POOR * promised:
                trust /= 2.0
            elif gain > GOOD * promised:
                trust = min(1.0, 2.0 * trust)
            if gain > 0.0:
                now, evaluation = candidate, result
        return now, evaluation.cost

    def _evaluate(self, problem: Problem, configuration: Configuration) -> _Evaluation:
        state = self._hand(configuration.joints)
        residual, jacobian = residuals(self._hand, state, configuration, problem.goals)
        places = [(1.0, configuration)]
        if problem.way_from is not None:
            places += [(s, problem.way_from.towards(configuration, s)) for s in WAY_SHARES]
        margins = problem.margins
        within = max(margins.fingertips, margins.others) + TRUST_M
        shortfalls, motions = [], []
        for share, place in places:
            rows = self._clearance.rows(self._hand(place.joints), place, within)
            margin = np.where(rows.fingertip, margins.fingertips, margins.others)
            shortfalls.append(share * margin - rows.distance)
            motions.append(share * rows.motion)
        return _Evaluation(residual, jacobian, np.concatenate(shortfalls), np.concatenate(motions))

    def _step(self, now: Configuration, evaluation: _Evaluation, trust: float) -> Array:
        """Change [22] by the quadratic program, whose last variable is the common violation."""
        width = evaluation.jacobian.shape[1]
        hessian = SLACK_CURVATURE * np.eye(width + 1)
        hessian[:width, :width] = evaluation.jacobian.T @ evaluation.jacobian
        hessian[:width, :width] += DAMPING * np.eye(width)
        gradient = np.append(evaluation.jacobian.T @ evaluation.residual, PENALTY_M)
        upper = trust * np.repeat([TRUST_M, TRUST_RAD], [3, width - 3])
        lower = -upper
        upper[6:] = np.minimum(upper[6:], self._hand.upper - now.joints)
        lower[6:] = np.maximum(lower[6:], self._hand.lower - now.joints)
        count = len(evaluation.shortfall)
        change, _, status, _ = self._solve_qp(
            hessian,
            gradient,
            np.column_stack([evaluation.motion, np.ones(count)]),
            np.concatenate([upper, np.full(1 + count, np.inf)]),
            np.concatenate([lower, [0.0], evaluation.shortfall]),
        )
        if status != 1 or not np.all(np.isfinite(change)):
            return np.zeros(width)  # promises nothing: the search ends with what it has
        return np.asarray(change[:width])
