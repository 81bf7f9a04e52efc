"""Figures of a joint trajectory over time: jitter, acceleration, bone-length variation and lag.

A trajectory is an array [T, J, D] sampled at a constant rate. Frames without a hand hold NaN; they
split the trajectory into runs, and no figure reaches over a gap.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.signal import savgol_filter


def savgol_residual(trajectory: np.ndarray, window: int = 9, order: int = 2) -> np.ndarray:
    """Distance [T, J] of each point to a local polynomial through its neighbours in time.

    The polynomial is the Savitzky-Golay fit (Analytical Chemistry 36, 1964) of the given odd window
    (frames) and order; what it cannot follow is noise for a hand filmed at 30 frames/s. Same unit
    as the trajectory. NaN where there is no hand or the run is shorter than the window.
    """
    trajectory = np.asarray(trajectory, dtype=float)
    residual = np.full(trajectory.shape[:2], np.nan)
    for start, stop in _runs(trajectory):
        if stop - start >= window:
            part = trajectory[start:stop]
            smooth = savgol_filter(part, window, order, axis=0)
            residual[start:stop] = np.linalg.norm(part - smooth, axis=-1)
    return residual


def jitter_rms(trajectory: np.ndarray, window: int = 9, order: int = 2) -> float:
    """Root mean square of `savgol_residual` over all points; NaN when no run is long enough."""
    squared = savgol_residual(trajectory, window, order) ** 2
    return float(np.sqrt(np.nanmean(squared))) if np.isfinite(squared).any() else float("nan")


def acceleration_error(trajectory: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distance [T, J] of estimated and true acceleration, in the trajectories' unit per frame^2.

    The acceleration is the second difference x[t - 1] - 2 x[t] + x[t + 1] (Kanazawa et al., CVPR
    2019); its rows are those of t, the first and the last are NaN. So is a row whose difference
    would reach over a gap.
    """
    trajectory, truth = np.asarray(trajectory, dtype=float), np.asarray(truth, dtype=float)
    if trajectory.shape != truth.shape:
        raise ValueError(f"trajectories differ in shape: {trajectory.shape} and {truth.shape}")
    error = np.full(trajectory.shape[:2], np.nan)
    error[1:-1] = np.linalg.norm(np.diff(trajectory - truth, n=2, axis=0), axis=-1)
    return error


def bone_length_variation(trajectory: np.ndarray, bones: Sequence[tuple[int, int]]) -> np.ndarray:
    """Standard deviation over mean of each bone's length over the frames: [len(bones)], no unit.

    bones: (parent, child) joint indices. A rigid skeleton gives 0.
    """
    parents, children = np.array(bones).T
    trajectory = np.asarray(trajectory, dtype=float)
    lengths = np.linalg.norm(trajectory[:, children] - trajectory[:, parents], axis=-1)
    return np.nanstd(lengths, axis=0) / np.nanmean(lengths, axis=0)


def lag_frames(trajectory: np.ndarray, reference: np.ndarray, max_lag: int = 10) -> float:
    """Frames by which the trajectory comes after the reference (negative: before it).

    The shift of highest Pearson correlation between the two velocities (finite differences of all
    joints and axes together), within +-max_lag frames; a parabola through the peak and its two
    neighbours gives the fraction of a frame. NaN when nothing moves or the peak is at the border.
    """
    velocity = np.diff(np.asarray(trajectory, dtype=float), axis=0).reshape(len(trajectory) - 1, -1)
    target = np.diff(np.asarray(reference, dtype=float), axis=0).reshape(len(reference) - 1, -1)
    if velocity.shape != target.shape:
        raise ValueError(f"trajectories differ in shape: {velocity.shape} and {target.shape}")
    shifts = np.arange(-max_lag, max_lag + 1)
    correlation = np.array([_shifted_correlation(velocity, target, int(k)) for k in shifts])
    if not np.isfinite(correlation).all():
        return float("nan")
    peak = int(np.argmax(correlation))
    if peak in (0, len(shifts) - 1):
        return float("nan")
    before, top, after = correlation[peak - 1 : peak + 2]
    return float(shifts[peak] + 0.5 * (before - after) / (before - 2.0 * top + after))


def _shifted_correlation(velocity: np.ndarray, target: np.ndarray, shift: int) -> float:
    """Correlation of velocity[t + shift] with target[t] over the values that both have."""
    if shift >= 0:
        velocity, target = velocity[shift:], target[: len(target) - shift]
    else:
        velocity, target = velocity[:shift], target[-shift:]
    both = np.isfinite(velocity) & np.isfinite(target)
    if both.sum() < 3 or velocity[both].std() == 0.0 or target[both].std() == 0.0:
        return float("nan")
    return float(np.corrcoef(velocity[both], target[both])[0, 1])


def _runs(trajectory: np.ndarray) -> list[tuple[int, int]]:
    """[start, stop) of every unbroken run of finite frames."""
    finite = np.isfinite(trajectory).all(axis=(1, 2)).astype(int)
    edges = np.diff(np.concatenate(([0], finite, [0])))
    return list(zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True))
