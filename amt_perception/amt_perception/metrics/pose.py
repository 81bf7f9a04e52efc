"""Distances between two sets of points: absolute, root-relative and after Procrustes alignment.

The points are a hand's 21 joints (MPJPE) or 778 vertices (MPVPE); all values must be finite, and
results are in their unit. What is not known is left out by the caller, by a mask of its own.
"""

from __future__ import annotations

import numpy as np


def point_errors(points: np.ndarray, truth: np.ndarray, root: int | None = None) -> np.ndarray:
    """Distance [..., J] of each point to its true place, from two [..., J, 3].

    root: point that both sets are moved to first (root-relative error); None compares them as they
    stand. A point with NaN gives NaN, a root with NaN gives NaN everywhere.
    """
    points, truth = np.asarray(points, dtype=float), np.asarray(truth, dtype=float)
    if root is not None:
        points = points - points[..., root : root + 1, :]
        truth = truth - truth[..., root : root + 1, :]
    return np.linalg.norm(points - truth, axis=-1)


def mpjpe(joints: np.ndarray, truth: np.ndarray, root: int | None = None) -> np.ndarray:
    """Mean per-joint position error of each pose, [...]: the mean of `point_errors`.

    Frames with NaN give NaN.
    """
    return point_errors(joints, truth, root).mean(axis=-1)


def procrustes_align(
    joints: np.ndarray, truth: np.ndarray, allow_reflection: bool = False
) -> np.ndarray:
    """The joints moved by the similarity that brings them closest to the truth: [..., J, 3].

    Scale, rotation and translation of least squares in closed form (Umeyama, PAMI 13(4), 1991). The
    rotation is proper: a mirrored hand stays wrong. allow_reflection: any orthogonal matrix will
    do, as in the evaluation code of FreiHAND, DexYCB and HO3D (`align_w_scale`), whose figures
    need it; a mirrored hand is then as good as the right one. Points that all lie in one place come
    to the middle of the truth.
    """
    joints, truth = np.asarray(joints, dtype=float), np.asarray(truth, dtype=float)
    centre = joints.mean(axis=-2, keepdims=True)
    target_centre = truth.mean(axis=-2, keepdims=True)
    moved, target = joints - centre, truth - target_centre
    U, singular_values, Vt = np.linalg.svd(np.swapaxes(moved, -1, -2) @ target)
    signs = np.ones_like(singular_values)
    if not allow_reflection:
        signs[..., -1] = np.sign(np.linalg.det(U) * np.linalg.det(Vt))
    rotation = (U * signs[..., None, :]) @ Vt
    spread = (moved**2).sum(axis=(-1, -2))
    overlap = (singular_values * signs).sum(axis=-1)
    scale = np.divide(overlap, spread, out=np.zeros_like(spread), where=spread != 0.0)
    return scale[..., None, None] * (moved @ rotation) + target_centre


def procrustes_mpjpe(
    joints: np.ndarray, truth: np.ndarray, allow_reflection: bool = False
) -> np.ndarray:
    """PA-MPJPE of each pose, [...]: `mpjpe` after `procrustes_align`."""
    return mpjpe(procrustes_align(joints, truth, allow_reflection), truth)
