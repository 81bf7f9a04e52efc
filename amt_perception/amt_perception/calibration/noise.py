"""How exact the corners and the robot are, from the pairs themselves."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from amt_perception.calibration.observations import Linearisation, Noise, Observations

STATED = Noise(pixels=0.5, rotation=np.radians(0.03), position=1e-3)
"""Before anything is known: a sharp image, and an arm as robots' makers calibrate them."""
STATED_POSES = Noise(pixels=0.0, rotation=np.radians(0.5), position=3e-3)
"""The same for pairs that hold poses only."""
PRIOR_LOG_SIGMA = 1.5
"""How far (natural logarithm) the truth may be from what is stated: a factor of 4.5 is one sigma.

It matters for a handful of pairs only, whose residuals say little about the noise."""
SMALLEST = 1e-3
"""Of what is stated; measurements without any noise keep a weight."""


def corner_noise(observations: Observations, kept: np.ndarray) -> float:
    """Sigma of a corner's coordinate (px): what each pair's own best pose leaves.

    Corners from different pairs have nothing to do with the robot here, so this tells blurred or
    wrongly undistorted images from an inexact robot.
    """
    if observations.corners is None:
        return 0.0
    total, freedom = 0.0, 0
    for i in kept:
        corners = observations.corners[i]
        total += len(corners.points) * corners.poses[0][1] ** 2
        freedom += 2 * len(corners.points) - 6
    return max(float(np.sqrt(total / max(freedom, 1))), SMALLEST * STATED.pixels)


def robot_noise(
    errors: np.ndarray, jacobian: np.ndarray, lin: Linearisation, pixels: float, stated: Noise
) -> Noise:
    """Rotation and position noise that make the errors most likely (REML with a wide prior).

    errors: [K, 6] at the least-squares solution. jacobian: [K, 6, 12] of the errors by X and Y.
    lin: of the same K pairs. Patterson and Thompson, Biometrika 58 (1971): the likelihood of what
    is left when twelve numbers have been fitted, so that few pairs do not look too good.
    """
    guess = np.log([stated.rotation, stated.position])

    def cost(log_sigma: np.ndarray) -> float:
        covariance = lin.covariance(Noise(pixels, *np.exp(log_sigma)))
        lower = np.linalg.cholesky(covariance)
        white = np.linalg.solve(lower, np.concatenate([errors[..., None], jacobian], axis=2))
        residual, design = white[..., 0].ravel(), white[..., 1:].reshape(-1, jacobian.shape[2])
        q, r = np.linalg.qr(design)
        left = residual - q @ (q.T @ residual)
        volumes = np.log(np.einsum("nii->ni", lower)).sum() + np.log(np.abs(np.diag(r))).sum()
        prior = ((log_sigma - guess) ** 2).sum() / (2.0 * PRIOR_LOG_SIGMA**2)
        return float(volumes + 0.5 * left @ left + prior)

    bounds = [(low + np.log(SMALLEST), low - np.log(SMALLEST)) for low in guess]
    start = minimize(cost, guess, method="L-BFGS-B", bounds=bounds, options={"maxiter": 50})
    return Noise(pixels, *np.exp(start.x).tolist())
