"""The robots of a pipeline, one or two, and the names that keep them apart."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from amt_perception.errors import AmtError
from amt_perception.pipeline.arguments import SIDE_WORD, Values, numbers

WORLD = "world"
"""Frame in which two arms and their camera stand."""
Box = tuple[list[float], list[float]]
"""Lower and upper corner (m)."""
WHOLE_WORKSPACE: Box = ([-1.0, -1.0, 0.05], [1.0, 1.0, 1.2])
"""The retarget node's own."""
GAP_M = 0.05
"""From a box to the middle between two arms."""


@dataclass(frozen=True)
class Arm:
    """One robot of the pipeline: its namespace and the names that tell it from another.

    base_pose: x y z (m) roll pitch yaw (rad) of base_frame in `world`; empty for a robot that
    stands alone, whose base_frame is the tree's root. workspace: for the wrist, in base_frame; None
    for the retarget node's own.
    """

    hand: str
    namespace: str
    tf_prefix: str
    frame_prefix: str
    base_frame: str
    base_pose: list[float]
    workspace: Box | None = None


def arms(values: Values) -> list[Arm]:
    """The robots that these values ask for."""
    namespace = values["namespace"].strip("/")
    if values["hand"] != "both":
        prefix = values["tf_prefix"]
        base = _prefixed(values["base_frame"], prefix)
        return [Arm(values["hand"], namespace, prefix, prefix, base, [])]
    base_poses = {"left": values["base_pose_left"], "right": values["base_pose_right"]}
    found = []
    for hand, base_pose in base_poses.items():
        tf_prefix = values["tf_prefix"].replace(SIDE_WORD, hand)
        frame_prefix = tf_prefix or f"{hand}/"  # with a slash, as RViz wants it
        found.append(
            Arm(
                hand,
                f"{namespace}/{hand}".strip("/"),
                tf_prefix,
                frame_prefix,
                _prefixed(values["base_frame"], frame_prefix),
                numbers(base_pose),
            )
        )
    left, right = found
    if not (left.base_pose and right.base_pose):
        return found
    return [
        replace(arm, workspace=_own_side(arm.base_pose, other.base_pose))
        for arm, other in ((left, right), (right, left))
    ]


def _own_side(base_pose: list[float], other_pose: list[float]) -> Box:
    """The part of the whole workspace that the same part of another arm cannot overlap.

    Where the bases stand upright and are turned to each other by quarter turns, it ends before the
    plane half way between them; else it is a cube around the base.
    """
    position, other_position = np.array(base_pose[:3]), np.array(other_pose[:3])
    turn = Rotation.from_euler("xyz", base_pose[3:])
    other_turn = Rotation.from_euler("xyz", other_pose[3:])
    way = turn.inv().apply(other_position - position)
    between = (turn.inv() * other_turn).as_matrix()
    quarter_turns = np.allclose(np.abs(between), np.abs(np.round(between)), atol=1e-3)
    lower, upper = (np.array(corner) for corner in WHOLE_WORKSPACE)
    axis = int(np.argmax(np.abs(way)))
    across = np.linalg.norm(np.delete(way, axis))
    if quarter_turns and across < 1e-3:
        half = abs(way[axis]) / 2 - GAP_M
        if way[axis] > 0:
            upper[axis] = min(upper[axis], half)
        else:
            lower[axis] = max(lower[axis], -half)
    else:
        half = (np.linalg.norm(way) / 2 - GAP_M) / np.sqrt(3)
        lower, upper = np.maximum(lower, -half), np.minimum(upper, half)
    if (lower >= upper).any():
        raise AmtError(
            f"The bases of the two arms are {np.linalg.norm(way):.2f} m apart, too near for "
            "workspaces that do not overlap; set base_pose_left and base_pose_right."
        )
    return lower.round(4).tolist(), upper.round(4).tolist()


def camera_parent(values: Values) -> str:
    """The frame that `camera_pose` is given in: of two robots the world, of one its base."""
    return WORLD if values["hand"] == "both" else arms(values)[0].base_frame


def _prefixed(frame: str, prefix: str) -> str:
    return frame if frame.startswith(prefix) else prefix + frame
