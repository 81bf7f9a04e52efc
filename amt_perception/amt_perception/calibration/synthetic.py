"""Pairs that a virtual camera would have recorded, with the truth: for tests and the benchmark."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.calibration.board import BoardSpec, board_image
from amt_perception.calibration.pairs import Pair, Recording
from amt_perception.camera.intrinsics import Intrinsics

CAMERA = Intrinsics(fx=700.0, fy=700.0, cx=642.0, cy=358.0, width=1280, height=720)
"""As wide as a ZED's or an action camera's (85 degrees)."""
MAX_TILT_DEG = 50.0
NEAR_M = (0.4, 0.9)


@dataclass(frozen=True)
class MadeRecording:
    """A recording and what it was made from."""

    recording: Recording
    camera: np.ndarray
    """[4, 4] in the base, or on the flange."""
    board: np.ndarray
    """[4, 4] on the flange, or in the base."""
    boards_in_camera: np.ndarray
    """[N, 4, 4] true."""


def made_recording(
    seed: int,
    count: int = 20,
    mode: str = "eye_to_hand",
    pixel_sigma: float = 1.0,
    position_sigma: float = 2e-3,
    rotation_sigma: float = 0.0,
    intrinsics: Intrinsics = CAMERA,
    distance: tuple[float, float] = NEAR_M,
) -> MadeRecording:
    """Boards at random poses in view, tilted by up to 50 degrees, all turned.

    distance: of the board from the camera (m). pixel_sigma: Gaussian noise on each corner (px).
    position_sigma (m), rotation_sigma (rad): on each axis of the robot's pose, as it is reported.
    """
    rng = np.random.default_rng(seed)
    spec = BoardSpec()
    camera, board = _rig(rng, mode)
    pairs: list[Pair] = []
    seen: list[np.ndarray] = []
    while len(pairs) < count:
        pose = _pose_in_view(rng, intrinsics, distance)
        pixels = intrinsics.project(spec.points @ pose[:3, :3].T + pose[:3, 3])
        inside = (pixels > 5.0) & (pixels < np.array([intrinsics.width, intrinsics.height]) - 5.0)
        if not inside.all():
            continue
        flange = camera @ pose @ np.linalg.inv(board)
        if mode == "eye_in_hand":
            flange = board @ np.linalg.inv(camera @ pose)
        noise = rng.normal(0.0, pixel_sigma, pixels.shape)
        flange[:3, 3] += rng.normal(0.0, position_sigma, 3)
        turn = Rotation.from_rotvec(rng.normal(0.0, rotation_sigma, 3)).as_matrix()
        flange[:3, :3] = turn @ flange[:3, :3]
        raw = _distorted(pixels, intrinsics) + noise
        pairs.append(Pair(flange, None, np.arange(len(raw)), raw))
        seen.append(pose)
    recording = Recording(mode, pairs, spec, intrinsics)
    return MadeRecording(recording, camera, board, np.array(seen))


def _rig(rng: np.random.Generator, mode: str) -> tuple[np.ndarray, np.ndarray]:
    """Random poses of camera and board, each on what carries it."""
    fixed, carried = np.eye(4), np.eye(4)
    fixed[:3, :3] = Rotation.random(random_state=rng).as_matrix()
    fixed[:3, 3] = rng.uniform([-1.0, -1.0, 0.2], [1.0, 1.0, 1.0])
    carried[:3, :3] = Rotation.random(random_state=rng).as_matrix()
    carried[:3, 3] = rng.uniform(-0.1, 0.1, 3)
    return (carried, fixed) if mode == "eye_in_hand" else (fixed, carried)


def _pose_in_view(
    rng: np.random.Generator, intrinsics: Intrinsics, distance: tuple[float, float]
) -> np.ndarray:
    """A board that faces the camera, tilted."""
    pose = np.eye(4)
    tilt_axis = Rotation.from_euler("z", rng.uniform(0.0, 2.0 * np.pi)).apply([1.0, 0.0, 0.0])
    tilt = Rotation.from_rotvec(np.radians(rng.uniform(0.0, MAX_TILT_DEG)) * tilt_axis)
    turn = Rotation.from_euler("z", rng.uniform(-np.pi / 2, np.pi / 2))
    pose[:3, :3] = (tilt * turn).as_matrix()
    depth = rng.uniform(*distance)
    at = rng.uniform([0.15, 0.2], [0.85, 0.8]) * [intrinsics.width, intrinsics.height]
    ray = (at - [intrinsics.cx, intrinsics.cy]) / [intrinsics.fx, intrinsics.fy]
    pose[:3, 3] = depth * np.array([*ray, 1.0])
    return pose


def _distorted(pixels: np.ndarray, intrinsics: Intrinsics) -> np.ndarray:
    """Where the camera's own image shows undistorted pixels [N, 2]."""
    if not any(intrinsics.distortion):
        return pixels
    import cv2

    rays = (pixels - [intrinsics.cx, intrinsics.cy]) / [intrinsics.fx, intrinsics.fy]
    found = cv2.projectPoints(
        np.column_stack([rays, np.ones(len(rays))]), np.zeros(3), np.zeros(3),
        intrinsics.matrix, np.array(intrinsics.distortion),
    )  # fmt: skip
    return found[0].reshape(-1, 2)


def result_error(found: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Rotation (deg) and position (mm) between two poses [4, 4]."""
    turn = Rotation.from_matrix(found[:3, :3] @ truth[:3, :3].T).magnitude()
    return float(np.degrees(turn)), float(1e3 * np.linalg.norm(found[:3, 3] - truth[:3, 3]))


def made_image(
    spec: BoardSpec, pose: np.ndarray, intrinsics: Intrinsics, grey: int = 128
) -> np.ndarray:
    """[H, W, 3] uint8 picture without distortion of a board on white paper before a grey wall."""
    import cv2

    per_m, margin, fine = 4000.0, 0.01, 2
    texture = board_image(spec, per_m)
    border = round(margin * per_m)
    texture = cv2.copyMakeBorder(
        texture, border, border, border, border, cv2.BORDER_CONSTANT, value=(255,)
    )
    width, height = spec.size_m
    to_board = np.array(
        [
            [1.0 / per_m, 0.0, 0.5 / per_m - margin - 0.5 * width],
            [0.0, 1.0 / per_m, 0.5 / per_m - margin - 0.5 * height],
            [0.0, 0.0, 1.0],
        ]
    )
    # Drawn twice as fine and averaged; pixel k is the mean of 2k and 2k + 1.
    finer = np.array([[fine, 0.0, 0.5], [0.0, fine, 0.5], [0.0, 0.0, 1.0]])
    to_pixels = finer @ intrinsics.matrix @ np.column_stack([pose[:3, :2], pose[:3, 3]])
    picture = cv2.warpPerspective(
        texture,
        to_pixels @ to_board,
        (fine * intrinsics.width, fine * intrinsics.height),
        flags=cv2.INTER_AREA,
        borderValue=(grey,),
    )
    small = cv2.resize(picture, (intrinsics.width, intrinsics.height), interpolation=cv2.INTER_AREA)
    return np.repeat(small[..., None], 3, axis=2)
