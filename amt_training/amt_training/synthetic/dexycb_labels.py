"""What is true of a picture, as DexYCB writes it down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.camera.intrinsics import Intrinsics
from amt_perception.hand.generic import generic_hand
from amt_perception.hand.joints import MANO_TO_21
from amt_training.data.dexycb import CONVENTION
from amt_training.synthetic.geometry import hand_mesh, hand_translation, kinematics
from amt_training.synthetic.scene import FIRST_OBJECT, LEFT_HAND, RIGHT_HAND, Hand, Moment

HAND = 255
"""In the segmentation."""
_MILLIMETRE = 1e-3


def picture_labels(
    moment: Moment, camera: Intrinsics, mask: np.ndarray, ids: Sequence[int]
) -> dict[str, Any]:
    """The arrays of a labels_*.npz.

    moment: in the camera's frame. mask: [H, W] as in `Picture`. ids: YCB's number of each object.
    """
    hand = moment.hands[0]
    joints = hand_joints(hand)
    poses = [one.pose[:3] for one in moment.objects]
    return {
        "seg": segmentation(mask, ids),
        "pose_y": np.reshape(poses, (-1, 3, 4)).astype(np.float32),
        "pose_m": hand_parameters(hand)[None].astype(np.float32),
        "joint_3d": joints[None].astype(np.float32),
        "joint_2d": camera.project(joints)[None].astype(np.float32),
    }


def recording_labels(moments: Sequence[Moment]) -> dict[str, Any]:
    """The arrays of a pose.npz: [F, N, 7] quaternions xyzw and places of N objects, and [F, 1, 51]
    hands, all in the moments' frame."""
    objects = [
        [[*Rotation.from_matrix(one.pose[:3, :3]).as_quat(), *one.pose[:3, 3]] for one in seen]
        for seen in (moment.objects for moment in moments)
    ]
    hands = [hand_parameters(moment.hands[0]) for moment in moments]
    many = len(moments[0].objects) if moments else 0
    return {
        "pose_y": np.reshape(objects, (len(moments), many, 7)).astype(np.float32),
        "pose_m": np.reshape(hands, (len(moments), 1, 51)).astype(np.float32),
    }


def hand_parameters(hand: Hand) -> np.ndarray:
    """[51] orientation, coefficients of the pose components, and MANO's translation (m)."""
    data = generic_hand(hand.side)
    fingers = hand.pose[1:].ravel() - data.hands_mean
    coefficients = np.linalg.solve(data.hands_components.T, fingers)
    return np.concatenate([hand.pose[0], coefficients, hand_translation(hand)])


def hand_joints(hand: Hand) -> np.ndarray:
    """[21, 3] with DexYCB's fingertips (m)."""
    joints = kinematics(hand.side).joints16(hand.pose, hand.shape, hand_translation(hand))
    tips = hand_mesh(hand)[list(CONVENTION.tips[hand.side])]
    return np.concatenate([joints, tips])[MANO_TO_21]


def segmentation(mask: np.ndarray, ids: Sequence[int]) -> np.ndarray:
    """[H, W] uint8: HAND, an object's YCB number, or 0 for everything else."""
    numbers = np.zeros(256, np.uint8)
    numbers[[LEFT_HAND, RIGHT_HAND]] = HAND
    numbers[FIRST_OBJECT : FIRST_OBJECT + len(ids)] = ids
    return numbers[mask]


def depth_millimetres(depth: np.ndarray) -> np.ndarray:
    """[H, W] uint16 (mm) of a depth [H, W] (m): 0 where nothing is within 65 m."""
    steps = np.round(np.nan_to_num(depth, posinf=0.0) / _MILLIMETRE)
    return np.where(steps <= np.iinfo(np.uint16).max, steps, 0).astype(np.uint16)
