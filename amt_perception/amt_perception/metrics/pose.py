"""Distances between two sets of joints: absolute, root-relative and after Procrustes alignment."""

from __future__ import annotations

import numpy as np


def mpjpe(joints: np.ndarray, truth: np.ndarray, root: int | None = None) -> np.ndarray:
    """Mean per-joint position error of each pose: [...], from two [..., J, 3], in their unit.

    root: joint that both poses are moved to first (root-relative error); None compares them as they
    stand. Frames with NaN give NaN.
    """
    joints, truth = np.asarray(joints, dtype=float), np.asarray(truth, dtype=float)
    if root is not None:
        joints = joints - joints[..., root : root + 1, :]
        truth = truth - truth[..., root : root + 1, :]
    return np.linalg.norm(joints - truth, axis=-1).mean(axis=-1)


def procrustes_align(joints: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The joints moved by the similarity that brings them closest to the truth: [..., J, 3].

    Scale, rotation and translation of least squares in closed form (Umeyama, PAMI 13(4), 1991). The
    rotation is proper: a mirrored hand stays wrong, unlike in the evaluation code of several
    hand data sets, where a reflection is allowed.
    """
    joints, truth = np.asarray(joints, dtype=float), np.asarray(truth, dtype=float)
    centre = joints.mean(axis=-2, keepdims=True)
    target_centre = truth.mean(axis=-2, keepdims=True)
    moved, target = joints - centre, truth - target_centre
    U, singular_values, Vt = np.linalg.svd(np.swapaxes(moved, -1, -2) @ target)
    signs = np.ones_like(singular_values)
    signs[..., -1] = np.sign(np.linalg.det(U) * np.linalg.det(Vt))
    rotation = (U * signs[..., None, :]) @ Vt
    scale = (singular_values * signs).sum(axis=-1) / (moved**2).sum(axis=(-1, -2))
    return scale[..., None, None] * (moved @ rotation) + target_centre


def procrustes_mpjpe(joints: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """PA-MPJPE of each pose, [...]: `mpjpe` after `procrustes_align`. All values must be finite."""
    return mpjpe(procrustes_align(joints, truth), truth)
