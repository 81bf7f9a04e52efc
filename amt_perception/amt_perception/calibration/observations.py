"""What the pairs say, as residuals of one size: pose errors of the board in the camera, weighted.

A pair's error has six numbers: by which turn (rad) and shift (m, of the board's middle), in camera
axes, the board that was seen differs from the board that X and Y predict (see start.py).

With corners, that error is the one that takes away most of the reprojection error r (pixels) at the
prediction: e = J^+ r, J = d pixels / d pose. It holds all that r says about X and Y to first order,
and its covariance is known: sigma_px^2 (J^T J)^-1 from the corners, plus the robot's own inaccuracy
carried to the board. So a board that is seen small, or from the front, where its tilt is badly
known, counts for as much as it says. Without corners the error is the difference of the poses, and
its covariance that of a position and a rotation, each the same in all directions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amt_perception.calibration.detection import board_poses, enough_corners, undistorted
from amt_perception.calibration.pairs import Recording
from amt_perception.calibration.start import pose_difference, predicted_boards
from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.errors import AmtError

FLIP_CHI2 = 25.0
"""How much worse (chi-square) the other of two poses of a flat board may be and still be meant."""


@dataclass(frozen=True)
class Noise:
    """1 sigma of what is measured."""

    pixels: float
    """Each coordinate of a corner (px)."""
    rotation: float
    """The robot's orientation, or without corners the pair's (rad), about each axis."""
    position: float
    """The same for position (m), along each axis."""


@dataclass(frozen=True)
class Corners:
    """One pair's corners."""

    points: np.ndarray
    """[M, 3] in the board's frame (m)."""
    pixels: np.ndarray
    """[M, 2] undistorted."""
    poses: list[tuple[np.ndarray, float]]
    """Poses of the board in the camera with their RMS errors (px), best first."""


def read_corners(recording: Recording) -> list[Corners] | None:
    """The corners of all pairs; None for a recording of poses only."""
    if not recording.has_corners:
        return None
    board, intrinsics = recording.board, recording.intrinsics
    assert board is not None and intrinsics is not None
    found = []
    for i, pair in enumerate(recording.pairs):
        assert pair.ids is not None and pair.pixels is not None
        points = board.points[pair.ids]
        if not (enough_corners(points) or (board.kind == "aruco" and len(points) == 4)):
            raise AmtError(
                f"Pair {i} has {len(points)} corners, too few (or all in one row) for a pose; "
                "delete it and record another."
            )
        pixels = undistorted(pair.pixels, intrinsics)
        poses = board_poses(points, pixels, intrinsics)
        if not poses:
            raise AmtError(f"The corners of pair {i} fit no pose of the board; delete the pair.")
        found.append(Corners(points, pixels, poses))
    return found


def skew(vectors: np.ndarray) -> np.ndarray:
    """[..., 3, 3] matrices of the cross product with vectors [..., 3]."""
    zero, (x, y, z) = np.zeros(vectors.shape[:-1]), np.moveaxis(vectors, -1, 0)
    rows = [[zero, -z, y], [z, zero, -x], [-y, x, zero]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def reprojection(
    corners: Corners, pose: np.ndarray, intrinsics: Intrinsics
) -> tuple[np.ndarray, np.ndarray]:
    """Errors [2M] (px, seen minus projected) at a pose [4, 4], and their Jacobian [2M, 6].

    The Jacobian is of the projection with respect to turn and shift of the board in camera axes.
    """
    arms = corners.points @ pose[:3, :3].T
    seen = arms + pose[:3, 3]
    depth = seen[:, 2:]
    errors = corners.pixels - intrinsics.project(seen)
    to_pixels = np.zeros((len(seen), 2, 3))
    to_pixels[:, 0, 0], to_pixels[:, 1, 1] = intrinsics.fx, intrinsics.fy
    to_pixels[:, :, 2] = -seen[:, :2] / depth * (intrinsics.fx, intrinsics.fy)
    to_pixels /= depth[..., None]
    jacobian = np.concatenate([to_pixels @ -skew(arms), to_pixels], axis=2)
    return errors.ravel(), jacobian.reshape(-1, 6)


class Observations:
    """All pairs of a recording, and the errors that X and Y leave."""

    def __init__(self, recording: Recording) -> None:
        self.corners = read_corners(recording)
        self.intrinsics = recording.intrinsics
        self.flanges = np.array([pair.flange for pair in recording.pairs])
        """[N, 4, 4] in the base."""
        self.eye_in_hand = recording.mode == "eye_in_hand"
        self.a = np.linalg.inv(self.flanges) if self.eye_in_hand else self.flanges
        """[N, 4, 4] A of X B = A Y."""
        if self.corners is not None:
            self.b = np.array([one.poses[0][0] for one in self.corners])
        else:
            if any(pair.board is None for pair in recording.pairs):
                raise AmtError(
                    "The pairs have corners, but not all of them, or board or intrinsics are "
                    "missing; add what is missing."
                )
            self.b = np.array([pair.board for pair in recording.pairs])
        """[N, 4, 4] the board in the camera, each pair by itself."""

    def robot_to_board(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """[N, 6, 6] error of the board (camera axes) by a turn and shift of the flange (base axes).

        Without corners: the identity, the noise is that of the pair as a whole.
        """
        count = len(self.a)
        if self.corners is None:
            return np.tile(np.eye(6), (count, 1, 1))
        rotation = self.flanges[:, :3, :3]
        if self.eye_in_hand:  # a flange that is further left sees the board further right
            turn = -(rotation @ x[:3, :3]).transpose(0, 2, 1)
            arm = y[:3, 3] - self.flanges[:, :3, 3]
        else:
            turn = np.tile(x[:3, :3].T, (count, 1, 1))
            arm = rotation @ y[:3, 3]
        carried = np.zeros((count, 6, 6))
        carried[:, :3, :3] = carried[:, 3:, 3:] = turn
        carried[:, 3:, :3] = -turn @ skew(arm)
        return carried

    def linearise(self, x: np.ndarray, y: np.ndarray, own: bool = False) -> Linearisation:
        """Weights at X, Y. own: at each pair's own pose of the board instead of the prediction."""
        carried = self.robot_to_board(x, y)
        poses = self.b if own else predicted_boards(x, y, self.a)
        inverses, information = [], np.zeros((len(poses), 6, 6))
        for i, corners in enumerate(self.corners or ()):
            assert self.intrinsics is not None
            _, jacobian = reprojection(corners, poses[i], self.intrinsics)
            inverses.append(np.linalg.pinv(jacobian))
            information[i] = jacobian.T @ jacobian
        from_pixels = np.linalg.pinv(information, hermitian=True)
        return Linearisation(carried, inverses, from_pixels)

    def errors(
        self, x: np.ndarray, y: np.ndarray, lin: Linearisation, which: np.ndarray
    ) -> np.ndarray:
        """[K, 6] errors of the pairs with indices `which` [K]."""
        predicted = predicted_boards(x, y, self.a[which])
        if self.corners is None:
            return pose_difference(self.b[which], predicted)
        assert self.intrinsics is not None
        return np.array(
            [
                lin.inverses[i] @ reprojection(self.corners[i], pose, self.intrinsics)[0]
                for i, pose in zip(which, predicted, strict=True)
            ]
        )

    def turn_over(self, x: np.ndarray, y: np.ndarray, noise: Noise) -> None:
        """Take a flat board's other pose where it fits X and Y better, and the corners as well."""
        predicted = predicted_boards(x, y, self.a)
        for i, corners in enumerate(self.corners or ()):
            allowed = FLIP_CHI2 * noise.pixels**2 / len(corners.points)
            best = corners.poses[0][1] ** 2
            poses = [pose for pose, rms in corners.poses if rms**2 <= best + allowed]
            self.b[i] = min(poses, key=lambda pose: _distance(pose, predicted[i]))

    def reprojection_rms(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """[N] RMS distance (px) of each pair's corners from where X, Y and the robot put them."""
        assert self.corners is not None and self.intrinsics is not None
        poses = predicted_boards(x, y, self.a)
        pairs = zip(self.corners, poses, strict=True)
        errors = [reprojection(one, pose, self.intrinsics)[0] for one, pose in pairs]
        return np.array([np.sqrt((error**2).sum() / (len(error) / 2)) for error in errors])


@dataclass(frozen=True)
class Linearisation:
    """How errors and their covariances follow from what is measured, near one X and Y."""

    carried: np.ndarray
    """[N, 6, 6] of `robot_to_board`."""
    inverses: list[np.ndarray]
    """N times [6, 2M]: pose error from reprojection errors; empty without corners."""
    from_pixels: np.ndarray
    """[N, 6, 6] covariance of the error for corners of 1 px; zero without corners."""

    def covariance(self, noise: Noise) -> np.ndarray:
        """[N, 6, 6] of the errors."""
        robot = np.repeat([noise.rotation**2, noise.position**2], 3)
        carried = self.carried * robot @ self.carried.transpose(0, 2, 1)
        return noise.pixels**2 * self.from_pixels + carried


def _distance(pose: np.ndarray, other: np.ndarray) -> float:
    """Angle between two poses' orientations (rad)."""
    return float(np.linalg.norm(pose_difference(pose[None], other[None])[0, :3]))
