"""Hand-eye calibration in closed form, and a start that wrong pairs cannot spoil.

One equation for both kinds of camera: X B_i = A_i Y, with B_i the board in the camera. Fixed
camera: A_i flange in the base, X camera in the base, Y board on the flange. Camera on the arm: A_i
base in the flange, X camera on the flange, Y board in the base.

opencv-contrib-python 5.0.0 lacks calibrateHandEye and calibrateRobotWorldHandEye (opencv issue
29565), so Shah's solution of this equation (Solving the Robot-World/Hand-Eye Calibration Problem
Using the Kronecker Product, J. Mechanisms and Robotics 5(3), 2013), which is the latter's default,
stands here.
"""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
from scipy.spatial.transform import Rotation

SUBSET = 4
SUBSETS = 80
"""With a third of the pairs wrong, a subset of four is clean one time in five."""


def closed_form(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """X and Y [4, 4] of poses A and B [N, 4, 4], N >= 3."""
    ra, rb = a[:, :3, :3], b[:, :3, :3]
    # R_A R_Y R_B^T = R_X for every pair, so vec(R_X) and vec(R_Y) are singular vectors of this sum.
    u, _, vt = np.linalg.svd(sum(np.kron(rb[i], ra[i]) for i in range(len(a))))
    x, y = np.eye(4), np.eye(4)
    x[:3, :3], y[:3, :3] = _rotations(u[:, 0], vt[0])
    left = np.concatenate([np.tile(np.eye(3), (len(a), 1, 1)), -ra], axis=2).reshape(-1, 6)
    right = a[:, :3, 3] - b[:, :3, 3] @ x[:3, :3].T
    x[:3, 3], y[:3, 3] = np.linalg.lstsq(left, right.ravel(), rcond=None)[0].reshape(2, 3)
    return x, y


def _rotations(x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Nearest rotations [3, 3] of two vectors [9] (columns first) that share a free sign."""
    sign = np.sign(np.linalg.det(x.reshape(3, 3))) or 1.0
    found = []
    for vector in (x, y):
        u, _, vt = np.linalg.svd(sign * vector.reshape(3, 3).T)
        found.append(u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt)
    return found


def pose_difference(measured: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """[N, 6] rotation vector (rad), then position (m) from predicted to measured, camera axes."""
    turn = measured[:, :3, :3] @ predicted[:, :3, :3].transpose(0, 2, 1)
    rotation = Rotation.from_matrix(turn).as_rotvec()
    return np.hstack([rotation, measured[:, :3, 3] - predicted[:, :3, 3]])


def predicted_boards(x: np.ndarray, y: np.ndarray, a: np.ndarray) -> np.ndarray:
    """[N, 4, 4] where X and Y say that the board is in the camera."""
    return np.linalg.inv(x) @ a @ y


def robust_start(a: np.ndarray, b: np.ndarray, sigma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """X and Y of the subset of pairs with the least median error of all (Rousseeuw 1984).

    sigma: [6] expected error (rad, m). The same pairs always give the same answer.
    """
    count = len(a)
    subsets: list[tuple[int, ...]] = [tuple(range(count))]
    if count > SUBSET:
        if comb(count, SUBSET) <= SUBSETS:
            subsets += combinations(range(count), SUBSET)
        else:
            rng = np.random.default_rng(0)
            subsets += [tuple(rng.permutation(count)[:SUBSET]) for _ in range(SUBSETS)]

    def median_error(solution: tuple[np.ndarray, np.ndarray]) -> float:
        errors = pose_difference(b, predicted_boards(*solution, a)) / sigma
        return float(np.median((errors**2).sum(axis=1)))

    solutions = [closed_form(a[list(subset)], b[list(subset)]) for subset in subsets]
    return min(solutions, key=median_error)
