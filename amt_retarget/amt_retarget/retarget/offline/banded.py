"""Differences along a motion, and the banded matrices that sums of their squares make.

A motion is [T, n], the positions of n joints in T frames. The robot stands still before the first
frame and after the last, so the motion goes on evenly on both sides, and its differences of order m
are [T + m, n]. The unknowns, frame by frame, couple no farther than m frames: their Hessian is a
band of m n below the diagonal, and a Cholesky factorisation costs as much as T small ones.
"""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import NDArray

from amt_retarget.errors import RetargetError

Array = NDArray[np.float64]


def differences(motion: Array, order: int) -> Array:
    """[T + order, n] differences of a motion [T, n] that starts and ends at rest."""
    padded = np.pad(motion, ((order, order), (0, 0)), mode="edge")
    return np.diff(padded, order, axis=0)


def pulled_back(forces: Array, order: int) -> Array:
    """[T, n] gradient of sum(forces * differences(motion, order)); forces: [T + order, n]."""
    if order == 0:
        return forces
    spread = (-1) ** order * np.diff(np.pad(forces, ((order, order), (0, 0))), order, axis=0)
    gradient = spread[order:-order]
    gradient[0] += spread[:order].sum(axis=0)  # the rest before is the first frame again
    gradient[-1] += spread[-order:].sum(axis=0)
    return gradient


class BandedMatrix:
    """A symmetric positive definite matrix over the T n positions of a motion."""

    def __init__(self, frames: int, joints: int, order: int) -> None:
        """order: of the highest differences that are to be added."""
        # Entry [k, t, j] is the matrix at column (t, j), k rows below the diagonal (LAPACK's form).
        self._band = np.zeros(((order + 1) * joints, frames, joints))
        self._lower = np.tril_indices(joints)

    def add_blocks(self, blocks: Array) -> None:
        """Add a symmetric block [n, n] for each frame, [T, n, n]."""
        rows, columns = self._lower
        self._band[rows - columns, :, columns] += blocks[:, rows, columns].T

    def add_diagonal(self, values: Array) -> None:
        """Add [T, n], or [n] in every frame, to the diagonal."""
        self._band[0] += values

    def add_differences(self, weights: Array, order: int) -> None:
        """Add the Hessian of 1/2 sum(weights * differences(motion, order)^2); [T + order, n]."""
        _, frames, joints = self._band.shape
        first = np.arange(frames + order) - order
        # Frames of rest are the first frame or the last.
        terms = [
            ((-1) ** (order - i) * comb(order, i), np.clip(first + i, 0, frames - 1))
            for i in range(order + 1)
        ]
        for i, (factor_i, at_i) in enumerate(terms):
            for factor_j, at_j in terms[: i + 1]:
                # Two terms that fall on one frame stand on the diagonal, where both halves add up.
                twice = (at_i == at_j) & (at_j is not at_i)
                share = factor_i * factor_j * (1.0 + twice)[:, None]
                np.add.at(self._band, ((at_i - at_j) * joints, at_j), share * weights)

    def solve(self, right: Array) -> Array:
        """The motion [T, n] that the matrix maps to `right` [T, n]; keeps the matrix."""
        try:
            from scipy.linalg import solveh_banded
        except ImportError as error:
            raise RetargetError(
                "offline retargeting needs SciPy's banded solver: pip install scipy"
            ) from error
        _, frames, joints = self._band.shape
        band = self._band.reshape(-1, frames * joints)
        solution = solveh_banded(band, right.ravel(), lower=True, check_finite=False)
        return np.asarray(solution).reshape(frames, joints)
