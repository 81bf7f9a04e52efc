"""How near the robot's fingertips could come to their targets at all, within position limits."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

from amt_perception.output.files import atomic_write
from amt_retarget.robot.description import read_urdf
from amt_retarget.robot.robot import Robot
from benchmarks.retargeting.robot_points import FINGERS

STRIDE = 5
"""Every fifth frame is enough for a mean, and the search is slow."""
RANDOM_STARTS = 2
REACHED_M = 1e-6
"""Nearer need not be searched for."""


def reachable_floor(
    robot: Robot, targets: np.ndarray, hands: np.ndarray, cache: Path
) -> np.ndarray:
    """[T, 4] least distance (m) of each fingertip from its target, NaN where STRIDE skips a frame.

    targets: [T, 4, 3] of thumb, index, middle and ring in the palm frame (m); hands: [n, T, 16]
    joints (rad) that n methods found; the search starts from each, so that the floor is never above
    their errors; cache: folder for results.

    The fingers share no joint, so each one has a problem of four joints of its own: scipy's
    trust-region least squares with the limits as bounds, from several starts.
    """
    key = hashlib.sha256(read_urdf(robot.arm, robot.hand).encode())
    for array in (targets, hands, np.array([STRIDE, RANDOM_STARTS])):
        key.update(np.ascontiguousarray(array).tobytes())
    path = cache / f"{key.hexdigest()[:20]}.npy"
    if path.is_file():
        return np.load(path)
    floor = np.full((len(targets), 4), np.nan)
    for column, finger in enumerate(FINGERS):
        search = _FingerSearch(robot, finger)
        for t in range(0, len(targets), STRIDE):
            floor[t, column] = search.least_distance(targets[t, column], hands[:, t])
    with atomic_write(path) as temporary:
        np.save(temporary, floor)
    return floor


class _FingerSearch:
    """The nearest that one finger gets to a point in the palm frame."""

    def __init__(self, robot: Robot, finger: str) -> None:
        self._robot = robot
        names = [f"{finger}_joint_{i}" for i in range(4)]
        self._joints = [robot.joint_names.index(name) for name in names]
        self._palm = robot.frame_id(robot.palm_frame)
        self._tip = robot.frame_id(robot.tip_frames[finger])
        self._lower, self._upper = robot.lower[self._joints], robot.upper[self._joints]
        random = np.random.default_rng(0)
        self._starts = [0.5 * (self._lower + self._upper)]
        self._starts += list(random.uniform(self._lower, self._upper, (RANDOM_STARTS, 4)))

    def least_distance(self, target: np.ndarray, hands: np.ndarray) -> float:
        """Least distance (m) of the tip from target [3]; hands: [n, 16] further starts."""
        found = np.clip(hands[:, np.array(self._joints) - 6], self._lower, self._upper)
        distances = [float(np.linalg.norm(self._point(q)[0] - target)) for q in found]
        for start in (*found, *self._starts):
            if min(distances) < REACHED_M:
                break
            result = least_squares(
                lambda q: 100.0 * (self._point(q)[0] - target),
                np.clip(start, self._lower + 1e-6, self._upper - 1e-6),
                jac=lambda q: 100.0 * self._point(q)[1],
                bounds=(self._lower, self._upper),
                max_nfev=60,
            )
            distances.append(float(np.sqrt(2.0 * result.cost) / 100.0))
        return min(distances)

    def _point(self, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The tip [3] in the palm frame (m) and its Jacobian [3, 4]."""
        import pinocchio

        robot, model, data = self._robot, self._robot.model, self._robot.data
        positions = robot.home.copy()
        positions[self._joints] = q
        pinocchio.computeJointJacobians(model, data, robot.to_pinocchio(positions))
        pinocchio.updateFramePlacements(model, data)
        palm, tip = data.oMf[self._palm], data.oMf[self._tip]
        full = pinocchio.getFrameJacobian(model, data, self._tip, pinocchio.LOCAL_WORLD_ALIGNED)
        columns = full[:3, robot.v_index[self._joints]]
        return palm.actInv(tip.translation), palm.rotation.T @ columns
