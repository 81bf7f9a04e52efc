"""The board in an image: its corners, and its pose by least reprojection error."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from amt_perception.calibration.board import BoardSpec, cv_board
from amt_perception.camera.intrinsics import Intrinsics

MIN_CORNERS = 6
"""Fewer give a pose that pixels' noise turns over."""
MIN_WIDTH = 1e-3
"""Smallest ratio of the corners' spread along the board's axes: a single row gives no pose."""


@dataclass(frozen=True)
class BoardView:
    """What one image shows of the board."""

    ids: np.ndarray
    """[N] which corners (indices of BoardSpec.points)."""
    pixels: np.ndarray
    """[N, 2] in the camera's own image, not undistorted."""
    pose: np.ndarray
    """[4, 4] board in the camera frame (m)."""
    reprojection_px: float
    """RMS distance of the corners, undistorted, from the pose's projection."""


def detect_board(image: np.ndarray, spec: BoardSpec, intrinsics: Intrinsics) -> BoardView | None:
    """Find the board in a camera's own image [H, W, 3] or [H, W] uint8; None without a pose."""
    import cv2

    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if spec.kind == "charuco":
        corners, numbers, _, _ = _detector(spec).detectBoard(grey)
        if numbers is None:
            return None
        ids, pixels = numbers.ravel().astype(int), corners.reshape(-1, 2).astype(float)
    else:
        markers, numbers, _ = _detector(spec).detectMarkers(grey)
        if numbers is None:
            return None
        on_board = numbers.ravel() < spec.columns * spec.rows
        ids = (4 * numbers.ravel()[on_board][:, None] + np.arange(4)).ravel().astype(int)
        pixels = np.array(markers, float).reshape(-1, 4, 2)[on_board].reshape(-1, 2)
    if not enough_corners(spec.points[ids]) and not (spec.kind == "aruco" and len(ids) == 4):
        return None
    poses = board_poses(spec.points[ids], undistorted(pixels, intrinsics), intrinsics)
    if not poses:
        return None
    return BoardView(ids, pixels, *poses[0])


def enough_corners(points: np.ndarray) -> bool:
    """Whether corners [N, 3] on the board are enough for a pose."""
    if len(points) < MIN_CORNERS:
        return False
    spread = np.linalg.svd((points - points.mean(axis=0))[:, :2], compute_uv=False)
    return bool(spread[1] > MIN_WIDTH + 1e-3 * spread[0])


@functools.lru_cache(maxsize=4)
def _detector(spec: BoardSpec) -> Any:
    import cv2

    if spec.kind == "charuco":
        return cv2.aruco.CharucoDetector(cv_board(spec))
    parameters = cv2.aruco.DetectorParameters()
    parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
    return cv2.aruco.ArucoDetector(cv_board(spec).getDictionary(), parameters)


def undistorted(pixels: np.ndarray, intrinsics: Intrinsics) -> np.ndarray:
    """[N, 2] where pixels [N, 2] of the camera's image lie in `intrinsics.undistort`'s image."""
    import cv2

    if not any(intrinsics.distortion):
        return np.asarray(pixels, float)
    # More steps than OpenCV's five: those leave pixels of error under a wide lens.
    stop = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 100, 1e-9)
    ideal = cv2.undistortImagePoints(
        np.asarray(pixels, float).reshape(-1, 1, 2),
        intrinsics.matrix,
        np.array(intrinsics.distortion),
        None,
        stop,
    )
    return ideal.reshape(-1, 2)


def board_poses(
    points: np.ndarray, pixels: np.ndarray, intrinsics: Intrinsics
) -> list[tuple[np.ndarray, float]]:
    """Poses [4, 4] that explain undistorted corners, with their RMS errors (px), best first.

    A flat board seen small has two (Collins and Bartoli, IPPE, IJCV 2014): leaning forward and
    leaning back. Each is refined to its own least reprojection error. Empty when there is none in
    front of the camera.
    """
    import cv2

    found = cv2.solvePnPGeneric(points, pixels, intrinsics.matrix, None, flags=cv2.SOLVEPNP_IPPE)
    poses = []
    for rotation, position in zip(found[1], found[2], strict=True):
        rotation, position = cv2.solvePnPRefineLM(
            points, pixels, intrinsics.matrix, None, rotation.copy(), position.copy()
        )
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = cv2.Rodrigues(rotation)[0], position.ravel()
        errors = intrinsics.project(points @ pose[:3, :3].T + pose[:3, 3]) - pixels
        if np.isfinite(errors).all():
            poses.append((pose, float(np.sqrt((errors**2).sum(axis=1).mean()))))
    return sorted(poses, key=lambda found: found[1])
