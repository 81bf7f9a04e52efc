"""Reading the calibration's result: the six numbers that the pipeline takes from the file.

The file (result.py) and the six numbers are the pose of the camera in the base: a point at p in the
camera (x right, y down, z forward) is at R p + xyz in the base, R = Rz(yaw) Ry(pitch) Rx(roll).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.calibration.checks import pose_matrix
from amt_perception.calibration.documents import read_yaml
from amt_perception.errors import AmtError

FORMAT = "amt_camera_pose"
SAME_ROTATION_RAD = 1e-3


def euler(pose: np.ndarray) -> np.ndarray:
    """[3] roll, pitch, yaw (rad) about the parent's fixed axes, as in URDF and `camera_pose`."""
    return Rotation.from_matrix(pose[:3, :3]).as_euler("xyz")


def read_result(path: Path) -> tuple[dict[str, Any], np.ndarray]:
    """The document and the camera's pose [4, 4] in its parent frame. Raises AmtError."""
    document = read_yaml(path, FORMAT, "camera pose")
    what = f"The camera pose in {path}"
    pose = pose_matrix(document.get("xyz"), document.get("quaternion_xyzw"), what)
    try:
        rpy = np.array(document.get("rpy", euler(pose)), float)
        turned = Rotation.from_euler("xyz", rpy).as_matrix() @ pose[:3, :3].T
    except (TypeError, ValueError) as error:
        raise AmtError(f"{what} has an rpy that is not three numbers.") from error
    if not Rotation.from_matrix(turned).magnitude() < SAME_ROTATION_RAD:
        raise AmtError(f"{what} has an rpy and a quaternion that differ; correct one of them.")
    return document, pose


def read_camera_pose(path: Path, base_frame: str | None = None) -> list[float]:
    """x y z (m) roll pitch yaw (rad) of the camera in the base, as the pipeline wants them.

    base_frame: what the pipeline takes the pose in; the file must be of the same, because `base`
    and `base_link` of a UR look in opposite directions. Raises AmtError for a camera on the arm,
    whose pose in the base is not fixed, and for everything that is wrong with the file.
    """
    document, pose = read_result(path)
    parent = document.get("parent_frame")
    if document.get("mode") != "eye_to_hand":
        raise AmtError(
            f"{path} is of a camera on the arm (its pose in {parent}): publish it with tf2_ros's "
            'static_transform_publisher and start the pipeline with camera_pose:="".'
        )
    if base_frame is not None and parent != base_frame:
        raise AmtError(
            f"{path} is the camera's pose in {parent}, but the pipeline wants it in {base_frame}; "
            f"give base_frame:={parent} or calibrate in {base_frame}."
        )
    return [*map(float, pose[:3, 3]), *map(float, euler(pose))]


def camera_pose_numbers(text: str, base_frame: str) -> str:
    """The launch argument `camera_pose` as numbers: those, or from the file that it names."""
    try:
        [float(part) for part in text.split()]
    except ValueError:
        path = Path(text).expanduser()
        if not path.is_file():
            raise AmtError(
                f"camera_pose is '{text}', which is neither x y z roll pitch yaw nor a file of "
                "python -m amt_perception.calibration solve."
            ) from None
        return " ".join(f"{value:.9f}" for value in read_camera_pose(path, base_frame))
    return text
