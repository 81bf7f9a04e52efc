"""Errors of one object's pose.

A pose is [4, 4], from the object's frame to the camera's (OpenCV axes, m). Points are on the
object's surface, in its frame. Symmetries are [K, 3, 3] rotations about the origin of the
object's frame after which it looks the same, the identity among them.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull, KDTree
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation

LARGEST_STEP = 0.01
"""BOP: when an object turns about an axis of symmetry in steps, no point moves by more than this
part of the object's diameter."""


def add_error(pose: np.ndarray, truth: np.ndarray, points: np.ndarray) -> float:
    """ADD: mean distance of the points [P, 3] in both poses (Hinterstoisser et al., ACCV 2012)."""
    return float(np.linalg.norm(_placed(pose, points) - _placed(truth, points), axis=1).mean())


def adds_error(pose: np.ndarray, truth: np.ndarray, points: np.ndarray) -> float:
    """ADD-S: mean distance of the true points to the nearest estimated one (ADI there)."""
    distance, _ = KDTree(_placed(pose, points)).query(_placed(truth, points))
    return float(distance.mean())


def translation_error(pose: np.ndarray, truth: np.ndarray) -> float:
    """Distance of the frames' origins (m)."""
    return float(np.linalg.norm(pose[:3, 3] - truth[:3, 3]))


def rotation_error(
    rotation: np.ndarray, truth: np.ndarray, symmetries: np.ndarray, axis: np.ndarray
) -> float:
    """Smallest angle (rad) between a rotation [3, 3] and one that looks like the truth.

    axis: [3] unit vector in the object's frame about which any turn leaves its look unchanged, zero
    for none. Of a rotation's quaternion (v, w), a turn about the axis takes away all but an angle
    of 2 acos(sqrt(w^2 + (v . axis)^2)): the swing of its swing-twist decomposition.
    """
    turns = Rotation.from_matrix(np.swapaxes(truth @ symmetries, -1, -2) @ rotation)
    if not np.any(axis):
        return float(turns.magnitude().min())
    quaternion = turns.as_quat()
    swing = np.linalg.norm(np.cross(quaternion[:, :3], axis), axis=1)
    twist = np.hypot(quaternion[:, 3], quaternion[:, :3] @ axis)
    return float(2.0 * np.arctan2(swing, twist).min())


def mssd(pose: np.ndarray, truth: np.ndarray, points: np.ndarray, symmetries: np.ndarray) -> float:
    """Maximum symmetry-aware surface distance (m) of BOP (Hodan et al., ECCVW 2020).

    The largest distance of a point in both poses, for the symmetry that makes it smallest. Rigid
    motions are linear, so `outer_points` give the same and are fewer.
    """
    offset = _looking_alike(truth, points, symmetries) - _placed(pose, points).T
    return _smallest_maximum(offset)


def mspd(
    pose: np.ndarray,
    truth: np.ndarray,
    points: np.ndarray,
    symmetries: np.ndarray,
    camera: np.ndarray,
) -> float:
    """Maximum symmetry-aware projection distance of BOP: `mssd` in the picture (pixels).

    camera: [3, 3] matrix. Infinite when the estimate reaches behind the camera, where it has no
    picture.
    """
    placed = _placed(pose, points)
    if placed[:, 2].min() <= 0.0:
        return float("inf")
    pixels = camera @ placed.T
    candidates = camera @ _looking_alike(truth, points, symmetries)
    offset = candidates[:, :2] / candidates[:, 2:] - pixels[:2] / pixels[2:]
    return _smallest_maximum(offset)


def corner_error(pose: np.ndarray, truth: np.ndarray, points: np.ndarray) -> float:
    """MCE: mean distance of the eight corners of the points' bounding boxes in both poses (m).

    The boxes are upright in the camera's frame, as in the evaluation code of HOISDF (Qi et al.,
    CVPR 2024), not turned with the object.
    """
    offset = _corners(_placed(pose, points)) - _corners(_placed(truth, points))
    return float(np.linalg.norm(offset, axis=1).mean())


def all_symmetries(symmetries: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """[K', 3, 3] symmetries with the turns about an axis added, in BOP's steps.

    axis: [3] unit vector, or zero for none: then nothing is added.
    """
    if not np.any(axis):
        return symmetries
    steps = int(np.ceil(np.pi / LARGEST_STEP))
    angles = 2.0 * np.pi * np.arange(steps) / steps
    turns = Rotation.from_rotvec(angles[:, None] * axis).as_matrix()
    return (turns[:, None] @ symmetries).reshape(-1, 3, 3)


def diameter(points: np.ndarray) -> float:
    """Largest distance of two of the points [P, 3]."""
    return float(pdist(outer_points(points)).max())


def outer_points(points: np.ndarray) -> np.ndarray:
    """[Q, 3] those of the points [P, 3] that are corners of their convex hull."""
    return points[ConvexHull(points).vertices]


def _placed(pose: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ pose[:3, :3].T + pose[:3, 3]


def _looking_alike(pose: np.ndarray, points: np.ndarray, symmetries: np.ndarray) -> np.ndarray:
    """[K, 3, P] points in every pose that looks like this one."""
    return pose[:3, :3] @ symmetries @ points.T + pose[:3, 3:]


def _smallest_maximum(offsets: np.ndarray) -> float:
    """Of offsets [K, D, P]: the longest of each candidate's P, and the smallest of those."""
    return float(np.sqrt((offsets**2).sum(axis=1).max(axis=1).min()))


def _corners(points: np.ndarray) -> np.ndarray:
    """[8, 3] of the upright box around points."""
    low, high = points.min(axis=0), points.max(axis=0)
    choice = np.indices((2, 2, 2)).reshape(3, 8).T
    return np.where(choice, high, low)
