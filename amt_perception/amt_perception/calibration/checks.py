"""What cannot be calibrated from is said in one sentence, with what to do about it."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.errors import AmtError

MIN_PAIRS = 3
GOOD_PAIRS = 10
MIN_TURN_DEG = 15.0
GOOD_TURN_DEG = 40.0
"""About two axes; the error falls with the sine of the turns (Tsai and Lenz, 1989)."""


def turns_deg(rotations: np.ndarray) -> np.ndarray:
    """[3] how far rotations [N, 3, 3] reach about their three principal axes (deg), widest first.

    Rotation vectors from the mean orientation; a robot that only turns about one axis has 0 in the
    second place.
    """
    every = Rotation.from_matrix(rotations)
    vectors = (every.mean().inv() * every).as_rotvec()
    axes = np.linalg.svd(vectors, full_matrices=True)[2]
    return np.sort(np.degrees(np.ptp(vectors @ axes.T, axis=0)))[::-1]


def check_turns(rotations: np.ndarray) -> None:
    """Raise AmtError when orientations [N, 3, 3] of the flange cannot tell where the camera is."""
    first, second, _ = turns_deg(rotations)
    advice = (
        f"turn it by {GOOD_TURN_DEG:.0f} degrees or more about at least two axes, for example tilt "
        "the board left, right, up and down"
    )
    if first < MIN_TURN_DEG:
        raise AmtError(f"The robot turned by only {first:.0f} degrees between the poses; {advice}.")
    if second < MIN_TURN_DEG:
        raise AmtError(
            f"The robot turned about one axis only ({first:.0f} degrees, but {second:.0f} about "
            f"any other), which leaves the camera's place along it open; {advice}."
        )


def check_count(count: int) -> None:
    """Raise AmtError for fewer pairs than the equations need."""
    if count < MIN_PAIRS:
        raise AmtError(
            f"There are {count} pairs; at least {MIN_PAIRS} are needed, {GOOD_PAIRS} or more "
            "recommended: record the board in more poses."
        )


def pose_matrix(position: object, quaternion: object, what: str) -> np.ndarray:
    """[4, 4] of a position (m) and a quaternion xyzw. Raises AmtError that begins with `what`."""
    try:
        parts: list[Any] = [*position, *quaternion]  # type: ignore[misc]
        numbers = np.array(parts, float)
    except (TypeError, ValueError):
        numbers = np.zeros(0)
    if numbers.shape != (7,):
        raise AmtError(f"{what} is not three numbers of position and four of a quaternion (xyzw).")
    if not np.isfinite(numbers).all():
        raise AmtError(f"{what} holds a number that is not finite; record it again.")
    length = np.linalg.norm(numbers[3:])
    if abs(length - 1.0) > 1e-3:
        raise AmtError(
            f"{what} has a quaternion of length {length:.3g}, not 1; it must be x, y, z, w."
        )
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_quat(numbers[3:]).as_matrix()
    pose[:3, 3] = numbers[:3]
    return pose
