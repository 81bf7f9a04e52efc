"""One convex quadratic program with hard bounds and soft rows.

daqp (Arnstrom, Bemporad and Axehill, "A dual active-set solver for embedded quadratic programming
using recursive LDL' updates", IEEE TAC 2022) is made for programs of this size: tens of
microseconds for 22 joints. In most frames no row is active: the compiled kernel finds that
solution, inside the bounds alone, in a few microseconds, and it is taken where it keeps all rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.kinematics import load_kernel

SOFT = 8
"""daqp's sense of a constraint that may be broken at a high price."""
SOLVED = (1, 2)
"""daqp's exit flags for an optimum; 2: some soft rows had to give."""
SOFTNESS = 1e-6
"""Price of a broken row: its square over twice this. Rows are in metres and costs of the order of
square centimetres, so a row gives by micrometres unless the bounds leave no other way."""


class QuadraticProgram:
    """Solves min 1/2 x' H x + g' x over lower <= x <= upper and rows x >= least, rows softly."""

    def __init__(self) -> None:
        try:
            import daqp
        except ImportError as error:
            raise RetargetError("The retargeting solver needs daqp: pip install daqp") from error
        self._solve: Callable = daqp.solve
        self._solve_box = load_kernel().solve_box_program

    def solve(
        self,
        hessian: np.ndarray,
        gradient: np.ndarray,
        lower: np.ndarray,
        upper: np.ndarray,
        rows: np.ndarray,
        least: np.ndarray,
    ) -> np.ndarray | None:
        """x [n], or None where the program has no finite solution.

        hessian [n, n] (positive definite), gradient, lower, upper [n], rows [m, n], least [m].
        """
        x = self._solve_box(hessian, gradient, lower, upper)
        if least.size == 0 or (x is not None and (rows @ x >= least).all()):
            return x
        sense = np.zeros(gradient.size + least.size, dtype=np.int32)
        sense[gradient.size :] = SOFT
        x, _, flag, _ = self._solve(
            hessian,
            gradient,
            rows,
            np.concatenate([upper, np.full(least.size, 1e30)]),
            np.concatenate([lower, least]),
            sense,
            rho_soft=SOFTNESS,
            eps_prox=0.0,
        )
        if flag not in SOLVED or not np.isfinite(x).all():
            return None
        # daqp keeps bounds to 1e-6; a limit is a limit.
        return np.minimum(np.maximum(x, lower), upper)
