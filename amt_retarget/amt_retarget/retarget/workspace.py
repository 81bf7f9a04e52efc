"""Grasps stay in the box in which the wrist's target is kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from amt_retarget.errors import RetargetError
from amt_retarget.retarget.grasp_plan import Way
from amt_retarget.retarget.settings import RetargetSettings
from amt_retarget.robot.robot import Robot


def check_workspace(ways: Sequence[Way], robot: Robot, settings: RetargetSettings) -> None:
    """Raise RetargetError where the palm leaves the box of the settings on one of the ways.

    A palm that stands outside may come in.
    """
    low, high = np.array(settings.workspace_min), np.array(settings.workspace_max)
    joints = np.concatenate([way.joints for way in ways])
    palms = np.array([robot.frame_pose(row, robot.palm_frame)[1] for row in joints])
    low, high = np.minimum(low, palms[0]), np.maximum(high, palms[0])
    outside = ((palms < low) | (palms > high)).any(axis=1)
    if outside.any():
        x, y, z = palms[int(np.argmax(outside))]
        raise RetargetError(
            f"the palm would leave the workspace, at ({x:.2f}, {y:.2f}, {z:.2f}) m in the robot's "
            "base: move the object, or set workspace_min and workspace_max"
        )
