"""Hands and object of a recorded demonstration, in the object's frame."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amt_retarget.errors import RetargetError

Array = NDArray[np.float64]


def read_joints(path: Path, frame: int) -> Array:
    """Joints [21, 3] (m) of one frame of a sequence, in the object's frame.

    path: an .npz file with `joints` [F, 21, 3] (m, camera's frame, OpenPose's order), `object_pose`
    [F, 3, 4] (object's frame to camera's, m) and, where hand and object were seen by two cameras as
    in DexMV (Qin et al., ECCV 2022), `hand_camera_to_object_camera` [4, 4].
    Raises RetargetError for a file that is none, and for a frame that it lacks or has no pose for.
    """
    if not path.is_file():
        raise RetargetError(f"{path} does not exist: give a sequence's .npz file.")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            joints, poses = np.array(arrays["joints"]), np.array(arrays["object_pose"])
            between = np.eye(4)
            if "hand_camera_to_object_camera" in arrays:
                between = np.array(arrays["hand_camera_to_object_camera"])
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise RetargetError(
            f"{path} is no sequence: it must be an .npz file with joints and object_pose ({error})."
        ) from error
    count = len(joints)
    if joints.shape != (count, 21, 3) or poses.shape != (count, 3, 4) or between.shape != (4, 4):
        raise RetargetError(
            f"{path} needs joints of shape (F, 21, 3) and object_pose of shape (F, 3, 4), not "
            f"{joints.shape} and {poses.shape}."
        )
    if not 0 <= frame < count:
        raise RetargetError(f"{path} has frames 0 to {count - 1}: there is no frame {frame}.")
    if not np.all(np.isfinite(joints[frame])) or not np.all(np.isfinite(poses[frame])):
        raise RetargetError(
            f"Hand or object is missing in frame {frame} of {path}: choose another."
        )
    # A rotation's inverse is its transpose; points stand in rows.
    in_object_camera = joints[frame] @ between[:3, :3].T + between[:3, 3]
    return np.asarray((in_object_camera - poses[frame, :, 3]) @ poses[frame, :, :3], dtype=float)
