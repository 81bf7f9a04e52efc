"""Hand-eye calibration by weighted least squares, with its own uncertainty.

1. A start in closed form from the subset of pairs that most pairs agree with (start.py).
2. All pairs with a robust loss.
3. In turns: how noisy corners and robot are (noise.py), which pairs do not belong (their error is
   beyond what that noise explains once in a thousand pairs), and least squares over the others of
   their reprojection error, or, for recordings without corners, of their pose error
   (observations.py). The inverse of the normal matrix is the covariance of the result.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation
from scipy.stats import chi2

from amt_perception.calibration.checks import check_count, check_turns, turns_deg
from amt_perception.calibration.noise import STATED, STATED_POSES, corner_noise, robot_noise
from amt_perception.calibration.observations import Linearisation, Noise, Observations
from amt_perception.calibration.pairs import Recording
from amt_perception.calibration.start import pose_difference, predicted_boards, robust_start
from amt_perception.errors import AmtError

OUTLIER_CHI2 = float(chi2.ppf(0.999, 6))
OUTLIER_CHI2_POSES = float(chi2.ppf(0.99999, 6))
"""Poses of a board are worse seen from the front or from afar, and do not say so."""
MEDIAN_CHI2 = float(chi2.ppf(0.5, 6))
MAX_ROUNDS = 10
MAX_STEPS = 30
"""Recordings that can be solved need four to eight; others end here."""
BAD_BOARD = 3.0
"""A pair whose corners fit their own best pose this many times worse than usual is left out."""


@dataclass(frozen=True)
class Solution:
    """Where the camera is, how sure that is, and what each pair says."""

    camera: np.ndarray
    """[4, 4] camera in the base (eye_to_hand) or on the flange (eye_in_hand), m."""
    board: np.ndarray
    """[4, 4] board on the flange (eye_to_hand) or in the base (eye_in_hand), m."""
    covariance: np.ndarray
    """[6, 6] of `camera`: turn (rad) and shift (m) in the axes of its parent frame."""
    noise: Noise
    kept: np.ndarray
    """[K] indices of the pairs that it comes from."""
    left_out: dict[int, str]
    """Why the others were left out."""
    errors: np.ndarray
    """[N, 6] of every pair: turn (rad) and shift (m) of the board seen from the board predicted."""
    reprojection_px: np.ndarray | None
    """[N] RMS distance of the corners from where camera, robot and board put them."""
    turns: np.ndarray
    """[3] how far the kept pairs' flange turned about its principal axes (deg)."""

    @property
    def sigma_position(self) -> np.ndarray:
        """[3] 1 sigma along the parent frame's axes (m)."""
        return np.sqrt(np.diag(self.covariance)[3:])

    @property
    def sigma_rotation(self) -> np.ndarray:
        """[3] 1 sigma about the parent frame's axes (rad)."""
        return np.sqrt(np.diag(self.covariance)[:3])


def solve(recording: Recording) -> Solution:
    """Calibrate. Raises AmtError, in one sentence, for recordings that do not say where it is."""
    check_count(len(recording.pairs))
    observations = Observations(recording)
    check_turns(observations.flanges[:, :3, :3])
    stated = STATED if observations.corners is not None else STATED_POSES
    left_out = _bad_boards(observations)
    good = np.array([i for i in range(len(recording.pairs)) if i not in left_out])
    check_count(len(good))

    rough = np.repeat([STATED_POSES.rotation, STATED_POSES.position], 3)
    x, y = robust_start(observations.a[good], observations.b[good], rough)
    observations.turn_over(x, y, stated)
    x, y = _robust_fit(observations, good, x, y, rough)
    noise = replace(stated, pixels=corner_noise(observations, good))
    distance = _surprise(observations, x, y, noise)
    noise_scale = np.median(distance[good]) / MEDIAN_CHI2
    limit = OUTLIER_CHI2 if observations.corners is not None else OUTLIER_CHI2_POSES
    kept = good[distance[good] <= limit * noise_scale]
    for _ in range(MAX_ROUNDS):
        before = kept
        _check_kept(observations, kept, len(recording.pairs))
        noise = replace(noise, pixels=corner_noise(observations, kept))
        x, y, noise, covariance = _fit(observations, kept, x, y, noise, stated)
        observations.turn_over(x, y, noise)
        distance = _surprise(observations, x, y, noise)
        kept = good[distance[good] <= limit]
        if np.array_equal(kept, before):
            break
    kept = before
    errors = pose_difference(observations.b, predicted_boards(x, y, observations.a))
    for i in set(good.tolist()) - set(kept.tolist()):
        left_out[i] = _why(errors[i])
    rms = observations.reprojection_rms(x, y) if observations.corners is not None else None
    turns = turns_deg(observations.flanges[kept][:, :3, :3])
    return Solution(
        x, y, covariance, noise, kept, dict(sorted(left_out.items())), errors, rms, turns
    )


def _bad_boards(observations: Observations) -> dict[int, str]:
    """Pairs whose corners do not lie as on a flat board, and how badly."""
    if observations.corners is None:
        return {}
    rms = np.array([corners.poses[0][1] for corners in observations.corners])
    usual = max(float(np.median(rms)), 0.1)
    return {
        int(i): f"its corners fit the board with {rms[i]:.1f} px, the others with {usual:.1f}"
        for i in np.flatnonzero(rms > BAD_BOARD * usual)
    }


def _why(error: np.ndarray) -> str:
    turn, shift = np.degrees(np.linalg.norm(error[:3])), 1e3 * np.linalg.norm(error[3:])
    return f"it contradicts the others by {turn:.1f} deg and {shift:.0f} mm"


def _check_kept(observations: Observations, kept: np.ndarray, count: int) -> None:
    """Raise AmtError when too many pairs had to go, or the rest no longer turns."""
    if len(kept) < max(3, (count + 1) // 2):
        raise AmtError(
            f"Only {len(kept)} of {count} pairs agree with each other; check that the board is "
            "fixed firmly, the frames are right and --mode is that of the camera, and record again."
        )
    check_turns(observations.flanges[kept][:, :3, :3])


def _moved(step: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """X and Y after steps [12]: turn and shift of X, then of Y, in their parents' axes."""
    moved = []
    for pose, part in ((x, step[:6]), (y, step[6:])):
        new = np.eye(4)
        new[:3, :3] = Rotation.from_rotvec(part[:3]).as_matrix() @ pose[:3, :3]
        new[:3, 3] = pose[:3, 3] + part[3:]
        moved.append(new)
    return moved[0], moved[1]


def _robust_fit(
    observations: Observations, good: np.ndarray, x: np.ndarray, y: np.ndarray, sigma: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """X and Y by pose differences with Cauchy's loss, which lets go of pairs that are far off."""

    def residuals(step: np.ndarray) -> np.ndarray:
        predicted = predicted_boards(*_moved(step, x, y), observations.a[good])
        return (pose_difference(observations.b[good], predicted) / sigma).ravel()

    steps = np.tile(sigma, 2)
    found = least_squares(residuals, np.zeros(12), loss="cauchy", x_scale=steps, max_nfev=MAX_STEPS)
    return _moved(found.x, x, y)


def _fit(
    observations: Observations,
    kept: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    noise: Noise,
    stated: Noise,
) -> tuple[np.ndarray, np.ndarray, Noise, np.ndarray]:
    """X, Y, the noise and the covariance [6, 6] of X from the kept pairs."""
    for _ in range(2):  # the weights depend on the noise, the noise on the fit
        lin = observations.linearise(x, y)
        lower = np.linalg.cholesky(lin.covariance(noise)[kept])
        here = (x, y)

        def residuals(
            step: np.ndarray,
            here: tuple[np.ndarray, np.ndarray] = here,
            lin: Linearisation = lin,
            lower: np.ndarray = lower,
        ) -> np.ndarray:
            errors = observations.errors(*_moved(step, *here), lin, kept)
            return np.linalg.solve(lower, errors[..., None]).ravel()

        found = least_squares(residuals, np.zeros(12), method="lm", max_nfev=MAX_STEPS)
        x, y = _moved(found.x, *here)
        errors = (lower @ found.fun.reshape(-1, 6, 1))[..., 0]
        jacobian = lower @ found.jac.reshape(-1, 6, 12)
        of_kept = Linearisation(lin.carried[kept], [], lin.from_pixels[kept])
        noise = robot_noise(errors, jacobian, of_kept, noise.pixels, stated)
        weights = np.linalg.inv(of_kept.covariance(noise))
        normal = np.einsum("nij,nik,nkl->jl", jacobian, weights, jacobian)
    return x, y, noise, np.linalg.inv(normal)[:6, :6]


def _surprise(observations: Observations, x: np.ndarray, y: np.ndarray, noise: Noise) -> np.ndarray:
    """[N] squared Mahalanobis distance of each pair's own pose of the board from the prediction."""
    errors = pose_difference(observations.b, predicted_boards(x, y, observations.a))
    covariance = observations.linearise(x, y, own=True).covariance(noise)
    return np.einsum("ni,nij,nj->n", errors, np.linalg.inv(covariance), errors)
