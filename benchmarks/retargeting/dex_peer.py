"""dex-retargeting 0.5.0 with its own Allegro settings, on this project's hand.

AnyTeleop's retargeting (Qin et al., RSS 2023, arXiv:2307.04577; github.com/dexsuite). Its settings
are those of its configs/teleop/allegro_hand_right.yml, ..._dexpilot.yml and
configs/offline/allegro_hand_right.yml with the link names replaced.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from amt_retarget.errors import RetargetError
from amt_retarget.robot.description import HAND_JOINT_NAMES, PALM_FRAME, TIP_FRAMES
from benchmarks.retargeting.hand_urdf import WRIST_LINK, hand_urdf
from benchmarks.retargeting.robot_points import FINGERS

SCALING = 1.6
"""Its scale of the robot over the person; the position method has none."""
LOW_PASS_ALPHA = 0.2
HUBER_DELTA_M = 0.02
HUMAN_TIPS = [4, 8, 12, 16]
HUMAN_MIDDLE_JOINTS = [2, 6, 10, 14]
"""Thumb, index, middle and ring in the 21-joint order."""
KINDS = ("vector", "dexpilot", "position")

OPERATOR_TO_MANO = {
    "right": np.array([[0.0, 0, -1], [-1, 0, 0], [0, 1, 0]]),
    "left": np.array([[0.0, 0, -1], [1, 0, 0], [0, -1, 0]]),
}


def operator_joints(joints: np.ndarray, side: str) -> np.ndarray:
    """Joints [..., 21, 3] relative to the wrist in the frame that dex-retargeting's example feeds.

    As its SingleHandDetector does it: the plane through wrist, index and middle knuckle gives the
    palm's normal, wrist to middle knuckle the fingers' direction. The result has x out of the palm
    and z along the fingers, like the Allegro's palm_link. m; side "left" or "right".
    """
    relative = joints - joints[..., :1, :]
    points = relative[..., [0, 5, 9], :]
    centred = points - points.mean(axis=-2, keepdims=True)
    normal = np.linalg.svd(centred)[2][..., 2, :]
    along = points[..., 0, :] - points[..., 2, :]
    x = along - np.sum(along * normal, axis=-1, keepdims=True) * normal
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    z = np.cross(x, normal)
    across = centred[..., 1, :] - centred[..., 2, :]
    sign = np.where(np.sum(z * across, axis=-1, keepdims=True) < 0, -1.0, 1.0)
    frame = np.stack([x, sign * normal, sign * z], axis=-1)
    return relative @ frame @ OPERATOR_TO_MANO[side]


class DexRetargeting:
    """One of its three methods; `step` is called frame by frame, as in its examples.

    It matches the tip frames of the robot, which are where its own description has its tip links.
    "position" also moves the hand freely in space; the others hold the palm still.
    """

    def __init__(self, kind: str, arm: str, hand: str) -> None:
        if kind not in KINDS:
            raise RetargetError(f"unknown method {kind!r}: choose one of {', '.join(KINDS)}")
        try:
            import torch
            from dex_retargeting.retargeting_config import RetargetingConfig
        except ImportError as error:
            raise RetargetError(
                f"dex-retargeting needs {error.name}: pip install {error.name}"
            ) from error
        torch.set_num_threads(1)
        self.kind = kind
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "hand.urdf"
            path.write_text(hand_urdf(arm, hand), encoding="utf-8")
            config = {"type": kind, "urdf_path": str(path), **_settings(kind)}
            self._retargeting = RetargetingConfig.from_dict(config).build()
        names = list(self._retargeting.joint_names)
        self._hand = np.array([names.index(name) for name in HAND_JOINT_NAMES])
        self._human = self._retargeting.optimizer.target_link_human_indices

    def step(self, joints: np.ndarray) -> np.ndarray:
        """The optimiser's result and the filter's, [2, n] joint positions (rad, m) in the order of
        its model, for operator joints [21, 3] (m).
        """
        if self.kind == "position":
            reference = joints[self._human]
        else:
            origin, task = self._human
            reference = joints[task] - joints[origin]
        filtered = self._retargeting.retarget(reference)
        return np.stack([self._retargeting.get_qpos(), filtered])

    def hand_joints(self, positions: np.ndarray) -> np.ndarray:
        """[..., 16] hand joints in the project's order, of positions [..., n] from `step`."""
        return positions[..., self._hand]

    def palm_poses(self, positions: np.ndarray) -> np.ndarray:
        """[T, 4, 4] pose of palm_link in the operator frame at positions [T, n] from `step`."""
        robot = self._retargeting.optimizer.robot
        palm = robot.get_link_index(PALM_FRAME)
        poses = np.empty((len(positions), 4, 4))
        for pose, q in zip(poses, positions, strict=True):
            robot.compute_forward_kinematics(q)
            pose[...] = robot.get_link_pose(palm)
        return poses


def _settings(kind: str) -> dict[str, Any]:
    tips = [TIP_FRAMES[finger] for finger in FINGERS]
    if kind == "position":
        middle = [f"{finger}_link_2" for finger in FINGERS]
        return {
            "target_link_names": tips + middle,
            "target_link_human_indices": HUMAN_TIPS + HUMAN_MIDDLE_JOINTS,
            "add_dummy_free_joint": True,
            "low_pass_alpha": 1,
        }
    common = {"scaling_factor": SCALING, "low_pass_alpha": LOW_PASS_ALPHA}
    if kind == "dexpilot":
        return {"wrist_link_name": WRIST_LINK, "finger_tip_link_names": tips, **common}
    return {
        "target_origin_link_names": [WRIST_LINK] * 4,
        "target_task_link_names": tips,
        "target_link_human_indices": [[0, 0, 0, 0], HUMAN_TIPS],
        **common,
    }


def vector_objective(vectors: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """[T] its own vector objective, without the pull to the frame before: the mean of SmoothL1
    (beta 0.02 m) of the four distances between the robot's vectors [T, 4, 3], wrist to tips
    in palm axes, and the person's, SCALING times those of operator joints [T, 21, 3].
    """
    distance = np.linalg.norm(vectors - SCALING * joints[:, HUMAN_TIPS], axis=-1)
    loss = np.where(
        distance < HUBER_DELTA_M,
        0.5 * distance**2 / HUBER_DELTA_M,
        distance - 0.5 * HUBER_DELTA_M,
    )
    return loss.mean(axis=-1)
