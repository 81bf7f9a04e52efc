"""Agreement of two surfaces that are given as points."""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree


def nearest_distances(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distance [P] of each point [P, 3] to the nearest of others [Q, 3], Q > 0."""
    distance, _ = KDTree(others).query(points)
    return np.asarray(distance)


def f_score(points: np.ndarray, truth: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Harmonic mean of precision and recall, [S] in 0..1, at S distances below which points meet.

    points: [P, 3], truth: [Q, 3], one unit. Precision is the share of points that have one of the
    truth nearer than the threshold, recall the reverse (Knapitsch et al., SIGGRAPH 2017); FreiHAND
    and HO3D take the 778 vertices and 5 and 15 mm. 0 when nothing meets.
    """
    thresholds = np.asarray(thresholds, dtype=float)
    precision = (nearest_distances(points, truth)[:, None] < thresholds).mean(axis=0)
    recall = (nearest_distances(truth, points)[:, None] < thresholds).mean(axis=0)
    both = precision + recall
    return np.divide(2.0 * precision * recall, both, out=np.zeros_like(both), where=both > 0.0)


def penetration_depth(vertices: np.ndarray, surface: np.ndarray, normals: np.ndarray) -> float:
    """How deep the deepest vertex is inside an object: metres, 0 when none is.

    vertices: [V, 3] of the hand; surface, normals: [P, 3] points of the object's surface and its
    unit normals there, outwards. A vertex is inside where it lies behind the tangent plane of its
    nearest surface point; its depth is the distance to that plane. (The greatest depth is Hasson et
    al.'s figure, CVPR 2019; theirs is measured on a mesh.)
    """
    _, nearest = KDTree(surface).query(vertices)
    depth = np.einsum("vi,vi->v", surface[nearest] - vertices, normals[nearest])
    return float(depth.clip(min=0.0).max())
